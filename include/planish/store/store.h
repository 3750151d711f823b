// Versions of models on disk: immutable content by digest, generations, labels, one active version
// per name, and a history that can be walked back. Format: docs/formats/store.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/store/files.h"
#include "planish/store/manifest.h"

namespace planish::store {

/// Who changes the store and why; both end up in the history.
struct Author {
  std::string by = {};   // "" : user@host of this process
  std::string why = {};  // free text
};

/// One version under a name. Generations count 1, 2, 3, … per name and never change.
struct Generation {
  std::uint64_t number = 0;
  Digest digest = Digest::of("");
  std::string created = {};  // UTC, RFC 3339
  std::string by = {};
  std::vector<std::string> labels = {};  // sorted
  bool is_active = false;
};

enum class HistoryAction { kActivate, kRollback };
std::string_view name_of(HistoryAction action);  // "activate", "rollback"

/// One move of the active pointer.
struct HistoryEntry {
  std::uint64_t sequence = 0;
  HistoryAction action = HistoryAction::kActivate;
  std::uint64_t generation = 0;
  Digest digest = Digest::of("");
  std::uint64_t after = 0;    // the entry that was in force before; 0: none
  std::uint64_t undo_to = 0;  // the entry whose version a rollback from here brings back; 0: none
  std::string time = {};      // UTC, RFC 3339
  std::string by = {};
  std::string why = {};
  bool took_effect = true;  // false: the process died before the pointer moved
};

/// What is served under a name now.
struct ActiveVersion {
  std::uint64_t sequence = 0;  // of the history entry that made it so
  std::uint64_t generation = 0;
  Digest digest = Digest::of("");
  friend bool operator==(const ActiveVersion&, const ActiveVersion&) = default;
};

struct ModelListing {
  std::string name = {};
  std::size_t generations = 0;
  std::optional<ActiveVersion> active = {};
};

/// One file to put into a version.
struct PartSource {
  PartKind kind = PartKind::kModel;
  std::string name = {};                    // relative; "" : the kind's own
  std::filesystem::path file = {};          // read through a mapping
  std::optional<std::string> content = {};  // instead of a file
};

struct PutRequest {
  std::string name = {};
  std::vector<PartSource> parts = {};
  VersionConfig config = {};
  std::optional<std::string> label = {};
  bool activate = false;  // the first version of a name is made active in any case
};

struct PutResult {
  Generation generation = {};
  bool was_there = false;  // the same version has this generation already
};

/// One thing that is wrong with a store.
struct Damage {
  std::string code = {};  // one of kDamageCodes of verify.cc, docs/formats/store.md
  std::string path = {};  // relative to the store
  std::string text = {};  // what was found, what was expected, what to do
};

struct VerifyReport {
  std::size_t blobs = 0;
  std::uint64_t bytes = 0;
  std::size_t versions = 0;
  std::vector<Damage> damages = {};
};

struct GcConfig {
  std::size_t keep = 0;  // forget all but so many newest generations of a name; 0: forget none
  bool dry_run = false;
};

struct GcReport {
  std::vector<std::string> forgotten = {};  // "name/generation"
  std::size_t removed_blobs = 0;
  std::uint64_t removed_bytes = 0;
};

/// "2026-11-25T04:05:06Z". A parameter, so that tests can hold it.
using TimeSource = std::function<std::string()>;
std::string utc_now();

/// A store in one folder. Safe from many threads and many processes at once: writers of one name
/// wait for each other; readers never wait. A process killed at any instant leaves the store as it
/// was before or after the operation, never between.
class ModelStore {
 public:
  /// Makes the folder a store when it is empty or absent.
  /// @throws Error(kInvalidArgument) when it holds other things.
  static ModelStore create(std::filesystem::path root, Files& files = posix_files(),
                           TimeSource time = utc_now);
  /// @throws Error(kNotFound) when there is no store; kUnsupported for a format of a later version.
  static ModelStore open(std::filesystem::path root, Files& files = posix_files(),
                         TimeSource time = utc_now);

  /// Stores the parts and gives them the next generation of `name`. The same content twice gives
  /// the generation that it has. @throws Error(kInvalidArgument) for a name or label that is none.
  PutResult put(const PutRequest& request, const Author& author = {});

