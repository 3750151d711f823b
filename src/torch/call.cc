#include "torch/call.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "planish/base/error.h"
#include "torch/number.h"

namespace planish::torch {

Call::Call(const FxNode& node, std::string path, const Scope& scope, GraphWriter& writer,
           Symbols& symbols)
    : node_(node), path_(std::move(path)), scope_(scope), writer_(writer), symbols_(symbols) {
  read_results();
}

void Call::read_results() {
  const auto add = [&](const TensorName& tensor) {
    results_.push_back(scope_.declared(tensor.name));
    results_.back().name.clear();
  };
  for (const Argument& output : node_.outputs) {
    if (const auto* tensor = std::get_if<TensorName>(&output)) {
      add(*tensor);
    } else if (const auto* list = std::get_if<std::vector<std::optional<TensorName>>>(&output)) {
      for (const auto& item : *list) {
        if (item) add(*item);
      }
    } else {
      // A number (sym_size) or nothing: no tensor.
      results_.emplace_back();
    }
  }
}

const Argument* Call::find(std::string_view name) const {
  const auto found = std::ranges::find(node_.inputs, name, &NamedArgument::name);
  if (found == node_.inputs.end() || std::holds_alternative<std::monostate>(found->value))
    return nullptr;
  return &found->value;
}

const Argument& Call::required(std::string_view name) const {
  if (const Argument* const argument = find(name)) return *argument;
  throw Error(ErrorCode::kCorrupt, "argument '" + std::string(name) + "' is missing");
}

void Call::refuse(std::string_view name, std::string_view expected) const {
  throw Error(ErrorCode::kCorrupt, "argument '" + std::string(name) +
                                       "' is of another kind; "
                                       "expected " +
                                       std::string(expected));
}

bool Call::given(std::string_view name) const { return find(name) != nullptr; }

bool Call::is_tensor(std::string_view name) const {
  const Argument* const argument = find(name);
  return argument != nullptr && std::holds_alternative<TensorName>(*argument);
}

Value Call::tensor(std::string_view name) const {
  const auto* const tensor = std::get_if<TensorName>(&required(name));
  if (tensor == nullptr) refuse(name, "a tensor");
  return scope_.tensor(tensor->name);
}

std::optional<Value> Call::tensor_if_given(std::string_view name) const {
  if (!given(name)) return std::nullopt;
  return tensor(name);
}

std::vector<std::optional<Value>> Call::optional_tensors(std::string_view name) const {
  const auto* const list = std::get_if<std::vector<std::optional<TensorName>>>(&required(name));
  if (list == nullptr) refuse(name, "a list of tensors");
  std::vector<std::optional<Value>> values;
  for (const auto& item : *list) {
    values.push_back(item ? std::optional(scope_.tensor(item->name)) : std::nullopt);
  }
  return values;
}

std::vector<Value> Call::tensors(std::string_view name) const {
  std::vector<Value> values;
  for (auto& value : optional_tensors(name)) {
    if (!value) refuse(name, "a list of tensors without None");
    values.push_back(std::move(*value));
  }
  return values;
}

std::int64_t Call::integer(std::string_view name, std::optional<std::int64_t> fallback) const {
  const SymExpr value = size(name, fallback ? std::optional(SymExpr(*fallback)) : std::nullopt);
  const auto number = value.integer();
  if (!number) unsupported("argument '" + std::string(name) + "' depends on the input's size");
  return *number;
}

double Call::real(std::string_view name, std::optional<double> fallback) const {
  if (fallback && !given(name)) return *fallback;
  const Argument& argument = required(name);
  if (const auto* real = std::get_if<double>(&argument)) return *real;
  if (const auto* integer = std::get_if<std::int64_t>(&argument))
    return static_cast<double>(*integer);
  if (const auto* flag = std::get_if<bool>(&argument)) return *flag ? 1.0 : 0.0;
  if (std::holds_alternative<SymName>(argument))
    unsupported("argument '" + std::string(name) + "' depends on the input's size");
  refuse(name, "a number");
}

bool Call::flag(std::string_view name, std::optional<bool> fallback) const {
  if (fallback && !given(name)) return *fallback;
  const Argument& argument = required(name);
  if (const auto* flag = std::get_if<bool>(&argument)) return *flag;
  if (const auto* integer = std::get_if<std::int64_t>(&argument)) return *integer != 0;
  refuse(name, "true or false");
}

std::string Call::text(std::string_view name, std::string_view fallback) const {
  if (!given(name)) return std::string(fallback);
  const auto* const value = std::get_if<std::string>(&required(name));
  if (value == nullptr) refuse(name, "a string");
  return *value;
}

SymExpr Call::size(std::string_view name, std::optional<SymExpr> fallback) const {
  if (fallback && !given(name)) return *fallback;
  const Argument& argument = required(name);
  if (const auto* integer = std::get_if<std::int64_t>(&argument)) return *integer;
  if (const auto* flag = std::get_if<bool>(&argument)) return *flag ? 1 : 0;
  if (const auto* symbol = std::get_if<SymName>(&argument)) return scope_.size(symbol->name);
  // arange(0.0, 8.0): a real number that is an integer.
  const auto* const real = std::get_if<double>(&argument);
  if (real != nullptr && std::trunc(*real) == *real && std::abs(*real) < 1e15)
    return static_cast<std::int64_t>(*real);
  refuse(name, "an integer");
}

SymShape Call::sizes(std::string_view name) const {
  const Argument& argument = required(name);
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&argument))
    return {integers->begin(), integers->end()};
  const auto* const mixed = std::get_if<std::vector<SymIntArgument>>(&argument);
  if (mixed == nullptr) return {size(name)};
  SymShape sizes;
  for (const SymIntArgument& item : *mixed) {
    const auto* const symbol = std::get_if<SymName>(&item);
    sizes.push_back(symbol != nullptr ? scope_.size(symbol->name) : std::get<std::int64_t>(item));
  }
  return sizes;
}

