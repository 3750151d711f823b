// What a version is: the digest of its manifest, which names every part by digest.
//
// A manifest is an OCI image manifest (image-spec 1.1) with artifactType kArtifactType, so that a
// registry carries a version as it is and the registry's digest is planish's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"

namespace planish::store {

inline constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kArtifactType = "application/vnd.planish.version.v1+json";
inline constexpr std::string_view kConfigType = "application/vnd.planish.config.v1+json";

/// "sha256:" and 64 lower-case hexadecimal digits.
class Digest {
 public:
  /// @throws Error(kCorrupt) when `text` is anything else.
  static Digest parse(std::string_view text);
  static Digest of(std::string_view content);
  static Digest from_hex(std::string hex);  // of a hash that was just computed

  [[nodiscard]] const std::string& hex() const noexcept { return hex_; }
  [[nodiscard]] std::string text() const { return "sha256:" + hex_; }
  friend auto operator<=>(const Digest&, const Digest&) = default;

 private:
  explicit Digest(std::string hex) : hex_(std::move(hex)) {}
  std::string hex_;
};

/// The parts that a version can have.
enum class PartKind {
  kModel,         // the ONNX file that is served
  kExternalData,  // weights beside it; any number, named as the model names them
  kPreprocess,    // a preprocessing description, docs/formats/preprocess.md
  kClasses,       // names of the classes, one a line
  kCalibration,   // the ranges it was quantized with
  kReport,        // what `planish auto` found
};

/// One row per kind: the only place where it meets its media type and the file name of a part that
/// has no other.
struct PartKindRow {
  PartKind kind = PartKind::kModel;
  std::string_view media_type = {};
  std::string_view file_name = {};
};
const PartKindRow& row_of(PartKind kind);
std::optional<PartKind> part_kind_from(std::string_view media_type);

/// One file of a version.
struct Part {
  PartKind kind = PartKind::kModel;
  std::string name = {};  // relative path below the version's folder
  Digest digest = Digest::of("");
  std::uint64_t bytes = 0;
  friend bool operator==(const Part&, const Part&) = default;
};

/// How sessions of a version are made, and where it came from. Every field may be absent: then the
/// server's own choice stands.
struct VersionConfig {
  std::optional<int> threads = {};                // of one run
  std::string source_sha256 = {};                 // digest_of the FP32 model; "" unknown
  std::string model_sha256 = {};                  // digest_of the model itself
  std::string planish_version = {};               // that put it
  std::map<std::string, std::string> notes = {};  // a user's own, e.g. a git commit
  friend bool operator==(const VersionConfig&, const VersionConfig&) = default;
};

struct Manifest {
  std::vector<Part> parts = {};  // the model first
  VersionConfig config = {};

  /// The first part of that kind; null when there is none.
  [[nodiscard]] const Part* find(PartKind kind) const;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

/// The bytes of the two documents. The same manifest gives the same bytes everywhere: members in a
/// fixed order, no time, no host.
struct ManifestDocuments {
  std::string manifest = {};
  std::string config = {};
};
ManifestDocuments serialize(const Manifest& manifest);

/// Digest and size of the config that the manifest `text` names.
struct ConfigReference {
  Digest digest = Digest::of("");
  std::uint64_t bytes = 0;
};
ConfigReference config_of(std::string_view text);

/// @throws Error(kCorrupt) naming the member; names of parts must stay below their folder.
Manifest parse_manifest(std::string_view manifest, std::string_view config);

}  // namespace planish::store
