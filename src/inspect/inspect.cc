#include "planish/inspect/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/graph/graph_index.h"
#include "planish/prepare/prepare.h"
#include "planish/quantize/plan.h"

namespace planish {
namespace {

std::string qualified(const Node& node) {
  return node.domain.empty() ? node.op_type : node.domain + "." + node.op_type;
}

std::string symbol_of(const ValueInfo& input, const Shape& shape, std::size_t axis) {
  return shape[axis].symbol().value_or(fmt::format("{}[{}]", input.name, axis));
}

bool has_symbols(const ValueInfo& value) {
  const TensorType* tensor = value.type.tensor();
  return tensor == nullptr || !tensor->shape ||
         std::ranges::any_of(*tensor->shape, [](const Dim& dim) { return !dim.number(); });
}

/// The model with a number for each symbolic input dimension, so that all shapes come out as
/// numbers.
Model with_assumed_dims(const Model& model, const DimSizes& dims, DimSizes& assumed) {
  Model copy = model;  // tensors are shared, not copied
  std::set<std::string> constants;
  for (const Initializer& initializer : copy.graph.initializers) constants.insert(initializer.name);
  for (ValueInfo& input : copy.graph.inputs) {
    auto* tensor = std::get_if<TensorType>(&input.type.type);
    if (tensor == nullptr || !tensor->shape || constants.contains(input.name)) continue;
    Shape& shape = *tensor->shape;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i].number()) continue;
      const std::string symbol = symbol_of(input, shape, i);
      const auto given = dims.find(symbol);
      const std::int64_t fallback = i == 0 ? 1 : shape.size() == 4 ? 224 : 128;
      const std::int64_t number = given != dims.end() ? given->second : fallback;
      // One symbol is one number, wherever it stands.
      shape[i].value = assumed.emplace(symbol, number).first->second;
    }
  }
  // What was declared with symbols would contradict the numbers; ONNX Runtime infers it again.
  for (ValueInfo& output : copy.graph.outputs) output.type = {};
  copy.graph.values.clear();
  return copy;
}

std::vector<TensorSpec> specs_of(const std::vector<ValueInfo>& values,
                                 const std::vector<Initializer>& constants) {
  std::set<std::string_view> names;
  for (const Initializer& initializer : constants) names.insert(initializer.name);
  std::vector<TensorSpec> specs;
  for (const ValueInfo& value : values) {
    if (names.contains(value.name)) continue;
    const TensorType* tensor = value.type.tensor();
    specs.push_back(TensorSpec{value.name, tensor ? tensor->dtype : DType::kUndefined,
                               tensor && tensor->shape ? *tensor->shape : Shape{}});
  }
  return specs;
}

/// What the static plan would do, made with pretended ranges: no data is needed to know which nodes
/// it takes.
QuantizationPlan forecast(const Model& model, Target target) {
  QuantizationConfig config;
  config.target = target;
  config.activation = row_of(target).activation;
  CalibrationTable table;
  for (const std::string& tensor : calibration_targets(model, config)) {
    table.ranges[tensor] = TensorRange{-1.0F, 1.0F};
  }
  return plan_quantization(model, table, config);
}

/// Of the main graph and of bodies; names that both have are the main graph's.
ValueTypes types_everywhere(const Model& model) {
  ValueTypes types = declared_value_types(model);
  for_each_graph(model.graph,
                 [&](const Graph& graph) { types.merge(declared_value_types(graph)); });
  return types;
}

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

