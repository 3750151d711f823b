#include "mixed.h"

#include <fmt/format.h>

#include <map>

namespace planish::pipeline {

QuantizationPlan in_named_format(const QuantizationPlan& plan, const Model& model,
                                 const CalibrationTable& table) {
  QuantizationPlan full = plan;
  if (plan.config.mode == QuantizationMode::kStatic) full.config.format = QuantizationFormat::kQdq;
  return plan_without(full, model, table, {});
}

SensitivityConfig analysis_within(double evaluations, std::size_t samples) {
  SensitivityConfig config;
  config.max_inferences = evaluations * static_cast<double>(samples);
  // What the search orders layers by is the loss of each alone; what a choice is worth together is
  // measured.
  config.only_fp32 = false;
  return config;
}

void explain_kept(CandidateReport& report, const SensitivityReport& sensitivity,
                  std::span<const std::size_t> kept, const Graph& graph) {
  std::map<std::string_view, const LayerSensitivity*> layers;
  for (const std::size_t i : kept) {
    for (const std::size_t node : sensitivity.layers[i].layer.nodes)
      layers.emplace(graph.nodes[node].name, &sensitivity.layers[i]);
  }
  double all = 0.0;
  for (const LayerSensitivity& layer : sensitivity.layers)
    all += layer.only_int8 ? layer.only_int8->relative_noise : 0.0;
  for (LeftNode& node : report.kept_fp32) {
    const auto found = layers.find(node.node);
    if (found == layers.end()) continue;
    const LayerSensitivity& layer = *found->second;
    node.reason = "accuracy: layer '" + layer.layer.name + "'";
    if (layer.only_int8 && all > 0.0) {
      node.reason += fmt::format(" alone in INT8 makes {:.0f} % of the output's noise ({:.1f} dB)",
                                 100.0 * layer.only_int8->relative_noise / all,
                                 sqnr_db(layer.only_int8->relative_noise));
    }
  }
}

}  // namespace planish::pipeline
