// What a change of a model does to its output, added up sample by sample.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "planish/graph/tensor.h"
#include "planish/sensitivity/sensitivity.h"

namespace planish::sensitivity_detail {

/// Noise energy over signal energy, of any number of tensors. Elements that are not finite count as
/// noise as large as the signal.
class NoiseSum {
 public:
  void add(const Tensor& reference, const Tensor& candidate);
  [[nodiscard]] double relative() const;

 private:
  double signal_ = 0.0;
  double noise_ = 0.0;
};

class EffectSum {
 public:
  /// `label`: the class of a sample of one row.
  void add(const Tensor& reference, const Tensor& candidate, std::optional<std::int64_t> label);
  [[nodiscard]] OutputEffect effect() const;

 private:
  NoiseSum noise_;
  std::vector<double> cosines_;
  std::vector<double> divergences_;
  std::vector<double> agreements_;
  std::vector<double> right_;
};

}  // namespace planish::sensitivity_detail
