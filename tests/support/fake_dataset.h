// A Dataset of samples in memory.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "planish/base/error.h"
#include "planish/dataset/dataset.h"

namespace planish::test {

/// Sample i is the one tensor i, for the input `input`, named "sample_<i>" unless named otherwise.
class FakeDataset : public Dataset {
 public:
  explicit FakeDataset(std::string input, std::vector<Tensor> tensors = {})
      : input_(std::move(input)) {
    for (Tensor& tensor : tensors) add(std::move(tensor));
  }

  void add(Tensor tensor) {
    samples_.push_back({.name = "sample_" + std::to_string(samples_.size()),
                        .inputs = {{.name = input_, .value = std::move(tensor)}}});
  }
  /// A sample that cannot be read.
  void add_broken() { samples_.push_back({.name = "sample_" + std::to_string(samples_.size())}); }

  [[nodiscard]] std::size_t size() const override { return samples_.size(); }
  [[nodiscard]] std::string name(std::size_t i) const override { return samples_[i].name; }
  [[nodiscard]] Sample read(std::size_t i) const override {
    if (samples_[i].inputs.empty()) {
      throw Error(ErrorCode::kCorrupt, samples_[i].name + ": truncated");
    }
    return samples_[i];
  }
  [[nodiscard]] std::optional<std::string> encoded_image(std::size_t) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::string digest() const override { return "digest of the data"; }

 private:
  std::string input_;
  std::vector<Sample> samples_;
};

}  // namespace planish::test
