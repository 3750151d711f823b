#include "quantize/fusion_passes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <limits>
#include <map>

#include "planish/quantize/params.h"

namespace planish::quantize_detail {
namespace {

bool is_op(const FusionGraph& graph, std::size_t node, std::string_view op) {
  return graph.node(node).is(op);
}

bool propagates(const FusionGraph& graph, std::size_t node) {
  if (!graph.node(node).domain.empty()) return false;
  const FusionRule* rule = find_fusion_rule(graph.node(node).op_type);
  return rule != nullptr && rule->propagates;
}

/// Constant scale, and zero point where there is one.
bool has_scalar_params(const FusionGraph& graph, std::size_t node) {
  const auto params = graph.params(node);
  return params && params->is_scalar;
}

std::string key_of(const FusionGraph& graph, const std::string& name) {
  const Tensor* constant = graph.value(name).constant;
  // Constants of a few elements of these types are shared by content (constant_sharing.cc).
  constexpr std::size_t kMaxShared = 8;
  constexpr std::array kShared{DType::kFloat32, DType::kFloat16, DType::kFloat64, DType::kInt32,
                               DType::kInt64};
  if (constant == nullptr || constant->element_count() > kMaxShared ||
      std::ranges::find(kShared, constant->dtype()) == kShared.end())
    return "v" + name;
  const auto bytes = constant->bytes();
  return "c" + std::string(name_of(constant->dtype())) + to_string(constant->dims()) +
         std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

bool are_equal(const Node& a, const Node& b) {
  return a.op_type == b.op_type && a.domain == b.domain && a.attributes == b.attributes &&
         a.outputs.size() == b.outputs.size();
}

bool is_random(const Node& node) {
  return node.op_type.starts_with("Random") || node.op_type == "Bernoulli" ||
         node.op_type == "Multinomial" || node.op_type == "Dropout";
}

Node pair_node(const Node& like, std::string op_type, std::string input, std::string output,
               std::string name) {
  Node node;
  node.op_type = std::move(op_type);
  node.domain = like.domain;
  node.name = std::move(name);
  node.inputs = like.inputs;
  node.inputs[0] = std::move(input);
  node.outputs = {std::move(output)};
  return node;
}

/// Puts Q and DQs with the parameters of `like` between a value and `readers` (and the graph output
/// that it is, when `to_output`).
void insert_pairs(FusionGraph& graph, const std::string& name, std::vector<FusionEdge> readers,
                  bool to_output, const Node& like) {
  const auto producer = graph.value(name).producer;
  const auto shape = graph.value(name).shape;
  const DType dtype = graph.value(name).dtype;
  std::string source = name;
  if (producer) {
    source = graph.fresh(name + "_pre_q");
    const auto& outputs = graph.node(*producer).outputs;
    const auto slot = std::ranges::find(outputs, name) - outputs.begin();
    graph.set_output(*producer, static_cast<std::size_t>(slot), source);
    graph.set_type(source, dtype, shape);
  }
  const std::string integers = graph.fresh(name + "_q_to_dq");
  graph.add(pair_node(like, "QuantizeLinear", source, integers, name + "_q"));
  std::size_t count = 0;
  const auto add_dequantize = [&](const std::string& output) {
    const std::string suffix = count == 0 ? "" : std::to_string(count);
    graph.set_type(output, dtype, shape);
    graph.add(pair_node(like, "DequantizeLinear", integers, output, name + "_dq" + suffix));
    ++count;
  };
  for (const FusionEdge& edge : readers) {
    const std::string output = graph.fresh(name + "_post_dq");
    add_dequantize(output);
    if (edge.input != FusionEdge::kBySubgraph) graph.set_input(edge.node, edge.input, output);
  }
  if (to_output) add_dequantize(name);
}

/// The edge into input 0 of `node`, where its value goes nowhere else.
std::optional<std::size_t> sole_maker(const FusionGraph& graph, std::size_t node) {
  const FusionValue& value = graph.value(graph.node(node).input(0));
  if (!value.producer || value.is_output || value.readers.size() != 1) return std::nullopt;
  return value.producer;
}

bool propagate_backward(FusionGraph& graph, std::size_t quantize) {
  if (!has_scalar_params(graph, quantize)) return false;
  bool changed = false;
  const Node like = graph.node(quantize);
  auto mover = sole_maker(graph, quantize);
  while (mover && propagates(graph, *mover)) {
    const std::string input = graph.node(*mover).input(0);
    const FusionValue& value = graph.value(input);
    const bool is_single = value.producer ? !value.is_output && value.readers.size() == 1 : true;
    if (!is_single) break;
    const auto next = value.producer;
    if (next && graph.is_dequantize(*next)) break;
    insert_pairs(graph, input, {{*mover, 0}}, false, like);
    changed = true;
    mover = next;
  }
  return changed;
}

bool reads_quantize(const FusionGraph& graph, const std::vector<FusionEdge>& edges) {
  return std::ranges::any_of(edges,
                             [&](const FusionEdge& edge) { return graph.is_quantize(edge.node); });
}

bool propagate_forward(FusionGraph& graph, std::size_t dequantize) {
  if (!graph.has_edges_only(dequantize, 1) || !has_scalar_params(graph, dequantize)) return false;
  const Node like = graph.node(dequantize);
  bool changed = false;
  std::deque<std::size_t> movers;
  const auto enqueue = [&](const std::vector<FusionEdge>& edges) {
    for (const FusionEdge& edge : edges) {
      if (propagates(graph, edge.node)) movers.push_back(edge.node);
    }
  };
  enqueue(graph.readers(dequantize));
  while (!movers.empty()) {
    const std::string output = graph.node(movers.front()).output(0);
    movers.pop_front();
    const std::vector<FusionEdge> readers = graph.value(output).readers;
    const bool to_output = graph.value(output).is_output;
    if ((readers.empty() && !to_output) || reads_quantize(graph, readers)) continue;
    insert_pairs(graph, output, readers, to_output, like);
    changed = true;
    enqueue(readers);
  }
  return changed;
}

bool is_transpose_of_matrix(const Node& node) {
  return node.is("Transpose") &&
         node.ints_attribute("perm", {1, 0}) == std::vector<std::int64_t>{1, 0};
}

bool fuse_transposes_into(FusionGraph& graph, std::size_t gemm) {
  bool changed = false;
  for (const std::size_t slot : {std::size_t{0}, std::size_t{1}}) {
    const auto transpose = graph.maker(gemm, slot);
    if (!transpose || !is_transpose_of_matrix(graph.node(*transpose))) continue;
    const auto& shape = graph.value(graph.node(*transpose).input(0)).shape;
    if (!shape || shape->size() != 2) continue;
    const std::string source = graph.node(*transpose).input(0);
    const bool is_last = graph.has_edges_only(*transpose, 1);
    graph.set_input(gemm, slot, source);
    const std::string_view attribute = slot == 0 ? "transA" : "transB";
    Node& node = graph.entry(gemm).node;
    node.set_attribute(attribute, std::int64_t{1 - node.int_attribute(attribute, 0)});
    if (is_last) graph.remove(*transpose);
    changed = true;
  }
  return changed;
}

/// Expand to ones, or to what the dimensions are.
bool expands_nothing(const FusionGraph& graph, const Node& node) {
  if (!node.is("Expand")) return false;
  const auto& shape = graph.value(node.input(0)).shape;
  const Tensor* wish = graph.value(node.input(1)).constant;
  if (!shape || wish == nullptr || wish->element_count() > shape->size()) return false;
  const auto dims = wish->to_ints();
  const std::size_t front = shape->size() - dims.size();
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] != 1 && (*shape)[front + i].number() != dims[i]) return false;
  }
  return true;
}

