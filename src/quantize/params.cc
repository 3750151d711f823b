#include "planish/quantize/params.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <string>

#include "planish/base/error.h"
#include "planish/base/memory.h"
#include "planish/base/parallel.h"
#include "planish/host/host.h"
#include "quantize/quantize_avx2.h"

namespace planish {
namespace {

/// The integers of one type under each rule; the only place that knows them.
struct LimitsRow {
  DType dtype = DType::kUndefined;
  IntegerLimits full = {};
  IntegerLimits symmetric = {};
  IntegerLimits reduced = {};
};

constexpr std::array kLimits{
    LimitsRow{DType::kUInt8, {0, 255}, {0, 255}, {0, 127}},
    LimitsRow{DType::kInt8, {-128, 127}, {-127, 127}, {-64, 64}},
    LimitsRow{DType::kUInt16, {0, 65535}, {0, 65535}, {0, 32767}},
    LimitsRow{DType::kInt16, {-32768, 32767}, {-32767, 32767}, {-16384, 16384}},
};

const LimitsRow& limits_row(DType dtype) {
  const auto* row = std::ranges::find(kLimits, dtype, &LimitsRow::dtype);
  if (row != kLimits.end()) return *row;
  throw Error(ErrorCode::kUnsupported, "quantization to " + std::string(name_of(dtype)) +
                                           "; expected uint8, int8, uint16 or int16");
}

void require_finite(TensorRange range) {
  if (std::isfinite(range.min) && std::isfinite(range.max) && range.min <= range.max) return;
  throw Error(ErrorCode::kInvalidArgument, "range [" + std::to_string(range.min) + ", " +
                                               std::to_string(range.max) +
                                               "] is not finite and ascending");
}

constexpr float kSmallestHalf = 5.9604644775390625e-08F;  // 2^-24, the lowest float16 above 0

float rounded_to(DType scale_dtype, double scale) {
  const auto single = static_cast<float>(scale);
  if (scale_dtype != DType::kFloat16) return single;
  // 65520 is half a step beyond the largest float16.
  if (scale >= 65520.0) return std::numeric_limits<float>::infinity();
  // From float64 straight to half would differ from this in double rounding only; NumPy rounds
  // once, so ties are looked at in float64.
  float half = float_from_half(half_from_float(single));
  const double error = std::abs(scale - static_cast<double>(half));
  const std::uint16_t bits = half_from_float(half);
  for (const int step : {-1, 1}) {
    const float other = float_from_half(static_cast<std::uint16_t>(bits + step));
    if (std::abs(scale - static_cast<double>(other)) < error) half = other;
  }
  return half;
}

/// Zero point 0 or the middle, with a scale that covers both sides of it.
QuantizationParams restricted_params(double low, double high, IntegerLimits limits,
                                     std::optional<double> min_real_range) {
  const double steps = limits.max - limits.min;
  const std::int32_t middle = (limits.min + limits.max + 1) / 2;
  QuantizationParams params;
  params.zero_point = low >= 0.0 ? limits.min : middle;
  double scale = 0.0;
  if (high <= low) {
    scale = 1.0 / (params.zero_point == limits.min ? steps : std::max(1.0, std::floor(steps / 2)));
  } else if (low >= 0.0) {
    scale = high / steps;
  } else {
    scale = std::max(-low / (middle - limits.min), high / (limits.max - middle));
  }
  params.scale = static_cast<float>(scale);
  if (min_real_range && static_cast<double>(params.scale) < *min_real_range / steps) {
    params.scale = static_cast<float>(*min_real_range / steps);
  }
  return params;
}

/// rint() for |x| <= 2^22, without a call: adding 1.5 * 2^23 leaves no bits
/// for a fraction, and the processor rounds half to even.
inline float round_half_even(float x) {
  constexpr float kMagic = 12582912.0F;
  return (x + kMagic) - kMagic;
}

/// quantize_nparray: float32 throughout, full range of T whatever range gave the scale.
template <typename T>
inline T quantize_one(float x, float scale, float zero_point) {
  constexpr float kFar = 1.0e6F;  // beyond any 16-bit integer, within the reach of the magic number
  constexpr auto kMin = static_cast<float>(std::numeric_limits<T>::min());
  constexpr auto kMax = static_cast<float>(std::numeric_limits<T>::max());
  const float steps = std::min(std::max(x / scale, -kFar), kFar);
  const float q = round_half_even(steps) + zero_point;
  return static_cast<T>(static_cast<std::int32_t>(std::min(std::max(q, kMin), kMax)));
}

/// Elements that share a scale.
template <typename T>
void quantize_run(std::span<const float> values, float scale, float zero_point, T* out) {
  std::size_t i = 0;
  if constexpr (sizeof(T) == 1)
    i = quantize_detail::quantize_run_avx2(values.data(), values.size(), scale, zero_point, out);
  for (; i < values.size(); ++i) out[i] = quantize_one<T>(values[i], scale, zero_point);
}

/// Elements with a scale each.
template <typename T>
void quantize_row(std::span<const float> values, std::span<const float> scales,
                  std::span<const float> zero_points, T* out) {
  std::size_t i = 0;
  if constexpr (sizeof(T) == 1) {
    i = quantize_detail::quantize_row_avx2(values.data(), values.size(), scales.data(),
                                           zero_points.data(), out);
  }
  for (; i < values.size(); ++i) out[i] = quantize_one<T>(values[i], scales[i], zero_points[i]);
}

/// Dimensions around `axis`: values are [outer, channels, inner].
struct ChannelLayout {
  std::size_t outer = 1;
  std::size_t channels = 1;
  std::size_t inner = 1;
};

ChannelLayout layout_of(const Tensor& tensor, std::size_t axis) {
  if (axis >= tensor.rank()) {
    throw Error(ErrorCode::kInvalidArgument, "channel axis " + std::to_string(axis) +
                                                 " of a tensor of shape " +
                                                 to_string(tensor.dims()));
  }
  ChannelLayout layout;
  for (std::size_t i = 0; i < tensor.rank(); ++i) {
    const auto dim = static_cast<std::size_t>(tensor.dims()[i]);
    if (i < axis) layout.outer *= dim;
    if (i == axis) layout.channels = dim;
    if (i > axis) layout.inner *= dim;
  }
  return layout;
}

/// The elements as float32, converted only when they are of another type.
class FloatView {
 public:
  explicit FloatView(const Tensor& tensor) {
    if (tensor.dtype() == DType::kFloat32) {
      view_ = tensor.values<float>();
    } else {
      converted_ = tensor.to_floats();
      view_ = converted_;
    }
  }
  FloatView(const FloatView&) = delete;
  FloatView& operator=(const FloatView&) = delete;
  [[nodiscard]] std::span<const float> values() const { return view_; }

