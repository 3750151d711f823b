#include "candidates.h"

#include <algorithm>

namespace planish::pipeline {
namespace {

/// Below this share of the work, quantizing matrix products alone cannot pay.
constexpr double kWorthwhileShare = 0.1;

double share_of_work(const InspectReport& inspection, std::string_view op_type) {
  const auto found = std::ranges::find(inspection.operators, op_type, &OperatorSummary::op_type);
  return found == inspection.operators.end() ? 0.0 : found->mac_share;
}

CandidateSpec static_spec(QuantizationFormat format, const HostReport& host) {
  CandidateSpec spec;
  spec.name = "static-" + std::string(name_of(format)) + "-per-channel";
  spec.method = Method::kStatic;
  spec.config.format = format;
  // Without 8-bit dot products, x86 adds pairs of 8-bit products in 16 bits, which saturate.
  spec.config.reduce_range = !host.has_int8_dot_product();
  if (spec.config.reduce_range) spec.name += "-7bit";
  return spec;
}

}  // namespace

std::vector<CandidateSpec> candidate_specs(const InspectReport& inspection,
                                           const HostReport& host) {
  std::vector<CandidateSpec> specs{static_spec(QuantizationFormat::kQdq, host),
                                   static_spec(QuantizationFormat::kQOperator, host)};
  const double matrix = share_of_work(inspection, "MatMul") + share_of_work(inspection, "Gemm");
  if (matrix >= kWorthwhileShare) {
    CandidateSpec dynamic;
    dynamic.name = "dynamic-per-channel";
    dynamic.method = Method::kDynamic;
    dynamic.config.mode = QuantizationMode::kDynamic;
    dynamic.config.op_types = {"MatMul", "Gemm"};
    if (inspection.mode == RecommendedMode::kDynamic)
      specs.insert(specs.begin(), dynamic);
    else
      specs.push_back(dynamic);
  }
  return specs;
}

CandidateSpec without_ends(const CandidateSpec& spec, const Graph& graph) {
  CandidateSpec mixed = spec;
  mixed.name += "-float-ends";
  const auto first = std::ranges::find_if(graph.nodes, is_matrix_operator);
  const auto last = std::find_if(graph.nodes.rbegin(), graph.nodes.rend(), is_matrix_operator);
  if (first != graph.nodes.end()) mixed.config.exclude_nodes.push_back(first->name);
  if (last != graph.nodes.rend() && last->name != first->name) {
    mixed.config.exclude_nodes.push_back(last->name);
  }
  return mixed;
}

}  // namespace planish::pipeline