std::vector<std::int64_t> Call::integers(std::string_view name,
                                         std::optional<std::vector<std::int64_t>> fallback) const {
  if (fallback && !given(name)) return *fallback;
  std::vector<std::int64_t> numbers;
  for (const SymExpr& item : sizes(name)) {
    const auto number = item.integer();
    if (!number) unsupported("argument '" + std::string(name) + "' depends on the input's size");
    numbers.push_back(*number);
  }
  return numbers;
}

std::vector<double> Call::reals(std::string_view name) const {
  const Argument& argument = required(name);
  if (const auto* reals = std::get_if<std::vector<double>>(&argument)) return *reals;
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&argument))
    return {integers->begin(), integers->end()};
  return {real(name)};
}

std::int64_t Call::axis(std::string_view name, std::int64_t rank,
                        std::optional<std::int64_t> fallback) const {
  const std::int64_t axis = integer(name, fallback);
  // A scalar counts as having one axis.
  const std::int64_t axes = std::max<std::int64_t>(rank, 1);
  if (axis < -axes || axis >= axes) {
    throw Error(ErrorCode::kCorrupt,
                "axis " + std::to_string(axis) + " of a tensor of rank " + std::to_string(rank));
  }
  return axis < 0 ? axis + axes : axis;
}

std::vector<std::int64_t> Call::axes(std::string_view name, std::int64_t rank) const {
  std::vector<std::int64_t> axes = integers(name, std::vector<std::int64_t>());
  for (std::int64_t& axis : axes) {
    if (axis < -rank || axis >= std::max<std::int64_t>(rank, 1))
      throw Error(ErrorCode::kCorrupt,
                  "axis " + std::to_string(axis) + " of a tensor of rank " + std::to_string(rank));
    if (axis < 0) axis += rank;
  }
  if (axes.empty()) {
    for (std::int64_t axis = 0; axis < rank; ++axis) axes.push_back(axis);
  }
  std::ranges::sort(axes);
  return axes;
}