 private:
  std::vector<float> converted_;
  std::span<const float> view_;
};

// Below that a thread costs more to start than it saves.
constexpr std::size_t kElementsPerThread = std::size_t{1} << 19;

/// Calls body(begin, end) on parts of [0, count), side by side when `elements` in all are worth it.
template <typename Body>
void in_parts(std::size_t count, std::size_t elements, const Body& body) {
  std::size_t parts = elements / kElementsPerThread;
  if (parts > 1) parts = std::min(parts, static_cast<std::size_t>(usable_cores()));
  if (parts <= 1) return body(std::size_t{0}, count);
  parallel_for(parts, parts,
               [&](std::size_t i) { body(count * i / parts, count * (i + 1) / parts); });
}

template <typename T>
Tensor quantize_channels(const Tensor& values, std::span<const QuantizationParams> params,
                         const ChannelLayout& layout) {
  const FloatView view(values);
  const std::span<const float> floats = view.values();
  // Not zeroed first: the threads that fill its pages are the first to touch them.
  const std::size_t size = values.element_count() * sizeof(T);
  const std::shared_ptr<std::byte[]> bytes = uninitialized_bytes(size);
  T* out = reinterpret_cast<T*>(bytes.get());
  std::vector<float> scales;
  std::vector<float> zeros;
  for (const QuantizationParams& one : params) {
    scales.push_back(one.scale);
    zeros.push_back(static_cast<float>(one.zero_point));
  }
  if (layout.channels == 1) {
    in_parts(floats.size(), floats.size(), [&](std::size_t begin, std::size_t end) {
      quantize_run(floats.subspan(begin, end - begin), scales[0], zeros[0], out + begin);
    });
  } else if (layout.inner == 1) {  // channels are adjacent
    in_parts(layout.outer, floats.size(), [&](std::size_t begin, std::size_t end) {
      for (std::size_t row = begin * layout.channels; row < end * layout.channels;
           row += layout.channels) {
        quantize_row(floats.subspan(row, layout.channels), scales, zeros, out + row);
      }
    });
  } else {
    in_parts(
        layout.outer * layout.channels, floats.size(), [&](std::size_t begin, std::size_t end) {
          for (std::size_t run = begin; run < end; ++run) {
            const std::size_t c = run % layout.channels;
            const std::size_t first = run * layout.inner;
            quantize_run(floats.subspan(first, layout.inner), scales[c], zeros[c], out + first);
          }
        });
  }
  return Tensor(kDTypeOf<T>, values.dims(), std::span<const std::byte>(bytes.get(), size), bytes);
}

/// Smallest and largest of some elements. `poison` is 0 while all are finite, NaN from then on: 0 *
/// x is NaN for NaN and infinities, and is added to it.
struct Extremes {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  float poison = 0.0F;

