#include "quantize/fusion_graph.h"

#include <algorithm>
#include <utility>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"

namespace planish::quantize_detail {
namespace {

bool is_scalar(const Tensor& tensor) {
  return tensor.rank() == 0 || (tensor.rank() == 1 && tensor.dims()[0] == 1);
}

/// Names that the subgraphs of `node` read from outside.
std::vector<std::string> outer_reads(const Node& node) {
  // A graph of that one node: its index knows what subgraphs read by name.
  Graph graph;
  graph.nodes = {node};
  std::vector<std::string> names;
  const GraphIndex index(graph);
  const auto visit = [&](const Graph& inner) {
    for_each_graph(inner, [&](const Graph& each) {
      for (const Node& within : each.nodes) {
        for (const std::string& input : within.inputs) {
          for (const Use& use : index.uses(input)) {
            if (use.input == Use::kBySubgraph) names.push_back(input);
          }
        }
      }
      for (const ValueInfo& output : each.outputs) {
        for (const Use& use : index.uses(output.name)) {
          if (use.input == Use::kBySubgraph) names.push_back(output.name);
        }
      }
    });
  };
  for (const Attribute& attribute : node.attributes) {
    if (const auto* one = std::get_if<Box<Graph>>(&attribute.value)) visit(**one);
    if (const auto* many = std::get_if<std::vector<Graph>>(&attribute.value)) {
      for (const Graph& inner : *many) visit(inner);
    }
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

const FusionValue kUnknownValue{};

}  // namespace

FusionGraph::FusionGraph(const Graph& graph, std::int64_t opset) : opset_(opset) {
  const auto declare = [&](const ValueInfo& info) {
    const TensorType* tensor = info.type.tensor();
    if (tensor != nullptr) set_type(info.name, tensor->dtype, tensor->shape);
  };
  for (const ValueInfo& input : graph.inputs) declare(input);
  for (const ValueInfo& value : graph.values) declare(value);
  for (const ValueInfo& output : graph.outputs) {
    declare(output);
    at(output.name).is_output = true;
  }
  const GraphIndex index(graph);
  for (const Initializer& initializer : graph.initializers) {
    const auto& dims = initializer.value.dims();
    set_type(initializer.name, initializer.value.dtype(), Shape(dims.begin(), dims.end()));
    if (index.constant(initializer.name) == nullptr) continue;
    at(initializer.name).is_constant = true;
    at(initializer.name).constant = &initializer.value;
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.is("Constant")) {
      const Attribute* value = node.find_attribute("value");
      const auto* boxed = value == nullptr ? nullptr : std::get_if<Box<Initializer>>(&value->value);
      const Tensor* content = boxed == nullptr ? nullptr : &(*boxed)->value;
      make_constant(node.output(0), content ? content->dtype() : value_dtype(node.output(0)), {},
                    content);
      continue;
    }
    add(node, i);
  }
}

DType FusionGraph::value_dtype(const std::string& name) const { return value(name).dtype; }

const FusionValue& FusionGraph::value(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? kUnknownValue : found->second;
}

std::vector<std::string> FusionGraph::constants() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : values_) {
    if (value.is_constant && !value.readers.empty()) names.push_back(name);
  }
  return names;
}

std::vector<std::size_t> FusionGraph::order() const {
  std::vector<std::size_t> missing(nodes_.size(), 0);
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!alive_[i]) continue;
    for (const auto* names : {&nodes_[i].node.inputs, &outer_reads_[i]}) {
      for (const std::string& input : *names) {
        if (value(input).producer) ++missing[i];
      }
    }
    if (missing[i] == 0) ready.push_back(i);
  }
  for (std::size_t next = 0; next < ready.size(); ++next) {
    for (const FusionEdge& edge : readers(ready[next])) {
      if (--missing[edge.node] == 0) ready.push_back(edge.node);
    }
  }
  return ready;
}

bool FusionGraph::is_quantize(std::size_t node) const {
  return nodes_[node].node.op_type == "QuantizeLinear";
}

bool FusionGraph::is_dequantize(std::size_t node) const {
  return nodes_[node].node.op_type == "DequantizeLinear";
}