/// Pad with zeros on spatial axes before a Conv or MaxPool, which then pads itself.
bool is_folded_pad(const FusionGraph& graph, std::size_t pad) {
  const Node& node = graph.node(pad);
  if (!node.is("Pad") || node.inputs.size() > 3 || !graph.has_edges_only(pad, 1)) return false;
  const Tensor* pads = graph.value(node.input(1)).constant;
  if (pads == nullptr || node.string_attribute("mode", "constant") != "constant") return false;
  if (!node.input(2).empty()) {
    const Tensor* value = graph.value(node.input(2)).constant;
    if (value == nullptr ||
        std::ranges::any_of(value->bytes(), [](std::byte byte) { return byte != std::byte{0}; }))
      return false;
  }
  const Node& reader = graph.node(graph.readers(pad).front().node);
  if ((!reader.is("Conv") && !reader.is("MaxPool")) || reader.outputs.size() > 1 ||
      reader.string_attribute("auto_pad", "NOTSET") != "NOTSET")
    return false;
  const auto amounts = pads->to_ints();
  const std::size_t half = amounts.size() / 2;
  if (half < 3) return false;
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    if (amounts[i] < 0 || (i % half < 2 && amounts[i] != 0)) return false;
  }
  return true;
}

bool match(const std::optional<PairParams>& of_a, const std::optional<PairParams>& of_b) {
  return of_a && of_b && of_a->is_scalar && of_b->is_scalar && of_a->dtype == of_b->dtype &&
         of_a->scale_dtype == of_b->scale_dtype && of_a->zero_point == of_b->zero_point &&
         of_a->scale == of_b->scale;
}

}  // namespace

