#include "calibrate/sample_watch.h"

#include <algorithm>
#include <cstring>

#include "planish/base/hash.h"

namespace planish {
namespace {

/// Scalars and flags are constant by nature.
constexpr std::size_t kLeastElements = 16;

bool has_one_value(const Tensor& tensor) {
  if (tensor.element_count() < kLeastElements || tensor.dtype() == DType::kString) return false;
  const std::span<const std::byte> bytes = tensor.bytes();
  const std::size_t size = bytes.size() / tensor.element_count();
  // Every element equals the one after it.
  return size > 0 && std::memcmp(bytes.data(), bytes.data() + size, bytes.size() - size) == 0;
}

}  // namespace

Sample WatchedDataset::read(std::size_t i) const {
  Sample sample = all_.read(i);
  Sha256 hash;
  bool is_constant = false;
  for (const NamedTensor& input : sample.inputs) {
    hash.update(input.name).update(to_string(input.value.dims())).update(input.value.bytes());
    // Integers (token masks, lengths) are often all the same with good reason.
    is_constant |= row_of(input.value.dtype()).is_float && has_one_value(input.value);
  }
  const std::lock_guard lock(mutex_);
  contents_[i] = hash.hex();
  is_constant_[i] = is_constant;
  return sample;
}

std::vector<std::vector<std::string>> WatchedDataset::duplicates() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::vector<std::string>> by_content;
  for (const auto& [i, content] : contents_) by_content[content].push_back(all_.name(i));
  std::vector<std::vector<std::string>> groups;
  for (auto& [content, names] : by_content) {
    if (names.size() > 1) groups.push_back(std::move(names));
  }
  std::ranges::sort(groups);
  return groups;
}

std::vector<std::string> WatchedDataset::constant() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [i, is_constant] : is_constant_) {
    if (is_constant) names.push_back(all_.name(i));
  }
  return names;
}

}  // namespace planish
