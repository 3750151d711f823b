#include "torch/lowering.h"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "planish/base/version.h"
#include "torch/examples.h"
#include "torch/graph_scope.h"
#include "torch/half.h"
#include "torch/in_place.h"
#include "torch/module_paths.h"
#include "torch/operators.h"
#include "torch/problems.h"

namespace planish::torch {
namespace {

using Tensors = std::vector<std::optional<TensorName>>;

/// The tensors among `arguments`, lists flattened.
std::vector<std::string> tensor_names(const std::vector<Argument>& arguments) {
  std::vector<std::string> names;
  for (const Argument& argument : arguments) {
    if (const auto* tensor = std::get_if<TensorName>(&argument)) names.push_back(tensor->name);
    if (const auto* list = std::get_if<Tensors>(&argument)) {
      for (const auto& item : *list) {
        if (item) names.push_back(item->name);
      }
    }
  }
  return names;
}

std::vector<std::string> argument_tensors(const FxNode& node) {
  std::vector<Argument> values;
  for (const NamedArgument& input : node.inputs) values.push_back(input.value);
  return tensor_names(values);
}

std::set<std::string> symbols_of(const std::vector<SymShape>& shapes) {
  std::set<std::string> symbols;
  for (const SymShape& shape : shapes) {
    for (const SymExpr& size : shape)
      size.for_each_symbol([&](const std::string& symbol) { symbols.insert(symbol); });
  }
  return symbols;
}

class Lowering {
 public:
  Lowering(ExportedProgram program, Archive& archive, const TorchImportConfig& config)
      : program_(std::move(program)),
        archive_(archive),
        config_(config),
        writer_(config.opset),
        symbols_(writer_),
        paths_(program_.graph) {}

  TorchImport run();

 private:
  void read_inputs(GraphScope& scope);
  void add_user_input(const Argument& argument, GraphScope& scope);
  void add_weight(const InputSpec& spec, const std::string& fx_name, GraphScope& scope);
  void name_symbols(const std::string& input, const SymShape& shape);
  void lower_graph(const FxGraph& graph, GraphScope& scope);
  void lower_node(const FxNode& node, const FxGraph& graph, GraphScope& scope);
  void lower_call(const FxNode& node, const OperatorRow& row, GraphScope& scope);
  void inline_graph(const FxNode& node, GraphScope& scope);
  void poison(const FxNode& node, GraphScope& scope);
  void write_outputs(const GraphScope& scope);
  void check_names() const;
  void name_outputs();
  [[nodiscard]] std::vector<std::string> default_output_names() const;
  [[nodiscard]] std::optional<Value> output_value(const OutputSpec& spec, const GraphScope& scope);

  ExportedProgram program_;
  Archive& archive_;
  const TorchImportConfig& config_;
  GraphWriter writer_;
  Symbols symbols_;
  ModulePaths paths_;
  Problems problems_;
  TorchImport import_;
  SignatureShapes shapes_;
  std::map<std::tuple<const std::byte*, DType, std::vector<std::int64_t>>, std::string> weights_;
  std::size_t user_inputs_ = 0;
  std::vector<std::string> output_names_;  // of tensors and numbers; None has none
};

void Lowering::name_symbols(const std::string& input, const SymShape& shape) {
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis].op() != SymOp::kSymbol) continue;
    symbols_.name(shape[axis].name(), axis == 0 ? "batch" : input + "_dim" + std::to_string(axis));
  }
}

void Lowering::add_user_input(const Argument& argument, GraphScope& scope) {
  const auto* const tensor = std::get_if<TensorName>(&argument);
  const auto* const number = std::get_if<SymName>(&argument);
  if (tensor == nullptr && number == nullptr) return;  // a constant that export fixed
  const std::string& fx_name = tensor != nullptr ? tensor->name : number->name;
  const std::size_t i = user_inputs_++;
  const std::string wanted = config_.input_names.empty() ? fx_name : config_.input_names.at(i);
  Value value{writer_.unique_name(wanted), DType::kInt64, {}};
  if (tensor != nullptr) {
    const Value declared = scope.declared(fx_name);
    value.dtype = declared.dtype;
    value.shape = declared.shape;
    name_symbols(wanted, value.shape);
    symbols_.learn(value.name, value.shape);
    scope.set(fx_name, value);
  } else if (const SymExpr size = scope.size(fx_name); size.op() == SymOp::kSymbol) {
    symbols_.name(size.name(), wanted);
    symbols_.learn_scalar(size.name(), value.name);
  }
  ValueInfo info;
  info.name = value.name;
  info.type.type = TensorType{value.dtype, symbols_.shape(value.shape)};
  writer_.graph().inputs.push_back(std::move(info));
  shapes_.inputs.push_back(value.shape);
}