bool have_equal_params(const FusionGraph& graph, std::size_t a, std::size_t b) {
  const auto of_a = graph.params(a);
  const auto of_b = graph.params(b);
  return match(of_a, of_b) && of_a->has_zero_point && of_b->has_zero_point;
}

std::size_t shared_readers(const FusionGraph& graph, const std::string& name) {
  const std::string key = key_of(graph, name);
  std::size_t count = 0;
  for (const std::string& other : graph.constants()) {
    if (key_of(graph, other) == key) count += graph.value(other).readers.size();
  }
  return count;
}

bool remove_identities(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t i : graph.order()) {
    const Node& node = graph.node(i);
    const bool is_dropout = node.is("Dropout") &&
                            (node.outputs.size() < 2 ||
                             [&] {
                               const FusionValue& mask = graph.value(node.output(1));
                               return mask.readers.empty() && !mask.is_output;
                             }()) &&
                            node.input(2).empty();
    if (node.is("Identity") || is_dropout || expands_nothing(graph, node) ||
        is_folded_pad(graph, i)) {
      changed |= graph.bypass(i);
    } else if (node.is("Gemm")) {
      changed |= fuse_transposes_into(graph, i);
    }
  }
  return changed;
}

bool reduce_double_pairs(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t q1 : graph.order()) {
    if (!graph.is_alive(q1) || !graph.is_quantize(q1) || !graph.has_edges_only(q1, 1)) continue;
    const std::size_t dq1 = graph.readers(q1).front().node;
    if (!graph.is_dequantize(dq1) || !graph.has_edges_only(dq1, 1) ||
        !have_equal_params(graph, q1, dq1))
      continue;
    const std::size_t q2 = graph.readers(dq1).front().node;
    if (!graph.is_quantize(q2) || graph.makes_output(q2)) continue;
    const auto inner = graph.params(q1);
    const auto outer = graph.params(q2);
    if (!outer || !outer->has_zero_point || inner->dtype != outer->dtype) continue;
    const auto dq2s = graph.readers(q2);
    const bool all_match = std::ranges::all_of(dq2s, [&](const FusionEdge& edge) {
      return graph.is_dequantize(edge.node) && have_equal_params(graph, q2, edge.node);
    });
    if (dq2s.empty() || !all_match || inner->scale_dtype != DType::kFloat32) continue;
    if (inner->dtype != DType::kUInt8 && inner->dtype != DType::kInt8 &&
        inner->dtype != DType::kUInt16 && inner->dtype != DType::kInt16)
      continue;
    const bool same =
        inner->zero_point == outer->zero_point && std::abs(inner->scale - outer->scale) < 1e-20F;
    std::vector<std::string> shared = {graph.node(q1).input(1), graph.node(q1).input(2)};
    if (!same) {  // what both ranges hold
      const IntegerLimits limits = integer_limits(inner->dtype);
      const auto real = [](std::int64_t q, const PairParams& params) {
        return static_cast<float>(q - params.zero_point) * params.scale;
      };
      const float low = std::max(real(limits.min, *inner), real(limits.min, *outer));
      const float high = std::min(real(limits.max, *inner), real(limits.max, *outer));
      const float scale = (high - low) / static_cast<float>(limits.max - limits.min);
      const auto zero =
          static_cast<std::int64_t>(std::round(static_cast<float>(limits.min) - low / scale));
      const auto as = [&](auto type) {
        using T = decltype(type);
        return Tensor::scalar(static_cast<T>(zero));
      };
      shared[0] = graph.add_constant("DoubleQDQRemoved_scale", Tensor::scalar(scale));
      shared[1] = graph.add_constant("DoubleQDQRemoved_zero_point",
                                     inner->dtype == DType::kUInt8   ? as(std::uint8_t{})
                                     : inner->dtype == DType::kInt8  ? as(std::int8_t{})
                                     : inner->dtype == DType::kInt16 ? as(std::int16_t{})
                                                                     : as(std::uint16_t{}));
    }
    const std::string integers = graph.node(q1).output(0);
    if (!same) graph.set_inputs(q1, {graph.node(q1).input(0), shared[0], shared[1]});
    for (const FusionEdge& edge : dq2s) {
      if (!same)
        graph.set_inputs(edge.node, {integers, shared[0], shared[1]});
      else
        graph.set_input(edge.node, 0, integers);
    }
    graph.remove(q2);
    graph.remove(dq1);
    changed = true;
  }
  return changed;
}

