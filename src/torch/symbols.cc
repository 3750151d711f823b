#include "torch/symbols.h"

#include <algorithm>
#include <array>
#include <utility>

#include "planish/base/error.h"

namespace planish::torch {
namespace {

constexpr auto kInt64 = static_cast<std::int64_t>(DType::kInt64);
constexpr auto kFloat = static_cast<std::int64_t>(DType::kFloat32);

}  // namespace

void Symbols::name(const std::string& symbol, const std::string& wanted) {
  if (names_.contains(symbol)) return;
  std::string unique = wanted;
  const auto taken = [&](const std::string& name) {
    return std::ranges::any_of(names_, [&](const auto& entry) { return entry.second == name; });
  };
  for (int i = 1; taken(unique); ++i) unique = wanted + "_" + std::to_string(i);
  names_.emplace(symbol, std::move(unique));
}

std::string Symbols::name_of(const std::string& symbol) const {
  const auto found = names_.find(symbol);
  return found == names_.end() ? symbol : found->second;
}

void Symbols::learn(const std::string& value, const SymShape& shape) {
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis].op() != SymOp::kSymbol) continue;
    sources_.try_emplace(shape[axis].name(), Source{value, static_cast<std::int64_t>(axis)});
  }
}

void Symbols::learn_scalar(const std::string& symbol, const std::string& value) {
  sources_.try_emplace(symbol, Source{value, kScalar});
}

Dim Symbols::dim(const SymExpr& size) const {
  if (const auto number = size.integer()) return *number;
  return to_string(size, [this](const std::string& symbol) { return name_of(symbol); });
}

Shape Symbols::shape(const SymShape& sizes) const {
  Shape shape;
  for (const SymExpr& size : sizes) shape.push_back(dim(size));
  return shape;
}

std::string Symbols::emit(const std::string& op, std::vector<std::string> inputs,
                          const Attributes& attributes) {
  Node node;
  node.op_type = op;
  node.inputs = std::move(inputs);
  node.name = writer_.unique_name("sizes/" + op);
  node.outputs = {node.name};
  for (const auto& [name, value] : attributes) node.set_attribute(name, value);
  writer_.add_node(node);
  return node.name;
}

Symbols::Computed Symbols::source_of(const std::string& symbol) {
  const auto found = sources_.find(symbol);
  if (found == sources_.end()) {
    throw Error(ErrorCode::kUnsupported, "the size '" + name_of(symbol) +
                                             "' is the dimension of no tensor that is known here");
  }
  const Source& source = found->second;
  if (source.axis == kScalar) {
    return {emit("Reshape", {source.value, writer_.constant(Tensor::of<std::int64_t>({1}, {1}))})};
  }
  return {emit("Shape", {source.value}, {{"start", source.axis}, {"end", source.axis + 1}})};
}

Symbols::Computed Symbols::to_real(const Computed& value) {
  if (value.is_real) return value;
  return {emit("Cast", {value.value}, {{"to", kFloat}}), true};
}

Symbols::Computed Symbols::compute_function(const SymExpr& size) {
  std::vector<Computed> arguments;
  for (const SymExpr& argument : size.arguments()) arguments.push_back(compute(argument));
  const auto fold = [&](const std::string& op, bool to_reals) {
    bool is_real = to_reals || std::ranges::any_of(arguments, &Computed::is_real);
    Computed result = is_real ? to_real(arguments.front()) : arguments.front();
    for (std::size_t i = 1; i < arguments.size(); ++i) {
      const Computed next = is_real ? to_real(arguments[i]) : arguments[i];
      result = {emit(op, {result.value, next.value}), is_real};
    }
    return result;
  };
  const auto to_integer = [&](const std::string& rounding) {
    std::string value = to_real(arguments.front()).value;
    if (!rounding.empty()) value = emit(rounding, {value});
    return Computed{emit("Cast", {value}, {{"to", kInt64}}), false};
  };
  switch (size.op()) {
    case SymOp::kAdd:
      return fold("Add", false);
    case SymOp::kMul:
      return fold("Mul", false);
    case SymOp::kMax:
      return fold("Max", false);
    case SymOp::kMin:
      return fold("Min", false);
    case SymOp::kTrueDiv:
      return fold("Div", true);
    case SymOp::kPow:
      return fold("Pow", false);
    case SymOp::kToReal:
      return to_real(arguments.front());
    case SymOp::kTruncate:
      return to_integer("");  // Cast truncates
    case SymOp::kFloor:
      return to_integer("Floor");
    case SymOp::kCeil:
      return to_integer("Ceil");
    case SymOp::kMod:
      return fold("Mod", false);  // of integers: the sign of the divisor, as Python's
    case SymOp::kFloorDiv: {
      // ONNX's Div truncates: a // b = (a - a mod b) / b.
      if (arguments.size() != 2) break;
      const std::string rest = emit("Mod", {arguments[0].value, arguments[1].value});
      const std::string multiple = emit("Sub", {arguments[0].value, rest});
      return {emit("Div", {multiple, arguments[1].value}), false};
    }
    default:
      break;
  }
  throw Error(ErrorCode::kUnsupported, "a size that is computed as " + to_string(size));
}

Symbols::Computed Symbols::compute(const SymExpr& size) {
  if (const auto number = size.integer())
    return {writer_.constant(Tensor::of<std::int64_t>({1}, {*number})), false};
  if (size.op() == SymOp::kReal) {
    return {writer_.constant(Tensor::of<float>({1}, {static_cast<float>(size.real_value())})),
            true};
  }
  const std::string key = to_string(size);
  const auto known = computed_.find(key);
  if (known != computed_.end()) return known->second;
  const Computed result =
      size.op() == SymOp::kSymbol ? source_of(size.name()) : compute_function(size);
  return computed_.emplace(key, result).first->second;
}

std::string Symbols::one_of(const SymExpr& size) {
  const Computed result = compute(size);
  if (result.is_real)
    throw Error(ErrorCode::kUnsupported, "a size that is a real number: " + to_string(size));
  return result.value;
}

std::string Symbols::real_of(const SymExpr& size) { return to_real(compute(size)).value; }

std::string Symbols::vector_of(const SymShape& sizes) {
  std::string key;
  for (const SymExpr& size : sizes) key += to_string(size) + ",";
  const auto known = vectors_.find(key);
  if (known != vectors_.end()) return known->second;
  std::vector<std::string> parts;
  std::vector<std::int64_t> numbers;  // that follow one another
  const auto flush = [&] {
    if (numbers.empty()) return;
    const auto count = static_cast<std::int64_t>(numbers.size());
    parts.push_back(writer_.constant(Tensor::of<std::int64_t>({count}, numbers)));
    numbers.clear();
  };
  for (const SymExpr& size : sizes) {
    if (const auto number = size.integer()) {
      numbers.push_back(*number);
    } else {
      flush();
      parts.push_back(one_of(size));
    }
  }
  flush();
  if (parts.empty())
    parts.push_back(writer_.constant(Tensor::of({0}, std::vector<std::int64_t>())));
  const std::string value =
      parts.size() == 1 ? parts.front() : emit("Concat", parts, {{"axis", std::int64_t{0}}});
  return vectors_.emplace(key, value).first->second;
}

}  // namespace planish::torch
