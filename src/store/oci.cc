// Versions as an OCI image layout (image-spec 1.1, image-layout.md): what registry tools push and
// pull. Blobs are copied as they are, so digests stay.
#include <algorithm>
#include <set>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "store/layout.h"

namespace planish::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLayoutMarker = "oci-layout";
constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";
constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr std::size_t kMaxDocumentBytes = std::size_t{8} << 20;
constexpr std::size_t kMaxIndexed = 10000;

void copy_blob(const fs::path& from, const fs::path& to) {
  const auto file = MappedFile::open(from);
  AtomicFile copy(to);
  copy.write(file->bytes());
  copy.commit();
}

/// The blob of a layout, with its digest checked.
std::shared_ptr<const MappedFile> checked_blob(const fs::path& layout, const Digest& digest) {
  const fs::path path = layout / "blobs" / "sha256" / digest.hex();
  auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  const Digest found =
      Digest::of(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  if (found != digest) {
    throw Error(ErrorCode::kCorrupt,
                path.string() + " has digest " + found.text() + "; export or pull it again");
  }
  return file;
}

std::string_view text_of(const MappedFile& file) {
  if (file.bytes().size() > kMaxDocumentBytes)
    throw Error(ErrorCode::kExhausted, "a manifest of " + std::to_string(file.bytes().size()) +
                                           " bytes; at most 8 MiB are read");
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

/// Digests of the manifests that an index names, with the reference's name where it has one.
struct Indexed {
  Digest digest = Digest::of("");
  std::string reference = {};
};
std::vector<Indexed> read_index(const fs::path& layout) {
  return in_context((layout / "index.json").string(), [&] {
    const Json index = parse_json(read_file(layout / "index.json", kMaxDocumentBytes));
    const Json manifests = json_get<Json>(index, "manifests");
    if (!manifests.is_array() || manifests.size() > kMaxIndexed)
      throw Error(ErrorCode::kCorrupt, "'manifests'; expected a list");
    std::vector<Indexed> found;
    for (const Json& one : manifests) {
      Indexed indexed{Digest::parse(json_get<std::string>(one, "digest")), ""};
      if (one.contains("annotations") && one["annotations"].contains(std::string(kRefName)))
        indexed.reference = json_get<std::string>(one["annotations"], kRefName);
      found.push_back(std::move(indexed));
    }
    return found;
  });
}

}  // namespace

void ModelStore::export_layout(std::string_view name, std::string_view version,
                               const fs::path& layout) const {
  const Generation generation = resolve(name, version);
  if (!files_->list(layout).empty()) {
    throw Error(ErrorCode::kAlreadyExists,
                layout.string() + " is not empty; expected an empty folder or none");
  }
  const fs::path blobs = layout / "blobs" / "sha256";
  fs::create_directories(blobs);
  const std::string text = read_file(blob_path(generation.digest), kMaxDocumentBytes);
  std::set<std::string> needed{generation.digest.hex(), config_of(text).digest.hex()};
  for (const Part& part : manifest(generation.digest).parts) needed.insert(part.digest.hex());
  for (const std::string& hex : needed) copy_blob(blob_path(Digest::from_hex(hex)), blobs / hex);

  Json entry;
  entry["mediaType"] = kManifestType;
  entry["digest"] = generation.digest.text();
  entry["size"] = text.size();
  entry["artifactType"] = kArtifactType;
  entry["annotations"][std::string(kRefName)] =
      generation.labels.empty() ? std::to_string(generation.number) : generation.labels.front();
  Json index;
  index["schemaVersion"] = 2;
  index["mediaType"] = kIndexType;
  index["manifests"] = Json::array({entry});
  write_file_atomically(layout / "index.json", to_text(index, 1));
  // Last: a reader takes a folder with this file for a whole layout.
  write_file_atomically(layout / kLayoutMarker, "{\"imageLayoutVersion\": \"1.0.0\"}\n");
}

std::vector<PutResult> ModelStore::import_layout(const fs::path& layout, std::string_view name,
                                                 const Author& author) {
  const Json marker = in_context((layout / kLayoutMarker).string(), [&] {
    return parse_json(read_file(layout / kLayoutMarker, layout::kMaxRecordBytes));
  });
  if (json_get<std::string>(marker, "imageLayoutVersion") != "1.0.0")
    throw Error(ErrorCode::kUnsupported, "OCI layout of another version; expected 1.0.0");
  std::vector<PutResult> results;
  for (const Indexed& indexed : read_index(layout)) {
    const auto text_file = checked_blob(layout, indexed.digest);
    const std::string_view text = text_of(*text_file);
    const auto config_file = checked_blob(layout, config_of(text).digest);
    const Manifest manifest = parse_manifest(text, text_of(*config_file));
    if (serialize(manifest).manifest != text) {
      throw Error(ErrorCode::kUnsupported,
                  "version " + indexed.digest.text() +
                      " was written by another planish: its manifest has members that this one "
                      "does not keep, so it would get another digest");
    }
    PutRequest request;
    request.name = std::string(name);
    request.config = manifest.config;
    for (const Part& part : manifest.parts) {
      (void)checked_blob(layout, part.digest);
      request.parts.push_back(
          {part.kind, part.name, layout / "blobs" / "sha256" / part.digest.hex(), {}});
    }
    try {
      require_label(indexed.reference);
      request.label = indexed.reference;
    } catch (const Error&) {
      // A tag such as "3" or "latest/x" is no label here; the version comes without one.
    }
    results.push_back(put(request, author));
  }
  if (results.empty()) throw Error(ErrorCode::kUnsupported, "the layout holds no version");
  return results;
}

}  // namespace planish::store