bool merge_equal_nodes(FusionGraph& graph) {
  bool changed = false;
  std::map<std::string, std::vector<std::size_t>> by_key;
  for (const std::size_t i : graph.order()) {
    const Node& node = graph.node(i);
    if (graph.has_subgraph(i) || is_random(node) || (graph.is_dequantize(i) && node.domain.empty()))
      continue;
    std::string key = node.domain + "." + node.op_type;
    for (const std::string& input : node.inputs) key += "|" + key_of(graph, input);
    auto& alike = by_key[key];
    const auto twin = std::ranges::find_if(
        alike, [&](std::size_t other) { return are_equal(graph.node(other), node); });
    if (twin == alike.end()) {
      alike.push_back(i);
      continue;
    }
    if (graph.makes_output(i)) continue;
    const std::vector<std::string> mine = node.outputs;
    const std::vector<std::string> its = graph.node(*twin).outputs;
    for (std::size_t k = 0; k < mine.size(); ++k) graph.move_readers(mine[k], its[k]);
    graph.remove(i);
    changed = true;
  }
  return changed;
}

bool fold_constant_nodes(FusionGraph& graph) {
  bool changed = false;
  const auto is_foldable = [&](std::size_t i, bool inputs_too) {
    const Node& node = graph.node(i);
    if (graph.has_subgraph(i) || is_random(node)) return false;
    return !inputs_too || std::ranges::all_of(node.inputs, [&](const std::string& input) {
      return input.empty() || graph.value(input).is_constant;
    });
  };
  for (const std::size_t i : graph.order()) {
    if (!graph.is_alive(i) || !is_foldable(i, true) || graph.node(i).inputs.empty()) continue;
    if (graph.is_dequantize(i)) {
      if (!graph.has_edges_only(i, 1)) continue;
      const std::size_t reader = graph.readers(i).front().node;
      if (graph.node(reader).inputs.size() != 1 || graph.node(reader).outputs.size() != 1 ||
          !graph.has_edges_only(reader, 1) || !is_foldable(reader, false))
        continue;
      const std::size_t last = graph.readers(reader).front().node;
      if (!graph.is_quantize(last) || !is_foldable(last, false)) continue;
    }
    const std::vector<std::string> outputs = graph.node(i).outputs;
    graph.remove(i);
    for (const std::string& output : outputs) {
      if (!output.empty()) graph.make_constant(output, graph.value(output).dtype, {});
    }
    changed = true;
  }
  return changed;
}

