#include "planish/quantize/remove_leftovers.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "planish/base/json.h"
#include "planish/graph/graph_index.h"

namespace planish {
namespace {

// Each round follows from what the one before removed; foreign models settle in two or three.
constexpr int kMaxRounds = 10;

// Of one element: what an operator saves on each side, and what a conversion moves.
constexpr double kBytesSaved = 3;
constexpr double kBytesConverted = 5;

bool is_quantize(const Node& node) { return node.op_type == "QuantizeLinear"; }
bool is_dequantize(const Node& node) { return node.op_type == "DequantizeLinear"; }
bool is_pair_node(const Node& node) { return is_quantize(node) || is_dequantize(node); }

bool multiplies_matrices(const Node& node) {
  return node.is("Conv") || node.is("ConvTranspose") || node.is("MatMul") || node.is("Gemm");
}

std::size_t count_pair_nodes(const Graph& graph) {
  return static_cast<std::size_t>(std::ranges::count_if(graph.nodes, is_pair_node));
}

/// Which nodes of `model` ONNX Runtime runs on integers, or merges into one that does.
std::vector<bool> on_integers(const Model& model, const FusionConfig& config) {
  const Graph& graph = model.graph;
  const FusionForecast forecast = forecast_fusion(model, config);
  std::unordered_set<std::string_view> dequantized;
  for (const FusedNode& fused : forecast.nodes) {
    if (is_dequantize(fused.node)) dequantized.insert(fused.node.output(0));
  }
  const GraphIndex index(graph);
  std::vector<bool> result(graph.nodes.size(), true);  // what the forecast does not have was merged
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (is_pair_node(graph.nodes[i])) result[i] = false;
  }
  for (const FusedNode& fused : forecast.nodes) {
    if (!fused.source || is_pair_node(fused.node)) continue;
    const auto is_read_as_floats = [&](const std::string& input) {
      return dequantized.contains(input);
    };
    const auto was_dequantized = [&](const std::string& input) {
      const auto maker = index.producer(input);
      return maker && is_dequantize(graph.nodes[*maker]);
    };
    result[*fused.source] =
        std::ranges::any_of(graph.nodes[*fused.source].inputs, was_dequantized) &&
        std::ranges::none_of(fused.node.inputs, is_read_as_floats);
  }
  return result;
}

/// One round over a model.
class Round {
 public:
  Round(Model& model, const FusionConfig& config, LeftoverReport& report)
      : graph_(model.graph),
        index_(model.graph),
        integer_(on_integers(model, config)),
        report_(report) {}

  /// Says whether anything was removed.
  bool run() {
    give_up_islands();
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (is_pair_node(graph_.nodes[i]) || integer_[i]) continue;
      for (std::size_t k = 0; k < graph_.nodes[i].inputs.size(); ++k) reread(i, k);
    }
    free_outputs();
    for (const Reread& reread : rereads_)
      graph_.nodes[reread.node].inputs[reread.input] = reread.to;
    std::ranges::move(constants_, std::back_inserter(graph_.initializers));
    for (const auto& [node, name] : renamed_) rename_output(node, name);
    return !rereads_.empty() || !renamed_.empty();
  }

 private:
  struct Reread {
    std::size_t node = 0;
    std::size_t input = 0;
    std::string to = {};
  };

  [[nodiscard]] const Node* maker(const std::string& value) const {
    const auto producer = index_.producer(value);
    return producer ? &graph_.nodes[*producer] : nullptr;
  }

  /// The float in front of the pair that ends in `dq`, where it can be read: a constant, an input,
  /// what a float operator makes, or what a product would write as floats.
  [[nodiscard]] std::optional<std::string> float_before(const Node& dq) const {
    const Node* q = maker(dq.input(0));
    if (q == nullptr || !is_quantize(*q)) return std::nullopt;
    const std::string& source = q->input(0);
    const auto producer = index_.producer(source);
    if (!producer || !integer_[*producer]) {
      if (producer && is_dequantize(graph_.nodes[*producer])) return std::nullopt;
      return source;
    }
    const FusionRule* rule = find_fusion_rule(graph_.nodes[*producer].op_type);
    const bool may_write_floats = rule != nullptr && rule->outputs == FusedOutputs::kOptional;
    if (!may_write_floats || !only_floats_read(q->output(0)) || index_.uses(source).size() != 1)
      return std::nullopt;
    return source;
  }