  void merge(const Extremes& other) {
    low = std::min(low, other.low);
    high = std::max(high, other.high);
    poison += other.poison;
  }
};

/// In lanes that do not wait for one another; compilers make vectors of them.
Extremes extremes_of(std::span<const float> values) {
  constexpr std::size_t kLanes = 32;
  const std::size_t whole = values.size() / kLanes * kLanes;
  Extremes result;
  std::array<float, kLanes> low;
  std::array<float, kLanes> high;
  std::array<float, kLanes> poison;
  low.fill(result.low);
  high.fill(result.high);
  poison.fill(0.0F);
  for (std::size_t i = 0; i < whole; i += kLanes) {
    const float* x = values.data() + i;
    for (std::size_t k = 0; k < kLanes; ++k) {
      low[k] = x[k] < low[k] ? x[k] : low[k];
      high[k] = x[k] > high[k] ? x[k] : high[k];
      poison[k] += 0.0F * x[k];
    }
  }
  for (std::size_t k = 0; k < kLanes; ++k) result.merge({low[k], high[k], poison[k]});
  for (const float x : values.subspan(whole)) result.merge({x, x, 0.0F * x});
  return result;
}

[[noreturn]] void fail_non_finite() {
  throw Error(ErrorCode::kInvalidArgument, "elements are not all finite: NaN or infinity");
}

TensorRange range_from(const Extremes& extremes) {
  if (!(extremes.poison == 0.0F)) fail_non_finite();
  return {extremes.low, extremes.high};
}

/// Of channels that are adjacent, values [outer, channels]: each part of the rows by itself.
void add_adjacent(std::span<const float> floats, const ChannelLayout& layout,
                  std::vector<Extremes>& all) {
  std::mutex mutex;  // guards all
  in_parts(layout.outer, floats.size(), [&](std::size_t begin, std::size_t end) {
    std::vector<float> low(layout.channels, Extremes().low);
    std::vector<float> high(layout.channels, Extremes().high);
    std::vector<float> poison(layout.channels, 0.0F);
    for (std::size_t o = begin; o < end; ++o) {
      const float* x = floats.data() + o * layout.channels;
      for (std::size_t c = 0; c < layout.channels; ++c) {
        low[c] = x[c] < low[c] ? x[c] : low[c];
        high[c] = x[c] > high[c] ? x[c] : high[c];
        poison[c] += 0.0F * x[c];
      }
    }
    const std::lock_guard lock(mutex);
    for (std::size_t c = 0; c < layout.channels; ++c) all[c].merge({low[c], high[c], poison[c]});
  });
}

Tensor quantize_layout(const Tensor& values, std::span<const QuantizationParams> params,
                       const ChannelLayout& layout) {
  switch (params.front().dtype) {
    case DType::kUInt8:
      return quantize_channels<std::uint8_t>(values, params, layout);
    case DType::kInt8:
      return quantize_channels<std::int8_t>(values, params, layout);
    case DType::kUInt16:
      return quantize_channels<std::uint16_t>(values, params, layout);
    case DType::kInt16:
      return quantize_channels<std::int16_t>(values, params, layout);
    default:
      limits_row(params.front().dtype);  // throws: what it is and what was expected
      throw Error(ErrorCode::kInternal, "integer type without a quantization kernel");
  }
}

}  // namespace

IntegerLimits integer_limits(DType dtype, Symmetry symmetry, IntegerRange integers) {
  const LimitsRow& row = limits_row(dtype);
  // A reduced range wins over a symmetric one, as in ONNX Runtime.
  if (integers == IntegerRange::kReduced) return row.reduced;
  return symmetry == Symmetry::kSymmetric ? row.symmetric : row.full;
}

QuantizationParams params_for(TensorRange range, DType dtype, const ParamsOptions& options) {
  require_finite(range);
  const IntegerLimits limits = integer_limits(dtype, options.symmetry, options.integers);
  const bool symmetric = options.symmetry == Symmetry::kSymmetric;
  float low = std::min(range.min, 0.0F);
  float high = std::max(range.max, 0.0F);
  if (options.restrict_zero_point && dtype == DType::kUInt8 && !symmetric) {
    double top = high;
    if (options.min_real_range && *options.min_real_range > 0) {
      top = std::max(top, static_cast<double>(low) + *options.min_real_range);
    }
    return restricted_params(low, top, limits, options.min_real_range);
  }
  if (options.min_real_range) {
    const auto round = [&](float value) {
      return options.scale_dtype == DType::kFloat16 ? float_from_half(half_from_float(value))
                                                    : value;
    };
    high = std::max(high, round(low + round(static_cast<float>(*options.min_real_range))));
  }
  if (symmetric) {
    high = std::max(-low, high);
    low = -high;
  }
  const double scale = (static_cast<double>(high) - static_cast<double>(low)) /
                       (static_cast<double>(limits.max) - static_cast<double>(limits.min));
  const float stored = rounded_to(options.scale_dtype, scale);
  const bool vanishes = options.scale_dtype == DType::kFloat16
                            ? stored < kSmallestHalf
                            : scale < static_cast<double>(FLT_MIN);
  if (vanishes) return {1.0F, 0, dtype};
  const double zero_point = symmetric ? std::nearbyint((limits.min + limits.max) / 2.0)
                                      : std::nearbyint(limits.min - low / scale);
  return {stored, static_cast<std::int32_t>(zero_point), dtype};
}

std::vector<std::uint8_t> quantize_u8(std::span<const float> values,
                                      const QuantizationParams& params) {
  std::vector<std::uint8_t> out(values.size());
  quantize_run(values, params.scale, static_cast<float>(params.zero_point), out.data());
  return out;
}

std::vector<std::int8_t> quantize_s8(std::span<const float> values,
                                     const QuantizationParams& params) {
  std::vector<std::int8_t> out(values.size());
  quantize_run(values, params.scale, static_cast<float>(params.zero_point), out.data());
  return out;
}

Tensor quantize(const Tensor& values, const QuantizationParams& params) {
  return quantize_layout(values, std::span(&params, 1), {1, 1, values.element_count()});
}

Tensor quantize_per_channel(const Tensor& values, std::span<const QuantizationParams> params,
                            std::size_t axis) {
  const ChannelLayout layout = layout_of(values, axis);
  if (params.size() != layout.channels || params.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                std::to_string(params.size()) + " parameter sets for " +
                    std::to_string(layout.channels) + " channels of a tensor of shape " +
                    to_string(values.dims()));
  }
  return quantize_layout(values, params, layout);
}

