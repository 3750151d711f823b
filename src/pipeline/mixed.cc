#include "mixed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace planish::pipeline {

QuantizationPlan in_named_format(const QuantizationPlan& plan, const Model& model,
                                 const CalibrationTable& table) {
  QuantizationPlan full = plan;
  if (plan.config.mode == QuantizationMode::kStatic) full.config.format = QuantizationFormat::kQdq;
  return plan_without(full, model, table, {});
}

SensitivityConfig analysis_within(double evaluation_runs) {
  // The rest pays for the trials.
  constexpr double kShare = 0.35;
  SensitivityConfig config;
  config.max_inferences = kShare * MixedSearchCost::kMostEvaluations * evaluation_runs;
  // What the search orders layers by is the loss of each alone; what a choice is worth together is
  // measured.
  config.only_fp32 = false;
  return config;
}

MixedSearchCost search_cost_of(double evaluation_runs, double analysis_runs, std::size_t samples) {
  // Bisection needs a few to be of use; more than the most find little.
  constexpr double kLeastTrials = 2.0;
  constexpr double kMostTrials = 8.0;
  const double per_trial = std::max(static_cast<double>(samples), 1.0);
  const double left = MixedSearchCost::kMostEvaluations * evaluation_runs - analysis_runs;
  const double trials = std::clamp(std::floor(left / per_trial), kLeastTrials, kMostTrials);
  return {.evaluation_runs = evaluation_runs,
          .analysis_runs = analysis_runs,
          .trials = static_cast<std::size_t>(trials),
          .trial_runs = trials * per_trial};
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
    if (found == layers.end() || !node.in.empty()) continue;
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
