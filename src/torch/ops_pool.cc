#include "torch/ops_pool.h"

#include <optional>

#include "planish/base/checked.h"
#include "planish/base/error.h"
#include "torch/ops_common.h"
#include "torch/ops_linear.h"

namespace planish::torch::ops {
namespace {

/// "max_pool2d" has 2 spatial axes: the digit of the operator's name.
std::size_t spatial_axes(const Call& call) {
  const std::string& target = call.node().target;
  const std::size_t digit = target.find_first_of("123");
  if (digit == std::string::npos) throw Error(ErrorCode::kInternal, "a pool without 1d, 2d or 3d");
  return static_cast<std::size_t>(target[digit] - '0');
}

struct Window {
  std::vector<std::int64_t> kernel;
  std::vector<std::int64_t> strides;
  std::vector<std::int64_t> pads;
};

Window window_of(const Call& call, std::size_t axes) {
  Window window;
  window.kernel = spread(call.integers("kernel_size"), axes);
  const auto strides = call.integers("stride", std::vector<std::int64_t>());
  window.strides = strides.empty() ? window.kernel : spread(strides, axes);
  window.pads = spread(call.integers("padding", std::vector<std::int64_t>{0}), axes);
  window.pads.insert(window.pads.end(), window.pads.begin(),
                     window.pads.begin() + static_cast<std::ptrdiff_t>(axes));
  return window;
}

/// The operator over [N, C, …]; torch also takes [C, …].
std::string pooled_value(Call& call, const std::string& op, std::size_t axes,
                         const Attributes& attributes) {
  const Value self = call.tensor("self");
  const bool batched = self.shape.size() == axes + 2;
  const std::string images = batched ? self.name : unsqueeze(call, self.name, {0});
  const std::string result = call.emit(op, {images}, attributes);
  return batched ? result : squeeze(call, result, {0});
}

void pooled(Call& call, const std::string& op, std::size_t axes, const Attributes& attributes) {
  call.give(pooled_value(call, op, axes, attributes));
}

/// Sizes of the spatial axes before and after an adaptive pool.
struct Adaptive {
  SymShape from;
  SymShape to;

  [[nodiscard]] bool to_one() const {
    return std::ranges::all_of(to, [](const SymExpr& size) { return size.integer() == 1; });
  }
  /// All windows have this size and do not overlap; nothing when they differ.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> even_windows() const {
    std::vector<std::int64_t> kernel;
    for (std::size_t axis = 0; axis < to.size(); ++axis) {
      const auto before = from[axis].integer();
      const auto after = to[axis].integer();
      if (!before || !after || *after == 0 || *before % *after != 0) return std::nullopt;
      kernel.push_back(*before / *after);
    }
    return kernel;
  }
};

Adaptive adaptive_of(const Call& call, std::size_t axes) {
  const auto count = static_cast<std::ptrdiff_t>(axes);
  const SymShape from = call.tensor("self").shape;
  const SymShape& to = call.result().shape;
  if (from.size() < axes || to.size() < axes)
    throw Error(ErrorCode::kCorrupt, "it pools over more axes than there are");
  return {SymShape(from.end() - count, from.end()), SymShape(to.end() - count, to.end())};
}

/// float32 [from, to]: column i averages the elements floor(i from / to) to ceil((i + 1) from /
/// to).
Tensor averaging_matrix(std::int64_t from, std::int64_t to) {
  const std::vector<std::int64_t> dims{from, to};
  constexpr std::size_t kMostElements = std::size_t{1} << 24;  // 4096 to 4096
  if (checked_element_count(dims) > kMostElements) {
    throw Error(ErrorCode::kUnsupported, "windows of different sizes from " + std::to_string(from) +
                                             " to " + std::to_string(to) + " elements");
  }
  std::vector<float> values(checked_element_count(dims), 0.0F);
  for (std::int64_t i = 0; i < to; ++i) {
    const std::int64_t begin = i * from / to;
    const std::int64_t end = ((i + 1) * from + to - 1) / to;
    for (std::int64_t at = begin; at < end; ++at)
      values.at(static_cast<std::size_t>(at * to + i)) = 1.0F / static_cast<float>(end - begin);
  }
  return Tensor::of(dims, values);
}

/// Windows of different sizes, which ONNX has no operator for: a product with a matrix for each
/// axis.
void average_by_matrices(Call& call, const Adaptive& sizes) {
  const Value self = call.tensor("self");
  std::string value = self.name;
  for (std::size_t i = 0; i < sizes.to.size(); ++i) {
    const auto from = sizes.from[i].integer();
    const auto to = sizes.to[i].integer();
    if (!from || !to) call.unsupported("the size of its input or output is not known");
    const std::int64_t axis =
        self.rank() - static_cast<std::int64_t>(sizes.to.size()) + static_cast<std::int64_t>(i);
    value = product_along(call, value, self.dtype, self.rank(), axis, averaging_matrix(*from, *to));
  }
  call.give(value);
}

}  // namespace

void max_pool(Call& call) {
  const std::size_t axes = spatial_axes(call);
  const Window window = window_of(call, axes);
  const auto dilations = spread(call.integers("dilation", std::vector<std::int64_t>{1}), axes);
  pooled(call, "MaxPool", axes,
         {{"kernel_shape", window.kernel},
          {"strides", window.strides},
          {"pads", window.pads},
          {"dilations", dilations},
          {"ceil_mode", std::int64_t{call.flag("ceil_mode", false)}}});
}

void avg_pool(Call& call) {
  const std::size_t axes = spatial_axes(call);
  const Window window = window_of(call, axes);
  const bool ceil = call.flag("ceil_mode", false);
  const bool overridden = call.given("divisor_override");
  // A window that reaches over the end has fewer elements, which another divisor does not know.
  if (overridden && ceil) call.unsupported("divisor_override with ceil_mode");
  std::string result = pooled_value(
      call, "AveragePool", axes,
      {{"kernel_shape", window.kernel},
       {"strides", window.strides},
       {"pads", window.pads},
       {"ceil_mode", std::int64_t{ceil}},
       {"count_include_pad", std::int64_t{overridden || call.flag("count_include_pad", true)}}});
  if (overridden) {
    const double count = static_cast<double>(checked_element_count(window.kernel));
    const double factor = count / call.real("divisor_override");
    result = call.emit("Mul", {result, call.scalar(factor, call.result().dtype)});
  }
  call.give(result);
}

void adaptive_avg_pool(Call& call) {
  const std::size_t axes = spatial_axes(call);
  const Value self = call.tensor("self");
  if (self.shape == call.result().shape) return call.give(self.name);
  const Adaptive sizes = adaptive_of(call, axes);
  if (sizes.to_one()) return pooled(call, "GlobalAveragePool", axes, {});
  if (const auto kernel = sizes.even_windows())
    return pooled(call, "AveragePool", axes, {{"kernel_shape", *kernel}, {"strides", *kernel}});
  average_by_matrices(call, sizes);
}

void adaptive_max_pool(Call& call) {
  const std::size_t axes = spatial_axes(call);
  const Adaptive sizes = adaptive_of(call, axes);
  if (sizes.to_one()) return pooled(call, "GlobalMaxPool", axes, {});
  const auto kernel = sizes.even_windows();
  if (!kernel) call.unsupported("windows of different sizes");
  pooled(call, "MaxPool", axes, {{"kernel_shape", *kernel}, {"strides", *kernel}});
}

}  // namespace planish::torch::ops
