// The file system as the store sees it: the few operations whose order decides what survives a
// crash. An interface, so that a test can stop or fail at every one of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace planish::store {

/// A new file that is being written. Its bytes are on the disk after sync() only.
class NewFile {
 public:
  virtual ~NewFile() = default;
  /// Appends. @throws Error(kExhausted) when the disk is full, kUnavailable otherwise.
  virtual void write(std::span<const std::byte> bytes) = 0;
  /// fsync. Call once, last.
  virtual void sync() = 0;
};

/// A lock that is held while the object lives; the operating system lets go of it when the process
/// dies, however that happens.
class Lock {
 public:
  virtual ~Lock() = default;
};

enum class LockKind {
  kShared,     // others may share it
  kExclusive,  // nobody else has it
};

/// Operations on files. Names (create, rename, remove) are on the disk after sync_folder() of their
/// folder only. @throws Error (all of them): kNotFound, kAlreadyExists, kExhausted, kUnavailable,
/// with the path in front.
class Files {
 public:
  using Path = std::filesystem::path;

  virtual ~Files() = default;
  [[nodiscard]] virtual bool exists(const Path& path) const = 0;
  [[nodiscard]] virtual std::uint64_t size(const Path& path) const = 0;
  /// @throws Error(kExhausted) when there are more than `max_bytes`.
  [[nodiscard]] virtual std::string read(const Path& path, std::size_t max_bytes) const = 0;
  /// SHA-256 of the content, 64 hexadecimal digits.
  [[nodiscard]] virtual std::string sha256(const Path& path) const = 0;
  /// Names in `folder`, sorted; none when there is no such folder.
  [[nodiscard]] virtual std::vector<std::string> list(const Path& folder) const = 0;
  /// With its parents; does nothing when it is there. Syncs each parent that it changed.
  virtual void make_folder(const Path& folder) = 0;
  /// @throws Error(kAlreadyExists).
  virtual std::unique_ptr<NewFile> create(const Path& path) = 0;
  /// Replaces `to` in one step.
  virtual void rename(const Path& from, const Path& to) = 0;
  virtual void remove(const Path& path) = 0;
  virtual void sync_folder(const Path& folder) = 0;
  /// Waits for the lock. `path` is created when it is not there, and stays.
  virtual std::unique_ptr<Lock> lock(const Path& path, LockKind kind) = 0;
};

/// The real ones. Lives as long as the process.
Files& posix_files();

}  // namespace planish::store