namespace {

bool is_number(const Dim& dim, std::int64_t number) { return dim.number() == number; }

bool are_same_dim(const Dim& a, const Dim& b) {
  return (a.number() && a.number() == b.number()) || (a.symbol() && a.symbol() == b.symbol());
}

/// What MatMul and Add need to become a Gemm: the rows, depth and columns of the matrices.
struct GemmShape {
  bool needs_reshape = false;
  Shape output = {};  // of the MatMul, when it needs reshapes
  std::int64_t rows = 0;
  std::int64_t depth = 0;
  std::int64_t columns = 0;
};

std::optional<GemmShape> gemm_shape(const FusionGraph& graph, std::size_t matmul,
                                    const std::string& bias_name) {
  const auto& a = graph.value(graph.node(matmul).input(0)).shape;
  const auto& b = graph.value(graph.node(matmul).input(1)).shape;
  const auto& bias = graph.value(bias_name).shape;
  if (!a || !b || !bias || b->size() != 2) return std::nullopt;
  GemmShape found;
  found.needs_reshape = a->size() != 2;
  if (found.needs_reshape) {
    const auto dims = static_dims(*a);
    const auto matrix = static_dims(*b);
    if (!dims || !matrix || dims->empty()) return std::nullopt;
    found.rows = 1;
    for (std::size_t i = 0; i + 1 < dims->size(); ++i) found.rows *= (*dims)[i];
    found.depth = (*matrix)[0];
    found.columns = (*matrix)[1];
    found.output = Shape(a->begin(), a->end());
    found.output.back() = found.columns;
  }
  const Dim& n = (*b)[1];
  const bool is_vector = bias->size() == 1 && are_same_dim((*bias)[0], n);
  const bool is_matrix = !found.needs_reshape && bias->size() == 2;
  const bool is_row = is_matrix && is_number((*bias)[0], 1) && are_same_dim((*bias)[1], n);
  const bool is_full = is_matrix && are_same_dim((*bias)[0], (*a)[0]) &&
                       (is_number((*bias)[1], 1) || are_same_dim((*bias)[1], n));
  if (!is_vector && !is_row && !is_full) return std::nullopt;
  return found;
}

Node reshape_node(std::string input, std::string shape, std::string output) {
  Node node;
  node.op_type = "Reshape";
  node.name = output + "_reshape";
  node.inputs = {std::move(input), std::move(shape)};
  node.outputs = {std::move(output)};
  return node;
}

}  // namespace

bool fuse_matmul_add(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t i : graph.order()) {
    if (!graph.is_alive(i) || !is_op(graph, i, "MatMul") || !graph.has_edges_only(i, 1)) continue;
    const FusionEdge edge = graph.readers(i).front();
    const std::size_t add = edge.node;
    if (!is_op(graph, add, "Add") || edge.input > 1) continue;
    const std::string bias = graph.node(add).input(1 - edge.input);
    const DType dtype = graph.value(graph.node(i).input(0)).dtype;
    if (dtype != DType::kUndefined && !row_of(dtype).is_float) continue;
    const auto shape = gemm_shape(graph, i, bias);
    if (!shape) continue;
    Node gemm;
    gemm.op_type = "Gemm";
    gemm.name = graph.node(i).name + "/MatMulAddFusion";
    gemm.inputs = {graph.node(i).input(0), graph.node(i).input(1), bias};
    gemm.outputs = {graph.node(add).output(0)};
    const auto source = graph.entry(i).source;
    graph.remove(i);
    graph.remove(add);
    if (shape->needs_reshape) {
      const std::string flat = graph.fresh("gemm_input_reshape_arg");
      const std::string product = graph.fresh("gemm_output_reshape_arg");
      graph.set_type(flat, dtype, Shape{shape->rows, shape->depth});
      graph.set_type(product, dtype, Shape{shape->rows, shape->columns});
      const auto constant = [&](const Shape& dims) {
        return graph.add_constant("gemm_shape", Tensor::of({static_cast<std::int64_t>(dims.size())},
                                                           static_dims(dims).value()));
      };
      graph.add(reshape_node(gemm.inputs[0], constant({shape->rows, shape->depth}), flat));
      graph.add(reshape_node(product, constant(shape->output), gemm.outputs[0]));
      gemm.inputs[0] = flat;
      gemm.outputs[0] = product;
    }
    graph.add(std::move(gemm), source);
    changed = true;
  }
  return changed;
}

bool propagate_pairs(FusionGraph& graph) {
  bool changed = false;
  const std::vector<std::size_t> order = graph.order();
  for (const std::size_t i : order) {
    if (graph.is_alive(i) && graph.is_quantize(i)) changed |= propagate_backward(graph, i);
  }
  for (const std::size_t i : order) {
    if (graph.is_alive(i) && graph.is_dequantize(i)) changed |= propagate_forward(graph, i);
  }
  return changed;
}

