#include "support/random_tensor.h"

#include <cmath>
#include <cstddef>
#include <numbers>
#include <random>
#include <utility>

#include "planish/base/checked.h"

namespace planish::test {
namespace {

/// [0, 1) in steps of 2^-24. The distributions of <random> differ between libraries; the engine's
/// bits do not.
class Unit {
 public:
  explicit Unit(std::uint64_t seed) : engine_(seed) {}
  float operator()() { return static_cast<float>(engine_() >> 40U) * 0x1p-24F; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace

std::vector<float> random_floats(std::size_t count, std::uint64_t seed, float low, float high) {
  Unit unit(seed);
  std::vector<float> values(count);
  for (float& value : values) value = low + (high - low) * unit();
  return values;
}

std::vector<float> random_normals(std::size_t count, std::uint64_t seed, float sigma) {
  Unit unit(seed);
  std::vector<float> values(count);
  for (float& value : values) {  // Box-Muller; 1 - u is never 0
    const float radius = std::sqrt(-2.0F * std::log(1.0F - unit()));
    value = sigma * radius * std::cos(2.0F * std::numbers::pi_v<float> * unit());
  }
  return values;
}

Tensor random_tensor(std::vector<std::int64_t> dims, std::uint64_t seed, float low, float high) {
  const std::size_t count = checked_element_count(dims);
  return Tensor::of<float>(std::move(dims), random_floats(count, seed, low, high));
}

Tensor random_bits(DType dtype, std::vector<std::int64_t> dims, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  const std::size_t count = checked_element_count(dims);
  std::vector<std::byte> bytes(byte_count(dtype, count));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(engine() & 0xffU);
  if (dtype == DType::kBool) {
    for (std::byte& byte : bytes) byte &= std::byte{1};
  }
  const std::size_t used_bits = count * static_cast<std::size_t>(row_of(dtype).bits) % 8;
  if (used_bits != 0) bytes.back() &= static_cast<std::byte>((1U << used_bits) - 1U);
  return Tensor(dtype, std::move(dims), std::move(bytes));
}

}  // namespace planish::test
