#include "planish/quantize/sum_layout.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

namespace planish {
namespace {

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

std::int32_t largest_integer(const TensorPlan* data) {
  constexpr std::int32_t kLargestU8 = 255;
  if (data == nullptr || !data->range || data->params.size() != 1) return kLargestU8;
  const QuantizationParams& params = data->params.front();
  const double largest =
      std::nearbyint(double{data->range->max} / double{params.scale}) + params.zero_point;
  return static_cast<std::int32_t>(std::clamp(largest, 0.0, double{kLargestU8}));
}

IntegerLimits pair_limits(std::int32_t largest) {
  return {std::numeric_limits<std::int16_t>::min() / largest,
          std::numeric_limits<std::int16_t>::max() / largest};
}

}  // namespace planish
