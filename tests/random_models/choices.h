// Decisions read from bytes: what makes a fuzzer's input, or a seed, into a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace planish::test {

/// Reads one decision after another. Bytes that are spent give 0, the first and plainest choice, so
/// that every input means a model, and a shorter input a smaller one.
class Choices {
 public:
  /// `bytes` must outlive the object.
  explicit Choices(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool is_spent() const { return bytes_.empty(); }

  /// In [0, bound).
  std::size_t below(std::size_t bound) { return bound < 2 ? 0 : byte() % bound; }
  /// True in `percent` of 100 cases; false when bytes are spent.
  bool chance(std::size_t percent) { return !is_spent() && byte() * 100U < percent * 256U; }
  template <typename T>
  T one_of(std::initializer_list<T> options) {
    return *(options.begin() + below(options.size()));
  }
  template <typename T>
  const T& one_of(const std::vector<T>& options) {
    return options[below(options.size())];
  }
  /// For random_floats() and its like: numbers are drawn from a seed, not from the bytes.
  std::uint64_t seed() { return (std::uint64_t{byte()} << 8U | byte()) + 1; }

 private:
  std::uint32_t byte() {
    if (bytes_.empty()) return 0;
    const std::uint32_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }

  std::span<const std::uint8_t> bytes_;
};

/// The bytes that `seed` stands for: enough for any model.
std::vector<std::uint8_t> bytes_from_seed(std::uint64_t seed);

}  // namespace planish::test