void Lowering::add_weight(const InputSpec& spec, const std::string& fx_name, GraphScope& scope) {
  const Value declared = scope.declared(fx_name);
  const auto tensor = archive_.tensor(spec.fqn);
  if (!tensor) {
    throw Error(ErrorCode::kCorrupt,
                "the archive has no weights for '" + spec.fqn + "', which the program uses");
  }
  const auto key = std::tuple(tensor->bytes().data(), tensor->dtype(), tensor->dims());
  auto known = weights_.find(key);
  if (known == weights_.end() || tensor->bytes().empty()) {
    const std::string name = writer_.unique_name(spec.fqn);
    writer_.add_initializer(name, lowered_tensor(*tensor, config_.half));
    known = weights_.insert_or_assign(key, name).first;
  }
  Value value{known->second, scope.lowered(tensor->dtype()), {}};
  value.shape.assign(tensor->dims().begin(), tensor->dims().end());
  if (value.shape != declared.shape || value.dtype != declared.dtype) {
    throw Error(ErrorCode::kCorrupt, "'" + spec.fqn + "' has shape " +
                                         planish::to_string(tensor->dims()) + " and type " +
                                         std::string(name_of(tensor->dtype())) +
                                         "; the program declares another");
  }
  scope.set(fx_name, std::move(value));
}

void Lowering::read_inputs(GraphScope& scope) {
  using Kind = InputSpec::Kind;
  const auto& inputs = program_.graph.inputs;
  if (inputs.size() != program_.input_specs.size()) {
    throw Error(ErrorCode::kCorrupt, std::to_string(program_.input_specs.size()) +
                                         " input specifications for " +
                                         std::to_string(inputs.size()) + " inputs");
  }
  // Inputs and outputs first: their names are the user's, others make way.
  for (const InputSpec& spec : program_.input_specs) {
    if (spec.kind == Kind::kUserInput) add_user_input(spec.value, scope);
  }
  name_outputs();
  for (const InputSpec& spec : program_.input_specs) {
    if (spec.kind == Kind::kParameter || spec.kind == Kind::kBuffer ||
        spec.kind == Kind::kTensorConstant) {
      add_weight(spec, std::get<TensorName>(spec.value).name, scope);
    } else if (spec.kind == Kind::kOther) {
      problems_.add("input of kind '" + std::get<OtherArgument>(spec.value).key + "'",
                    "only tensors, numbers and None can be inputs");
    }
  }
}

void Lowering::poison(const FxNode& node, GraphScope& scope) {
  for (const std::string& name : tensor_names(node.outputs)) {
    Value value = scope.declared(name);
    value.name = "(not imported)";
    scope.set(name, std::move(value));
  }
}

void Lowering::lower_call(const FxNode& node, const OperatorRow& row, GraphScope& scope) {
  Call call(node, paths_.name_of(node), scope, writer_, symbols_);
  try {
    row.build(call);
  } catch (const std::out_of_range&) {
    // Builders take axes and items of lists with at(): the check is there.
    throw Error(ErrorCode::kCorrupt, "its arguments have fewer axes or items than it needs");
  }
  const std::vector<Value>& results = call.finish();
  const std::vector<std::string> names = tensor_names(node.outputs);
  std::size_t i = 0;
  for (const Value& result : results) {
    if (result.dtype == DType::kUndefined) continue;
    if (!result.name.empty()) symbols_.learn(result.name, result.shape);
    scope.set(names.at(i++), result);
  }
  InPlace(scope, writer_, symbols_, paths_).after_call(node, row, names);
}

