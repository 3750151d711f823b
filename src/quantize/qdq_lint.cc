#include "planish/quantize/qdq_lint.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "planish/base/json.h"
#include "quantize/fusion_passes.h"

namespace planish {
namespace {

bool is_quantize(const Node& node) { return node.op_type == "QuantizeLinear"; }
bool is_dequantize(const Node& node) { return node.op_type == "DequantizeLinear"; }

/// Attributes every Q and DQ node that is left to one finding.
class Explainer {
 public:
  explicit Explainer(const FusionForecast& forecast)
      : nodes_(forecast.nodes), inputs_(forecast.inputs.begin(), forecast.inputs.end()) {
    explained_.resize(nodes_.size(), false);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      for (const std::string& output : nodes_[i].node.outputs) makers_.emplace(output, i);
      for (const std::string& input : nodes_[i].node.inputs) readers_[input].push_back(i);
    }
  }

  std::vector<LintFinding> run() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i].node;
      if (!is_quantize(node) && !is_dequantize(node)) explain_operator(i);
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (!explained_[i] && is_dequantize(nodes_[i].node)) explain_dequantize(i);
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (!explained_[i] && is_quantize(nodes_[i].node)) explain_quantize(i);
    }
    return std::move(findings_);
  }

 private:
  [[nodiscard]] std::optional<std::size_t> maker(const std::string& value) const {
    const auto found = makers_.find(value);
    return found == makers_.end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] const std::vector<std::size_t>& readers(std::size_t node) const {
    static const std::vector<std::size_t> kNone;
    const auto found = readers_.find(nodes_[node].node.output(0));
    return found == readers_.end() ? kNone : found->second;
  }
  [[nodiscard]] bool reads_constant(std::size_t dequantize) const {
    const std::string& integers = nodes_[dequantize].node.input(0);
    return !maker(integers) && !inputs_.contains(integers);
  }
  [[nodiscard]] bool feeds_only_dequantize(std::size_t quantize) const {
    const auto& all = readers(quantize);
    return std::ranges::all_of(all, [&](std::size_t i) { return is_dequantize(nodes_[i].node); });
  }

  LintFinding& add(LintCode code, std::size_t about, const std::string& tensor,
                   std::string reason) {
    const FusedNode& node = nodes_[about];
    findings_.push_back(LintFinding{
        code, node.node.name, node.node.op_type, tensor, node.obstacle, std::move(reason), {}});
    return findings_.back();
  }
  void attribute(LintFinding& finding, std::size_t pair) {
    if (explained_[pair]) return;
    explained_[pair] = true;
    finding.pairs.push_back(nodes_[pair].node.name);
  }

  /// An operator that reads dequantized values stays float.
  void explain_operator(std::size_t i) {
    const FusedNode& fused = nodes_[i];
    std::vector<std::size_t> activations;
    std::vector<std::size_t> constants;
    for (const std::string& input : fused.node.inputs) {
      const auto made = maker(input);
      if (!made || !is_dequantize(nodes_[*made].node)) continue;
      (reads_constant(*made) ? constants : activations).push_back(*made);
    }
    if (!activations.empty()) {
      explain_activations(i, activations);
    }
    if (!constants.empty()) {
      const std::string& tensor = nodes_[constants.front()].node.output(0);
      LintFinding& finding = add(LintCode::kConstant, i, tensor, reason_of(fused));
      for (const std::size_t dq : constants) attribute(finding, dq);
    }
  }

  void explain_activations(std::size_t i, const std::vector<std::size_t>& dqs) {
    const FusedNode& fused = nodes_[i];
    const std::vector<std::size_t> qs = quantize_behind(i);
    LintCode code = LintCode::kUnfused;
    if (fused.obstacle == FusionObstacle::kNoKernel || fused.obstacle == FusionObstacle::kNone)
      code = qs.empty() ? LintCode::kExit : LintCode::kNoKernel;
    // A kernel that would take the integers, but floats are wanted behind it.
    if (fused.obstacle == FusionObstacle::kOutputIsFloat) code = LintCode::kExit;
    const bool all_pairs = std::ranges::all_of(dqs, [&](std::size_t dq) {
      const auto made = maker(nodes_[dq].node.input(0));
      return made && is_quantize(nodes_[*made].node) && feeds_only_dequantize(*made);
    });
    // Floats before, floats behind: not the end of an integer part, but a detour.
    if (code == LintCode::kExit && all_pairs) code = LintCode::kFloatPair;
    LintFinding& finding = add(code, i, nodes_[dqs.front()].node.output(0), reason_of(fused));
    for (const std::size_t dq : dqs) {
      attribute(finding, dq);
      const auto made = maker(nodes_[dq].node.input(0));
      if (made && is_quantize(nodes_[*made].node) && feeds_only_dequantize(*made))
        attribute(finding, *made);
    }
    for (const std::size_t q : qs) {
      if (code == LintCode::kNoKernel || code == LintCode::kUnfused) attribute(finding, q);
    }
  }

  /// QuantizeLinear nodes that read what `i` writes, directly or behind a Relu or Clip.
  [[nodiscard]] std::vector<std::size_t> quantize_behind(std::size_t i) const {
    std::vector<std::size_t> found;
    for (const std::size_t reader : readers(i)) {
      const Node& node = nodes_[reader].node;
      if (is_quantize(node)) found.push_back(reader);
      if (node.op_type != "Relu" && node.op_type != "Clip") continue;
      for (const std::size_t behind : readers(reader)) {
        if (is_quantize(nodes_[behind].node)) found.push_back(behind);
      }
    }
    return found;
  }

  static std::string reason_of(const FusedNode& fused) {
    if (fused.obstacle == FusionObstacle::kNone) return "it runs in float";
    return std::string(text_of(fused.obstacle));
  }

  /// No operator reads it: a QuantizeLinear does, or it is a graph output, or in a subgraph.
  void explain_dequantize(std::size_t dq) {
    const Node& node = nodes_[dq].node;
    const auto made = maker(node.input(0));
    const auto& behind = readers(dq);
    if (!behind.empty() && is_quantize(nodes_[behind.front()].node)) {
      LintFinding& finding = add(LintCode::kRequantized, dq, node.output(0),
                                 "what reads it is quantized with other parameters");
      attribute(finding, dq);
      for (const std::size_t q : behind) attribute(finding, q);
    } else if (made && is_quantize(nodes_[*made].node) && feeds_only_dequantize(*made)) {
      LintFinding& finding =
          add(LintCode::kFloatPair, dq, node.output(0), "it is a graph output, and made by floats");
      attribute(finding, *made);
      attribute(finding, dq);
    } else {
      LintFinding& finding = add(LintCode::kExit, dq, node.output(0), "it is a graph output");
      attribute(finding, dq);
    }
  }

  void explain_quantize(std::size_t q) {
    const Node& node = nodes_[q].node;
    const bool is_pair = !readers(q).empty() && feeds_only_dequantize(q);
    const auto made = maker(node.input(0));
    std::string reason = "it is a graph input";
    if (made)
      reason = nodes_[*made].node.op_type + " '" + nodes_[*made].node.name + "' writes floats";
    LintFinding& finding = add(is_pair ? LintCode::kFloatPair : LintCode::kEntry, q, node.input(0),
                               is_pair ? "only floats are made of it" : std::move(reason));
    attribute(finding, q);
  }

  const std::vector<FusedNode>& nodes_;
  std::unordered_set<std::string> inputs_;
  std::unordered_map<std::string, std::size_t> makers_;
  std::unordered_map<std::string, std::vector<std::size_t>> readers_;
  std::vector<bool> explained_;
  std::vector<LintFinding> findings_;
};