  /// Whether all that reads the pair's floats stays float.
  [[nodiscard]] bool only_floats_read(const std::string& integers) const {
    return std::ranges::all_of(index_.uses(integers), [&](const Use& use) {
      if (use.input == Use::kBySubgraph || !is_dequantize(graph_.nodes[use.node])) return false;
      const std::string& floats = graph_.nodes[use.node].output(0);
      if (index_.is_graph_output(floats)) return false;
      return std::ranges::all_of(index_.uses(floats), [&](const Use& reader) {
        return reader.input != Use::kBySubgraph && !integer_[reader.node] &&
               !is_pair_node(graph_.nodes[reader.node]);
      });
    });
  }

  void reread(std::size_t node, std::size_t input) {
    const std::string& value = graph_.nodes[node].inputs[input];
    const Node* dq = maker(value);
    if (dq == nullptr || !is_dequantize(*dq)) return;
    if (const auto source = float_before(*dq)) {
      rereads_.push_back({node, input, *source});
      ++report_.float_pairs;
    } else if (const auto constant = as_floats(*dq)) {
      rereads_.push_back({node, input, *constant});
      ++report_.constants;
    }
  }

  /// The name of a float constant that stands for what `dq` makes of an integer one.
  std::optional<std::string> as_floats(const Node& dq) {
    const Initializer* integers = index_.constant(dq.input(0));
    const Initializer* scale = index_.constant(dq.input(1));
    const Initializer* zero = dq.input(2).empty() ? nullptr : index_.constant(dq.input(2));
    if (integers == nullptr || scale == nullptr || (zero == nullptr && !dq.input(2).empty()))
      return std::nullopt;
    if (dq.find_attribute("block_size") != nullptr || scale->value.dtype() != DType::kFloat32)
      return std::nullopt;
    const auto known = stored_.find(dq.output(0));
    if (known != stored_.end()) return known->second;
    auto values = dequantized(dq, integers->value, scale->value, zero);
    if (!values) return std::nullopt;
    if (!names_) names_.emplace(graph_);
    Initializer constant;
    constant.name = names_->fresh(dq.output(0) + "_as_floats");
    constant.value = Tensor::of(integers->value.dims(), *values);
    constants_.push_back(std::move(constant));
    return stored_.emplace(dq.output(0), constants_.back().name).first->second;
  }

  static std::optional<std::vector<float>> dequantized(const Node& dq, const Tensor& integers,
                                                       const Tensor& scale,
                                                       const Initializer* zero) {
    if (row_of(integers.dtype()).bits < 8 || row_of(integers.dtype()).is_float) return std::nullopt;
    const auto scales = scale.values<float>();
    const std::vector<std::int64_t> zeros =
        zero == nullptr ? std::vector<std::int64_t>(scales.size(), 0) : zero->value.to_ints();
    if (zeros.size() != scales.size() || scales.empty()) return std::nullopt;
    std::size_t inner = integers.element_count();  // elements in a row that share a scale
    if (scales.size() > 1) {
      const auto rank = static_cast<std::int64_t>(integers.rank());
      std::int64_t axis = dq.int_attribute("axis", 1);
      if (axis < 0) axis += rank;
      if (axis < 0 || axis >= rank) return std::nullopt;
      const auto& dims = integers.dims();
      if (dims[static_cast<std::size_t>(axis)] != static_cast<std::int64_t>(scales.size()))
        return std::nullopt;
      inner = 1;
      for (std::int64_t i = axis + 1; i < rank; ++i)
        inner *= static_cast<std::size_t>(dims[static_cast<std::size_t>(i)]);
    }
    const std::vector<std::int64_t> values = integers.to_ints();
    std::vector<float> floats(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t channel = i / std::max<std::size_t>(inner, 1) % scales.size();
      floats[i] = static_cast<float>(values[i] - zeros[channel]) * scales[channel];
    }
    return floats;
  }

