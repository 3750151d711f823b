// report.json: schema 1. Members are only ever added; a changed meaning is a new schema.
#include "planish/base/json.h"
#include "planish/base/version.h"
#include "planish/report/report.h"

namespace planish {
namespace {

Json latency_json(const BenchResult& bench) { return to_json(bench.latency_ms); }

Json ratio_json(const RatioEstimate& ratio) {
  return {{"median", ratio.median}, {"low95", ratio.low}, {"high95", ratio.high}};
}

Json remedies_json(const RemediesUsed& remedies) {
  return {{"of", remedies.of},
          {"applied", remedies.applied},
          {"muls_added", remedies.muls_added},
          {"seconds", remedies.seconds},
          {"sqnr_gain_db", remedies.sqnr_gain_db},
          {"cosine_gain", remedies.cosine_gain}};
}

Json candidate_json(const CandidateReport& candidate, Target target) {
  Json json;
  json["name"] = candidate.name;
  json["precision"] = name_of(candidate.precision);
  json["method"] = name_of(candidate.method);
  json["format"] = candidate.format;
  json["engine"] = candidate.engine;
  json["sha256"] = candidate.sha256;
  json["bytes"] = candidate.bytes;
  if (candidate.bench) {
    json["latency_ms"] = latency_json(*candidate.bench);
    json["qps"] = candidate.bench->qps;
    json["first_run_ms"] = candidate.bench->first_run_ms;
    json["spread"] = candidate.bench->spread;
    json["drift"] = candidate.bench->drift;
    json["speedup"] = candidate.speed_up.median;
    json["speedup_interval"] = ratio_json(candidate.speed_up);
  }
  if (candidate.accuracy) json["accuracy"] = to_json(*candidate.accuracy);
  json["quantized_mac_share"] = candidate.quantized_mac_share;
  if (!candidate.reductions.empty()) json["saturation"] = to_json(candidate.reductions, target);
  if (candidate.remedies) json["remedies"] = remedies_json(*candidate.remedies);
  if (candidate.mixed)
    json["mixed"] = {{"of", candidate.mixed->of}, {"layers", candidate.mixed->layers}};
  if (candidate.rejected_because) json["rejected_because"] = *candidate.rejected_because;
  return json;
}

Json operators_json(const std::vector<OperatorTime>& operators) {
  Json json = Json::array();
  for (const OperatorTime& op : operators) {
    const double milliseconds = std::chrono::duration<double, std::milli>(op.total).count();
    json.push_back(
        {{"op", op.op_type}, {"nodes", op.nodes}, {"ms", milliseconds}, {"share", op.share}});
  }
  return json;
}

Json front_json(const FrontPoint& point) {
  return {{"name", point.name},         {"precision", name_of(point.precision)},
          {"speedup", point.speed_up},  {"p50_ms", point.p50_ms},
          {"loss", point.loss},         {"cosine_mean", point.cosine},
          {"accepted", point.accepted}, {"chosen", point.chosen}};
}

Json search_json(const MixedSearchCost& cost, std::size_t trials) {
  return {{"evaluation_runs", cost.evaluation_runs},
          {"analysis_runs", cost.analysis_runs},
          {"trial_runs", cost.trial_runs},
          {"max_trials", cost.trials},
          {"evaluations", cost.evaluations()},
          {"seconds_of_timing", cost.seconds_of_timing},
          {"trials", trials}};
}

}  // namespace

Json to_json(const AutoReport& report) {
  const CandidateReport& chosen = report.handed_out();
  Json json;
  json["schema"] = 1;
  json["planish"] = kVersion;
  json["state"] = name_of(report.state);
  json["host"] = to_json(report.host);
  json["host"]["onnxruntime"] = report.runtime_version;
  json["source"] = {{"path", report.source_path},
                    {"sha256", report.source_sha256},
                    {"bytes", report.baseline.bytes}};
  json["settings"] = {{"target", name_of(report.target)},
                      {"threads", report.config.threads},
                      {"batch", report.config.batch},
                      {"max_drop", report.config.thresholds.max_drop},
                      {"min_cosine", report.config.thresholds.min_cosine},
                      {"preprocess", to_json(report.config.preprocess)},
                      {"data", report.config.data.string()},
                      {"data_sha256", report.data_sha256},
                      {"calibration_samples", report.calibration_samples},
                      {"calibration_method", name_of(report.config.calibration_method)}};
  json["baseline"] = candidate_json(report.baseline, report.target);
  json["chosen"] = candidate_json(chosen, report.target);
  json["chosen"]["path"] = "model.onnx";
  json["speedup"] = chosen.speed_up.median;
  json["accuracy"] = chosen.accuracy ? to_json(*chosen.accuracy) : Json(nullptr);
  if (report.end_to_end) {
    json["end_to_end"] = {
        {"fp32_ms", latency_json(report.end_to_end->fp32)},
        {"int8_ms", latency_json(report.end_to_end->chosen)},
        {"preprocess_ms", latency_json(report.end_to_end->preprocess)},
        {"speedup", speed_up(report.end_to_end->fp32, report.end_to_end->chosen).median}};
  } else {
    json["end_to_end"] = nullptr;
  }
  json["tune"] = report.sweep ? to_json(*report.sweep) : Json(nullptr);
  json["candidates"] = Json::array();
  for (const CandidateReport& candidate : report.candidates) {
    json["candidates"].push_back(candidate_json(candidate, report.target));
  }
  json["front"] = Json::array();
  for (const FrontPoint& point : report.front) json["front"].push_back(front_json(point));
  json["layers"] = Json::array();
  if (report.sensitivity) {
    for (const LayerSensitivity& layer : report.sensitivity->layers)
      json["layers"].push_back(to_json(layer));
    json["sensitivity"] = to_json(*report.sensitivity);
    json["sensitivity"].erase("layers");
  }
  if (report.search_cost)
    json["mixed_search"] = search_json(*report.search_cost, report.search_trials);
  json["operators"] = {{"fp32", operators_json(report.baseline_operators)},
                       {"chosen", operators_json(report.chosen_operators)}};
  json["kept_fp32"] = to_json(chosen.kept_fp32);
  json["advice"] = Json::array();
  for (const Advice& advice : report.advice) {
    json["advice"].push_back({{"code", advice.code}, {"text", advice.text}});
  }
  json["next"] = Json::array();
  for (const NextStep& step : report.next)
    json["next"].push_back({{"what", step.what}, {"command", step.command}});
  json["calibration_quality"] =
      report.calibration_quality ? to_json(*report.calibration_quality) : Json(nullptr);
  json["inspection"] = to_json(report.inspection);
  json["preparation"] = to_json(report.preparation);
  json["bad_samples"] = Json::array();
  for (const BadSample& bad : report.bad_samples) {
    json["bad_samples"].push_back({{"name", bad.name}, {"reason", bad.reason}});
  }
  json["noise"] = {{"steal_share", report.bench.steal_share},
                   {"other_load_share", report.bench.other_load_share}};
  json["stage_seconds"] = report.stage_seconds;
  return json;
}

}  // namespace planish
