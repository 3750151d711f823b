#include <algorithm>

#include "planish/base/json.h"
#include "planish/diagnose/diagnose.h"

namespace planish {
namespace {

Json operators_json(const std::vector<OperatorTime>& operators) {
  Json json = Json::array();
  for (const OperatorTime& op : operators) {
    json.push_back({{"op", op.op_type},
                    {"nodes", op.nodes},
                    {"time_us", static_cast<double>(op.total.count()) / 1e3},
                    {"share", op.share}});
  }
  return json;
}

}  // namespace

Json to_json(const Finding& finding) {
  const FindingRow& row = row_of(finding.code);
  Json json;
  json["code"] = row.name;
  json["severity"] = name_of(row.severity);
  json["subject"] = name_of(row.subject);
  json["title"] = row.title;
  json["evidence"] = finding.evidence;
  json["numbers"] = Json::object();
  for (const Measurement& number : finding.numbers) json["numbers"][number.name] = number.value;
  json["places"] = finding.places;
  json["remedy"] = finding.remedy;
  json["commands"] = finding.commands;
  json["gain"] = nullptr;
  if (finding.gain) {
    json["gain"] = {{"quantity", finding.gain->quantity},
                    {"now", finding.gain->now},
                    {"then", finding.gain->then},
                    {"measured", finding.gain->measured}};
  }
  return json;
}

Json to_json(const DiagnoseReport& report) {
  Json json;
  json["schema"] = 1;
  json["fp32"] = report.fp32_path;
  json["int8"] = report.int8_path;
  json["host"] = to_json(report.host);
  json["host"]["onnxruntime"] = report.runtime_version;
  json["target"] = name_of(report.target);
  json["threads"] = report.threads;
  json["batch"] = report.batch;
  json["speed"] = nullptr;
  if (report.fp32_bench && report.int8_bench) {
    json["speed"] = {{"fp32", to_json(*report.fp32_bench)},
                     {"int8", to_json(*report.int8_bench)},
                     {"speedup",
                      {{"median", report.speed_up.median},
                       {"low95", report.speed_up.low},
                       {"high95", report.speed_up.high}}}};
  }
  json["accuracy"] = report.accuracy ? to_json(*report.accuracy) : Json(nullptr);
  json["operators"] = {{"fp32", operators_json(report.fp32_operators)},
                       {"int8", operators_json(report.int8_operators)}};
  json["findings"] = Json::array();
  for (const Finding& finding : report.findings) json["findings"].push_back(to_json(finding));
  json["not_checked"] = Json::array();
  for (const NotChecked& missing : report.not_checked)
    json["not_checked"].push_back(
        {{"code", row_of(missing.code).name}, {"because", missing.because}});
  const auto worst = report.worst();
  json["worst"] = worst ? Json(name_of(*worst)) : Json(nullptr);
  json["seconds"] = report.seconds;
  return json;
}

}  // namespace planish
