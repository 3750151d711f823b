#include "planish/store/manifest.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "planish/base/error.h"
#include "planish/base/hash.h"
#include "planish/base/json.h"

namespace planish::store {
namespace {

constexpr std::string_view kTitle = "org.opencontainers.image.title";
constexpr std::size_t kMaxParts = 4096;
constexpr JsonLimits kLimits{.max_bytes = std::size_t{8} << 20, .max_depth = 16};

constexpr std::array kPartKinds{
    PartKindRow{PartKind::kModel, "application/vnd.planish.model.v1+onnx", "model.onnx"},
    PartKindRow{PartKind::kExternalData, "application/vnd.planish.external-data.v1",
                "model.onnx.data"},
    PartKindRow{PartKind::kPreprocess, "application/vnd.planish.preprocess.v1+json",
                "preprocess.json"},
    PartKindRow{PartKind::kClasses, "application/vnd.planish.classes.v1+text", "classes.txt"},
    PartKindRow{PartKind::kCalibration, "application/vnd.planish.calibration.v1+json",
                "calibration.json"},
    PartKindRow{PartKind::kReport, "application/vnd.planish.report.v1+json", "report.json"},
};

constexpr bool kinds_are_in_order() {
  for (std::size_t i = 0; i < kPartKinds.size(); ++i) {
    if (static_cast<std::size_t>(kPartKinds.at(i).kind) != i) return false;
  }
  return kPartKinds.size() == static_cast<std::size_t>(PartKind::kReport) + 1;
}
static_assert(kinds_are_in_order(), "kPartKinds: one row per PartKind, in enum order");

bool is_hex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

[[noreturn]] void corrupt(const std::string& text) { throw Error(ErrorCode::kCorrupt, text); }

/// What is missing or of a wrong type in a stored document is damage, not a caller's mistake.
template <typename Body>
auto as_stored(std::string_view document, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw Error(ErrorCode::kCorrupt, std::string(document) + ": " + error.message());
  }
}

/// A part is written to folders of the reader: its name must stay below them.
void require_relative(const std::string& name) {
  const std::filesystem::path path(name);
  const bool leaves = std::ranges::any_of(path, [](const auto& step) { return step == ".."; });
  if (name.empty() || path.is_absolute() || leaves || name.find('\0') != std::string::npos)
    corrupt("part '" + name + "'; expected a relative path below the version's folder");
}

std::uint64_t size_in(const Json& descriptor) {
  const auto size = json_get<std::int64_t>(descriptor, "size");
  if (size < 0) corrupt("size " + std::to_string(size) + "; expected 0 or more");
  return static_cast<std::uint64_t>(size);
}

Json descriptor(std::string_view media_type, const Digest& digest, std::uint64_t bytes) {
  Json json;
  json["mediaType"] = media_type;
  json["digest"] = digest.text();
  json["size"] = bytes;
  return json;
}

Json config_json(const VersionConfig& config) {
  Json json;
  json["schema"] = 1;
  if (config.threads) json["threads"] = *config.threads;
  if (!config.source_sha256.empty()) json["source_sha256"] = config.source_sha256;
  if (!config.model_sha256.empty()) json["model_sha256"] = config.model_sha256;
  if (!config.planish_version.empty()) json["planish"] = config.planish_version;
  if (!config.notes.empty()) {
    for (const auto& [key, value] : config.notes) json["notes"][key] = value;
  }
  return json;
}

VersionConfig parse_config(std::string_view text) {
  const Json json = parse_json(text, kLimits);
  if (json_get<std::int64_t>(json, "schema") != 1)
    throw Error(ErrorCode::kUnsupported, "schema of a later planish; expected 1");
  VersionConfig config;
  if (json.contains("threads")) {
    const auto threads = json_get<std::int64_t>(json, "threads");
    if (threads < 1 || threads > 1024)
      corrupt("threads " + std::to_string(threads) + "; expected 1 to 1024");
    config.threads = static_cast<int>(threads);
  }
  const auto text_of = [&](const char* key) {
    return json.contains(key) ? json_get<std::string>(json, key) : std::string();
  };
  config.source_sha256 = text_of("source_sha256");
  config.model_sha256 = text_of("model_sha256");
  config.planish_version = text_of("planish");
  if (json.contains("notes")) {
    const Json notes = json_get<Json>(json, "notes");
    for (const auto& [key, value] : notes.items())
      config.notes[key] = json_get<std::string>(notes, key);
  }
  return config;
}

Part parse_part(const Json& layer) {
  const auto kind = part_kind_from(json_get<std::string>(layer, "mediaType"));
  if (!kind) {
    throw Error(ErrorCode::kUnsupported, "part of media type '" +
                                             json_get<std::string>(layer, "mediaType") +
                                             "', which this planish does not know");
  }
  Part part{.kind = *kind,
            .name = json_get<std::string>(json_get<Json>(layer, "annotations"), kTitle),
            .digest = Digest::parse(json_get<std::string>(layer, "digest")),
            .bytes = size_in(layer)};
  require_relative(part.name);
  return part;
}

}  // namespace

