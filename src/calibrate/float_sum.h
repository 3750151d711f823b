// Sums of floats that do not depend on their order.
#pragma once

#include <array>
#include <cstdint>

namespace planish {

/// Exact: one integer per exponent holds the sum of the significands. Up to 2^39 addends.
class FloatSum {
 public:
  /// `value` must be finite.
  void add(float value);
  void merge(const FloatSum& other);
  /// The sum, to within 2^-44 of the greatest addend times their number.
  [[nodiscard]] double value() const;

  friend bool operator==(const FloatSum&, const FloatSum&) = default;

 private:
  std::array<std::int64_t, 255> significands_ = {};  // by biased exponent
};

}  // namespace planish