std::vector<float> dequantize(const Tensor& quantized, const QuantizationParams& params) {
  if (quantized.dtype() != params.dtype) {
    throw Error(ErrorCode::kInvalidArgument,
                "tensor of " + std::string(name_of(quantized.dtype())) +
                    "; the parameters are for " + std::string(name_of(params.dtype)));
  }
  std::vector<float> out;
  out.reserve(quantized.element_count());
  for (const std::int64_t q : quantized.to_ints()) {
    out.push_back(params.scale * static_cast<float>(q - params.zero_point));
  }
  return out;
}

TensorRange range_of(std::span<const float> values) {
  if (values.empty()) throw Error(ErrorCode::kInvalidArgument, "range of no elements");
  Extremes all;
  std::mutex mutex;  // guards all
  in_parts(values.size(), values.size(), [&](std::size_t begin, std::size_t end) {
    const Extremes part = extremes_of(values.subspan(begin, end - begin));
    const std::lock_guard lock(mutex);
    all.merge(part);
  });
  return range_from(all);
}

std::vector<TensorRange> ranges_per_channel(const Tensor& values, std::size_t axis) {
  const ChannelLayout layout = layout_of(values, axis);
  const FloatView view(values);
  const std::span<const float> floats = view.values();
  std::vector<TensorRange> ranges(layout.channels);
  if (values.element_count() == 0) return ranges;
  std::vector<Extremes> all(layout.channels);
  if (layout.inner == 1) {
    add_adjacent(floats, layout, all);
  } else {
    in_parts(layout.channels, floats.size(), [&](std::size_t begin, std::size_t end) {
      for (std::size_t o = 0; o < layout.outer; ++o) {
        for (std::size_t c = begin; c < end; ++c) {
          const std::size_t first = (o * layout.channels + c) * layout.inner;
          all[c].merge(extremes_of(floats.subspan(first, layout.inner)));
        }
      }
    });
  }
  std::ranges::transform(all, ranges.begin(), range_from);
  return ranges;
}

