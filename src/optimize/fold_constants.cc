// Nodes whose inputs are all constant, evaluated by the runtime that would run them.
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/base/checked.h"
#include "planish/base/error.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

// Never folded: what quantization put there on purpose, and what hands on no tensors.
constexpr std::array<std::string_view, 8> kNotFolded{
    "DequantizeLinear",  "DynamicQuantizeLinear", "Optional",       "QuantizeLinear",
    "SequenceConstruct", "SequenceEmpty",         "SequenceInsert", "SplitToSequence",
};
constexpr std::array<std::string_view, 6> kRandomOps{
    "Bernoulli",        "Multinomial",   "RandomNormal",
    "RandomNormalLike", "RandomUniform", "RandomUniformLike",
};

// Results of unknown size are computed only from little, so that a product of two vectors (say)
// stays small: 2^10 x 2^10 elements.
constexpr std::size_t kLittle = std::size_t{1} << 12;

bool has_subgraph(const Node& node) {
  return std::ranges::any_of(node.attributes, [](const Attribute& attribute) {
    return std::holds_alternative<Box<Graph>>(attribute.value) ||
           std::holds_alternative<std::vector<Graph>>(attribute.value);
  });
}

std::size_t bytes_of(const Tensor& tensor) {
  std::size_t bytes = tensor.bytes().size();
  for (const std::string& text : tensor.strings()) bytes += text.size();
  return bytes;
}

/// Bytes of a value whose type and every dimension are known.
std::optional<std::size_t> known_bytes(const GraphIndex& index, std::string_view value) {
  const auto dtype = rewrite::dtype_of(index, value);
  const auto shape = rewrite::shape_of(index, value);
  const auto dims = shape ? static_dims(*shape) : std::nullopt;
  if (!dtype || !dims || row_of(*dtype).bits == 0) return std::nullopt;
  try {
    return byte_count(*dtype, checked_element_count(*dims));
  } catch (const Error&) {
    return std::nullopt;  // too large for any memory
  }
}

/// Elements that ConstantOfShape, Expand and Tile make, by the operand that says so; nothing when
/// it is not known, as for a product that overflows.
std::optional<std::size_t> grown_bytes(const GraphIndex& index, const Node& node) {
  const bool grows = node.is("ConstantOfShape") || node.is("Expand") || node.is("Tile");
  if (!grows) return std::nullopt;
  const auto factors =
      rewrite::constant_ints(index, node.input(node.is("ConstantOfShape") ? 0 : 1));
  if (!factors) return std::nullopt;
  std::size_t bytes = 8;
  if (!node.is("ConstantOfShape")) {
    const auto data = known_bytes(index, node.input(0));
    if (!data) return std::nullopt;
    bytes = *data;
  }
  try {
    return checked_mul(bytes, checked_element_count(*factors));
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// The nodes to evaluate together, and what is known of their results.
class Candidates {
 public:
  Candidates(const Graph& graph, const OptimizeConfig& config,
             const std::unordered_set<std::string>& refused)
      : graph_(graph), config_(config), index_(graph), refused_(refused) {
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      if (is_foldable(graph.nodes[i])) add(i);
    }
  }

  [[nodiscard]] const std::vector<std::size_t>& nodes() const { return nodes_; }
  [[nodiscard]] bool makes(const std::string& value) const { return made_.contains(value); }
  [[nodiscard]] const GraphIndex& index() const { return index_; }

 private:
  void add(std::size_t i) {
    nodes_.push_back(i);
    const auto& outputs = graph_.nodes[i].outputs;
    made_.insert(outputs.begin(), outputs.end());
  }

  [[nodiscard]] bool is_foldable(const Node& node) const {
    const bool possible = node.domain.empty() && !node.output(0).empty() && !node.is("Constant") &&
                          std::ranges::find(kNotFolded, node.op_type) == kNotFolded.end() &&
                          !is_nondeterministic(node) && !has_subgraph(node) &&
                          !refused_.contains(node.output(0));
    if (!possible) return false;
    bool chained = false;
    std::size_t bytes = 0;
    for (const std::string& input : node.inputs) {
      if (input.empty()) continue;
      const Initializer* constant = index_.constant(input);
      if (constant == nullptr && !made_.contains(input)) return false;
      if (constant != nullptr) bytes += bytes_of(constant->value);
      chained |= constant == nullptr;
    }
    return stays_small(node, chained, bytes);
  }

  /// Known results stay within the limit or within what the node is made of (twice: a Cast to a
  /// wider type); unknown ones come from little, all of it at hand.
  [[nodiscard]] bool stays_small(const Node& node, bool chained, std::size_t bytes) const {
    const std::size_t limit = std::max(config_.max_folded_bytes, 2 * bytes);
    std::size_t total = 0;
    bool known = true;
    for (const std::string& output : node.outputs) {
      if (output.empty()) continue;
      const auto size = known_bytes(index_, output);
      known &= size.has_value();
      total += size.value_or(0);
    }
    if (known) return total <= limit;
    if (const auto size = grown_bytes(index_, node)) return *size <= limit;
    const bool grows = node.is("ConstantOfShape") || node.is("Expand") || node.is("Tile") ||
                       node.is("Range") || node.is("OneHot") || node.is("Pad") ||
                       node.is("Resize") || node.is("Upsample");
    return !chained && bytes <= kLittle && !grows;
  }

  const Graph& graph_;
  const OptimizeConfig& config_;
  GraphIndex index_;
  const std::unordered_set<std::string>& refused_;
  std::vector<std::size_t> nodes_;
  std::unordered_set<std::string> made_;
};

/// A model of `nodes` alone: their constants as initializers, `outputs` as outputs.
Model model_of(const Model& whole, const GraphIndex& index, const std::vector<std::size_t>& nodes,
               const std::vector<std::string>& outputs) {
  Model part;
  part.ir_version = std::max<std::int64_t>(whole.ir_version, 4);
  part.opset_imports = whole.opset_imports;
  part.graph.name = "constants";
  std::unordered_set<std::string> taken;
  for (const std::size_t i : nodes) {
    const Node& node = whole.graph.nodes[i];
    part.graph.nodes.push_back(node);
    for (const std::string& input : node.inputs) {
      const Initializer* constant = index.constant(input);
      if (constant != nullptr && taken.insert(input).second) {
        part.graph.initializers.push_back(*constant);
      }
    }
  }
  for (const std::string& output : outputs) {
    ValueInfo info;
    info.name = output;
    if (const ValueType* type = index.type(output)) info.type = *type;
    part.graph.outputs.push_back(std::move(info));
  }
  return part;
}

/// The results of `nodes` that something else reads, by name.
using Results = std::vector<Initializer>;

Results evaluate(const Model& model, const Candidates& candidates,
                 const std::vector<std::size_t>& nodes, const NodeEvaluator& evaluator) {
  const std::unordered_set<std::size_t> inside(nodes.begin(), nodes.end());
  std::vector<std::string> outputs;
  for (const std::size_t i : nodes) {
    for (const std::string& output : model.graph.nodes[i].outputs) {
      const auto uses = candidates.index().uses(output);
      const bool read_outside =
          std::ranges::any_of(uses, [&](const Use& use) { return !inside.contains(use.node); });
      if (!output.empty() && (read_outside || candidates.index().is_graph_output(output))) {
        outputs.push_back(output);
      }
    }
  }
  if (outputs.empty()) return {};
  std::vector<Tensor> values = evaluator(model_of(model, candidates.index(), nodes, outputs));
  if (values.size() != outputs.size()) {
    throw Error(ErrorCode::kInternal, "evaluation of constants gave " +
                                          std::to_string(values.size()) + " tensors; expected " +
                                          std::to_string(outputs.size()));
  }
  Results results;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    Initializer constant;
    constant.name = outputs[k];
    constant.value = std::move(values[k]);
    results.push_back(std::move(constant));
  }
  return results;
}