bool FusionGraph::has_subgraph(std::size_t node) const {
  return std::ranges::any_of(nodes_[node].node.attributes, [](const Attribute& attribute) {
    return std::holds_alternative<Box<Graph>>(attribute.value) ||
           std::holds_alternative<std::vector<Graph>>(attribute.value);
  });
}

std::optional<std::size_t> FusionGraph::maker(std::size_t node, std::size_t slot) const {
  return value(nodes_[node].node.input(slot)).producer;
}

std::vector<FusionEdge> FusionGraph::readers(std::size_t node) const {
  std::vector<FusionEdge> edges;
  for (const std::string& output : nodes_[node].node.outputs) {
    const auto& of_output = value(output).readers;
    edges.insert(edges.end(), of_output.begin(), of_output.end());
  }
  return edges;
}

bool FusionGraph::makes_output(std::size_t node) const {
  return std::ranges::any_of(nodes_[node].node.outputs,
                             [&](const std::string& output) { return value(output).is_output; });
}

bool FusionGraph::has_edges_only(std::size_t node, std::size_t count) const {
  return !makes_output(node) && readers(node).size() == count;
}

std::optional<PairParams> FusionGraph::params(std::size_t node) const {
  const Node& pair = nodes_[node].node;
  const Tensor* scale = value(pair.input(1)).constant;
  if (scale == nullptr) return std::nullopt;
  PairParams params;
  params.scale_dtype = scale->dtype();
  params.is_scalar = is_scalar(*scale);
  params.is_rank_0 = scale->rank() == 0;
  if (params.is_scalar && row_of(scale->dtype()).is_float && row_of(scale->dtype()).bits >= 16)
    params.scale = scale->to_floats().front();
  params.has_zero_point = !pair.input(2).empty();
  params.dtype = integers_of(node);
  if (!params.has_zero_point) return params;
  const Tensor* zero_point = value(pair.input(2)).constant;
  if (zero_point == nullptr) return std::nullopt;
  params.dtype = zero_point->dtype();
  params.is_scalar = params.is_scalar && is_scalar(*zero_point);
  params.is_rank_0 = params.is_rank_0 && zero_point->rank() == 0;
  const DTypeRow& row = row_of(zero_point->dtype());
  if (params.is_scalar && !row.is_float && row.bits >= 8)
    params.zero_point = zero_point->to_ints().front();
  return params;
}

DType FusionGraph::integers_of(std::size_t node) const {
  const Node& pair = nodes_[node].node;
  const std::string& integers = is_quantize(node) ? pair.output(0) : pair.input(0);
  const DType dtype = value(integers).dtype;
  if (dtype != DType::kUndefined || pair.input(2).empty()) return dtype;
  // Made by an operator on integers whose output has no declared type: as the zero point's.
  return value(pair.input(2)).dtype;
}

std::size_t FusionGraph::add(Node node, std::optional<std::size_t> source) {
  nodes_.push_back(FusedNode{std::move(node), source});
  alive_.push_back(true);
  outer_reads_.push_back(has_subgraph(nodes_.size() - 1) ? outer_reads(nodes_.back().node)
                                                         : std::vector<std::string>{});
  attach(nodes_.size() - 1);
  return nodes_.size() - 1;
}

void FusionGraph::attach(std::size_t i) {
  const Node& node = nodes_[i].node;
  for (std::size_t slot = 0; slot < node.inputs.size(); ++slot) {
    if (!node.inputs[slot].empty()) at(node.inputs[slot]).readers.push_back({i, slot});
  }
  for (const std::string& name : outer_reads_[i])
    at(name).readers.push_back({i, FusionEdge::kBySubgraph});
  for (const std::string& output : node.outputs) {
    if (!output.empty()) at(output).producer = i;
  }
  // The type is known whether or not it was declared.
  if (is_dequantize(i) && !value(node.output(0)).shape)
    set_type(node.output(0), value(node.input(1)).dtype, value(node.input(0)).shape);
  if (!is_quantize(i)) return;
  DType dtype = value(node.input(2)).dtype;
  if (node.input(2).empty()) {
    const auto wish =
        dtype_from_onnx(static_cast<std::int32_t>(node.int_attribute("output_dtype", 0)));
    dtype = wish && *wish != DType::kUndefined ? *wish : DType::kUInt8;
  }
  if (dtype != DType::kUndefined) set_type(node.output(0), dtype, value(node.input(0)).shape);
}

