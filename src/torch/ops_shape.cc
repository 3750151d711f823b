#include "torch/ops_shape.h"

#include <limits>
#include <numeric>

#include "planish/base/error.h"
#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

std::vector<std::int64_t> identity_permutation(std::int64_t rank) {
  std::vector<std::int64_t> perm(static_cast<std::size_t>(rank));
  std::iota(perm.begin(), perm.end(), std::int64_t{0});
  return perm;
}

std::vector<std::string> names_as(Call& call, const std::vector<Value>& values, DType dtype) {
  std::vector<std::string> names;
  for (const Value& value : values) names.push_back(call.cast(value.name, value.dtype, dtype));
  return names;
}

/// An old rule of torch: an empty tensor of one axis may be among those that are joined.
bool is_legacy_empty(const Value& value) {
  return value.rank() == 1 && value.shape.front().integer() == 0;
}

/// torch counts from the last axis: begin and end of it, of the one before …; negative ones cut.
void padded(Call& call, std::string_view argument, const std::string& mode) {
  const Value self = call.tensor("self");
  const SymShape widths = call.sizes(argument);
  const std::size_t rank = self.shape.size();
  SymShape pads(2 * rank, SymExpr(0));
  for (std::size_t i = 0; i + 1 < widths.size() && i / 2 < rank; i += 2) {
    pads[rank - 1 - i / 2] = widths[i];
    pads[2 * rank - 1 - i / 2] = widths[i + 1];
  }
  std::vector<std::string> inputs{self.name, call.symbols().vector_of(pads)};
  if (mode == "constant") {
    inputs.push_back(call.given("value") ? call.operand("value", self.dtype)
                                         : call.scalar(0.0, self.dtype));
  }
  call.give(call.emit("Pad", inputs, {{"mode", mode}}));
}

}  // namespace

void view(Call& call) { call.give(reshape(call, call.tensor("self"), call.result().shape)); }

void flatten(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t start = call.axis("start_dim", self.rank(), 0);
  const std::int64_t end = call.axis("end_dim", self.rank(), -1);
  if (start == 1 && end == self.rank() - 1 && self.rank() > 2) {
    call.give(call.emit("Flatten", {self.name}, {{"axis", std::int64_t{1}}}));
  } else {
    view(call);
  }
}

void squeeze_axes(Call& call) {
  const Value self = call.tensor("self");
  std::vector<std::int64_t> axes;
  for (const std::int64_t axis : call.axes("dim", self.rank())) {
    if (self.shape.empty()) continue;  // a scalar counts as having one axis
    if (self.shape[static_cast<std::size_t>(axis)].integer() == 1) axes.push_back(axis);
  }
  call.give(axes.empty() ? self.name : ops::squeeze(call, self.name, axes));
}

void unsqueeze_axis(Call& call) {
  const Value self = call.tensor("self");
  call.give(ops::unsqueeze(call, self.name, {call.axis("dim", self.rank() + 1)}));
}

void transpose_axes(Call& call) {
  const Value self = call.tensor("self");
  std::vector<std::int64_t> perm = identity_permutation(self.rank());
  if (!perm.empty()) {
    std::swap(perm[static_cast<std::size_t>(call.axis("dim0", self.rank()))],
              perm[static_cast<std::size_t>(call.axis("dim1", self.rank()))]);
  }
  call.give(transpose(call, self.name, perm));
}

void exchange_last_axes(Call& call) {
  const Value self = call.tensor("self");
  std::vector<std::int64_t> perm = identity_permutation(self.rank());
  std::swap(perm.at(perm.size() - 1), perm.at(perm.size() - 2));
  call.give(transpose(call, self.name, perm));
}

void permute(Call& call) {
  const Value self = call.tensor("self");
  std::vector<std::int64_t> perm = call.integers("dims");
  for (std::int64_t& axis : perm) axis += axis < 0 ? self.rank() : 0;
  call.give(transpose(call, self.name, perm));
}