/// What is to be said of the model as it is, besides what is left.
class ModelFacts {
 public:
  explicit ModelFacts(const Model& model) : graph_(model.graph, model.opset()) {}

  std::vector<LintFinding> run() {
    for (std::size_t i = 0; i < graph_.size(); ++i) {
      const Node& node = graph_.node(i);
      if (graph_.is_quantize(i)) {
        find_signed(i);
        find_double(i);
      } else if (node.is("Conv") || node.is("MatMul") || node.is("Gemm")) {
        find_weight(i);
      }
    }
    return std::move(findings_);
  }

 private:
  void add(LintCode code, std::size_t about, const std::string& tensor, std::string reason) {
    const Node& node = graph_.node(about);
    findings_.push_back(LintFinding{
        code, node.name, node.op_type, tensor, FusionObstacle::kNone, std::move(reason), {}});
  }

  void find_signed(std::size_t q) {
    const std::string& source = graph_.node(q).input(0);
    if (graph_.integers_of(q) != DType::kInt8 || graph_.value(source).is_constant) return;
    add(LintCode::kSignedActivations, q, source, "its integers are int8");
  }

  void find_double(std::size_t q1) {
    for (const quantize_detail::FusionEdge& edge : graph_.readers(q1)) {
      if (!graph_.is_dequantize(edge.node)) continue;
      for (const quantize_detail::FusionEdge& next : graph_.readers(edge.node)) {
        const auto first = graph_.params(q1);
        const auto second = graph_.params(next.node);
        if (!graph_.is_quantize(next.node) || !first || !second) continue;
        if (first->scale == second->scale && first->zero_point == second->zero_point) continue;
        add(LintCode::kDoublePair, next.node, graph_.node(q1).input(0),
            "the pair before it has other parameters");
      }
    }
  }