std::string Call::operand(std::string_view name, DType dtype) {
  if (is_tensor(name)) {
    const Value value = tensor(name);
    return cast(value.name, value.dtype, dtype);
  }
  const Argument& argument = required(name);
  if (const auto* symbol = std::get_if<SymName>(&argument)) {
    const SymExpr value = scope_.size(symbol->name);
    if (const auto number = value.integer()) return scalar(static_cast<double>(*number), dtype);
    const bool is_float = row_of(dtype).is_float;
    const std::string one = is_float ? symbols_.real_of(value) : symbols_.one_of(value);
    const std::string flat = emit("Squeeze", {one});
    return cast(flat, is_float ? DType::kFloat32 : DType::kInt64, dtype);
  }
  if (const auto* integer = std::get_if<std::int64_t>(&argument))
    return constant(integer_scalar(*integer, dtype));
  return scalar(real(name), dtype);
}

DType Call::common_type(std::initializer_list<std::string_view> names) const {
  ResultType type;
  for (const std::string_view name : names) {
    if (is_tensor(name)) {
      const Value value = tensor(name);
      type.add_tensor(value.dtype, value.rank() > 0);
      continue;
    }
    const Argument& argument = required(name);
    const bool is_real = std::holds_alternative<double>(argument);
    const bool is_bool = std::holds_alternative<bool>(argument);
    type.add_number(is_real ? Category::kFloat : is_bool ? Category::kBool : Category::kInteger);
  }
  return type.dtype();
}

const Value& Call::result(std::size_t i) const {
  if (i >= results_.size() || results_[i].dtype == DType::kUndefined)
    throw Error(ErrorCode::kCorrupt, "result " + std::to_string(i) + " is no tensor");
  return results_[i];
}

void Call::give(std::string value, DType dtype, std::size_t i) {
  const DType declared = result(i).dtype;
  results_[i].name = dtype == DType::kUndefined ? std::move(value) : cast(value, dtype, declared);
}

std::vector<std::string> Call::emit_many(const std::string& op, std::vector<std::string> inputs,
                                         std::size_t outputs, const Attributes& attributes) {
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  Node node;
  node.op_type = op;
  node.inputs = std::move(inputs);
  node.name = writer_.unique_name(path_ + "/" + op);
  for (std::size_t i = 0; i < outputs; ++i) {
    node.outputs.push_back(i == 0 ? node.name
                                  : writer_.unique_name(node.name + "." + std::to_string(i)));
  }
  for (const auto& [name, attribute] : attributes) node.set_attribute(name, attribute);
  nodes_.push_back(std::move(node));
  return nodes_.back().outputs;
}

std::string Call::emit(const std::string& op, std::vector<std::string> inputs,
                       const Attributes& attributes) {
  return emit_many(op, std::move(inputs), 1, attributes).front();
}

std::string Call::cast(const std::string& value, DType from, DType to) {
  if (from == to) return value;
  return emit("Cast", {value}, {{"to", static_cast<std::int64_t>(to)}});
}

std::string Call::ints(const std::vector<std::int64_t>& values) {
  return constant(Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
}

std::string Call::scalar(double value, DType dtype) { return constant(real_scalar(value, dtype)); }

void Call::unsupported(const std::string& why) const { throw Error(ErrorCode::kUnsupported, why); }

/// A lone node is called after its module; of several, each carries its operator behind that.
void Call::name_nodes() {
  if (nodes_.size() != 1) return;
  Node& node = nodes_.front();
  const std::vector<std::string> old = node.outputs;
  node.name = writer_.unique_name(path_);
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    node.outputs[i] = i == 0 ? node.name : writer_.unique_name(node.name + "." + std::to_string(i));
  }
  for (Value& result : results_) {
    const auto found = std::ranges::find(old, result.name);
    if (found != old.end())
      result.name = node.outputs[static_cast<std::size_t>(found - old.begin())];
  }
}

void Call::flush() {
  for (Node& node : nodes_) writer_.add_node(std::move(node));
  nodes_.clear();
}

const std::vector<Value>& Call::finish() {
  name_nodes();
  flush();
  return results_;
}

}  // namespace planish::torch