  /// A pair in front of a graph output, behind a float operator that nothing else reads.
  void free_outputs() {
    for (const ValueInfo& output : graph_.outputs) {
      const Node* dq = maker(output.name);
      if (dq == nullptr || !is_dequantize(*dq) || !index_.uses(output.name).empty()) continue;
      const Node* q = maker(dq->input(0));
      if (q == nullptr || !is_quantize(*q) || index_.uses(q->output(0)).size() != 1) continue;
      const std::string& source = q->input(0);
      const auto producer = index_.producer(source);
      if (!producer || index_.is_graph_output(source) || !index_.has_single_use(source)) continue;
      const Node& before = graph_.nodes[*producer];
      const FusionRule* rule = find_fusion_rule(before.op_type);
      const bool may_write_floats = rule != nullptr && rule->outputs == FusedOutputs::kOptional;
      if (is_pair_node(before) || (integer_[*producer] && !may_write_floats)) continue;
      renamed_.emplace_back(*producer, output.name);
      ++report_.float_pairs;
    }
  }

  /// `node`, whose output only a pair reads that ends in graph output `name`, makes that output.
  void rename_output(std::size_t node, const std::string& name) {
    const std::string old = graph_.nodes[node].output(0);
    for (Node& other : graph_.nodes) {
      if (is_dequantize(other) && other.output(0) == name)
        other.outputs[0] = NameScope(graph_).fresh(name);
      std::ranges::replace(other.inputs, old, name);
    }
    std::ranges::replace(graph_.nodes[node].outputs, old, name);
  }

  [[nodiscard]] double elements(const std::string& value) const {
    const ValueType* type = index_.type(value);
    const TensorType* tensor = type == nullptr ? nullptr : type->tensor();
    const auto dims = tensor && tensor->shape ? static_dims(*tensor->shape) : std::nullopt;
    if (!dims) return 1;
    return std::accumulate(dims->begin(), dims->end(), 1.0, [](double product, std::int64_t dim) {
      return product * static_cast<double>(dim);
    });
  }

  /// The value in floats that an integer operator reads as input `k`, where it is an activation.
  struct Operand {
    std::string value = {};
    std::optional<std::size_t> producer = {};  // an operator
  };
  [[nodiscard]] std::optional<Operand> operand(std::size_t node, std::size_t k) const {
    const Node* dq = maker(graph_.nodes[node].inputs[k]);
    if (dq == nullptr || !is_dequantize(*dq)) return std::nullopt;
    const Node* q = maker(dq->input(0));
    if (q == nullptr || !is_quantize(*q)) return std::nullopt;  // a constant, or integers outside
    return Operand{q->input(0), index_.producer(q->input(0))};
  }

  void give_up_islands() {
    const std::size_t count = graph_.nodes.size();
    std::vector<std::size_t> part(count);
    std::iota(part.begin(), part.end(), 0);
    const auto root = [&](std::size_t i) {
      while (part[i] != i) i = part[i] = part[part[i]];
      return i;
    };
    for (std::size_t i = 0; i < count; ++i) {
      if (!integer_[i]) continue;
      for (std::size_t k = 0; k < graph_.nodes[i].inputs.size(); ++k) {
        const auto read = operand(i, k);
        if (read && read->producer && integer_[*read->producer])
          part[root(i)] = root(*read->producer);
        // A Relu or Clip that went into the operator before it stands directly behind that.
        const auto made = index_.producer(graph_.nodes[i].inputs[k]);
        if (made && integer_[*made]) part[root(i)] = root(*made);
      }
    }
    std::map<std::size_t, double>
        gain;  // bytes saved, by part; those of products are never given up
    std::unordered_set<std::size_t> fixed;
    for (std::size_t i = 0; i < count; ++i) {
      if (!integer_[i]) continue;
      if (multiplies_matrices(graph_.nodes[i]) || reads_integers(i)) fixed.insert(root(i));
      gain[root(i)] += gain_of(i);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (!integer_[i] || fixed.contains(root(i)) || gain[root(i)] > 0) continue;
      report_.islands.push_back(graph_.nodes[i].name.empty() ? graph_.nodes[i].output(0)
                                                             : graph_.nodes[i].name);
      given_up_.push_back(i);
    }
    for (const std::size_t i : given_up_) integer_[i] = false;
  }

