#include <cmath>

#include "planish/base/json.h"
#include "planish/sensitivity/sensitivity.h"
#include "sensitivity/partial_results.h"

namespace planish {
namespace {

/// JSON has no infinity: nothing when there is no noise.
void put_decibels(Json& json, const char* key, const std::optional<double>& relative_noise) {
  if (!relative_noise) return;
  const double decibels = sqnr_db(*relative_noise);
  json[key] = std::isfinite(decibels) ? Json(decibels) : Json();
}

Json activation_json(const LayerActivation& activation) {
  Json json;
  json["tensor"] = activation.tensor;
  json["range"] = {activation.range.min, activation.range.max};
  if (!activation.seen) return json;
  json["observed"] = {activation.seen->observed.min, activation.seen->observed.max};
  json["clipped"] = activation.seen->clipped;
  if (!activation.seen->histogram.empty()) json["histogram"] = activation.seen->histogram;
  return json;
}

Json cost_json(const SensitivityCost& cost) {
  Json json;
  json["layers"] = cost.layers;
  json["samples"] = cost.samples;
  json["passes"] = cost.passes;
  json["inferences"] = cost.inferences;
  json["estimated_seconds"] = cost.seconds;
  return json;
}

}  // namespace

Json to_json(const LayerSensitivity& layer) {
  Json json;
  json["node"] = layer.layer.name;
  json["op"] = layer.layer.op_type;
  json["nodes"] = layer.layer.nodes.size();
  json["mac_share"] = layer.mac_share;
  if (layer.fp32_time_share) json["fp32_time_share"] = *layer.fp32_time_share;
  if (layer.int8_time_share) json["int8_time_share"] = *layer.int8_time_share;
  put_decibels(json, "local_sqnr_db", layer.local_noise);
  put_decibels(json, "accumulated_sqnr_db", layer.accumulated_noise);
  json.update(sensitivity_detail::measured_json(layer));
  if (layer.input) json["input"] = activation_json(*layer.input);
  if (layer.output) json["output"] = activation_json(*layer.output);
  if (layer.saturation) {
    json["saturation"] = {{"channels", layer.saturation->channels},
                          {"reduced", layer.saturation->reduced},
                          {"largest_ratio", layer.saturation->largest_ratio}};
  }
  return json;
}

Json to_json(const SensitivityReport& report) {
  Json json;
  json["schema"] = 1;
  json["model_sha256"] = report.model_sha256;
  json["output"] = report.output;
  json["samples"] = report.samples;
  json["labelled_samples"] = report.labelled_samples;
  json["cost"] = cost_json(report.cost);
  json["cost"]["seconds"] = report.seconds;
  json["cost"]["resumed_layers"] = report.resumed;
  if (report.fp32_top1) json["fp32_top1"] = *report.fp32_top1;
  json["int8"] = sensitivity_detail::effect_json(report.int8);
  json["layers"] = Json::array();
  for (const LayerSensitivity& layer : report.layers) json["layers"].push_back(to_json(layer));
  return json;
}

}  // namespace planish
