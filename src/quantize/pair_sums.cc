#include "quantize/pair_sums.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string_view>

namespace planish::quantize_detail {
namespace {

constexpr std::int32_t kHighest = std::numeric_limits<std::int16_t>::max();
constexpr std::int32_t kLowest = std::numeric_limits<std::int16_t>::min();

enum class WeightForm { kConv, kMatrix, kGemm, kRows };

struct WeightFormRow {
  std::string_view op_type;
  WeightForm form;
};

constexpr std::array kWeightForms{
    WeightFormRow{"Conv", WeightForm::kConv},
    WeightFormRow{"ConvInteger", WeightForm::kConv},
    WeightFormRow{"QLinearConv", WeightForm::kConv},
    WeightFormRow{"MatMul", WeightForm::kMatrix},
    WeightFormRow{"MatMulInteger", WeightForm::kMatrix},
    WeightFormRow{"MatMulIntegerToFloat", WeightForm::kMatrix},
    WeightFormRow{"DynamicQuantizeMatMul", WeightForm::kMatrix},
    WeightFormRow{"QLinearMatMul", WeightForm::kMatrix},
    WeightFormRow{"Attention", WeightForm::kMatrix},
    WeightFormRow{"QAttention", WeightForm::kMatrix},
    WeightFormRow{"DynamicQuantizeLSTM", WeightForm::kMatrix},  // its [directions, I, 4H]
    WeightFormRow{"Gemm", WeightForm::kGemm},
    WeightFormRow{"QGemm", WeightForm::kGemm},
    WeightFormRow{"LSTM", WeightForm::kRows},
};

std::size_t product(std::span<const std::int64_t> dims) {
  std::size_t count = 1;
  for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
  return count;
}

std::optional<SumLayout> conv_layout(const Node& node, std::span<const std::int64_t> dims) {
  if (dims.size() < 3) return std::nullopt;
  const auto outputs = static_cast<std::size_t>(dims[0]);
  const auto channels = static_cast<std::size_t>(dims[1]);
  const std::size_t positions = product(dims.subspan(2));
  // One channel in and one out of each group: a kernel that multiplies in 32 bits.
  if (channels == 1 && node.int_attribute("group", 1) == dims[0]) return std::nullopt;
  return SumLayout{.sums = outputs,
                   .length = channels * positions,
                   .block_stride = channels * positions,
                   .inner = channels,
                   .outer_stride = 1,
                   .inner_stride = positions};
}

/// [..., K, N].
std::optional<SumLayout> matrix_layout(std::span<const std::int64_t> dims) {
  if (dims.empty()) return std::nullopt;
  const std::size_t columns = dims.size() == 1 ? 1 : static_cast<std::size_t>(dims.back());
  const auto rows = static_cast<std::size_t>(dims[dims.size() == 1 ? 0 : dims.size() - 2]);
  const std::size_t matrices = dims.size() < 3 ? 1 : product(dims.first(dims.size() - 2));
  return SumLayout{.sums = matrices * columns,
                   .length = rows,
                   .sums_per_block = columns,
                   .block_stride = rows * columns,
                   .sum_stride = 1,
                   .outer_stride = columns};
}

/// [..., K]: each row is a sum.
std::optional<SumLayout> rows_layout(std::span<const std::int64_t> dims) {
  if (dims.empty()) return std::nullopt;
  const auto length = static_cast<std::size_t>(dims.back());
  return SumLayout{.sums = product(dims.first(dims.size() - 1)),
                   .length = length,
                   .block_stride = length,
                   .outer_stride = 1};
}

/// The largest |w[2j] + w[2j+1]| that fits.
std::int32_t allowed(const WeightPair& pair, std::int32_t largest) {
  return (pair.negative ? -kLowest : kHighest) / largest;
}

float magnitude(float value, float scale, bool negative) {
  const float highest = negative ? 128.0F : 127.0F;
  return std::min(std::nearbyint(value / scale), highest);
}

bool fits(const WeightPair& pair, float scale, std::int32_t largest) {
  return magnitude(pair.first, scale, pair.negative) +
             magnitude(pair.second, scale, pair.negative) <=
         static_cast<float>(allowed(pair, largest));
}

/// The least float at which `pair` fits, above `scale`, where it does not. Positive floats are
/// ordered as their bits are, and magnitudes never grow with the scale.
float least_fitting(const WeightPair& pair, float scale, std::int32_t largest) {
  auto low = std::bit_cast<std::uint32_t>(scale);
  std::uint32_t high = low;
  for (float wide = scale; !fits(pair, wide, largest); high = std::bit_cast<std::uint32_t>(wide)) {
    wide *= 2.0F;
  }
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    (fits(pair, std::bit_cast<float>(middle), largest) ? high : low) = middle;
  }
  return std::bit_cast<float>(high);
}

float half_at_least(float scale) {
  std::uint16_t bits = half_from_float(scale);
  if (float_from_half(bits) < scale) ++bits;
  return float_from_half(bits);
}

}  // namespace

std::optional<SumLayout> sum_layout(const Node& node, std::span<const std::int64_t> dims) {
  const auto row = std::ranges::find(kWeightForms, node.op_type, &WeightFormRow::op_type);
  if (row == kWeightForms.end() || product(dims) == 0) return std::nullopt;
  switch (row->form) {
    case WeightForm::kConv:
      return conv_layout(node, dims);
    case WeightForm::kMatrix:
      return matrix_layout(dims);
    case WeightForm::kGemm:
      return node.int_attribute("transB", 0) != 0 ? rows_layout(dims) : matrix_layout(dims);
    case WeightForm::kRows:
      return rows_layout(dims);
  }
  return std::nullopt;
}

std::vector<WeightPair> overflowing_pairs(std::span<const float> weights, const SumLayout& layout,
                                          std::size_t sum, float scale, std::int32_t largest) {
  std::vector<WeightPair> pairs;
  if (largest <= 0) return pairs;
  // Rounding adds half a step to each: below this sum there is nothing to divide and round.
  const float surely_fits = scale * (static_cast<float>(kHighest / largest) - 1.5F);
  for (std::size_t k = 0; k + 1 < layout.length; k += 2) {
    const float first = weights[layout.offset(sum, k)];
    const float second = weights[layout.offset(sum, k + 1)];
    if (std::signbit(first) != std::signbit(second)) continue;
    const WeightPair pair{std::abs(first), std::abs(second), std::signbit(first)};
    if (pair.first + pair.second <= surely_fits) continue;
    if (!fits(pair, scale, largest)) pairs.push_back(pair);
  }
  return pairs;
}

float scale_without_overflow(std::span<const WeightPair> pairs, float scale, std::int32_t largest,
                             DType scale_dtype) {
  for (const WeightPair& pair : pairs) {
    if (!fits(pair, scale, largest)) scale = least_fitting(pair, scale, largest);
  }
  return scale_dtype == DType::kFloat16 ? half_at_least(scale) : scale;
}

}  // namespace planish::quantize_detail
