// A file system in memory that can lose power, or run out of space, at any step.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "planish/store/files.h"

namespace planish::store {

/// Thrown in the place of a step that the machine did not live to make. Not an Error: nothing may
/// catch it and clean up.
struct PowerLoss {};

/// What is on the disk after a loss of power.
enum class Survivors {
  kEverything,    // the kernel had written all of it, as when only the process was killed
  kOnlySynced,    // nothing that was not synced: neither names nor content
  kNamesNotData,  // all names, and content only where it was synced: files of no length
};

class CrashingFiles : public Files {
 public:
  /// Steps (calls that change something) so far.
  [[nodiscard]] std::size_t steps() const { return steps_; }
  /// The step with this number, counted from now on from 1, is the last thought of this machine.
  void lose_power_at(std::size_t step) { power_loss_ = steps_ + step; }
  /// That step fails: the disk is full. Later ones succeed.
  void fail_at(std::size_t step) { failure_ = steps_ + step; }
  /// The machine is on again.
  void restart(Survivors survivors);
  /// Changes a byte of a file behind everybody's back.
  void corrupt(const Path& path);
  /// Every file, sorted.
  [[nodiscard]] std::vector<std::string> all_files() const;

  [[nodiscard]] bool exists(const Path& path) const override;
  [[nodiscard]] std::uint64_t size(const Path& path) const override;
  [[nodiscard]] std::string read(const Path& path, std::size_t max_bytes) const override;
  [[nodiscard]] std::string sha256(const Path& path) const override;
  [[nodiscard]] std::vector<std::string> list(const Path& folder) const override;
  void make_folder(const Path& folder) override;
  std::unique_ptr<NewFile> create(const Path& path) override;
  void rename(const Path& from, const Path& to) override;
  void remove(const Path& path) override;
  void sync_folder(const Path& folder) override;
  std::unique_ptr<Lock> lock(const Path& path, LockKind kind) override;

 private:
  struct Content {
    std::string bytes = {};
    std::string synced = {};
  };
  using Names = std::map<Path, std::shared_ptr<Content>>;  // no content: a folder
  class File;

  void step();
  [[nodiscard]] const Content& content(const Path& path) const;

  std::size_t steps_ = 0;
  std::size_t power_loss_ = 0;
  std::size_t failure_ = 0;
  Names names_;
  Names synced_names_;
};

}  // namespace planish::store