namespace {

/// Whether QuantizeLinear follows, with nothing but clamps before it, and nothing else reads.
bool leads_to_quantize(const FusionGraph& graph, std::size_t node) {
  while (graph.node(node).outputs.size() == 1) {
    const auto edges = graph.readers(node);
    if (edges.size() != 1) return false;
    node = edges.front().node;
    if (graph.is_quantize(node)) return true;
    if (graph.node(node).op_type != "Relu" && graph.node(node).op_type != "Clip") return false;
  }
  return false;
}

/// The bias' length; nothing when there is none to quantize.
enum class BiasState { kAbsent, kFloatConstant, kOther };

BiasState bias_state(const FusionGraph& graph, const std::string& bias) {
  if (bias.empty()) return BiasState::kAbsent;
  const FusionValue& value = graph.value(bias);
  if (!value.is_constant || !value.shape || value.shape->size() != 1) return BiasState::kOther;
  return BiasState::kFloatConstant;
}

/// Whether the weight's scales fit the output channels that the bias is added to.
bool scales_fit(const FusionGraph& graph, std::size_t node, std::size_t dequantize,
                std::int64_t bias_length, bool& per_channel) {
  const Tensor* scale = graph.value(graph.node(dequantize).input(1)).constant;
  per_channel =
      scale == nullptr || !(scale->rank() == 0 || (scale->rank() == 1 && scale->dims()[0] == 1));
  if (!per_channel) return true;
  const auto& shape = graph.value(graph.node(dequantize).input(1)).shape;
  if (!shape || shape->size() != 1 || !is_number((*shape)[0], bias_length)) return false;
  const Node& dq = graph.node(dequantize);
  if (dq.int_attribute("block_size", 0) != 0) return false;
  std::int64_t axis = dq.int_attribute("axis", 1);
  if (axis < 0) {
    const auto& weight = graph.value(dq.input(0)).shape;
    if (!weight) return false;
    axis += static_cast<std::int64_t>(weight->size());
  }
  const bool is_gemm = graph.node(node).op_type == "Gemm";
  const std::int64_t expected = is_gemm && graph.node(node).int_attribute("transB", 0) == 0 ? 1 : 0;
  return axis == expected;
}

void add_dequantized(FusionGraph& graph, std::size_t node, std::size_t slot, DType dtype,
                     std::string_view suffix) {
  const std::string original = graph.node(node).input(slot);
  const auto shape = graph.value(original).shape;
  const std::string integers = graph.fresh(graph.node(node).name + std::string(suffix) + "_q");
  const std::string floats = graph.fresh(graph.node(node).name + std::string(suffix) + "_dq");
  graph.make_constant(integers, dtype, shape);
  graph.set_type(floats, DType::kFloat32, shape);
  Node dq;
  dq.op_type = "DequantizeLinear";
  dq.name = floats;
  // Computed from what it quantizes, and right. A bias has no zero point.
  const auto computed = [&](const char* what, DType of) {
    const std::string name = graph.fresh(floats + what);
    graph.make_constant(name, of, {});
    return name;
  };
  dq.inputs = {integers, computed("_scale", DType::kFloat32)};
  if (dtype != DType::kInt32) dq.inputs.push_back(computed("_zero_point", dtype));
  dq.outputs = {floats};
  graph.add(std::move(dq));
  graph.set_input(node, slot, floats);
}

}  // namespace

bool quantize_weights_and_biases(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t i : graph.order()) {
    const Node& node = graph.node(i);
    if (node.op_type != "Conv" && node.op_type != "ConvTranspose" && node.op_type != "Gemm")
      continue;
    const auto activation = graph.maker(i, 0);
    if (!activation || !graph.is_dequantize(*activation)) continue;
    const Tensor* scale = graph.value(graph.node(*activation).input(1)).constant;
    if (scale == nullptr || scale->element_count() != 1 || scale->rank() > 1) continue;
    if (!leads_to_quantize(graph, i)) continue;
    const auto made_weight = graph.maker(i, 1);
    const bool weight_is_quantized = made_weight && graph.is_dequantize(*made_weight);
    const FusionValue& weight = graph.value(node.input(1));
    if (!weight_is_quantized && (!weight.is_constant || weight.dtype != DType::kFloat32)) continue;
    const BiasState bias = bias_state(graph, node.input(2));
    if (bias == BiasState::kOther) continue;
    if (weight_is_quantized && bias == BiasState::kAbsent) continue;
    bool per_channel = false;
    if (weight_is_quantized &&
        !scales_fit(graph, i, *made_weight,
                    (*graph.value(node.input(2)).shape)[0].number().value_or(-1), per_channel))
      continue;
    if (!weight_is_quantized) add_dequantized(graph, i, 1, DType::kInt8, "_weight");
    if (bias == BiasState::kFloatConstant) add_dequantized(graph, i, 2, DType::kInt32, "_bias");
    changed = true;
  }
  return changed;
}

