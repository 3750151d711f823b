#include "optimize/shape_values.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "optimize/rewrite.h"

namespace planish::rewrite {
namespace {

// Shapes have a handful of dimensions; longer integer tensors are data.
constexpr std::size_t kMaxElements = 64;

using Operands = std::vector<const ShapeValue*>;
using Result = std::optional<ShapeValue>;

struct Context {
  const Node& node;
  const GraphIndex& index;
  const Operands& operands;  // null where nothing is known

  /// Axes or bounds, which later opsets give as inputs and earlier ones as an attribute.
  [[nodiscard]] std::optional<std::vector<std::int64_t>> ints(std::size_t input,
                                                              std::string_view attribute) const {
    if (!node.input(input).empty()) {
      const ShapeValue* given = operands[input];
      if (given == nullptr || !given->is_known()) return std::nullopt;
      std::vector<std::int64_t> numbers;
      for (const Dim& element : given->elements) numbers.push_back(*element.number());
      return numbers;
    }
    if (node.find_attribute(attribute) == nullptr) return std::nullopt;
    return node.ints_attribute(attribute);
  }
};

/// Slice's rule: negative counts from the end; then into [0, size].
std::size_t clamped_bound(std::int64_t bound, std::size_t size) {
  const auto end = static_cast<std::int64_t>(size);
  if (bound < 0) bound += end;
  return static_cast<std::size_t>(std::clamp<std::int64_t>(bound, 0, end));
}

Result shape_op(const Context& c) {
  const auto shape = shape_of(c.index, c.node.input(0));
  if (!shape) return std::nullopt;
  const std::size_t start = clamped_bound(c.node.int_attribute("start", 0), shape->size());
  const std::size_t end = clamped_bound(
      c.node.int_attribute("end", std::numeric_limits<std::int64_t>::max()), shape->size());
  ShapeValue result;
  for (std::size_t i = start; i < end; ++i) {
    Dim dim = (*shape)[i];
    dim.denotation.clear();
    result.elements.push_back(std::move(dim));
  }
  return result;
}

Result size_op(const Context& c) {
  const auto shape = shape_of(c.index, c.node.input(0));
  const auto dims = shape ? static_dims(*shape) : std::nullopt;
  if (!dims) return std::nullopt;
  std::int64_t product = 1;
  for (const std::int64_t dim : *dims) {
    if (__builtin_mul_overflow(product, dim, &product)) return std::nullopt;
  }
  return ShapeValue{.elements = {Dim(product)}, .rank = 0};
}

Result gather(const Context& c) {
  const ShapeValue* data = c.operands[0];
  const ShapeValue* indices = c.operands[1];
  if (data == nullptr || indices == nullptr || data->rank != 1 || !indices->is_known()) {
    return std::nullopt;
  }
  ShapeValue result{.elements = {}, .rank = indices->rank, .dtype = data->dtype};
  for (const Dim& element : indices->elements) {
    const auto at = normalized_axis(*element.number(), data->elements.size());
    if (!at) return std::nullopt;
    result.elements.push_back(data->elements[*at]);
  }
  return result;
}

Result slice(const Context& c) {
  const ShapeValue* data = c.operands[0];
  const auto starts = c.ints(1, "starts");
  const auto ends = c.ints(2, "ends");
  const auto steps = c.ints(4, "steps");
  const bool has_steps = !c.node.input(4).empty();
  if (data == nullptr || data->rank != 1 || !starts || !ends || starts->size() != 1 ||
      ends->size() != 1 || (has_steps && (!steps || *steps != std::vector<std::int64_t>{1}))) {
    return std::nullopt;
  }
  const std::size_t start = clamped_bound((*starts)[0], data->elements.size());
  const std::size_t end = clamped_bound((*ends)[0], data->elements.size());
  ShapeValue result{.elements = {}, .rank = 1, .dtype = data->dtype};
  for (std::size_t i = start; i < end; ++i) result.elements.push_back(data->elements[i]);
  return result;
}

Result concat(const Context& c) {
  ShapeValue result;
  for (const ShapeValue* part : c.operands) {
    if (part == nullptr || part->rank != 1) return std::nullopt;
    result.dtype = part->dtype;
    result.elements.insert(result.elements.end(), part->elements.begin(), part->elements.end());
  }
  return result;
}

Result squeeze(const Context& c) {
  const ShapeValue* data = c.operands[0];
  if (data == nullptr || data->elements.size() != 1) return std::nullopt;
  return ShapeValue{.elements = data->elements, .rank = 0, .dtype = data->dtype};
}

Result unsqueeze(const Context& c) {
  const ShapeValue* data = c.operands[0];
  const auto axes = c.ints(1, "axes");
  if (data == nullptr || data->rank != 0 || !axes || axes->size() != 1) return std::nullopt;
  return ShapeValue{.elements = data->elements, .rank = 1, .dtype = data->dtype};
}

Result reshape(const Context& c) {
  const ShapeValue* data = c.operands[0];
  const auto dims = c.ints(1, "shape");
  if (data == nullptr || !dims || dims->size() > 1) return std::nullopt;
  const auto count = static_cast<std::int64_t>(data->elements.size());
  const bool fits = dims->empty() ? count == 1 : (*dims)[0] == -1 || (*dims)[0] == count;
  if (!fits) return std::nullopt;
  return ShapeValue{.elements = data->elements, .rank = dims->size(), .dtype = data->dtype};
}

Result cast(const Context& c) {
  const ShapeValue* data = c.operands[0];
  const auto to = dtype_from_onnx(static_cast<std::int32_t>(c.node.int_attribute("to", 0)));
  if (data == nullptr || (to != DType::kInt64 && to != DType::kInt32)) return std::nullopt;
  // Narrowing a dimension that does not fit would wrap.
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  const bool fits = std::ranges::all_of(data->elements, [](const Dim& element) {
    const auto number = element.number();
    return !number || (*number >= -kMax && *number <= kMax);
  });
  if (to == DType::kInt32 && !fits) return std::nullopt;
  return ShapeValue{.elements = data->elements, .rank = data->rank, .dtype = *to};
}

Result same(const Context& c) {
  return c.operands[0] == nullptr ? Result() : Result(*c.operands[0]);
}

std::optional<std::int64_t> compute(char op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case '+':
      return __builtin_add_overflow(a, b, &result) ? std::nullopt : std::optional(result);
    case '-':
      return __builtin_sub_overflow(a, b, &result) ? std::nullopt : std::optional(result);
    case '*':
      return __builtin_mul_overflow(a, b, &result) ? std::nullopt : std::optional(result);
    default:
      return a < 0 || b <= 0 ? std::nullopt : std::optional(a / b);
  }
}

/// Element by element, one operand possibly a single element; what has a symbol becomes unknown.
Result arithmetic(const Context& c) {
  const ShapeValue* a = c.operands[0];
  const ShapeValue* b = c.operands[1];
  if (a == nullptr || b == nullptr || a->dtype != b->dtype || a->dtype != DType::kInt64) {
    return std::nullopt;
  }
  const std::size_t count = std::max(a->elements.size(), b->elements.size());
  const auto fits = [&](const ShapeValue& v) {
    return v.elements.size() == count || v.elements.size() == 1;
  };
  if (!fits(*a) || !fits(*b)) return std::nullopt;
  const char op = c.node.op_type == "Add"   ? '+'
                  : c.node.op_type == "Sub" ? '-'
                  : c.node.op_type == "Mul" ? '*'
                                            : '/';
  ShapeValue result{.elements = {}, .rank = std::max(a->rank, b->rank)};
  for (std::size_t i = 0; i < count; ++i) {
    const auto x = a->elements[a->elements.size() == 1 ? 0 : i].number();
    const auto y = b->elements[b->elements.size() == 1 ? 0 : i].number();
    const auto value = x && y ? compute(op, *x, *y) : std::nullopt;
    Dim& element = result.elements.emplace_back();
    if (value) element.value = *value;
  }
  return result;
}

struct Rule {
  std::string_view op_type = {};
  Result (*evaluate)(const Context&) = nullptr;
};
constexpr std::array kRules{
    Rule{"Add", arithmetic}, Rule{"Cast", cast},           Rule{"Concat", concat},
    Rule{"Div", arithmetic}, Rule{"Gather", gather},       Rule{"Identity", same},
    Rule{"Mul", arithmetic}, Rule{"Reshape", reshape},     Rule{"Shape", shape_op},
    Rule{"Size", size_op},   Rule{"Slice", slice},         Rule{"Squeeze", squeeze},
    Rule{"Sub", arithmetic}, Rule{"Unsqueeze", unsqueeze},
};

std::optional<ShapeValue> value_of_constant(const Initializer& constant) {
  const Tensor& tensor = constant.value;
  const bool is_shape = (tensor.dtype() == DType::kInt64 || tensor.dtype() == DType::kInt32) &&
                        tensor.rank() <= 1 && tensor.element_count() <= kMaxElements;
  if (!is_shape) return std::nullopt;
  ShapeValue value{.elements = {}, .rank = tensor.rank(), .dtype = tensor.dtype()};
  for (const std::int64_t number : tensor.to_ints()) value.elements.emplace_back(number);
  return value;
}

}  // namespace

