#include "torch/ops_common.h"

#include <optional>
#include <utility>

#include "planish/base/error.h"

namespace planish::torch::ops {
namespace {

/// Sizes of a Reshape with 0 for "as the input's axis" and -1 for the one that is left; nothing
/// when more than one is left.
std::optional<std::vector<std::int64_t>> static_target(const SymShape& from, const SymShape& to) {
  std::vector<std::int64_t> target;
  bool has_rest = false;
  for (std::size_t axis = 0; axis < to.size(); ++axis) {
    if (const auto number = to[axis].integer()) {
      // A literal 0 would mean the input's axis.
      if (*number == 0) return std::nullopt;
      target.push_back(*number);
    } else if (axis < from.size() && from[axis] == to[axis]) {
      target.push_back(0);
    } else if (!has_rest) {
      target.push_back(-1);
      has_rest = true;
    } else {
      return std::nullopt;
    }
  }
  return target;
}

}  // namespace

void identity(Call& call) {
  const Value self = call.tensor(call.given("self") ? "self" : "input");
  call.give(self.name, self.dtype);
}

std::string reshape(Call& call, const Value& value, const SymShape& to) {
  if (value.shape == to) return value.name;
  const auto target = static_target(value.shape, to);
  if (target) return call.emit("Reshape", {value.name, call.ints(*target)});
  return call.emit("Reshape", {value.name, call.symbols().vector_of(to)},
                   {{"allowzero", std::int64_t{1}}});
}

std::string transpose(Call& call, const std::string& value, const std::vector<std::int64_t>& perm) {
  if (std::ranges::is_sorted(perm)) return value;
  return call.emit("Transpose", {value}, {{"perm", perm}});
}

std::string unsqueeze(Call& call, const std::string& value, const std::vector<std::int64_t>& axes) {
  return call.emit("Unsqueeze", {value, call.ints(axes)});
}

std::string squeeze(Call& call, const std::string& value, const std::vector<std::int64_t>& axes) {
  return call.emit("Squeeze", {value, call.ints(axes)});
}

std::string reduce(Call& call, const std::string& op, const std::string& value,
                   const std::vector<std::int64_t>& axes, bool keep_dims) {
  if (axes.empty()) return value;  // of a scalar
  const std::int64_t keep = keep_dims ? 1 : 0;
  if (op == "ReduceSum" || call.opset() >= 18)
    return call.emit(op, {value, call.ints(axes)}, {{"keepdims", keep}});
  return call.emit(op, {value}, {{"axes", axes}, {"keepdims", keep}});
}

std::string scalar_size(Call& call, const SymExpr& size) {
  if (const auto number = size.integer()) return call.constant(Tensor::scalar(*number));
  return call.emit("Squeeze", {call.symbols().one_of(size)});
}

std::vector<std::int64_t> spread(std::vector<std::int64_t> values, std::size_t count) {
  if (values.size() == 1) values.assign(count, values.front());
  if (values.size() != count) {
    throw Error(ErrorCode::kCorrupt, std::to_string(values.size()) + " numbers for " +
                                         std::to_string(count) + " spatial axes");
  }
  return values;
}

}  // namespace planish::torch::ops