Digest Digest::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!text.starts_with(kPrefix) || text.size() != kPrefix.size() + 64 ||
      !is_hex(text.substr(kPrefix.size()))) {
    corrupt("digest '" + std::string(text.substr(0, 100)) +
            "'; expected sha256: and 64 hexadecimal digits");
  }
  return Digest(std::string(text.substr(kPrefix.size())));
}

Digest Digest::of(std::string_view content) { return Digest(sha256_hex(content)); }
Digest Digest::from_hex(std::string hex) { return parse("sha256:" + hex); }

const PartKindRow& row_of(PartKind kind) { return kPartKinds.at(static_cast<std::size_t>(kind)); }

std::optional<PartKind> part_kind_from(std::string_view media_type) {
  const auto found = std::ranges::find(kPartKinds, media_type, &PartKindRow::media_type);
  if (found == kPartKinds.end()) return std::nullopt;
  return found->kind;
}

const Part* Manifest::find(PartKind kind) const {
  const auto found = std::ranges::find(parts, kind, &Part::kind);
  return found == parts.end() ? nullptr : &*found;
}

ManifestDocuments serialize(const Manifest& manifest) {
  ManifestDocuments documents;
  documents.config = to_text(config_json(manifest.config), 1);
  Json json;
  json["schemaVersion"] = 2;
  json["mediaType"] = kManifestType;
  json["artifactType"] = kArtifactType;
  json["config"] = descriptor(kConfigType, Digest::of(documents.config), documents.config.size());
  json["layers"] = Json::array();
  for (const Part& part : manifest.parts) {
    Json layer = descriptor(row_of(part.kind).media_type, part.digest, part.bytes);
    layer["annotations"][std::string(kTitle)] = part.name;
    json["layers"].push_back(std::move(layer));
  }
  documents.manifest = to_text(json, 1);
  return documents;
}

ConfigReference config_of(std::string_view text) {
  return as_stored("manifest", [&] {
    const Json json = parse_json(text, kLimits);
    if (!json.is_object() || !json.contains("artifactType") ||
        json_get<std::string>(json, "artifactType") != kArtifactType)
      corrupt("not a planish version: artifactType is not " + std::string(kArtifactType));
    const Json config = json_get<Json>(json, "config");
    return ConfigReference{Digest::parse(json_get<std::string>(config, "digest")), size_in(config)};
  });
}

Manifest parse_manifest(std::string_view manifest_text, std::string_view config_text) {
  Manifest manifest;
  manifest.config = as_stored("config", [&] { return parse_config(config_text); });
  as_stored("manifest", [&] {
    const Json json = parse_json(manifest_text, kLimits);
    const Json layers = json_get<Json>(json, "layers");
    if (!layers.is_array() || layers.empty() || layers.size() > kMaxParts)
      corrupt("'layers'; expected a list of 1 to " + std::to_string(kMaxParts) + " parts");
    std::set<std::string> names;
    for (const Json& layer : layers) {
      manifest.parts.push_back(parse_part(layer));
      if (!names.insert(manifest.parts.back().name).second)
        corrupt("two parts named '" + manifest.parts.back().name + "'");
    }
    if (manifest.parts.front().kind != PartKind::kModel) corrupt("the first part is no model");
    return 0;
  });
  return manifest;
}

}  // namespace planish::store
