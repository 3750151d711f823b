#include "crashing_files.h"

#include <algorithm>

#include "planish/base/error.h"
#include "planish/base/hash.h"

namespace planish::store {

class CrashingFiles::File : public NewFile {
 public:
  File(CrashingFiles& owner, std::shared_ptr<Content> content)
      : owner_(owner), content_(std::move(content)) {}
  void write(std::span<const std::byte> bytes) override {
    // Half of it may have arrived.
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    content_->bytes += text.substr(0, text.size() / 2);
    owner_.step();
    content_->bytes += text.substr(text.size() / 2);
  }
  void sync() override {
    owner_.step();
    content_->synced = content_->bytes;
  }

 private:
  CrashingFiles& owner_;
  std::shared_ptr<Content> content_;
};

void CrashingFiles::step() {
  ++steps_;
  if (steps_ == power_loss_) throw PowerLoss{};
  if (steps_ == failure_) throw Error(ErrorCode::kExhausted, "the disk is full");
}

const CrashingFiles::Content& CrashingFiles::content(const Path& path) const {
  const auto found = names_.find(path);
  if (found == names_.end() || !found->second)
    throw Error(ErrorCode::kNotFound, path.string() + " is no file");
  return *found->second;
}

void CrashingFiles::restart(Survivors survivors) {
  power_loss_ = 0;
  failure_ = 0;
  if (survivors == Survivors::kEverything) return;
  if (survivors == Survivors::kOnlySynced) {
    names_.clear();
    // A name is there when its folder is.
    for (const auto& [path, content] : synced_names_) {
      const bool has_folder =
          path.parent_path() == path.root_path() || names_.contains(path.parent_path());
      if (has_folder) names_.emplace(path, content);
    }
  }
  for (const auto& [path, content] : names_) {
    if (content) content->bytes = content->synced;
  }
  synced_names_ = names_;
}

void CrashingFiles::corrupt(const Path& path) {
  const auto found = names_.find(path);
  if (found == names_.end() || !found->second || found->second->bytes.empty())
    throw Error(ErrorCode::kNotFound, path.string());
  found->second->bytes.back() = static_cast<char>(found->second->bytes.back() ^ 1);
}

std::vector<std::string> CrashingFiles::all_files() const {
  std::vector<std::string> files;
  for (const auto& [path, content] : names_) {
    if (content) files.push_back(path.string());
  }
  return files;
}

bool CrashingFiles::exists(const Path& path) const { return names_.contains(path); }
std::uint64_t CrashingFiles::size(const Path& path) const { return content(path).bytes.size(); }
std::string CrashingFiles::read(const Path& path, std::size_t max_bytes) const {
  const std::string& bytes = content(path).bytes;
  if (bytes.size() > max_bytes) throw Error(ErrorCode::kExhausted, path.string() + " is too long");
  return bytes;
}
std::string CrashingFiles::sha256(const Path& path) const {
  return sha256_hex(content(path).bytes);
}

std::vector<std::string> CrashingFiles::list(const Path& folder) const {
  std::vector<std::string> names;
  for (const auto& [path, content] : names_) {
    if (path.parent_path() == folder) names.push_back(path.filename().string());
  }
  return names;
}

void CrashingFiles::make_folder(const Path& folder) {
  if (folder == folder.root_path() || exists(folder)) return;
  make_folder(folder.parent_path());
  step();
  names_.emplace(folder, nullptr);
  sync_folder(folder.parent_path());
}

std::unique_ptr<NewFile> CrashingFiles::create(const Path& path) {
  step();
  if (!exists(path.parent_path())) throw Error(ErrorCode::kNotFound, path.string());
  const auto [at, is_new] = names_.emplace(path, std::make_shared<Content>());
  if (!is_new) throw Error(ErrorCode::kAlreadyExists, path.string());
  return std::make_unique<File>(*this, at->second);
}

void CrashingFiles::rename(const Path& from, const Path& to) {
  step();
  const auto found = names_.find(from);
  if (found == names_.end()) throw Error(ErrorCode::kNotFound, from.string());
  names_[to] = found->second;
  names_.erase(from);
}

void CrashingFiles::remove(const Path& path) {
  step();
  if (names_.erase(path) == 0) throw Error(ErrorCode::kNotFound, path.string());
}

void CrashingFiles::sync_folder(const Path& folder) {
  step();
  std::erase_if(synced_names_,
                [&](const auto& entry) { return entry.first.parent_path() == folder; });
  for (const auto& [path, content] : names_) {
    if (path.parent_path() == folder) synced_names_.emplace(path, content);
  }
}

std::unique_ptr<Lock> CrashingFiles::lock(const Path&, LockKind) {
  return std::make_unique<Lock>();
}

}  // namespace planish::store