  void find_weight(std::size_t i) {
    const Node& node = graph_.node(i);
    const auto weight = graph_.maker(i, 1);
    if (!weight || !graph_.is_dequantize(*weight)) return;
    const auto activation = graph_.maker(i, 0);
    const bool is_dequantized = activation && graph_.is_dequantize(*activation);
    const bool is_constant = graph_.value(graph_.node(*weight).input(0)).is_constant;
    if (!is_dequantized) {
      if (is_constant && !node.is("Conv"))
        add(LintCode::kWeightOnly, i, node.input(1), "its activation is float");
      return;
    }
    if (is_constant && graph_.integers_of(*weight) == DType::kUInt8)
      add(LintCode::kUnsignedWeights, i, node.input(1), "its weight is uint8");
    const auto bias = graph_.maker(i, 2);
    if (node.is("Gemm") && bias && graph_.is_dequantize(*bias) &&
        !quantize_detail::bias_scale_fits(graph_, *activation, *weight, *bias))
      add(LintCode::kBiasScale, i, node.input(2), std::string(text_of(FusionObstacle::kBiasScale)));
  }

  quantize_detail::FusionGraph graph_;
  std::vector<LintFinding> findings_;
};

}  // namespace

std::string_view name_of(LintLevel level) {
  switch (level) {
    case LintLevel::kInfo:
      return "info";
    case LintLevel::kCost:
      return "cost";
    case LintLevel::kWrong:
      break;
  }
  return "wrong";
}

std::vector<LintFinding> explain_leftovers(const FusionForecast& nodes) {
  return Explainer(nodes).run();
}

std::vector<LintFinding> lint_qdq(const Model& model, const FusionConfig& config) {
  std::vector<LintFinding> findings = explain_leftovers(forecast_fusion(model, config));
  std::vector<LintFinding> facts = ModelFacts(model).run();
  if (config.signed_activations)
    std::erase_if(facts, [](const LintFinding& finding) {
      return finding.code == LintCode::kSignedActivations;
    });
  std::ranges::move(facts, std::back_inserter(findings));
  return findings;
}

bool has_qdq(const Model& model) {
  return std::ranges::any_of(
      model.graph.nodes, [](const Node& node) { return is_quantize(node) || is_dequantize(node); });
}

Json to_json(const LintFinding& finding) {
  const LintRule& rule = row_of(finding.code);
  return {{"code", rule.name},        {"level", name_of(rule.level)},
          {"node", finding.node},     {"op", finding.op_type},
          {"tensor", finding.tensor}, {"obstacle", name_of(finding.obstacle)},
          {"reason", finding.reason}, {"remedy", rule.remedy},
          {"pairs", finding.pairs}};
}

}  // namespace planish