  /// Whether an operand is integers that no pair of the graph makes, so that no floats are there.
  [[nodiscard]] bool reads_integers(std::size_t node) const {
    return std::ranges::any_of(graph_.nodes[node].inputs, [&](const std::string& input) {
      const Node* dq = maker(input);
      if (dq == nullptr || !is_dequantize(*dq)) return false;
      const Node* q = maker(dq->input(0));
      return (q == nullptr || !is_quantize(*q)) && index_.constant(dq->input(0)) == nullptr;
    });
  }

  /// Bytes that `node` saves by running on integers, less those of the conversions at its side.
  [[nodiscard]] double gain_of(std::size_t node) const {
    double gain = 0;
    for (std::size_t k = 0; k < graph_.nodes[node].inputs.size(); ++k) {
      const auto read = operand(node, k);
      if (!read) continue;
      const double size = elements(read->value);
      gain += kBytesSaved * size;
      if (!read->producer || !integer_[*read->producer]) gain -= kBytesConverted * size;
    }
    for (const std::string& output : graph_.nodes[node].outputs) {
      if (output.empty()) continue;
      const double size = elements(output);
      gain += kBytesSaved * size;
      if (leaves_as_floats(output)) gain -= kBytesConverted * size;
    }
    return gain;
  }

  /// Whether something reads the floats that the integers of `output` stand for.
  [[nodiscard]] bool leaves_as_floats(const std::string& output) const {
    for (const Use& use : index_.uses(output)) {
      if (use.input == Use::kBySubgraph || !is_quantize(graph_.nodes[use.node])) continue;
      for (const Use& integers : index_.uses(graph_.nodes[use.node].output(0))) {
        if (integers.input == Use::kBySubgraph || !is_dequantize(graph_.nodes[integers.node]))
          continue;
        const std::string& floats = graph_.nodes[integers.node].output(0);
        if (index_.is_graph_output(floats)) return true;
        for (const Use& reader : index_.uses(floats)) {
          if (reader.input == Use::kBySubgraph || !integer_[reader.node]) return true;
        }
      }
    }
    return false;
  }

  Graph& graph_;
  GraphIndex index_;
  std::vector<bool> integer_;
  LeftoverReport& report_;
  std::vector<std::size_t> given_up_;
  std::vector<Reread> rereads_;
  std::vector<std::pair<std::size_t, std::string>> renamed_;
  std::vector<Initializer> constants_;
  std::unordered_map<std::string, std::string> stored_;  // dequantized value → float constant
  std::optional<NameScope> names_;
};

}  // namespace

WithoutLeftovers remove_leftovers(const Model& model, const FusionConfig& config) {
  WithoutLeftovers result{.model = model, .report = {}};
  result.report.pairs_before = count_pair_nodes(model.graph);
  sort_topologically(result.model.graph);
  for (int round = 0; round < kMaxRounds; ++round) {
    const bool changed = Round(result.model, config, result.report).run();
    if (!changed) break;
    sort_topologically(result.model.graph);
    remove_unused(result.model.graph);
  }
  result.report.pairs_after = count_pair_nodes(result.model.graph);
  if (result.report.changes_nothing()) result.model = model;
  return result;
}

std::string explain(const LeftoverReport& report) {
  if (report.changes_nothing()) return "no Q/DQ nodes to remove";
  std::string text = "of " + std::to_string(report.pairs_before) + " Q and DQ nodes " +
                     std::to_string(report.pairs_before - report.pairs_after) +
                     " are gone that had floats on both sides";
  if (report.constants > 0)
    text += "; " + std::to_string(report.constants) + " constants are floats again";
  if (!report.islands.empty())
    text += "; " + std::to_string(report.islands.size()) +
            " operators run in float, as their conversions cost more than they save";
  return text;
}

Json to_json(const LeftoverReport& report) {
  return {{"float_pairs", report.float_pairs},
          {"constants", report.constants},
          {"islands", report.islands},
          {"pairs_before", report.pairs_before},
          {"pairs_after", report.pairs_after}};
}

}  // namespace planish
