#include "quantize/integer_ops.h"

#include <algorithm>

#include "quantize/rewriter.h"

namespace planish::quantize_detail {

const IntegerOp* find_integer_op(const Node& node) {
  if (!node.domain.empty() && node.domain != kContribDomain) return nullptr;
  const auto row = std::ranges::lower_bound(kIntegerOps, node.op_type, {}, &IntegerOp::op_type);
  if (row == kIntegerOps.end() || row->op_type != node.op_type) return nullptr;
  if (node.op_type == "Resize" && node.string_attribute("mode", "nearest") != "nearest")
    return nullptr;
  return &*row;
}

std::vector<IntegerInput> integer_inputs(const IntegerOp& op, const Node& node) {
  std::vector<IntegerInput> inputs;
  const auto has = [&](int input) {
    return input != kNone && !node.input(static_cast<std::size_t>(input)).empty();
  };
  for (const IntegerInput& input : op.inputs) {
    if (has(input.data)) inputs.push_back(input);
  }
  if (op.stride == 0 || inputs.empty()) return inputs;
  const IntegerInput& first = op.inputs.front();
  for (int data = first.data + op.stride; has(data); data += op.stride) {
    const int offset = data - first.data;
    inputs.push_back({data, first.zero_point == kNone ? kNone : first.zero_point + offset});
  }
  return inputs;
}

}  // namespace planish::quantize_detail
