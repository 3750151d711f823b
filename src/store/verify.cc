// What is wrong with a store, named.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "store/layout.h"

namespace planish::store {
namespace {

namespace fs = std::filesystem;

/// Every kind of damage; docs/formats/store.md has a line for each.
enum class DamageKind {
  kBlobChanged,
  kBlobMissing,
  kBlobName,
  kRecordUnreadable,
  kLabelDangles,
  kActiveDangles,
  kHistoryGap,
};

struct DamageRow {
  DamageKind kind = DamageKind::kBlobChanged;
  std::string_view code = {};
  std::string_view what_to_do = {};
};

constexpr std::array kDamages{
    DamageRow{DamageKind::kBlobChanged, "blob-changed",
              "put the same file again: it replaces the blob"},
    DamageRow{DamageKind::kBlobMissing, "blob-missing", "put the same files again"},
    DamageRow{DamageKind::kBlobName, "blob-name", "remove it: nothing refers to it"},
    DamageRow{DamageKind::kRecordUnreadable, "record-unreadable",
              "restore it from a copy, or remove it"},
    DamageRow{DamageKind::kLabelDangles, "label-dangles", "set the label again, or remove it"},
    DamageRow{DamageKind::kActiveDangles, "active-dangles", "activate a version"},
    DamageRow{DamageKind::kHistoryGap, "history-gap",
              "activate a version; rollback cannot pass the gap"},
};

constexpr bool damages_are_in_order() {
  for (std::size_t i = 0; i < kDamages.size(); ++i) {
    if (static_cast<std::size_t>(kDamages.at(i).kind) != i) return false;
  }
  return kDamages.size() == static_cast<std::size_t>(DamageKind::kHistoryGap) + 1;
}
static_assert(damages_are_in_order(), "kDamages: one row per DamageKind, in enum order");

class Verifier {
 public:
  Verifier(const fs::path& root, const Files& files) : root_(root), files_(files) {}

  VerifyReport take() { return std::move(report_); }
  [[nodiscard]] VerifyReport& report() { return report_; }

  void add(DamageKind kind, const fs::path& path, const std::string& found) {
    const DamageRow& row = kDamages.at(static_cast<std::size_t>(kind));
    report_.damages.push_back(Damage{std::string(row.code), path.lexically_relative(root_).string(),
                                     found + ": " + std::string(row.what_to_do)});
  }

  /// Whether `body` could read what it reads; otherwise the damage is noted.
  template <typename Body>
  bool readable(const fs::path& path, const Body& body) {
    try {
      body();
      return true;
    } catch (const Error& error) {
      add(DamageKind::kRecordUnreadable, path, error.message());
      return false;
    }
  }

  void check_blobs() {
    for (const std::string& name : files_.list(layout::blobs(root_))) {
      if (name.starts_with(layout::kTemporaryPrefix)) continue;
      const fs::path path = layout::blobs(root_) / name;
      const bool is_name = name.size() == 64 && std::ranges::all_of(name, [](char c) {
                             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                           });
      if (!is_name) {
        add(DamageKind::kBlobName, path, "is not named by a digest");
        continue;
      }
      ++report_.blobs;
      report_.bytes += files_.size(path);
      const std::string digest = files_.sha256(path);
      if (digest == name) {
        intact_.insert(name);
      } else {
        changed_.insert(name);
        add(DamageKind::kBlobChanged, path, "has digest sha256:" + digest);
      }
    }
  }

  [[nodiscard]] bool is_intact(const Digest& digest) const {
    return intact_.contains(digest.hex());
  }
  /// Says that `owner` needs a blob that is not there. (One that was changed has been named.)
  void require_blob(const Digest& digest, const std::string& owner) {
    if (intact_.contains(digest.hex()) || changed_.contains(digest.hex())) return;
    add(DamageKind::kBlobMissing, layout::blobs(root_) / digest.hex(), "is missing, for " + owner);
  }

 private:
  const fs::path& root_;
  const Files& files_;
  VerifyReport report_;
  std::set<std::string> intact_;
  std::set<std::string> changed_;
};

/// The records of one model, each read by itself so that one damage does not hide another.
template <typename Record, typename Parse>
std::map<std::uint64_t, Record> read_records(Verifier& verifier, const Files& files,
                                             const fs::path& folder, const Parse& parse) {
  std::map<std::uint64_t, Record> records;
  for (const std::string& name : files.list(folder)) {
    if (name.starts_with(layout::kTemporaryPrefix)) continue;
    const fs::path path = folder / name;
    verifier.readable(path, [&] {
      const auto number = layout::number_of(name);
      if (!number) throw Error(ErrorCode::kCorrupt, "is not named NUMBER.json");
      records.emplace(*number, parse(files.read(path, layout::kMaxRecordBytes)));
    });
  }
  return records;
}

}  // namespace

VerifyReport ModelStore::verify() const {
  Verifier verifier(root_, *files_);
  verifier.check_blobs();
  for (const std::string& name : files_->list(layout::models(root_))) {
    const fs::path model = layout::model(root_, name);
    const auto generations = read_records<Generation>(verifier, *files_, layout::generations(model),
                                                      layout::generation_from);
    const auto entries =
        read_records<HistoryEntry>(verifier, *files_, layout::history(model), layout::history_from);
    for (const auto& [number, generation] : generations) {
      ++verifier.report().versions;
      const std::string owner = name + " generation " + std::to_string(number);
      verifier.require_blob(generation.digest, owner);
      if (!verifier.is_intact(generation.digest)) continue;
      const fs::path path = layout::blobs(root_) / generation.digest.hex();
      verifier.readable(path, [&, &digest = generation.digest] {
        const ConfigReference config = config_of(files_->read(path, layout::kMaxRecordBytes));
        verifier.require_blob(config.digest, owner);
        if (!verifier.is_intact(config.digest)) return;
        for (const Part& part : manifest(digest).parts)
          verifier.require_blob(part.digest, owner + ", part '" + part.name + "'");
      });
    }
    for (const std::string& label : files_->list(layout::labels(model))) {
      if (label.starts_with(layout::kTemporaryPrefix)) continue;
      const fs::path path = layout::labels(model) / label;
      verifier.readable(path, [&] {
        const auto number = layout::label_from(files_->read(path, layout::kMaxRecordBytes));
        if (!generations.contains(number))
          verifier.add(DamageKind::kLabelDangles, path,
                       "names generation " + std::to_string(number) + ", which is not there");
      });
    }
    const fs::path pointer = layout::active(model);
    if (!files_->exists(pointer)) continue;
    verifier.readable(pointer, [&] {
      const ActiveVersion active =
          layout::active_from(files_->read(pointer, layout::kMaxRecordBytes));
      const auto generation = generations.find(active.generation);
      if (generation == generations.end() || generation->second.digest != active.digest)
        verifier.add(DamageKind::kActiveDangles, pointer,
                     "names generation " + std::to_string(active.generation) + " with " +
                         active.digest.text() + ", which is not there");
      for (std::uint64_t at = active.sequence; at != 0;) {
        const auto entry = entries.find(at);
        if (entry == entries.end()) {
          verifier.add(DamageKind::kHistoryGap, layout::history(model) / layout::numbered(at),
                       "is missing or unreadable");
          break;
        }
        if (entry->second.undo_to >= at) {
          verifier.add(DamageKind::kHistoryGap, layout::history(model) / layout::numbered(at),
                       "goes back to a later entry");
          break;
        }
        at = entry->second.undo_to;
      }
    });
  }
  return verifier.take();
}

}  // namespace planish::store
