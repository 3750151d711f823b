#include "torch/ops_pool.h"

#include "planish/base/error.h"
#include "torch/ops_common.h"

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
void pooled(Call& call, const std::string& op, std::size_t axes, const Attributes& attributes) {
  const Value self = call.tensor("self");
  const bool batched = self.shape.size() == axes + 2;
  const std::string images = batched ? self.name : unsqueeze(call, self.name, {0});
  const std::string result = call.emit(op, {images}, attributes);
  call.give(batched ? result : squeeze(call, result, {0}));
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
  if (call.given("divisor_override")) call.unsupported("its divisor is overridden");
  const std::size_t axes = spatial_axes(call);
  const Window window = window_of(call, axes);
  pooled(call, "AveragePool", axes,
         {{"kernel_shape", window.kernel},
          {"strides", window.strides},
          {"pads", window.pads},
          {"ceil_mode", std::int64_t{call.flag("ceil_mode", false)}},
          {"count_include_pad", std::int64_t{call.flag("count_include_pad", true)}}});
}

void adaptive_avg_pool(Call& call) {
  const std::size_t axes = spatial_axes(call);
  const Value self = call.tensor("self");
  const SymShape& to = call.result().shape;
  if (self.shape == to) return call.give(self.name);
  const std::vector<SymExpr> sizes(to.end() - static_cast<std::ptrdiff_t>(axes), to.end());
  const bool all_one =
      std::ranges::all_of(sizes, [](const SymExpr& size) { return size.integer() == 1; });
  if (all_one) return pooled(call, "GlobalAveragePool", axes, {});
  std::vector<std::int64_t> kernel;
  for (std::size_t axis = 0; axis < axes; ++axis) {
    const auto from = self.shape[self.shape.size() - axes + axis].integer();
    const auto size = sizes[axis].integer();
    if (!from || !size || *size == 0 || *from % *size != 0) {
      call.unsupported("windows of different sizes: the input's size " +
                       to_string(self.shape[self.shape.size() - axes + axis]) +
                       " is not a multiple of the output's " + to_string(sizes[axis]));
    }
    kernel.push_back(*from / *size);
  }
  pooled(call, "AveragePool", axes, {{"kernel_shape", kernel}, {"strides", kernel}});
}

}  // namespace planish::torch::ops