bool dequantize_where_scalars(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t i : graph.order()) {
    if (!is_op(graph, i, "Where")) continue;
    const auto edges = graph.value(graph.node(i).output(0)).readers;
    if (edges.size() != 1 || !graph.is_quantize(edges.front().node)) continue;
    for (const std::size_t slot : {std::size_t{1}, std::size_t{2}}) {
      const auto dq = graph.maker(i, 3 - slot);
      const FusionValue& scalar = graph.value(graph.node(i).input(slot));
      if (!dq || !graph.is_dequantize(*dq) || !scalar.is_constant || !scalar.shape ||
          !scalar.shape->empty() || scalar.dtype != DType::kFloat32)
        continue;
      const auto params = graph.params(*dq);
      if (!params || !params->has_zero_point || params->scale_dtype != DType::kFloat32 ||
          graph.integers_of(*dq) != graph.integers_of(edges.front().node))
        continue;
      const DType dtype = graph.integers_of(*dq);
      if (row_of(dtype).bits != 8 && row_of(dtype).bits != 16) continue;
      add_dequantized(graph, i, slot, dtype, "_dummy");
      changed = true;
      break;
    }
  }
  return changed;
}

bool give_each_reader_its_dequantize(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t i : graph.order()) {
    if (!graph.is_dequantize(i)) continue;
    std::vector<FusionEdge> edges = graph.readers(i);
    const bool makes_output = graph.makes_output(i);
    if (edges.empty() || (edges.size() == 1 && !makes_output)) continue;
    const auto removed = std::erase_if(
        edges, [](const FusionEdge& edge) { return edge.input == FusionEdge::kBySubgraph; });
    std::size_t first = removed == 0 && !makes_output ? 1 : 0;
    const Node original = graph.node(i);
    for (std::size_t k = first; k < edges.size(); ++k) {
      const std::string output = graph.fresh(original.output(0) + "/duplicated");
      Node copy = original;
      copy.domain.clear();  // as ONNX Runtime does
      copy.attributes = original.attributes;
      copy.name = original.name + "/duplicated";
      copy.outputs = {output};
      graph.set_type(output, graph.value(original.output(0)).dtype,
                     graph.value(original.output(0)).shape);
      graph.add(std::move(copy), graph.entry(i).source);
      graph.set_input(edges[k].node, edges[k].input, output);
      changed = true;
    }
  }
  return changed;
}

bool is_clamp_implied(const FusionGraph& graph, std::size_t clamp, std::size_t quantize) {
  const auto params = graph.params(quantize);
  if (!params || !params->is_rank_0 || params->scale_dtype != DType::kFloat32) return false;
  const DTypeRow& row = row_of(params->dtype);
  if (row.is_float || (row.bits != 8 && row.bits != 16)) return false;
  const IntegerLimits limits = integer_limits(params->dtype);
  const Node& node = graph.node(clamp);
  if (node.op_type == "Relu") return params->zero_point == limits.min;
  float low = node.float_attribute("min", std::numeric_limits<float>::lowest());
  float high = node.float_attribute("max", std::numeric_limits<float>::max());
  for (const auto& [slot, bound] : {std::pair{1, &low}, std::pair{2, &high}}) {
    const std::string& name = node.input(static_cast<std::size_t>(slot));
    if (name.empty()) continue;
    const Tensor* constant = graph.value(name).constant;
    if (constant == nullptr || constant->element_count() != 1 ||
        !row_of(constant->dtype()).is_float)
      return false;
    *bound = constant->to_floats().front();
  }
  const auto integer = [&](float bound) {
    // As ONNX Runtime counts, but without its overflow for bounds that are not there.
    return std::rint(static_cast<double>(bound / params->scale)) +
           static_cast<double>(params->zero_point);
  };
  return integer(low) <= limits.min && integer(high) >= limits.max;
}

namespace {

/// The conditions of ReluQuantFusion, which do not look at the scale.
bool is_relu_implied(const FusionGraph& graph, std::size_t quantize) {
  const Tensor* zero_point = graph.value(graph.node(quantize).input(2)).constant;
  if (zero_point == nullptr || zero_point->element_count() != 1) return false;
  const DTypeRow& row = row_of(zero_point->dtype());
  if (row.is_float || (row.bits != 8 && row.bits != 16)) return false;
  return zero_point->to_ints().front() == integer_limits(zero_point->dtype()).min;
}

/// A pair like DequantizeLinear `dq` behind its only reader.
void quantize_again(FusionGraph& graph, std::size_t dq, std::size_t reader) {
  const std::string output = graph.node(reader).output(0);
  const auto readers = graph.value(output).readers;
  insert_pairs(graph, output, readers, graph.value(output).is_output, graph.node(dq));
}

}  // namespace

