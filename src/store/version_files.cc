#include "planish/store/version_files.h"

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/base/version.h"
#include "planish/onnx/onnx.h"
#include "planish/preprocess/preprocess.h"

namespace planish::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxClassesBytes = std::size_t{16} << 20;

std::string named(PartKind kind) { return std::string(row_of(kind).file_name); }

/// What a folder of `planish auto` has, where the user named nothing else.
VersionFiles completed(VersionFiles files) {
  if (!fs::is_directory(files.model)) return files;
  const fs::path folder = files.model;
  files.model = folder / named(PartKind::kModel);
  if (!fs::exists(files.model)) {
    throw Error(ErrorCode::kNotFound, folder.string() + " has no " + named(PartKind::kModel) +
                                          "; expected an ONNX file, or a folder that `planish "
                                          "auto` wrote");
  }
  const auto take = [&](PartKind kind, fs::path& path) {
    if (path.empty() && fs::exists(folder / named(kind))) path = folder / named(kind);
  };
  take(PartKind::kCalibration, files.calibration);
  take(PartKind::kReport, files.report);
  take(PartKind::kClasses, files.classes);
  return files;
}

/// The preprocessing that the report says the model was judged with.
std::optional<PreprocessSpec> preprocess_of(const fs::path& report) {
  const Json json = parse_json(read_file(report));
  if (!json.is_object() || !json.contains("settings") || !json["settings"].contains("preprocess"))
    return std::nullopt;
  return parse_preprocess_spec(json["settings"]["preprocess"]);
}

std::string source_of(const fs::path& report) {
  const Json json = parse_json(read_file(report));
  if (!json.is_object() || !json.contains("source") || !json["source"].contains("sha256"))
    return {};
  return json_get<std::string>(json["source"], "sha256");
}

}  // namespace

PutRequest version_from(const VersionFiles& given) {
  const VersionFiles files = completed(given);
  PutRequest request;
  request.parts.push_back({PartKind::kModel, "", files.model, {}});
  const Model model = load_model(files.model);
  for (const std::string& name : external_data_files(files.model)) {
    request.parts.push_back(
        {PartKind::kExternalData, name, resolve_inside(files.model.parent_path(), name), {}});
  }
  request.config.threads = files.threads;
  request.config.model_sha256 = digest_of(model);
  request.config.planish_version = std::string(kVersion);

  std::optional<PreprocessSpec> preprocess;
  if (!files.report.empty()) {
    in_context(files.report.string(), [&] {
      preprocess = preprocess_of(files.report);
      request.config.source_sha256 = source_of(files.report);
    });
  }
  if (!files.preprocess.empty()) preprocess = load_preprocess_spec(files.preprocess);
  if (preprocess)
    request.parts.push_back({PartKind::kPreprocess, "", {}, to_text(to_json(*preprocess))});
  if (!files.classes.empty()) {
    request.parts.push_back(
        {PartKind::kClasses, "", {}, read_file(files.classes, kMaxClassesBytes)});
  }
  if (!files.calibration.empty())
    request.parts.push_back({PartKind::kCalibration, "", files.calibration, {}});
  if (!files.report.empty()) request.parts.push_back({PartKind::kReport, "", files.report, {}});
  return request;
}

}  // namespace planish::store
