// What happens to the layers of the model.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "report/sections.h"
#include "report/svg.h"

namespace planish::report {

void write_layers(Page& page, const AutoReport& report) {
  if (!report.sensitivity) return;
  constexpr std::size_t kBars = 12;
  const SensitivityReport& sensitivity = *report.sensitivity;
  const std::vector<std::size_t> order = most_sensitive_first(sensitivity);
  page.heading("What each layer loses in INT8");
  std::vector<BarRow> rows;
  for (std::size_t k = 0; k < std::min(kBars, order.size()); ++k) {
    const LayerSensitivity& layer = sensitivity.layers[order[k]];
    if (!layer.only_int8) continue;
    const double noise = layer.only_int8->relative_noise;
    rows.push_back({layer.layer.name,
                    {{1e3 * noise, "int8", fmt::format("{:.3g} of the output's power", noise)}},
                    fmt::format("{} dB", decibels(noise))});
  }
  page.raw(bar_plot(rows, "noise at the output, thousandths of its power"));
  page.raw("<details><summary>Every layer</summary>");
  page.table_header({"layer", "op", "output dB", "KL", "own dB", "so far dB", "clipped", "work",
                     "time FP32", "time INT8"});
  for (const std::size_t i : order) {
    const LayerSensitivity& layer = sensitivity.layers[i];
    const auto& only = layer.only_int8;
    const bool is_seen = layer.output && layer.output->seen;
    page.row({"~" + layer.layer.name, layer.layer.op_type,
              only ? decibels(only->relative_noise) : "–",
              only && only->kl_divergence ? fmt::format("{:.2g}", *only->kl_divergence) : "–",
              decibels(layer.local_noise), decibels(layer.accumulated_noise),
              is_seen ? percent(layer.output->seen->clipped, 3) : "–", percent(layer.mac_share),
              optional_percent(layer.fp32_time_share), optional_percent(layer.int8_time_share)});
  }
  page.table_end().raw("</details>\n");
  page.paragraph(
      fmt::format("Measured on {} samples, with all other layers in FP32: the output's SQNR and "
                  "divergence, that of the layer's own output, and that of its output in the INT8 "
                  "model.",
                  sensitivity.samples),
      "dim");
}

void write_kept(Page& page, const AutoReport& report) {
  const CandidateReport& model = report.handed_out();
  if (!report.chosen) return;
  page.heading("What stays in FP32");
  if (model.kept_fp32.empty()) {
    page.paragraph("Nothing: every operator that has an integer kernel uses it.");
    return;
  }
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> by_reason;
  for (const LeftNode& node : model.kept_fp32)
    by_reason[{node.op_type, node.reason}].push_back(node.node);
  page.paragraph(fmt::format("{} of {} nodes; {} of the multiply-accumulates run in INT8.",
                             model.kept_fp32.size(), report.inspection.nodes,
                             percent(model.quantized_mac_share)));
  page.table_header({"operator", "nodes", "why"});
  for (const auto& [key, nodes] : by_reason) {
    page.row({key.first, std::to_string(nodes.size()), "~" + key.second});
  }
  page.table_end().raw("<details><summary>Every node</summary>");
  page.table_header({"node", "operator", "why"});
  for (const LeftNode& node : model.kept_fp32)
    page.row({"~" + node.node + (node.in.empty() ? "" : " in " + node.in), node.op_type,
              "~" + node.reason});
  page.table_end().raw("</details>\n");
}

void write_reductions(Page& page, const AutoReport& report) {
  const std::vector<RangeReduction>& reductions = report.handed_out().reductions;
  if (!report.chosen || totals_of(reductions).reduced == 0) return;
  page.heading(fmt::format("Made for {}", name_of(report.target)));
  page.paragraph(explain(reductions, report.target) + ".");
  page.raw("<details><summary>Every weight</summary>");
  page.table_header({"node", "operator", "channels", "reduced", "at most"});
  for (const RangeReduction& weight : reductions) {
    if (weight.reduced == 0) continue;
    page.row({"~" + weight.node, weight.op_type, std::to_string(weight.channels),
              std::to_string(weight.reduced), fmt::format("{:.2f}×", weight.largest_ratio)});
  }
  page.table_end().raw("</details>\n");
}

}  // namespace planish::report
