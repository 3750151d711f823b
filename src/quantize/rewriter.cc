#include "quantize/rewriter.h"

#include <algorithm>
#include <map>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"
#include "quantize/names.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

void require_same_nodes(const QuantizationPlan& plan, const Graph& graph) {
  const auto same = [](const NodeDecision& decision, const Node& node) {
    return decision.node == node.name && decision.op_type == node.op_type;
  };
  if (std::ranges::equal(plan.nodes, graph.nodes, same)) return;
  throw Error(ErrorCode::kInvalidArgument,
              "the plan (" + std::to_string(plan.nodes.size()) +
                  " nodes) was made for another model than this one (" +
                  std::to_string(graph.nodes.size()) + " nodes)");
}

}  // namespace

Node make_node(std::string op_type, std::vector<std::string> inputs,
               std::vector<std::string> outputs, std::string name, std::string domain) {
  Node node;
  node.op_type = std::move(op_type);
  node.inputs = std::move(inputs);
  node.outputs = std::move(outputs);
  node.name = std::move(name);
  node.domain = std::move(domain);
  return node;
}

Rewriter::Rewriter(const QuantizationPlan& plan, const Model& model) : plan_(plan), model_(model) {
  require_same_nodes(plan, model.graph);
  for (const TensorPlan& tensor : plan.tensors) tensors_.emplace(tensor.tensor, &tensor);
  for (std::size_t i = 0; i < model_.graph.initializers.size(); ++i) {
    constants_.emplace(model_.graph.initializers[i].name, i);
  }
  for (const CorrectedConstant& corrected : plan.corrected) replace_constant(corrected);
}

void Rewriter::replace_constant(const CorrectedConstant& corrected) {
  const auto found = constants_.find(corrected.name);
  if (found != constants_.end()) {
    Tensor& value = model_.graph.initializers[found->second].value;
    if (value.dtype() == corrected.value.dtype() && value.dims() == corrected.value.dims()) {
      value = corrected.value;
      return;
    }
  }
  throw Error(ErrorCode::kInvalidArgument, "plan: the model has no constant '" + corrected.name +
                                               "' of shape " + to_string(corrected.value.dims()));
}

const TensorPlan* Rewriter::find(const std::string& tensor) const {
  const auto found = tensors_.find(tensor);
  return found == tensors_.end() ? nullptr : found->second;
}

const TensorPlan& Rewriter::root_of(const TensorPlan& tensor) const {
  const TensorPlan* root = &tensor;
  for (std::size_t hops = 0; !root->shares.empty(); ++hops) {
    const TensorPlan* next = find(root->shares);
    if (next == nullptr || hops > tensors_.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "plan: '" + tensor.tensor + "' shares parameters that no tensor has");
    }
    root = next;
  }
  return *root;
}

ParamNames Rewriter::names_of(const TensorPlan& tensor) const {
  const TensorPlan* at = &tensor;
  static_cast<void>(root_of(tensor));  // refuses a chain without an end
  for (; !at->shares.empty(); at = find(at->shares)) {
    if (!at->shares_converted) continue;
    return {convert_name(scale_name(at->shares)), convert_name(zero_point_name(at->shares))};
  }
  return {scale_name(at->tensor), zero_point_name(at->tensor)};
}

const Initializer* Rewriter::constant(const std::string& name) const {
  const auto found = constants_.find(name);
  return found == constants_.end() ? nullptr : &model_.graph.initializers[found->second];
}

void Rewriter::add_constant(const std::string& name, Tensor value) {
  if (!constants_.emplace(name, model_.graph.initializers.size()).second) return;
  Initializer initializer;
  initializer.name = name;
  initializer.value = std::move(value);
  model_.graph.initializers.push_back(std::move(initializer));
}

void Rewriter::remove_constant(const std::string& name) {
  removed_.insert(name);
  constants_.erase(name);
}

void Rewriter::add_params(const TensorPlan& tensor) {
  add_constant(zero_point_name(tensor.tensor), zero_point_tensor(tensor));
  add_constant(scale_name(tensor.tensor), scale_tensor(tensor));
}

ParamNames Rewriter::add_conversion(const TensorPlan& tensor) {
  const TensorPlan converted{.tensor = tensor.tensor,
                             .dtype = tensor.conversion->params.dtype,
                             .scale_dtype = tensor.scale_dtype,
                             .params = {tensor.conversion->params}};
  ParamNames names{convert_name(scale_name(tensor.tensor)),
                   convert_name(zero_point_name(tensor.tensor))};
  add_constant(names.zero_point, zero_point_tensor(converted));
  add_constant(names.scale, scale_tensor(converted));
  return names;
}

const Initializer& Rewriter::bias_source(const BiasPlan& bias) const {
  for (const std::string* name : {&bias.copy, &bias.bias}) {
    if (const Initializer* source = constant(*name)) return *source;
  }
  throw Error(ErrorCode::kInvalidArgument, "plan: the model has no bias '" + bias.bias + "'");
}

std::optional<std::size_t> Rewriter::bias_axis(const BiasPlan& bias) const {
  if (bias.scales.size() < 2) return std::nullopt;
  if (plan_.config.profile == QuantizationProfile::kOnnxRuntime132) return 0;
  return bias_source(bias).value.rank() - 1;
}

