#include "torch/ops_convolution.h"

#include "planish/base/error.h"
#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

struct Geometry {
  std::vector<std::int64_t> kernel;
  std::vector<std::int64_t> strides;
  std::vector<std::int64_t> pads;  // begins, then ends
  std::vector<std::int64_t> dilations;
  std::vector<std::int64_t> output_padding;  // of a transpose; empty otherwise
  std::int64_t groups = 1;
};

/// weight: [M, C/groups, kernel…], of a transpose [C, M/groups, kernel…].
std::vector<std::int64_t> kernel_of(const Value& weight) {
  std::vector<std::int64_t> kernel;
  for (std::size_t axis = 2; axis < weight.shape.size(); ++axis) {
    const auto size = weight.shape[axis].integer();
    if (!size) throw Error(ErrorCode::kUnsupported, "a kernel whose size is not known");
    kernel.push_back(*size);
  }
  if (kernel.empty()) throw Error(ErrorCode::kCorrupt, "a kernel without spatial axes");
  return kernel;
}

Geometry geometry_of(const Call& call, const Value& weight) {
  Geometry geometry;
  geometry.kernel = kernel_of(weight);
  const std::size_t axes = geometry.kernel.size();
  const std::vector<std::int64_t> one{1};
  geometry.strides = spread(call.integers("stride", one), axes);
  geometry.dilations = spread(call.integers("dilation", one), axes);
  geometry.groups = call.integer("groups", 1);
  return geometry;
}

void pad_both_sides(Geometry& geometry, const std::vector<std::int64_t>& padding) {
  geometry.pads = padding;
  geometry.pads.insert(geometry.pads.end(), padding.begin(), padding.end());
}

void emit_conv(Call& call, const std::string& op, const Value& weight, const Geometry& geometry) {
  const Value input = call.tensor("input");
  const auto bias = call.tensor_if_given("bias");
  // torch also takes one image without a batch axis.
  const bool batched = input.shape.size() == geometry.kernel.size() + 2;
  const std::string images = batched ? input.name : unsqueeze(call, input.name, {0});
  Attributes attributes{{"kernel_shape", geometry.kernel},
                        {"strides", geometry.strides},
                        {"pads", geometry.pads},
                        {"dilations", geometry.dilations},
                        {"group", geometry.groups}};
  if (!geometry.output_padding.empty())
    attributes.emplace_back("output_padding", geometry.output_padding);
  const std::string result =
      call.emit(op, {images, weight.name, bias ? bias->name : ""}, attributes);
  call.give(batched ? result : squeeze(call, result, {0}));
}

void read_output_padding(const Call& call, Geometry& geometry) {
  const std::vector<std::int64_t> zero{0};
  geometry.output_padding = spread(call.integers("output_padding", zero), geometry.kernel.size());
}

}  // namespace

void conv(Call& call) {
  const Value weight = call.tensor("weight");
  Geometry geometry = geometry_of(call, weight);
  const std::vector<std::int64_t> zero{0};
  pad_both_sides(geometry, spread(call.integers("padding", zero), geometry.kernel.size()));
  emit_conv(call, "Conv", weight, geometry);
}

void conv_padding(Call& call) {
  const Value weight = call.tensor("weight");
  Geometry geometry = geometry_of(call, weight);
  const std::string padding = call.text("padding", "valid");
  std::vector<std::int64_t> ends;
  for (std::size_t axis = 0; axis < geometry.kernel.size(); ++axis) {
    // "same" puts the odd element behind.
    const std::int64_t total =
        padding == "same" ? geometry.dilations[axis] * (geometry.kernel[axis] - 1) : 0;
    geometry.pads.push_back(total / 2);
    ends.push_back(total - total / 2);
  }
  geometry.pads.insert(geometry.pads.end(), ends.begin(), ends.end());
  emit_conv(call, "Conv", weight, geometry);
}

void conv_transpose(Call& call) {
  const Value weight = call.tensor("weight");
  Geometry geometry = geometry_of(call, weight);
  const std::vector<std::int64_t> zero{0};
  pad_both_sides(geometry, spread(call.integers("padding", zero), geometry.kernel.size()));
  read_output_padding(call, geometry);
  emit_conv(call, "ConvTranspose", weight, geometry);
}

void convolution(Call& call) {
  if (call.flag("transposed")) return conv_transpose(call);
  return conv(call);
}

}  // namespace planish::torch::ops