  [[nodiscard]] std::vector<ModelListing> list() const;
  /// Oldest first. @throws Error(kNotFound) when the name is not known.
  [[nodiscard]] std::vector<Generation> generations(std::string_view name) const;
  /// `version`: a label, a generation, "active", or a digest or a prefix of one that is unique.
  /// @throws Error(kNotFound) saying what there is; kInvalidArgument when a prefix is ambiguous.
  [[nodiscard]] Generation resolve(std::string_view name, std::string_view version) const;
  [[nodiscard]] Manifest manifest(const Digest& digest) const;
  /// Nothing while no version is active.
  [[nodiscard]] std::optional<ActiveVersion> active(std::string_view name) const;
  /// Newest first.
  [[nodiscard]] std::vector<HistoryEntry> history(std::string_view name) const;

  /// Makes `version` the active one, in one step. Its parts are checked to be there first.
  ActiveVersion activate(std::string_view name, std::string_view version,
                         const Author& author = {});
  /// Brings back the version that was active before; again, the one before that.
  /// @throws Error(kNotFound) when there is none.
  ActiveVersion rollback(std::string_view name, const Author& author = {});
  void set_label(std::string_view name, std::string_view label, std::string_view version);
  /// @throws Error(kNotFound).
  void remove_label(std::string_view name, std::string_view label);

  /// Reads everything and names all that is wrong. Changes nothing.
  [[nodiscard]] VerifyReport verify() const;
  /// Removes what nothing refers to. What is active, labelled, or can be rolled back to is never
  /// forgotten.
  GcReport gc(const GcConfig& config = {});

  /// Where a part's bytes are: immutable, to be mapped or read. @throws Error(kNotFound).
  [[nodiscard]] std::filesystem::path blob_path(const Digest& digest) const;
  /// The file whose content changes whenever the active version of `name` does.
  [[nodiscard]] std::filesystem::path active_path(std::string_view name) const;
  [[nodiscard]] const std::filesystem::path& root() const noexcept { return root_; }

  /// Writes `name`'s `version` as an OCI image layout into the empty or absent folder `layout`.
  void export_layout(std::string_view name, std::string_view version,
                     const std::filesystem::path& layout) const;
  /// Puts the versions that an OCI image layout holds; every digest is checked.
  /// @throws Error(kCorrupt) naming the blob; kUnsupported when it holds no planish version.
  std::vector<PutResult> import_layout(const std::filesystem::path& layout, std::string_view name,
                                       const Author& author = {});

 private:
  ModelStore(std::filesystem::path root, Files& files, TimeSource time);

  [[nodiscard]] std::filesystem::path model_folder(std::string_view name) const;
  [[nodiscard]] Digest add_blob(std::span<const std::byte> content);
  [[nodiscard]] Generation add_generation(const std::filesystem::path& model, const Digest& digest,
                                          const Author& author, bool& was_there);
  ActiveVersion move_pointer(const std::filesystem::path& model, HistoryEntry entry,
                             const Author& author);
  void require_parts(const Digest& digest) const;
  [[nodiscard]] std::vector<Generation> read_generations(const std::filesystem::path& model) const;
  [[nodiscard]] std::vector<HistoryEntry> read_history(const std::filesystem::path& model) const;
  [[nodiscard]] std::optional<ActiveVersion> read_active(const std::filesystem::path& model) const;
  std::vector<Generation> forgettable(const std::filesystem::path& model, std::size_t keep) const;

  std::filesystem::path root_;
  Files* files_;
  TimeSource time_;
};

/// @throws Error(kInvalidArgument) unless `name` is 1 to 128 of A-Z a-z 0-9 . _ - beginning with a
/// letter or digit, and none of the words that are paths of the server (stats, ready, …).
void require_model_name(std::string_view name);
/// @throws Error(kInvalidArgument) unless `label` is such a name that cannot be taken for a
/// generation or a digest.
void require_label(std::string_view label);

Json to_json(const Generation& generation);
Json to_json(const HistoryEntry& entry);
Json to_json(const VerifyReport& report);
Json to_json(const GcReport& report);

}  // namespace planish::store
