// A part of a data set that stands for all of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include "planish/dataset/dataset.h"

namespace planish::diagnose_detail {

/// `count` samples at even distances: folders are often sorted by class, so the first ones would be
/// of one.
class SpreadDataset : public Dataset {
 public:
  /// `all` must outlive this.
  SpreadDataset(const Dataset& all, std::size_t count)
      : all_(all), count_(std::min(count, all.size())) {}

  [[nodiscard]] std::size_t size() const override { return count_; }
  [[nodiscard]] std::string name(std::size_t i) const override { return all_.name(place(i)); }
  [[nodiscard]] Sample read(std::size_t i) const override { return all_.read(place(i)); }
  [[nodiscard]] std::optional<std::string> encoded_image(std::size_t i) const override {
    return all_.encoded_image(place(i));
  }
  [[nodiscard]] std::string digest() const override { return all_.digest(); }

 private:
  [[nodiscard]] std::size_t place(std::size_t i) const { return i * all_.size() / count_; }

  const Dataset& all_;
  std::size_t count_;
};

}  // namespace planish::diagnose_detail
