#include "candidates.h"

#include <algorithm>

#include "planish/graph/graph_index.h"

namespace planish::pipeline {
namespace {

/// Below this share of the work, quantizing matrix products alone cannot pay.
constexpr double kWorthwhileShare = 0.1;

double share_of_work(const InspectReport& inspection, std::string_view op_type) {
  const auto found = std::ranges::find(inspection.operators, op_type, &OperatorSummary::op_type);
  return found == inspection.operators.end() ? 0.0 : found->mac_share;
}

CandidateSpec static_spec(QuantizationFormat format, Target target) {
  CandidateSpec spec;
  spec.name = "static-" + std::string(name_of(format)) + "-per-channel";
  spec.method = Method::kStatic;
  spec.config.format = format;
  spec.config.target = target;
  spec.config.activation = row_of(target).activation;
  spec.config.weight = row_of(target).weight;
  return spec;
}

const Tensor* weight_of(const Node& node, const GraphIndex& index) {
  const Initializer* weight = index.constant(node.input(1));
  return weight != nullptr && weight->value.rank() >= 3 ? &weight->value : nullptr;
}

/// Whether `node` reads what `source` makes, perhaps through activations.
bool is_fed_by(const Node& node, const Node& source, const Graph& graph, const GraphIndex& index) {
  const Node* at = &node;
  do {
    const auto maker = index.producer(at->input(0));
    if (!maker) return false;
    at = &graph.nodes[*maker];
  } while (!is_matrix_operator(*at));
  return at == &source;
}

/// The first convolution, when it reads few channels: the integer kernel multiplies dense rows of
/// channels and has little to gain there, while the float kernel has a form for images. The
/// depthwise convolution behind it, on as large an image, gains as little. docs/rewrites.md has
/// figures.
std::vector<std::string> shallow_stem(const Graph& graph) {
  constexpr std::int64_t kFewChannels = 4;
  const GraphIndex index(graph);
  const auto first = std::ranges::find_if(graph.nodes, is_matrix_operator);
  if (first == graph.nodes.end() || !first->is("Conv")) return {};
  const Tensor* weight = weight_of(*first, index);
  if (weight == nullptr || weight->dims()[1] > kFewChannels) return {};
  const auto second = std::find_if(first + 1, graph.nodes.end(), is_matrix_operator);
  if (second == graph.nodes.end() || !second->is("Conv")) return {first->name};
  const Tensor* behind = weight_of(*second, index);
  const bool is_depthwise =
      behind != nullptr && behind->dims()[1] == 1 && second->int_attribute("group", 1) > 1;
  if (!is_depthwise || !is_fed_by(*second, *first, graph, index)) return {first->name};
  return {first->name, second->name};
}

/// Whether a MatMul multiplies two activations, as attention does.
bool has_attention(const Graph& graph) {
  const GraphIndex index(graph);
  return std::ranges::any_of(graph.nodes, [&](const Node& node) {
    return node.is("MatMul") && index.constant(node.input(0)) == nullptr &&
           index.constant(node.input(1)) == nullptr;
  });
}

}  // namespace

std::vector<CandidateSpec> candidate_specs(const InspectReport& inspection, Target target,
                                           const Graph& graph) {
  std::vector<CandidateSpec> specs{static_spec(QuantizationFormat::kQdq, target),
                                   static_spec(QuantizationFormat::kQOperator, target)};
  if (const std::vector<std::string> stem = shallow_stem(graph); !stem.empty()) {
    for (std::size_t i = 0; i < 2; ++i) {
      CandidateSpec spec = specs[i];
      spec.name += "-float-stem";
      spec.config.exclude_nodes = stem;
      specs.push_back(std::move(spec));
    }
  }
  // Which is faster depends on the CPU, the heads and the tokens: the measured run says.
  if (has_attention(graph)) {
    CandidateSpec spec = specs.front();
    spec.name += "-attention";
    spec.config.matmul_const_b_only = false;
    specs.push_back(std::move(spec));
  }
  const bool has_work_for_dynamic =
      matrices_matter(inspection) || share_of_work(inspection, "LSTM") >= kWorthwhileShare;
  if (has_work_for_dynamic) {
    CandidateSpec dynamic;
    dynamic.name = "dynamic-per-channel";
    dynamic.method = Method::kDynamic;
    dynamic.config.mode = QuantizationMode::kDynamic;
    dynamic.config.target = target;
    dynamic.config.op_types = {"MatMul", "Gemm", "LSTM"};
    if (inspection.mode == RecommendedMode::kDynamic)
      specs.insert(specs.begin(), dynamic);
    else
      specs.push_back(dynamic);
  }
  return specs;
}

CandidateSpec remedied(const CandidateSpec& spec) {
  CandidateSpec result = spec;
  result.name += "-remedied";
  result.remedied_from = spec.name;
  result.remedies = remedies_that_pay();
  return result;
}

CandidateSpec equalized(const CandidateSpec& spec) {
  CandidateSpec result = remedied(spec);
  result.name += "-equalized";
  result.remedies.equalize = EqualizeConfig{};
  return result;
}

CandidateSpec smoothed(const CandidateSpec& spec) {
  CandidateSpec result = remedied(spec);
  result.name += "-smoothed";
  result.remedies.smooth = SmoothConfig{.min_gain_of_mul = kGainWorthAMul};
  return result;
}

bool matrices_matter(const InspectReport& inspection) {
  return share_of_work(inspection, "MatMul") + share_of_work(inspection, "Gemm") >=
         kWorthwhileShare;
}

std::vector<std::string> names_of(const RemedyConfig& config) {
  std::vector<std::string> names;
  if (config.equalize) names.emplace_back("equalization");
  if (config.smooth) names.emplace_back("smoothing");
  if (config.clipping) names.emplace_back("weight-clipping");
  if (config.rounding) names.emplace_back("adaptive-rounding");
  if (config.bias_correction) names.emplace_back("bias-correction");
  return names;
}

}  // namespace planish::pipeline
