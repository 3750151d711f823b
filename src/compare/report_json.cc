#include <cmath>

#include "planish/base/json.h"
#include "planish/compare/compare.h"

namespace planish {
namespace {

// JSON has no infinity. SQNR is infinite when nothing differs (or all of nothing): null.
Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

template <typename T>
void add(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}

Json to_json(const OutputAccuracy& output) {
  return {{"name", output.name},
          {"cosine_mean", output.cosine_mean},
          {"cosine_min", output.cosine_min},
          {"sqnr_db", finite_or_null(output.sqnr_db)},
          {"max_abs_error", finite_or_null(output.max_abs_error)}};
}

Json to_json(const WorstSample& sample) {
  Json json{{"name", sample.name}, {"cosine", sample.cosine}};
  add(json, "reference_top1", sample.reference_top1);
  add(json, "candidate_top1", sample.candidate_top1);
  add(json, "label", sample.label);
  return json;
}

Json to_json(const BadSample& sample) { return {{"name", sample.name}, {"reason", sample.reason}}; }

template <typename T>
Json list(const std::vector<T>& items) {
  Json json = Json::array();
  for (const T& item : items) json.push_back(to_json(item));
  return json;
}

}  // namespace

Json to_json(const AccuracyReport& report) {
  Json json{{"samples", report.samples}};
  add(json, "top1_agreement", report.top1_agreement);
  add(json, "topk_agreement", report.topk_agreement);
  if (report.is_classifier) json["k"] = report.k;
  json["cosine_mean"] = report.cosine_mean;
  json["cosine_min"] = report.cosine_min;
  json["sqnr_db"] = finite_or_null(report.sqnr_db);
  json["max_abs_error"] = finite_or_null(report.max_abs_error);
  if (report.labelled_samples > 0) json["labelled_samples"] = report.labelled_samples;
  add(json, "fp32_top1", report.fp32_top1);
  add(json, "int8_top1", report.int8_top1);
  json["outputs"] = list(report.outputs);
  json["worst"] = list(report.worst);
  json["non_finite"] = list(report.non_finite);
  json["bad_samples"] = list(report.bad_samples);
  return json;
}

}  // namespace planish