bool ShapeValue::is_known() const {
  return std::ranges::all_of(elements,
                             [](const Dim& element) { return element.number().has_value(); });
}

ShapeValues::ShapeValues(const Graph& graph, const GraphIndex& index) : index_(&index) {
  for (const Initializer& initializer : graph.initializers) {
    if (index.constant(initializer.name) == nullptr) continue;
    if (auto value = value_of_constant(initializer)) {
      values_.emplace(initializer.name, std::move(*value));
    }
  }
  for (const Node& node : graph.nodes) {
    const auto rule = std::ranges::find(kRules, node.op_type, &Rule::op_type);
    if (rule == kRules.end() || !node.domain.empty() || node.outputs.size() != 1) continue;
    Operands operands;
    for (const std::string& input : node.inputs) operands.push_back(find(input));
    operands.resize(std::max<std::size_t>(operands.size(), 5), nullptr);
    if (node.op_type == "Concat") operands.resize(node.inputs.size());
    Result result = rule->evaluate(Context{node, *index_, operands});
    if (result && result->elements.size() <= kMaxElements) {
      values_.insert_or_assign(node.output(0), std::move(*result));
    }
  }
}

const ShapeValue* ShapeValues::find(const std::string& value) const {
  const auto found = values_.find(value);
  return found == values_.end() ? nullptr : &found->second;
}

}  // namespace planish::rewrite
