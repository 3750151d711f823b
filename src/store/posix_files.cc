#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/hash.h"
#include "planish/store/files.h"

namespace planish::store {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, std::string_view action, int number = errno) {
  const std::string text =
      path.string() + ": " + std::string(action) + ": " + std::generic_category().message(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      throw Error(ErrorCode::kNotFound, text);
    case EEXIST:
      throw Error(ErrorCode::kAlreadyExists, text);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      throw Error(ErrorCode::kExhausted, text);
    default:
      throw Error(ErrorCode::kUnavailable, text);
  }
}

class PosixNewFile : public NewFile {
 public:
  explicit PosixNewFile(fs::path path) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail(path_, "cannot create");
  }
  ~PosixNewFile() override { ::close(descriptor_); }

  void write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t wrote = ::write(descriptor_, bytes.data(), bytes.size());
      if (wrote < 0) {
        if (errno == EINTR) continue;
        fail(path_, "cannot write");
      }
      bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    }
  }
  void sync() override {
    if (::fsync(descriptor_) != 0) fail(path_, "cannot write");
  }

 private:
  fs::path path_;
  int descriptor_ = -1;
};

class PosixLock : public Lock {
 public:
  PosixLock(const fs::path& path, LockKind kind) {
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail(path, "cannot open the lock");
    while (::flock(descriptor_, kind == LockKind::kShared ? LOCK_SH : LOCK_EX) != 0) {
      if (errno == EINTR) continue;
      const int number = errno;
      ::close(descriptor_);
      fail(path, "cannot lock", number);
    }
  }
  ~PosixLock() override { ::close(descriptor_); }

 private:
  int descriptor_ = -1;
};

class PosixFiles : public Files {
 public:
  [[nodiscard]] bool exists(const Path& path) const override {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) return true;
    if (errno != ENOENT && errno != ENOTDIR) fail(path, "cannot examine");
    return false;
  }
  [[nodiscard]] std::uint64_t size(const Path& path) const override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) fail(path, "cannot examine");
    return static_cast<std::uint64_t>(status.st_size);
  }
  [[nodiscard]] std::string read(const Path& path, std::size_t max_bytes) const override {
    return read_file(path, max_bytes);
  }
  [[nodiscard]] std::string sha256(const Path& path) const override {
    return sha256_hex_of_file(path);
  }
  [[nodiscard]] std::vector<std::string> list(const Path& folder) const override {
    std::vector<std::string> names;
    std::error_code failure;
    fs::directory_iterator entries(folder, failure);
    if (failure) {
      if (failure == std::errc::no_such_file_or_directory) return names;
      fail(folder, "cannot list", failure.value());
    }
    for (; entries != fs::directory_iterator(); entries.increment(failure)) {
      if (failure) fail(folder, "cannot list", failure.value());
      names.push_back(entries->path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  void make_folder(const Path& folder) override {
    if (folder.empty() || exists(folder)) return;
    make_folder(folder.parent_path());
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) fail(folder, "cannot create");
    sync_folder(folder.parent_path());
  }
  std::unique_ptr<NewFile> create(const Path& path) override {
    return std::make_unique<PosixNewFile>(path);
  }
  void rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) fail(to, "cannot replace");
  }
  void remove(const Path& path) override {
    if (::unlink(path.c_str()) != 0) fail(path, "cannot remove");
  }
  void sync_folder(const Path& folder) override {
    const Path path = folder.empty() ? Path(".") : folder;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) fail(path, "cannot open");
    // Some file systems cannot sync a folder (EINVAL); names are in order there all the same.
    const bool failed = ::fsync(descriptor) != 0 && errno != EINVAL;
    const int number = errno;
    ::close(descriptor);
    if (failed) fail(path, "cannot sync", number);
  }
  std::unique_ptr<Lock> lock(const Path& path, LockKind kind) override {
    return std::make_unique<PosixLock>(path, kind);
  }
};

}  // namespace

Files& posix_files() {
  static PosixFiles files;
  return files;
}

}  // namespace planish::store