bool mend_transposes(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t i : graph.order()) {
    if (!graph.is_alive(i)) continue;
    const auto dq = graph.maker(i, 0);
    if (!dq || !graph.is_dequantize(*dq) || !graph.has_edges_only(*dq, 1)) continue;
    const auto readers = graph.readers(i);
    if (graph.is_quantize(i)) {
      // Here, unlike elsewhere, a zero point that is not there is 0.
      const bool matches = match(graph.params(i), graph.params(*dq));
      if (readers.size() != 1 || graph.makes_output(i) || !matches) continue;
      const std::string integers = graph.node(*dq).input(0);
      graph.move_readers(graph.node(i).output(0), integers);
      graph.remove(i);
      graph.remove(*dq);
      changed = true;
    } else if (graph.node(i).is("Transpose")) {
      if (readers.size() > 1 || reads_quantize(graph, readers)) continue;
      if (readers.empty() && !graph.makes_output(i)) continue;
      quantize_again(graph, *dq, i);
      changed = true;
    }
  }
  return changed;
}

bool drop_implied_clamps(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t i : graph.order()) {
    if (!graph.is_alive(i)) continue;
    if (!is_op(graph, i, "Relu") && !is_op(graph, i, "Clip")) continue;
    if (!graph.has_edges_only(i, 1)) continue;
    const std::size_t quantize = graph.readers(i).front().node;
    if (!graph.is_quantize(quantize) || graph.node(quantize).inputs.size() != 3) continue;
    const bool implied = is_op(graph, i, "Relu") ? is_relu_implied(graph, quantize)
                                                 : is_clamp_implied(graph, i, quantize);
    if (implied) changed |= graph.bypass(i);
  }
  return changed;
}

bool make_pairs_unsigned(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t q : graph.order()) {
    if (!graph.is_quantize(q) || !graph.has_edges_only(q, 1)) continue;
    const std::size_t dq = graph.readers(q).front().node;
    if (!graph.is_dequantize(dq)) continue;
    const auto of_q = graph.params(q);
    const auto of_dq = graph.params(dq);
    const auto fits = [](const std::optional<PairParams>& params) {
      return params && params->has_zero_point && params->is_scalar && params->dtype == DType::kInt8;
    };
    if (!fits(of_q) || !fits(of_dq) || of_q->zero_point != of_dq->zero_point) continue;
    const std::string zero_point =
        graph.add_constant("qdq_s8_to_u8_zp_conversion",
                           Tensor::scalar(static_cast<std::uint8_t>(of_q->zero_point + 128)));
    graph.set_input(q, 2, zero_point);
    graph.set_input(dq, 2, zero_point);
    graph.set_type(graph.node(q).output(0), DType::kUInt8, {});
    changed = true;
  }
  return changed;
}

bool drop_returning_pairs(FusionGraph& graph) {
  bool changed = false;
  for (const std::size_t dq : graph.order()) {
    if (!graph.is_alive(dq) || !graph.is_dequantize(dq) || !graph.has_edges_only(dq, 1)) continue;
    const std::size_t q = graph.readers(dq).front().node;
    if (!graph.is_quantize(q) || !have_equal_params(graph, q, dq)) continue;
    const bool makes_output = graph.makes_output(q);
    if (graph.readers(q).size() > (makes_output ? 0U : 1U)) continue;
    const std::string source = graph.node(dq).input(0);
    const std::string target = graph.node(q).output(0);
    const auto producer = graph.value(source).producer;
    graph.remove(dq);
    graph.remove(q);
    if (!makes_output) {
      graph.move_readers(target, source);
    } else if (producer) {
      const auto& outputs = graph.node(*producer).outputs;
      const auto slot = std::ranges::find(outputs, source) - outputs.begin();
      graph.set_output(*producer, static_cast<std::size_t>(slot), target);
    } else {
      Node identity;
      identity.op_type = "Identity";
      identity.name = "QDQFinalCleanupTransformer";
      identity.inputs = {source};
      identity.outputs = {target};
      graph.add(std::move(identity));
    }
    changed = true;
  }
  return changed;
}

}  // namespace planish::quantize_detail