/// A graph that runs as it stands, under a switch that means nothing here (no_grad, autocast).
void Lowering::inline_graph(const FxNode& node, GraphScope& scope) {
  const auto is_graph = [](const NamedArgument& input) {
    return std::holds_alternative<SubGraph>(input.value);
  };
  const auto found = std::ranges::find_if(node.inputs, is_graph);
  if (found == node.inputs.end()) throw Error(ErrorCode::kCorrupt, "it has no graph");
  const FxGraph& graph = *std::get<SubGraph>(found->value).graph;
  GraphScope inner(graph, config_.half);
  auto argument = std::next(found);
  for (const Argument& input : graph.inputs) {
    if (argument == node.inputs.end()) throw Error(ErrorCode::kCorrupt, "too few arguments");
    const auto* const to = std::get_if<TensorName>(&input);
    const auto* const from = std::get_if<TensorName>(&argument->value);
    if (to != nullptr && from != nullptr) {
      inner.set(to->name, scope.tensor(from->name));
      inner.borrow(to->name);
    }
    ++argument;
  }
  paths_.add(graph);
  lower_graph(graph, inner);
  const std::vector<std::string> from = tensor_names(graph.outputs);
  const std::vector<std::string> to = tensor_names(node.outputs);
  if (from.size() != to.size()) throw Error(ErrorCode::kCorrupt, "its results do not agree");
  for (std::size_t i = 0; i < to.size(); ++i) scope.set(to[i], inner.tensor(from[i]));
}

void Lowering::lower_node(const FxNode& node, const FxGraph& graph, GraphScope& scope) {
  const std::string title(overload_of(node.target));
  const OperatorRow* const row = find_operator(node.target);
  try {
    if (row != nullptr) {
      ++import_.calls;
      return in_context(title, [&] { lower_call(node, *row, scope); });
    }
    if (title == "aten.item.default" || title == "aten._local_scalar_dense.default") {
      const auto* const number = std::get_if<SymName>(&node.outputs.at(0));
      const std::vector<std::string> tensors = argument_tensors(node);
      if (number != nullptr && tensors.size() == 1) {
        const SymExpr size = scope.size(number->name);
        if (size.op() == SymOp::kSymbol)
          symbols_.learn_scalar(size.name(), scope.tensor(tensors.front()).name);
        return;
      }
    }
    if (title == "torch.ops.higher_order.wrap_with_set_grad_enabled" ||
        title == "torch.ops.higher_order.wrap_with_autocast") {
      return in_context(title, [&] { inline_graph(node, scope); });
    }
    // Arithmetic on sizes is known as expressions, and assertions compute nothing.
    if (tensor_names(node.outputs).empty()) return;
    problems_.add(title, "", node);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    std::string why = error.message();
    if (why.starts_with(title + ": ")) why = why.substr(title.size() + 2);
    problems_.add(title, why, node);
  }
  (void)graph;
  poison(node, scope);
}

void Lowering::lower_graph(const FxGraph& graph, GraphScope& scope) {
  for (const FxNode& node : graph.nodes) lower_node(node, graph, scope);
}

std::vector<std::string> Lowering::default_output_names() const {
  std::vector<std::string> names;
  std::size_t outputs = 0;
  for (const OutputSpec& spec : program_.output_specs)
    outputs += spec.kind == OutputSpec::Kind::kUserOutput ? 1 : 0;
  const bool has_paths = program_.output_names.size() == outputs;
  std::size_t i = 0;
  for (const OutputSpec& spec : program_.output_specs) {
    if (spec.kind != OutputSpec::Kind::kUserOutput) continue;
    const std::string path = has_paths ? program_.output_names[i] : std::to_string(i);
    ++i;
    if (std::holds_alternative<std::monostate>(spec.value)) continue;  // None
    const bool is_number = !path.empty() && path.front() >= '0' && path.front() <= '9';
    names.push_back(path.empty() || (outputs == 1 && is_number) ? "output"
                    : is_number                                 ? "output_" + path
                                                                : path);
  }
  return names;
}

void Lowering::name_outputs() {
  // Those that were asked for are unique: check_names().
  const bool given = !config_.output_names.empty();
  for (const std::string& name : given ? config_.output_names : default_output_names())
    output_names_.push_back(writer_.unique_name(name));
}

std::optional<Value> Lowering::output_value(const OutputSpec& spec, const GraphScope& scope) {
  if (const auto* tensor = std::get_if<TensorName>(&spec.value)) return scope.tensor(tensor->name);
  std::optional<SymExpr> size;
  if (const auto* name = std::get_if<SymName>(&spec.value)) size = scope.size(name->name);
  if (const auto* number = std::get_if<std::int64_t>(&spec.value)) size = *number;
  if (!size) return std::nullopt;
  const std::string vector = symbols_.one_of(*size);
  Node node;
  node.op_type = "Reshape";
  node.name = writer_.unique_name("sizes/Reshape");
  node.inputs = {vector, writer_.constant(Tensor::of({0}, std::vector<std::int64_t>()))};
  node.outputs = {node.name};
  writer_.add_node(node);
  return Value{node.name, DType::kInt64, {}};
}

