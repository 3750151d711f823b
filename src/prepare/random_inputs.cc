#include "planish/prepare/random_inputs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include "planish/base/checked.h"
#include "planish/base/error.h"

namespace planish {
namespace {

// 1 GB of float32: more than any model takes at once, less than a machine has.
constexpr std::size_t kMaxElements = std::size_t{1} << 28;

std::vector<std::int64_t> closed(const Shape& shape, const OpenDims& open,
                                 std::unordered_map<std::string, std::int64_t>& symbols) {
  std::vector<std::int64_t> dims;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const std::int64_t wish = axis == 0 ? open.batch : open.others;
    if (const auto number = shape[axis].number()) {
      dims.push_back(std::max<std::int64_t>(*number, 0));
    } else if (const auto symbol = shape[axis].symbol()) {
      dims.push_back(symbols.emplace(*symbol, wish).first->second);
    } else {
      dims.push_back(wish);
    }
  }
  if (checked_element_count(dims) > kMaxElements) {
    throw Error(ErrorCode::kExhausted, "a random input of shape " + to_string(std::span(dims)) +
                                           " is too large to be made");
  }
  return dims;
}

/// Normal by Box and Muller from raw bits, so that it is the same with every standard library.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// Uniform in [0, bound).
  std::uint64_t below(std::uint64_t bound) { return (engine_() >> 11) % bound; }
  float normal() {
    constexpr double kTwoPi = 6.283185307179586;
    const double u = (static_cast<double>(engine_() >> 11) + 1) * 0x1p-53;  // in (0, 1]
    const double v = static_cast<double>(engine_() >> 11) * 0x1p-53;
    return static_cast<float>(std::sqrt(-2 * std::log(u)) * std::cos(kTwoPi * v));
  }

 private:
  std::mt19937_64 engine_;
};

template <typename T, typename Draw>
Tensor filled(std::vector<std::int64_t> dims, const Draw& draw) {
  std::vector<T> values(checked_element_count(dims));
  std::ranges::generate(values, draw);
  return Tensor::of<T>(std::move(dims), values);
}

/// 16-bit floats have no C++ type; their bits are given.
Tensor halves(DType dtype, std::vector<std::int64_t> dims, Random& random) {
  const auto convert = dtype == DType::kFloat16 ? half_from_float : bfloat16_from_float;
  std::vector<std::uint16_t> bits(checked_element_count(dims));
  std::ranges::generate(bits, [&] { return convert(random.normal()); });
  const auto bytes = std::as_bytes(std::span(bits));
  return Tensor(dtype, std::move(dims), std::vector<std::byte>(bytes.begin(), bytes.end()));
}

std::optional<Tensor> drawn(DType dtype, std::vector<std::int64_t> dims, IntegerFill fill,
                            Random& random) {
  const auto small = [&] { return fill == IntegerFill::kOne ? 1U : random.below(2); };
  const auto as = [&](auto zero) {
    using T = decltype(zero);
    return filled<T>(std::move(dims), [&] { return static_cast<T>(small()); });
  };
  switch (dtype) {
    case DType::kFloat32:
      return filled<float>(std::move(dims), [&] { return random.normal(); });
    case DType::kFloat64:
      return filled<double>(std::move(dims), [&] { return random.normal(); });
    case DType::kFloat16:
    case DType::kBFloat16:
      return halves(dtype, std::move(dims), random);
    case DType::kUInt8:
      return filled<std::uint8_t>(std::move(dims),
                                  [&] { return static_cast<std::uint8_t>(random.below(256)); });
    case DType::kInt8:
      return filled<std::int8_t>(std::move(dims),
                                 [&] { return static_cast<std::int8_t>(random.below(256)); });
    case DType::kInt16:
      return as(std::int16_t{});
    case DType::kUInt16:
      return as(std::uint16_t{});
    case DType::kInt32:
      return as(std::int32_t{});
    case DType::kUInt32:
      return as(std::uint32_t{});
    case DType::kInt64:
      return as(std::int64_t{});
    case DType::kUInt64:
      return as(std::uint64_t{});
    case DType::kBool: {
      const Tensor bytes = as(std::uint8_t{});
      return Tensor(DType::kBool, bytes.dims(),
                    std::vector<std::byte>(bytes.bytes().begin(), bytes.bytes().end()));
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

Openness openness_of(const Signature& signature) {
  Openness openness;
  for (const TensorSpec& input : signature.inputs) {
    for (std::size_t axis = 0; axis < input.shape.size(); ++axis) {
      if (input.shape[axis].number()) continue;
      (axis == 0 ? openness.batch : openness.others) = true;
    }
  }
  return openness;
}

std::optional<std::vector<NamedTensor>> random_inputs(const Signature& signature,
                                                      const OpenDims& open, IntegerFill fill,
                                                      std::uint64_t seed) {
  Random random(seed);
  std::unordered_map<std::string, std::int64_t> symbols;
  std::vector<NamedTensor> inputs;
  for (const TensorSpec& spec : signature.inputs) {
    auto value = drawn(spec.dtype, closed(spec.shape, open, symbols), fill, random);
    if (!value) return std::nullopt;
    inputs.push_back(NamedTensor{spec.name, std::move(*value)});
  }
  return inputs;
}

}  // namespace planish