Tensor quantize_bias(const Tensor& bias, std::span<const float> scales) {
  const FloatView floats(bias);
  if (scales.size() != 1 && scales.size() != floats.values().size()) {
    throw Error(ErrorCode::kInvalidArgument, std::to_string(scales.size()) + " scales for " +
                                                 std::to_string(floats.values().size()) +
                                                 " biases; expected one or as many");
  }
  constexpr double kMin = std::numeric_limits<std::int32_t>::min();
  constexpr double kMax = std::numeric_limits<std::int32_t>::max();
  std::vector<std::int32_t> out;
  out.reserve(floats.values().size());
  for (std::size_t i = 0; i < floats.values().size(); ++i) {
    const double scale = scales[scales.size() == 1 ? 0 : i];
    const double q = scale == 0.0 ? 0.0 : std::nearbyint(floats.values()[i] / scale);
    out.push_back(static_cast<std::int32_t>(std::clamp(q, kMin, kMax)));
  }
  return Tensor::of(bias.dims(), out);
}

namespace {
constexpr double kBiasSteps = 4294967294.0;  // INT32_MAX - (INT32_MIN + 1)
}

double smallest_bias_scale(double absmax) { return 1.0001 * (2.0 * absmax) / kBiasSteps; }

double smallest_bias_scale(float absmax, std::size_t products) {
  // Of two integers of 8 bits, neither more than 255 from its zero point. Wider ones have no
  // integer kernels; half of the int32s are left to the bias in any case.
  constexpr double kLargestProduct = 255.0 * 255.0;
  constexpr double kMax = std::numeric_limits<std::int32_t>::max();
  const double room = std::max(kMax - kLargestProduct * static_cast<double>(products), kMax / 2);
  return 1.0001 * static_cast<double>(absmax) / room;
}

double smallest_bias_scale(float absmax, DType bias_dtype) {
  // 1.0001 is 1 in float16.
  if (bias_dtype == DType::kFloat16)
    return static_cast<double>(float_from_half(half_from_float(2.0F * absmax))) / kBiasSteps;
  return static_cast<double>(1.0001F * (2.0F * absmax)) / kBiasSteps;
}

float weight_scale_for_bias(float input_scale, float weight_scale, double smallest,
                            DType scale_dtype, HalfRounding rounding) {
  const double candidate = static_cast<double>(input_scale) * static_cast<double>(weight_scale);
  if (candidate >= smallest || candidate <= 0.0) return weight_scale;
  const double wanted = static_cast<double>(weight_scale) * (smallest / candidate);
  float scale = rounded_to(scale_dtype, wanted);
  if (scale_dtype == DType::kFloat16 && rounding == HalfRounding::kUp &&
      static_cast<double>(scale) < wanted) {
    scale = float_from_half(static_cast<std::uint16_t>(half_from_float(scale) + 1));
  }
  return scale;
}

}  // namespace planish