void FusionGraph::detach_reader(const std::string& name, FusionEdge edge) {
  if (!name.empty()) std::erase(at(name).readers, edge);
}

void FusionGraph::set_input(std::size_t node, std::size_t slot, const std::string& name) {
  auto& inputs = nodes_[node].node.inputs;
  if (inputs.size() <= slot) inputs.resize(slot + 1);
  detach_reader(inputs[slot], {node, slot});
  inputs[slot] = name;
  if (!name.empty()) at(name).readers.push_back({node, slot});
}

void FusionGraph::set_inputs(std::size_t node, std::vector<std::string> inputs) {
  for (std::size_t slot = 0; slot < nodes_[node].node.inputs.size(); ++slot)
    detach_reader(nodes_[node].node.inputs[slot], {node, slot});
  nodes_[node].node.inputs.assign(inputs.size(), "");
  for (std::size_t slot = 0; slot < inputs.size(); ++slot) set_input(node, slot, inputs[slot]);
}

void FusionGraph::set_output(std::size_t node, std::size_t slot, const std::string& name) {
  auto& outputs = nodes_[node].node.outputs;
  if (value(outputs[slot]).producer == node) at(outputs[slot]).producer.reset();
  outputs[slot] = name;
  at(name).producer = node;
}

void FusionGraph::remove(std::size_t i) {
  const Node& node = nodes_[i].node;
  for (std::size_t slot = 0; slot < node.inputs.size(); ++slot)
    detach_reader(node.inputs[slot], {i, slot});
  for (const std::string& name : outer_reads_[i]) detach_reader(name, {i, FusionEdge::kBySubgraph});
  for (const std::string& output : node.outputs) {
    if (value(output).producer == i) at(output).producer.reset();
  }
  alive_[i] = false;
}

void FusionGraph::move_readers(const std::string& from, const std::string& to) {
  const std::vector<FusionEdge> edges = value(from).readers;
  for (const FusionEdge& edge : edges) {
    if (edge.input != FusionEdge::kBySubgraph) {
      set_input(edge.node, edge.input, to);
      continue;
    }
    std::ranges::replace(outer_reads_[edge.node], from, to);
    detach_reader(from, edge);
    at(to).readers.push_back(edge);
  }
}

bool FusionGraph::bypass(std::size_t i) {
  const std::string source = nodes_[i].node.input(0);
  const std::string target = nodes_[i].node.output(0);
  if (!value(target).is_output) {
    move_readers(target, source);
    remove(i);
    return true;
  }
  const auto producer = value(source).producer;
  if (!producer || value(source).is_output || !value(target).readers.empty()) return false;
  remove(i);
  const auto& outputs = nodes_[*producer].node.outputs;
  const auto slot = std::ranges::find(outputs, source) - outputs.begin();
  move_readers(source, target);
  set_output(*producer, static_cast<std::size_t>(slot), target);
  return true;
}

void FusionGraph::set_type(const std::string& name, DType dtype, std::optional<Shape> shape) {
  FusionValue& typed = at(name);
  typed.dtype = dtype;
  if (shape) typed.shape = std::move(shape);
}

void FusionGraph::make_constant(const std::string& name, DType dtype, std::optional<Shape> shape,
                                const Tensor* content) {
  if (content != nullptr) shape = Shape(content->dims().begin(), content->dims().end());
  set_type(name, dtype, std::move(shape));
  at(name).is_constant = true;
  at(name).constant = content;
}

std::string FusionGraph::add_constant(std::string_view wish, Tensor content) {
  made_constants_.push_back(std::move(content));
  const std::string name = fresh(wish);
  make_constant(name, made_constants_.back().dtype(), {}, &made_constants_.back());
  return name;
}

std::string FusionGraph::fresh(std::string_view wish) {
  std::string name(wish);
  while (name.empty() || values_.contains(name))
    name = std::string(wish) + "_token_" + std::to_string(names_made_++);
  values_.emplace(name, FusionValue{});
  return name;
}

FusionForecast FusionGraph::finish() const {
  FusionForecast forecast;
  for (const std::size_t i : order()) forecast.nodes.push_back(nodes_[i]);
  return forecast;
}

}  // namespace planish::quantize_detail
