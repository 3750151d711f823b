#include "torch/ops_resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "planish/base/error.h"
#include "torch/constant_size.h"
#include "torch/ops_common.h"
#include "torch/ops_linear.h"

namespace planish::torch::ops {
namespace {

/// One factor per spatial axis, first to last; empty when only sizes are given.
std::vector<double> scale_factors(const Call& call, std::size_t axes) {
  if (call.given("scale_factors")) return call.reals("scale_factors");
  constexpr std::array<std::string_view, 3> kNames{"scales_d", "scales_h", "scales_w"};
  std::vector<double> scales;
  if (axes == 1 && call.given("scales")) return {call.real("scales")};
  for (std::size_t i = kNames.size() - axes; i < kNames.size(); ++i) {
    if (call.given(kNames.at(i))) scales.push_back(call.real(kNames.at(i)));
  }
  if (scales.size() != axes) scales.clear();
  return scales;
}

/// A factor with which ONNX comes to the same size; nothing when there is none. It rounds the
/// product down, in float32 or wider: of a factor that is a little small the next one is taken.
std::optional<float> usable_scale(const SymExpr& from, const SymExpr& to, double scale) {
  const auto size = from.integer();
  const auto wanted = to.integer();
  const auto nearest = static_cast<float>(scale);
  if (!size || !wanted) return nearest;
  for (const float factor :
       {nearest, std::nextafter(nearest, std::numeric_limits<float>::infinity())}) {
    const double narrow = std::floor(static_cast<float>(*size) * factor);
    const double wide = std::floor(static_cast<double>(*size) * static_cast<double>(factor));
    if (narrow == static_cast<double>(*wanted) && wide == static_cast<double>(*wanted))
      return factor;
  }
  return std::nullopt;
}

/// The factors to write, one per axis of the input; empty when the sizes say more than they do.
std::vector<float> usable_scales(const Call& call, const Value& input, std::size_t axes) {
  const SymShape& to = call.result().shape;
  const std::size_t first = input.shape.size() - axes;
  const std::vector<double> given = scale_factors(call, axes);
  std::vector<float> scales(first, 1.0F);
  for (std::size_t i = first; i < to.size(); ++i) {
    const auto from = input.shape[i].integer();
    const auto wanted = to[i].integer();
    if (given.empty() && (!from || !wanted || *from == 0)) return {};
    const double scale = given.empty() ? static_cast<double>(*wanted) / static_cast<double>(*from)
                                       : given.at(i - first);
    const auto usable = usable_scale(input.shape[i], to[i], scale);
    if (!usable) {
      call.unsupported("a scale factor of " + std::to_string(scale) +
                       " gives another size in ONNX; pass size= in its place");
    }
    scales.push_back(*usable);
  }
  return scales;
}

Attributes resize_attributes(const Call& call) {
  const std::string& target = call.node().target;
  const auto says = [&](std::string_view word) { return target.find(word) != std::string::npos; };
  const bool align = call.flag("align_corners", false);
  const std::string coordinates = align ? "align_corners" : "half_pixel";
  Attributes attributes;
  if (says("nearest_exact")) {
    attributes = {{"mode", std::string("nearest")},
                  {"coordinate_transformation_mode", std::string("half_pixel")},
                  {"nearest_mode", std::string("round_prefer_ceil")}};
  } else if (says("nearest")) {
    attributes = {{"mode", std::string("nearest")},
                  {"coordinate_transformation_mode", std::string("asymmetric")},
                  {"nearest_mode", std::string("floor")}};
  } else if (says("cubic")) {
    attributes = {{"mode", std::string("cubic")},
                  {"coordinate_transformation_mode", coordinates},
                  {"cubic_coeff_a", -0.75F}};
  } else {
    attributes = {{"mode", std::string("linear")}, {"coordinate_transformation_mode", coordinates}};
  }
  return attributes;
}

/// The kernels of antialiased resizing, as in Pillow: a triangle, or a cubic with a = -0.5.
double kernel_weight(bool cubic, double x) {
  x = std::abs(x);
  if (!cubic) return std::max(1.0 - x, 0.0);
  constexpr double kA = -0.5;
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

/// float32 [from, to]: column i weighs the elements around the centre of output i, by a kernel that
/// is as wide as `step` elements where they lie closer than the outputs
/// (_compute_indices_min_size_weights_aa of aten/src/ATen/native/cpu/UpSampleKernel.cpp).
Tensor antialiasing_matrix(std::int64_t from, std::int64_t to, double step, bool cubic) {
  const std::vector<std::int64_t> dims{from, to};
  std::vector<float> values(constant_elements(dims), 0.0F);
  const double width = std::max(step, 1.0);
  const double support = (cubic ? 2.0 : 1.0) * width;
  for (std::int64_t i = 0; i < to; ++i) {
    const double centre = step * (static_cast<double>(i) + 0.5);
    const auto begin = std::max(static_cast<std::int64_t>(centre - support + 0.5), std::int64_t{0});
    const auto end = std::min(static_cast<std::int64_t>(centre + support + 0.5), from);
    const auto weight = [&](std::int64_t at) {
      return kernel_weight(cubic, (static_cast<double>(at) - centre + 0.5) / width);
    };
    double sum = 0.0;
    for (std::int64_t at = begin; at < end; ++at) sum += weight(at);
    for (std::int64_t at = begin; at < end; ++at)
      values.at(static_cast<std::size_t>(at * to + i)) = static_cast<float>(weight(at) / sum);
  }
  return Tensor::of(dims, values);
}

/// [C k0 k1, 1, k0, k1]: output channel c k0 k1 + i k1 + j is element (i, j) of the window of
/// channel c. What a convolution gathers with it, its transpose spreads and adds.
std::string window_weights(Call& call, std::int64_t channels,
                           const std::vector<std::int64_t>& kernel, DType dtype) {
  const auto rows = static_cast<std::int64_t>(
      constant_elements(std::vector<std::int64_t>{channels, kernel.at(0), kernel.at(1)}));
  const std::int64_t window = rows / std::max<std::int64_t>(channels, 1);
  const std::vector<std::int64_t> dims{rows, 1, kernel[0], kernel[1]};
  std::vector<float> values(constant_elements(dims), 0.0F);
  for (std::int64_t row = 0; row < rows; ++row)
    values.at(static_cast<std::size_t>(row * window + row % window)) = 1.0F;
  return call.cast(call.constant(Tensor::of(dims, values)), DType::kFloat32, dtype);
}

struct Windows {
  std::vector<std::int64_t> kernel;
  Attributes attributes;
};

Windows windows_of(const Call& call, std::int64_t channels) {
  const std::vector<std::int64_t> kernel = spread(call.integers("kernel_size"), 2);
  std::vector<std::int64_t> pads = spread(call.integers("padding"), 2);
  pads = {pads[0], pads[1], pads[0], pads[1]};
  const std::vector<std::int64_t> strides = spread(call.integers("stride"), 2);
  if (strides[0] < 1 || strides[1] < 1)
    throw Error(ErrorCode::kCorrupt, "windows that are less than one element apart");
  return {kernel,
          {{"kernel_shape", kernel},
           {"strides", strides},
           {"dilations", spread(call.integers("dilation"), 2)},
           {"pads", pads},
           {"group", channels}}};
}

std::int64_t known(const Call& call, const SymExpr& size, const std::string& what) {
  const auto number = size.integer();
  if (!number) call.unsupported("the number of " + what + " is not known");
  return *number;
}

}  // namespace

void upsample(Call& call) {
  const Value input = call.tensor(call.given("input") ? "input" : "self");
  if (input.rank() < 3) throw Error(ErrorCode::kCorrupt, "an image without spatial axes");
  const std::size_t axes = input.shape.size() - 2;
  const std::vector<float> scales = usable_scales(call, input, axes);
  const Attributes attributes = resize_attributes(call);
  if (scales.empty()) {
    const std::string sizes = call.symbols().vector_of(call.result().shape);
    return call.give(call.emit("Resize", {input.name, "", "", sizes}, attributes));
  }
  const std::string constant =
      call.constant(Tensor::of({static_cast<std::int64_t>(scales.size())}, scales));
  call.give(call.emit("Resize", {input.name, "", constant}, attributes));
}

/// A product with a matrix for each axis: ONNX Runtime's Resize weighs otherwise.
void upsample_antialiased(Call& call) {
  const Value input = call.tensor(call.given("input") ? "input" : "self");
  const bool cubic = call.node().target.find("cubic") != std::string::npos;
  const bool align = call.flag("align_corners", false);
  const std::vector<double> given = scale_factors(call, 2);
  std::string value = input.name;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t from = known(call, input.shape.at(i + 2), "pixels");
    const std::int64_t to = known(call, call.result().shape.at(i + 2), "pixels");
    double step = static_cast<double>(from) / static_cast<double>(to);
    if (align) step = to > 1 ? static_cast<double>(from - 1) / static_cast<double>(to - 1) : 0.0;
    if (!align && !given.empty()) step = 1.0 / given.at(i);
    if (!(step < 1e9)) throw Error(ErrorCode::kCorrupt, "a scale factor of 0");
    value = product_along(call, value, input.dtype, input.rank(), static_cast<std::int64_t>(i) + 2,
                          antialiasing_matrix(from, to, step, cubic));
  }
  call.give(value);
}

void grid_sampler(Call& call) {
  const Value input = call.tensor("input");
  if (input.rank() != 4 && call.opset() < 20)
    call.unsupported("sampling of volumes needs opset 20 (--opset 20)");
  const bool renamed = call.opset() >= 20;
  const std::array<std::string, 3> modes{renamed ? "linear" : "bilinear", "nearest",
                                         renamed ? "cubic" : "bicubic"};
  const std::array<std::string, 3> paddings{"zeros", "border", "reflection"};
  const std::int64_t mode = call.integer("interpolation_mode");
  const std::int64_t padding = call.integer("padding_mode");
  if (mode < 0 || mode > 2 || padding < 0 || padding > 2)
    throw Error(ErrorCode::kCorrupt, "a mode of sampling that torch does not have");
  call.give(call.emit("GridSample", {input.name, call.tensor("grid").name},
                      {{"mode", modes.at(static_cast<std::size_t>(mode))},
                       {"padding_mode", paddings.at(static_cast<std::size_t>(padding))},
                       {"align_corners", std::int64_t{call.flag("align_corners")}}}));
}

/// theta: [N, 2, 3]; the grid [N, H, W, 2] is (x, y, 1) of every pixel's centre times theta^T.
void affine_grid_generator(Call& call) {
  const SymShape size = call.sizes("size");
  if (size.size() != 4) call.unsupported("grids of volumes");
  const std::int64_t rows = known(call, size[2], "rows");
  const std::int64_t columns = known(call, size[3], "columns");
  const bool align = call.flag("align_corners");
  const auto position = [&](std::int64_t i, std::int64_t count) {
    if (align)
      return count > 1 ? -1.0 + 2.0 * static_cast<double>(i) / static_cast<double>(count - 1) : 0.0;
    return (2.0 * static_cast<double>(i) + 1.0) / static_cast<double>(count) - 1.0;
  };
  std::vector<float> base;
  base.reserve(constant_elements(std::vector<std::int64_t>{rows, columns, 3}));
  const std::vector<std::int64_t> dims{rows * columns, 3};
  for (std::int64_t y = 0; y < rows; ++y) {
    for (std::int64_t x = 0; x < columns; ++x) {
      base.push_back(static_cast<float>(position(x, columns)));
      base.push_back(static_cast<float>(position(y, rows)));
      base.push_back(1.0F);
    }
  }
  const Value theta = call.tensor("theta");
  const std::string points =
      call.cast(call.constant(Tensor::of(dims, base)), DType::kFloat32, theta.dtype);
  const std::string product = call.emit("MatMul", {points, transpose(call, theta.name, {0, 2, 1})});
  call.give(
      reshape(call, {product, theta.dtype, {size[0], rows * columns, 2}}, call.result().shape));
}

void pixel_shuffle(Call& call) {
  const Value self = call.tensor("self");
  const bool batched = self.rank() == 4;
  if (!batched && self.rank() != 3) call.unsupported("images with more than one batch axis");
  const std::string images = batched ? self.name : unsqueeze(call, self.name, {0});
  const std::string result =
      call.emit("DepthToSpace", {images},
                {{"blocksize", call.integer("upscale_factor")}, {"mode", std::string("CRD")}});
  call.give(batched ? result : squeeze(call, result, {0}));
}

/// [N, C, H r, W r] to [N, C, H, r, W, r] to [N, C r r, H, W].
void pixel_unshuffle(Call& call) {
  const Value self = call.tensor("self");
  if (self.rank() != 4) call.unsupported("images without, or with more than, one batch axis");
  const std::int64_t factor = call.integer("downscale_factor");
  const SymShape& to = call.result().shape;
  const SymShape apart{self.shape[0], self.shape[1], to[2], factor, to[3], factor};
  Value value{reshape(call, self, apart), self.dtype, {}};
  value.name = transpose(call, value.name, {0, 1, 3, 5, 2, 4});
  value.shape = {self.shape[0], self.shape[1], factor, factor, to[2], to[3]};
  call.give(reshape(call, value, to));
}

/// [N, C, …] to [N, g, C/g, …], exchanged.
void channel_shuffle(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t groups = call.integer("groups");
  const std::int64_t channels = known(call, self.shape.at(1), "channels");
  if (groups < 1 || channels % groups != 0)
    throw Error(ErrorCode::kCorrupt, "groups that do not divide the channels");
  SymShape apart = self.shape;
  apart[1] = channels / groups;
  apart.insert(apart.begin() + 1, SymExpr(groups));
  std::vector<std::int64_t> perm{0, 2, 1};
  for (std::int64_t axis = 3; axis <= self.rank(); ++axis) perm.push_back(axis);
  Value value{transpose(call, reshape(call, self, apart), perm), self.dtype, std::move(apart)};
  std::swap(value.shape[1], value.shape[2]);
  call.give(reshape(call, value, self.shape));
}

void im2col(Call& call) {
  const Value self = call.tensor("self");
  if (self.rank() != 4) call.unsupported("images without a batch axis");
  const std::int64_t channels = known(call, self.shape[1], "channels");
  const Windows windows = windows_of(call, channels);
  const std::string weights = window_weights(call, channels, windows.kernel, self.dtype);
  const std::string gathered = call.emit("Conv", {self.name, weights}, windows.attributes);
  call.give(call.emit("Reshape", {gathered, call.ints({0, 0, -1})}));
}

void col2im(Call& call) {
  const Value self = call.tensor("self");
  const SymShape& to = call.result().shape;
  if (self.rank() != 3) call.unsupported("columns without a batch axis");
  const std::int64_t channels = known(call, to.at(1), "channels");
  Windows windows = windows_of(call, channels);
  // The grid of windows, and what the last of them leaves uncovered.
  const auto attribute = [&](std::size_t i, std::size_t axis) {
    return std::get<std::vector<std::int64_t>>(windows.attributes.at(i).second).at(axis);
  };
  std::vector<std::int64_t> grid;
  std::vector<std::int64_t> uncovered;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t padded = known(call, to.at(axis + 2), "pixels") + 2 * attribute(3, axis) -
                                attribute(2, axis) * (windows.kernel[axis] - 1) - 1;
    grid.push_back(padded / attribute(1, axis) + 1);
    uncovered.push_back(padded % attribute(1, axis));
  }
  windows.attributes.emplace_back("output_padding", uncovered);
  const std::string weights = window_weights(call, channels, windows.kernel, self.dtype);
  const std::string images = call.emit("Reshape", {self.name, call.ints({0, 0, grid[0], grid[1]})});
  call.give(call.emit("ConvTranspose", {images, weights}, windows.attributes));
}

}  // namespace planish::torch::ops