void Lowering::write_outputs(const GraphScope& scope) {
  const std::vector<std::string>& names = output_names_;
  std::size_t i = 0;
  for (const OutputSpec& spec : program_.output_specs) {
    if (spec.kind == OutputSpec::Kind::kMutation) {
      problems_.add("'" + spec.target + "' is changed by forward()",
                    "a model that keeps state between calls cannot be imported; give and return "
                    "it, and " +
                        training_advice("if it is a statistic of a normalization"));
      continue;
    }
    if (spec.kind == OutputSpec::Kind::kInputMutation) {
      import_.notes.push_back("forward() changes its input '" + spec.target +
                              "'; the ONNX model leaves inputs as they are");
      continue;
    }
    if (spec.kind == OutputSpec::Kind::kOther) {
      problems_.add("output of kind '" + std::get<OtherArgument>(spec.value).key + "'",
                    "only what forward() returns can be an output");
      continue;
    }
    if (std::holds_alternative<std::monostate>(spec.value)) {
      import_.notes.emplace_back("an output that is None is left out");
      continue;
    }
    const auto value = output_value(spec, scope);
    if (!value) {
      problems_.add("output '" + names.at(i++) + "'", "it is neither a tensor nor an integer");
      continue;
    }
    ValueInfo info;
    info.name = names.at(i++);
    info.type.type = TensorType{value->dtype, symbols_.shape(value->shape)};
    shapes_.outputs.push_back(value->shape);
    writer_.name_output(value->name, info.name);
    writer_.graph().outputs.push_back(std::move(info));
  }
}

/// Names that were asked for: one for each input and output, all different.
void Lowering::check_names() const {
  const auto check_count = [](const std::vector<std::string>& names, std::size_t count,
                              const std::string& kind) {
    if (names.empty() || names.size() == count) return;
    throw Error(ErrorCode::kInvalidArgument, std::to_string(names.size()) + " " + kind +
                                                 " names for " + std::to_string(count) + " " +
                                                 kind + "s");
  };
  const auto inputs = std::ranges::count_if(program_.input_specs, [](const InputSpec& spec) {
    return spec.kind == InputSpec::Kind::kUserInput &&
           (std::holds_alternative<TensorName>(spec.value) ||
            std::holds_alternative<SymName>(spec.value));
  });
  check_count(config_.input_names, static_cast<std::size_t>(inputs), "input");
  check_count(config_.output_names, default_output_names().size(), "output");
  std::set<std::string> seen;
  for (const auto* names : {&config_.input_names, &config_.output_names}) {
    for (const std::string& name : *names) {
      if (name.empty() || !seen.insert(name).second) {
        throw Error(ErrorCode::kInvalidArgument,
                    "name '" + name +
                        "' for an input or output; expected each name once, and not "
                        "empty");
      }
    }
  }
}

std::int64_t ir_version_of(std::int64_t opset) {
  if (opset >= 21) return 10;
  return opset >= 19 ? 9 : 8;
}

TorchImport Lowering::run() {
  import_.torch_version = program_.torch_version;
  import_.notes = program_.notes;
  check_names();
  GraphScope scope(program_.graph, config_.half);
  read_inputs(scope);
  lower_graph(program_.graph, scope);
  write_outputs(scope);
  problems_.throw_if_any();
  // Sizes that depend on the data are of no input.
  const std::set<std::string> open = symbols_of(shapes_.inputs);
  for (const auto& [symbol, range] : program_.range_constraints) {
    if (open.contains(symbol))
      import_.open_dims.push_back({symbols_.name_of(symbol), symbol, range.min, range.max});
  }
  import_.examples = example_sizes(program_, shapes_, import_.open_dims);
  import_.model.graph = writer_.take();
  import_.model.graph.name = "torch";
  import_.model.ir_version = ir_version_of(config_.opset);
  import_.model.set_opset("", config_.opset);
  import_.model.producer_name = "planish";
  import_.model.producer_version = kVersion;
  return std::move(import_);
}

}  // namespace

TorchImport lower(ExportedProgram program, Archive& archive, const TorchImportConfig& config) {
  if (config.opset < kMinImportOpset || config.opset > kMaxImportOpset) {
    throw Error(ErrorCode::kInvalidArgument, "opset " + std::to_string(config.opset) +
                                                 "; expected " + std::to_string(kMinImportOpset) +
                                                 " to " + std::to_string(kMaxImportOpset));
  }
  return Lowering(std::move(program), archive, config).run();
}

}  // namespace planish::torch