/// One round: everything that can be evaluated now, together when the runtime can, else one by one.
/// Outputs of nodes that the runtime cannot evaluate join `refused`. Says how many nodes went.
std::size_t fold_once(Model& model, const OptimizeConfig& config,
                      std::unordered_set<std::string>& refused, PassReport& report) {
  const Candidates candidates(model.graph, config, refused);
  if (candidates.nodes().empty()) return 0;
  std::vector<std::size_t> folded = candidates.nodes();
  Results results;
  try {
    results = evaluate(model, candidates, folded, config.evaluate);
  } catch (const Error&) {
    folded.clear();
    for (const std::size_t i : candidates.nodes()) {
      const Node& node = model.graph.nodes[i];
      const bool at_hand = std::ranges::none_of(
          node.inputs, [&](const std::string& input) { return candidates.makes(input); });
      if (!at_hand) continue;  // its turn comes when what it reads is folded
      try {
        Results alone = evaluate(model, candidates, {i}, config.evaluate);
        std::ranges::move(alone, std::back_inserter(results));
        folded.push_back(i);
      } catch (const Error&) {
        refused.insert(node.output(0));
      }
    }
  }
  std::vector<bool> doomed(model.graph.nodes.size(), false);
  for (const std::size_t i : folded) {
    doomed[i] = true;
    rewrite::record(report, rewrite::label(model.graph.nodes[i]));
  }
  rewrite::erase_nodes(model.graph, doomed);
  std::ranges::move(results, std::back_inserter(model.graph.initializers));
  return folded.size();
}

}  // namespace

bool is_nondeterministic(const Node& node) {
  if (node.domain.empty()) {
    if (std::ranges::find(kRandomOps, node.op_type) != kRandomOps.end()) return true;
    // The third input of Dropout (opset 12) switches training on; a constant false is folded away
    // as a no-op before anyone asks.
    if (node.is("Dropout") && !node.input(2).empty()) return true;
  }
  const auto any_inside = [](const Graph& graph) {
    return std::ranges::any_of(graph.nodes, is_nondeterministic);
  };
  return std::ranges::any_of(node.attributes, [&](const Attribute& attribute) {
    if (const auto* one = std::get_if<Box<Graph>>(&attribute.value)) return any_inside(**one);
    if (const auto* many = std::get_if<std::vector<Graph>>(&attribute.value)) {
      return std::ranges::any_of(*many, any_inside);
    }
    return false;
  });
}

PassReport fold_constants(Model& model, const OptimizeConfig& config) {
  PassReport report{.pass = "fold-constants"};
  if (!config.evaluate) return report;
  // Each round folds at least one node or refuses at least one, so this ends.
  std::unordered_set<std::string> refused;
  for (;;) {
    const std::size_t known_refusals = refused.size();
    const std::size_t folded = fold_once(model, config, refused, report);
    if (folded == 0 && refused.size() == known_refusals) break;
  }
  if (report.changes > 0) model.ir_version = std::max<std::int64_t>(model.ir_version, 4);
  return report;
}

}  // namespace planish
