// What nothing refers to any more.
#include <algorithm>
#include <set>

#include "planish/base/error.h"
#include "store/layout.h"

namespace planish::store {
namespace {

namespace fs = std::filesystem;

/// Files that a writer left when it was killed. Under the exclusive lock of their folder nobody is
/// writing one.
std::vector<fs::path> temporaries_in(const Files& files, const fs::path& folder) {
  std::vector<fs::path> found;
  for (const std::string& name : files.list(folder)) {
    if (name.starts_with(layout::kTemporaryPrefix)) found.push_back(folder / name);
  }
  return found;
}

}  // namespace

std::vector<Generation> ModelStore::forgettable(const fs::path& model, std::size_t keep) const {
  std::vector<Generation> all = read_generations(model);
  if (keep == 0 || all.size() <= keep) return {};
  std::set<std::uint64_t> needed;
  const std::vector<HistoryEntry> entries = read_history(model);
  const auto active = read_active(model);
  std::uint64_t at = active ? active->sequence : 0;
  while (at != 0) {
    const auto entry = std::ranges::find(entries, at, &HistoryEntry::sequence);
    if (entry == entries.end()) break;
    needed.insert(entry->generation);
    if (entry->undo_to >= at) break;
    at = entry->undo_to;
  }
  all.resize(all.size() - keep);
  std::erase_if(all, [&](const Generation& one) {
    return one.is_active || !one.labels.empty() || needed.contains(one.number);
  });
  return all;
}

GcReport ModelStore::gc(const GcConfig& config) {
  GcReport report;
  const auto store_lock = files_->lock(layout::store_lock(root_), LockKind::kExclusive);
  std::set<std::string> kept;
  std::vector<fs::path> garbage = temporaries_in(*files_, layout::blobs(root_));
  for (const ModelListing& listing : list()) {
    const fs::path model = layout::model(root_, listing.name);
    const auto lock = files_->lock(layout::model_lock(model), LockKind::kExclusive);
    const std::vector<Generation> forgotten = forgettable(model, config.keep);
    for (const Generation& one : forgotten) {
      report.forgotten.push_back(listing.name + "/" + std::to_string(one.number));
      if (config.dry_run) continue;
      files_->remove(layout::generations(model) / layout::numbered(one.number));
      files_->sync_folder(layout::generations(model));
    }
    for (const Generation& one : read_generations(model)) {
      const bool goes =
          std::ranges::find(forgotten, one.number, &Generation::number) != forgotten.end();
      if (goes) continue;
      kept.insert(one.digest.hex());
      // A manifest that cannot be read may name any blob: then nothing is removed.
      const std::string text = files_->read(blob_path(one.digest), layout::kMaxRecordBytes);
      kept.insert(config_of(text).digest.hex());
      for (const Part& part : manifest(one.digest).parts) kept.insert(part.digest.hex());
    }
    for (const fs::path& folder :
         {model, layout::generations(model), layout::labels(model), layout::history(model)}) {
      if (config.dry_run) break;
      for (const fs::path& path : temporaries_in(*files_, folder)) files_->remove(path);
    }
  }
  for (const fs::path& path : temporaries_in(*files_, root_)) garbage.push_back(path);
  for (const std::string& name : files_->list(layout::blobs(root_))) {
    if (!kept.contains(name) && !name.starts_with(layout::kTemporaryPrefix))
      garbage.push_back(layout::blobs(root_) / name);
  }
  for (const fs::path& path : garbage) {
    ++report.removed_blobs;
    report.removed_bytes += files_->size(path);
    if (!config.dry_run) files_->remove(path);
  }
  if (!garbage.empty() && !config.dry_run) files_->sync_folder(layout::blobs(root_));
  return report;
}

}  // namespace planish::store
