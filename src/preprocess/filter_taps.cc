#include "preprocess/filter_taps.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "planish/base/error.h"

namespace planish::detail {
namespace {

// 1 GiB of taps. An axis of 10^8 pixels made one pixel large needs 2 * 10^8.
constexpr std::size_t kMaxTaps = std::size_t{1} << 28;

double triangle(double x) {
  x = std::abs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

/// Keys' cubic convolution with a = -0.5.
double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos3(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0; }

struct Kernel {
  double (*weight)(double) = nullptr;
  double support = 0.0;  // zero beyond this distance, in output pixels
};

Kernel kernel_of(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::kBilinear:
      return {triangle, 1.0};
    case ResizeFilter::kBicubic:
      return {cubic, 2.0};
    case ResizeFilter::kLanczos:
      return {lanczos3, 3.0};
    case ResizeFilter::kNearest:
      break;
  }
  throw Error(ErrorCode::kInternal, "this filter has no taps");
}

std::int32_t to_fixed(double weight) {
  const double scaled = weight * (1 << kTapBits);
  return static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/// Counts the spans from the first input pixel that is needed.
void rebase(FilterTaps& taps) {
  std::int64_t begin = taps.spans.front().first;
  std::int64_t end = begin;
  for (const FilterTaps::Span& span : taps.spans) {
    begin = std::min(begin, span.first);
    end = std::max(end, span.first + span.count);
  }
  for (FilterTaps::Span& span : taps.spans) span.first -= begin;
  taps.inputs = {begin, end - begin};
}

}  // namespace

FilterTaps filter_taps(std::int64_t input_size, std::int64_t output_size, const Interval& outputs,
                       ResizeFilter filter) {
  const Kernel kernel = kernel_of(filter);
  const double scale = static_cast<double>(input_size) / static_cast<double>(output_size);
  const double reduction = std::max(scale, 1.0);  // an enlargement is interpolated, not widened
  const double support = kernel.support * reduction;
  const double inverse = 1.0 / reduction;

  FilterTaps result;
  result.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  const auto count = static_cast<std::size_t>(outputs.size);
  if (result.stride > kMaxTaps / count) {
    throw Error(ErrorCode::kExhausted, "resizing " + std::to_string(input_size) + " pixels to " +
                                           std::to_string(output_size) + " takes too much memory");
  }
  result.spans.reserve(count);
  result.taps.resize(count * result.stride);
  std::vector<double> weights(result.stride);
  for (std::size_t i = 0; i < count; ++i) {
    const double center =
        (static_cast<double>(outputs.begin + static_cast<std::int64_t>(i)) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(center - support + 0.5), 0);
    const auto end = std::min(static_cast<std::int64_t>(center + support + 0.5), input_size);
    const auto taps = static_cast<std::size_t>(end - first);
    double sum = 0.0;
    for (std::size_t j = 0; j < taps; ++j) {
      const double position = static_cast<double>(first + static_cast<std::int64_t>(j));
      weights[j] = kernel.weight((position - center + 0.5) * inverse);
      sum += weights[j];
    }
    for (std::size_t j = 0; j < taps; ++j) {
      result.taps[i * result.stride + j] = to_fixed(sum == 0.0 ? weights[j] : weights[j] / sum);
    }
    result.spans.push_back({first, static_cast<std::int64_t>(taps)});
  }
  rebase(result);
  return result;
}

std::vector<std::int64_t> nearest_inputs(std::int64_t input_size, std::int64_t output_size,
                                         const Interval& outputs) {
  const double scale = static_cast<double>(input_size) / static_cast<double>(output_size);
  std::vector<std::int64_t> inputs;
  inputs.reserve(static_cast<std::size_t>(outputs.size));
  // Added up from the first pixel on, as Pillow does: a product would round differently.
  double position = 0.5 * scale;
  for (std::int64_t i = 0; i < outputs.begin + outputs.size; ++i, position += scale) {
    if (i < outputs.begin) continue;
    inputs.push_back(std::min(static_cast<std::int64_t>(position), input_size - 1));
  }
  return inputs;
}

}  // namespace planish::detail