void t(Call& call) {
  const Value self = call.tensor("self");
  std::vector<std::int64_t> perm = identity_permutation(self.rank());
  std::ranges::reverse(perm);
  call.give(transpose(call, self.name, perm));
}

void expand(Call& call) {
  const Value self = call.tensor("self");
  const SymShape& to = call.result().shape;
  if (self.shape == to) return call.give(self.name);
  if (to.size() < self.shape.size()) throw Error(ErrorCode::kCorrupt, "it takes axes away");
  // Expand takes 1 for an axis that stays as it is; so most sizes need not be known.
  SymShape target = to;
  const std::size_t added = to.size() - self.shape.size();
  for (std::size_t axis = added; axis < to.size(); ++axis) {
    if (self.shape[axis - added] == to[axis]) target[axis] = 1;
  }
  call.give(call.emit("Expand", {self.name, call.symbols().vector_of(target)}));
}

void cat(Call& call) {
  std::vector<Value> values = call.tensors("tensors");
  if (call.result().rank() != 1) std::erase_if(values, is_legacy_empty);
  const std::int64_t axis = call.axis("dim", call.result().rank(), 0);
  const std::vector<std::string> names = names_as(call, values, call.result().dtype);
  if (names.size() == 1) return call.give(names.front());
  call.give(call.emit("Concat", names, {{"axis", axis}}));
}

void stack(Call& call) {
  const std::int64_t axis = call.axis("dim", call.result().rank(), 0);
  std::vector<std::string> names = names_as(call, call.tensors("tensors"), call.result().dtype);
  for (std::string& name : names) name = ops::unsqueeze(call, name, {axis});
  call.give(call.emit("Concat", names, {{"axis", axis}}));
}

void select(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  call.give(
      call.emit("Gather", {self.name, scalar_size(call, call.size("index"))}, {{"axis", axis}}));
}

void slice(Call& call) {
  const Value self = call.tensor("self");
  if (self.shape == call.result().shape && call.integer("step", 1) == 1)
    return call.give(self.name);
  const std::int64_t axis = call.axis("dim", self.rank(), 0);
  const auto bound = [&](std::string_view name, std::int64_t fallback) {
    return call.symbols().one_of(call.size(name, SymExpr(fallback)));
  };
  const std::string start = bound("start", 0);
  const std::string end = bound("end", kEnd);
  call.give(call.emit("Slice", {self.name, start, end, call.ints({axis}), bound("step", 1)}));
}

void split(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank(), 0);
  if (call.result_count() == 1) return call.give(self.name);
  SymShape sizes;
  for (std::size_t i = 0; i < call.result_count(); ++i)
    sizes.push_back(call.result(i).shape.at(static_cast<std::size_t>(axis)));
  const std::vector<std::string> parts = call.emit_many(
      "Split", {self.name, call.symbols().vector_of(sizes)}, sizes.size(), {{"axis", axis}});
  for (std::size_t i = 0; i < parts.size(); ++i) call.give(parts[i], self.dtype, i);
}

void unbind(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank(), 0);
  for (std::size_t i = 0; i < call.result_count(); ++i) {
    const std::string index = call.constant(Tensor::scalar(static_cast<std::int64_t>(i)));
    call.give(call.emit("Gather", {self.name, index}, {{"axis", axis}}), self.dtype, i);
  }
}

void constant_pad(Call& call) { padded(call, "pad", "constant"); }
void reflection_pad(Call& call) { padded(call, "padding", "reflect"); }
void replication_pad(Call& call) { padded(call, "padding", "edge"); }

void pad(Call& call) {
  const std::string mode = call.text("mode", "constant");
  if (mode == "circular" && call.opset() < 19)
    call.unsupported("padding of mode circular needs opset 19 (--opset 19)");
  padded(call, "pad", mode == "replicate" ? "edge" : mode == "circular" ? "wrap" : mode);
}

}  // namespace planish::torch::ops
