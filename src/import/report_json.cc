#include <utility>

#include "planish/base/json.h"
#include "planish/import/import.h"

namespace planish {
namespace {

Json to_json(const OpenDim& dim) {
  Json json{{"name", dim.name}, {"symbol", dim.symbol}};
  if (dim.min) json["min"] = *dim.min;
  if (dim.max) json["max"] = *dim.max;
  return json;
}

Json to_json(const ReferenceOutput& output) {
  Json json{{"file", output.file},
            {"output", output.name},
            {"max_abs_error", output.max_abs_error},
            {"max_relative_error", output.max_relative_error}};
  if (!output.mismatch.empty()) json["mismatch"] = output.mismatch;
  return json;
}

}  // namespace

std::string_view name_of(SourceFormat format) {
  return format == SourceFormat::kOnnx ? "onnx" : "torch.export";
}

Json to_json(const ImportReport& report) {
  Json json;
  json["format"] = name_of(report.format);
  if (report.format == SourceFormat::kTorchExport) {
    json["torch"] = report.torch_version;
    json["calls"] = report.calls;
  }
  json["nodes"] = report.nodes;
  json["open_dims"] = Json::array();
  for (const OpenDim& dim : report.open_dims) json["open_dims"].push_back(to_json(dim));
  json["tried"] = Json::array();
  for (const TriedSizes& tried : report.tried)
    json["tried"].push_back({{"what", tried.what}, {"inputs", tried.inputs}});
  if (!report.reference.empty()) {
    Json outputs = Json::array();
    for (const ReferenceOutput& output : report.reference) outputs.push_back(to_json(output));
    json["reference"] = {{"outputs", std::move(outputs)},
                         {"tolerance", report.tolerance},
                         {"passed", !report.reference_failed}};
  }
  json["notes"] = report.notes;
  return json;
}

}  // namespace planish