void recommend(InspectReport& report) {
  if (report.already_quantized) {
    report.advice = "The model is quantized already: " + explain(report.retarget);
    if (!report.retarget.changes_nothing()) report.advice += ". `planish quantize` does that";
    return;
  }
  std::uint64_t convolution = 0;
  std::uint64_t matrix = 0;
  for (const OperatorSummary& op : report.operators) {
    if (op.op_type.find("Conv") != std::string::npos)
      convolution += op.macs;
    else if (op.op_type == "MatMul" || op.op_type == "Gemm")
      matrix += op.macs;
  }
  if (report.macs == 0) {
    report.advice =
        report.nodes_of_unknown_work > 0
            ? "The shapes of the matrix operators are not known: give --dims NAME=NUMBER"
            : "No operator multiplies matrices: INT8 has nothing to speed up";
    return;
  }
  const auto percent = [&](std::uint64_t part) { return 100.0 * share(part, report.macs); };
  if (convolution >= matrix) {
    report.mode = RecommendedMode::kStatic;
    report.advice = fmt::format("{:.0f} % of the work is Conv: static", percent(convolution));
  } else {
    report.mode = RecommendedMode::kDynamic;
    report.advice = fmt::format(
        "{:.0f} % of the work is MatMul and Gemm: dynamic, or static with data", percent(matrix));
  }
}

}  // namespace

std::string_view name_of(RecommendedMode mode) {
  switch (mode) {
    case RecommendedMode::kStatic:
      return "static";
    case RecommendedMode::kDynamic:
      return "dynamic";
    case RecommendedMode::kNone:
      break;
  }
  return "none";
}

DimSizes dims_of(const Model& model, std::span<const NamedTensor> inputs) {
  DimSizes dims;
  for (const ValueInfo& input : model.graph.inputs) {
    const TensorType* type = input.type.tensor();
    const auto given = std::ranges::find(inputs, input.name, &NamedTensor::name);
    if (type == nullptr || !type->shape || given == inputs.end()) continue;
    const Shape& shape = *type->shape;
    for (std::size_t axis = 0; axis < std::min(shape.size(), given->value.rank()); ++axis) {
      if (!shape[axis].number())
        dims.emplace(symbol_of(input, shape, axis), given->value.dims()[axis]);
    }
  }
  return dims;
}

std::vector<std::uint64_t> work_by_node(const Model& model, const ValueTypes& types) {
  std::vector<std::uint64_t> work;
  for (const Node& node : model.graph.nodes)
    work.push_back(multiply_accumulates(node, types).value_or(0));
  return work;
}

std::vector<std::uint64_t> work_by_node(const Model& model, const DimSizes& dims) {
  ValueTypes types;
  if (std::ranges::none_of(model.graph.inputs, has_symbols)) {
    types = declared_value_types(model);
  } else {
    DimSizes assumed;
    types = infer_value_types(with_assumed_dims(model, dims, assumed));
  }
  return work_by_node(model, types);
}

std::vector<LeftNode> left_nodes(const QuantizationPlan& plan) {
  std::vector<LeftNode> left;
  for (const PlacedPlan& placed : plans_in(plan)) {
    for (const NodeDecision& node : placed.plan->nodes) {
      if (!node.quantized) left.push_back({node.node, node.op_type, node.reason, placed.in});
    }
  }
  return left;
}

Json to_json(const std::vector<LeftNode>& nodes) {
  Json json = Json::array();
  for (const LeftNode& node : nodes) {
    Json entry{{"node", node.node}, {"op", node.op_type}, {"reason", node.reason}};
    if (!node.in.empty()) entry["in"] = node.in;
    json.push_back(std::move(entry));
  }
  return json;
}

