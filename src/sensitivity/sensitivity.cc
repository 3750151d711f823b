#include "planish/sensitivity/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "sensitivity/analysis.h"

namespace planish {

SensitivityReport analyze_sensitivity(const Model& model, const CalibrationTable& table,
                                      const QuantizationPlan& plan, const Dataset& data,
                                      const Labels* labels, const SensitivityConfig& config,
                                      const ProgressSink& progress, std::stop_token stop) {
  return sensitivity_detail::Analysis(model, table, plan, data, labels, config, progress,
                                      std::move(stop))
      .run();
}

double sqnr_db(double relative_noise) {
  if (relative_noise <= 0.0) return std::numeric_limits<double>::infinity();
  return -10.0 * std::log10(relative_noise);
}

std::vector<std::size_t> most_sensitive_first(const SensitivityReport& report) {
  std::vector<std::size_t> order(report.layers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto noise = [&](std::size_t i) {
    const auto& effect = report.layers[i].only_int8;
    return effect ? effect->relative_noise : 0.0;
  };
  std::ranges::stable_sort(order, std::ranges::greater{}, noise);
  return order;
}

}  // namespace planish