void Rewriter::add_bias(const BiasPlan& bias) {
  const Tensor values = bias_source(bias).value;
  Tensor integers;
  if (bias.zeroed) {
    integers = Tensor::of(values.dims(), std::vector<std::int32_t>(values.element_count(), 0));
  } else {
    integers =
        in_context("bias '" + bias.bias + "'", [&] { return quantize_bias(values, bias.scales); });
  }
  const std::string name = quantized_name(bias.copy);
  const auto count = static_cast<std::int64_t>(bias.scales.size());
  add_constant(name, std::move(integers));
  add_constant(scale_name(name), float_tensor({count}, bias.scales, bias.scale_dtype));
  const std::vector<std::int32_t> zeros(bias.scales.size(), 0);
  add_constant(zero_point_name(name),
               count > 1 ? Tensor::of({count}, zeros) : Tensor::scalar<std::int32_t>(0));
}

std::optional<Node> Rewriter::clip_of(const TensorPlan& tensor, const std::string& integers,
                                      const std::string& clamped) {
  const IntegerLimits& bounds = tensor.clamp->bounds;
  if (bounds == integer_limits(tensor.dtype)) return std::nullopt;
  const auto add_bound = [&](const char* suffix, std::int32_t value) {
    const std::string name = clamped + suffix;
    add_constant(name, tensor.dtype == DType::kUInt8
                           ? Tensor::scalar(static_cast<std::uint8_t>(value))
                           : Tensor::scalar(static_cast<std::int8_t>(value)));
    return name;
  };
  const std::string low = add_bound("_min", bounds.min);
  const std::string high = add_bound("_max", bounds.max);
  return make_node("Clip", {integers, low, high}, {clamped}, tensor.tensor + "_Clip");
}

void Rewriter::drop_unused_constants() {
  std::unordered_set<std::string> used;
  for_each_graph(model_.graph, [&](Graph& graph) {
    for (const Node& node : graph.nodes) used.insert(node.inputs.begin(), node.inputs.end());
    for (const ValueInfo& output : graph.outputs) used.insert(output.name);
  });
  const auto is_unused = [&](const Graph& graph) {
    std::unordered_set<std::string> made;
    for (const Node& node : graph.nodes) made.insert(node.outputs.begin(), node.outputs.end());
    // A name that a node makes now is the dequantized constant.
    return [&used, made = std::move(made)](const Initializer& constant) {
      return !used.contains(constant.name) || made.contains(constant.name);
    };
  };
  const auto unused = is_unused(model_.graph);
  for (const Initializer& constant : model_.graph.initializers) {
    if (unused(constant)) removed_.insert(constant.name);
  }
  if (plan_.config.profile != QuantizationProfile::kOnnxRuntime132) return;
  for_each_graph(model_.graph, [&](Graph& graph) {
    if (&graph != &model_.graph) std::erase_if(graph.initializers, is_unused(graph));
  });
}

void Rewriter::drop_stale_types() {
  std::unordered_set<std::string> made;
  for (const Node& node : model_.graph.nodes) made.insert(node.outputs.begin(), node.outputs.end());
  std::erase_if(model_.graph.values,
                [&](const ValueInfo& value) { return !made.contains(value.name); });
}

Model Rewriter::finish(bool keep_unused_constants) {
  if (!keep_unused_constants) drop_unused_constants();
  const auto is_removed = [&](const auto& named) { return removed_.contains(named.name); };
  std::erase_if(model_.graph.initializers, is_removed);
  std::erase_if(model_.graph.inputs, is_removed);
  drop_stale_types();
  model_.producer_name = "onnx.quantize";
  model_.producer_version = "0.1.0";
  if (plan_.config.profile == QuantizationProfile::kOnnxRuntime132) {
    order_breadth_first(model_.graph);
  } else {
    sort_topologically(model_.graph);
  }
  return std::move(model_);
}

Graph Rewriter::finish_body() {
  drop_stale_types();
  return std::move(model_.graph);
}

void order_breadth_first(Graph& graph) {
  std::map<std::string, std::vector<std::size_t>, std::less<>> readers;
  std::vector<std::size_t> missing(graph.nodes.size(), 0);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& input : graph.nodes[i].inputs) {
      if (input.empty()) continue;
      ++missing[i];
      readers[input].push_back(i);
    }
    if (missing[i] == 0) order.push_back(i);
  }
  const auto arrive = [&](const std::string& value) {
    const auto found = readers.find(value);
    if (found == readers.end()) return;
    for (const std::size_t reader : found->second) {
      if (--missing[reader] == 0) order.push_back(reader);
    }
  };
  std::vector<std::string> given;
  for (const Initializer& initializer : graph.initializers) given.push_back(initializer.name);
  for (const ValueInfo& input : graph.inputs) given.push_back(input.name);
  std::ranges::sort(given);
  given.erase(std::unique(given.begin(), given.end()), given.end());
  std::ranges::for_each(given, arrive);
  for (std::size_t next = 0; next < order.size(); ++next) {
    for (const std::string& output : graph.nodes[order[next]].outputs) arrive(output);
  }
  if (order.size() != graph.nodes.size()) {
    throw Error(ErrorCode::kCorrupt, "the graph has a cycle, or reads a value that nothing makes");
  }
  std::vector<Node> sorted;
  sorted.reserve(graph.nodes.size());
  for (const std::size_t i : order) sorted.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(sorted);
}

}  // namespace planish::quantize_detail