InspectReport inspect_model(const Model& original, const InspectConfig& config) {
  InspectReport report;
  report.ir_version = original.ir_version;
  report.opsets = original.opset_imports;
  report.producer = original.producer_name +
                    (original.producer_version.empty() ? "" : " " + original.producer_version);
  report.inputs = specs_of(original.graph.inputs, original.graph.initializers);
  report.outputs = specs_of(original.graph.outputs, {});
  report.nodes = original.graph.nodes.size();
  for (const Initializer& initializer : original.graph.initializers) {
    report.parameters += initializer.value.element_count();
    report.weight_bytes += initializer.value.bytes().size();
  }
  report.target = config.target;
  report.already_quantized = is_quantized(original);
  if (report.already_quantized) report.retarget = retarget(original, config.target).report;

  // What quantization sees is the prepared graph: exports hide shapes and work behind constants.
  // The passes are not verified here, since nothing is handed out.
  PrepareConfig unverified;
  unverified.verify = Verify::kOff;
  const Model model =
      prepare(with_assumed_dims(original, config.dims, report.assumed_dims), unverified).model;
  const ValueTypes types = types_everywhere(model);
  report.prepared_nodes = model.graph.nodes.size();

  std::unordered_map<std::string, std::uint64_t> unseen_parameters;
  std::map<std::string, OperatorSummary> by_type;
  const auto add = [&](const Node& node) {
    OperatorSummary& summary = by_type[qualified(node)];
    summary.op_type = qualified(node);
    ++summary.nodes;
    const auto macs = multiply_accumulates(node, types);
    if (!macs) ++report.nodes_of_unknown_work;
    summary.macs += macs.value_or(0);
    report.macs += macs.value_or(0);
    for (const std::string& input : node.inputs) {
      const auto found = unseen_parameters.find(input);
      if (found == unseen_parameters.end()) continue;
      summary.parameters += found->second;
      unseen_parameters.erase(found);
    }
  };
  // Of bodies each counts once, whichever branch is taken and however often it runs.
  for_each_graph(model.graph, [&](const Graph& graph) {
    for (const Initializer& initializer : graph.initializers)
      unseen_parameters[initializer.name] = initializer.value.element_count();
    std::ranges::for_each(graph.nodes, add);
  });
  if (!report.already_quantized) {
    const QuantizationPlan plan = forecast(model, config.target);
    report.reductions = all_reductions(plan);
    report.left_fp32 = left_nodes(plan);
    for (const PlacedPlan& placed : plans_in(plan)) {
      for (const NodeDecision& decision : placed.plan->nodes)
        by_type[decision.op_type].quantized_nodes += decision.quantized ? 1 : 0;
    }
  }
  for (auto& [name, summary] : by_type) {
    summary.mac_share = share(summary.macs, report.macs);
    report.operators.push_back(std::move(summary));
  }
  std::ranges::stable_sort(report.operators,
                           [](const OperatorSummary& a, const OperatorSummary& b) {
                             return std::pair(a.macs, a.nodes) > std::pair(b.macs, b.nodes);
                           });
  recommend(report);
  return report;
}

Json to_json(const InspectReport& report) {
  const auto specs = [](const std::vector<TensorSpec>& list) {
    Json json = Json::array();
    for (const TensorSpec& spec : list) {
      json.push_back(
          {{"name", spec.name}, {"dtype", name_of(spec.dtype)}, {"shape", to_string(spec.shape)}});
    }
    return json;
  };
  Json json;
  json["ir_version"] = report.ir_version;
  json["opsets"] = Json::object();
  for (const OpsetImport& opset : report.opsets) {
    json["opsets"][opset.domain.empty() ? "ai.onnx" : opset.domain] = opset.version;
  }
  json["producer"] = report.producer;
  json["inputs"] = specs(report.inputs);
  json["outputs"] = specs(report.outputs);
  json["assumed_dims"] = report.assumed_dims;
  json["nodes"] = report.nodes;
  json["prepared_nodes"] = report.prepared_nodes;
  json["parameters"] = report.parameters;
  json["weight_bytes"] = report.weight_bytes;
  json["macs"] = report.macs;
  json["nodes_of_unknown_work"] = report.nodes_of_unknown_work;
  json["operators"] = Json::array();
  for (const OperatorSummary& op : report.operators) {
    json["operators"].push_back({{"op", op.op_type},
                                 {"nodes", op.nodes},
                                 {"macs", op.macs},
                                 {"mac_share", op.mac_share},
                                 {"parameters", op.parameters},
                                 {"quantized_nodes", op.quantized_nodes}});
  }
  json["left_fp32"] = to_json(report.left_fp32);
  json["already_quantized"] = report.already_quantized;
  json["target"] = name_of(report.target);
  if (report.already_quantized)
    json["retarget"] = to_json(report.retarget);
  else
    json["saturation"] = to_json(report.reductions, report.target);
  json["mode"] = name_of(report.mode);
  json["advice"] = report.advice;
  return json;
}

}  // namespace planish
