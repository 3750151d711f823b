#include "planish/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "planish/base/error.h"

namespace planish {
namespace {

namespace fs = std::filesystem;

/// A POSIX descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value) noexcept : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return value_; }

 private:
  int value_;
};

[[noreturn]] void throw_errno(const fs::path& path, std::string_view action) {
  const int number = errno;
  const std::string text =
      path.string() + ": " + std::string(action) + ": " + std::generic_category().message(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      throw Error(ErrorCode::kNotFound, text);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      throw Error(ErrorCode::kExhausted, text);
    case EEXIST:
      throw Error(ErrorCode::kAlreadyExists, text);
    case EISDIR:
      throw Error(ErrorCode::kInvalidArgument, text);
    default:
      throw Error(ErrorCode::kUnavailable, text);
  }
}

Descriptor open_for_reading(const fs::path& path, struct stat& status) {
  // O_NONBLOCK: a FIFO in the place of a file must not hang the program.
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) throw_errno(path, "cannot open");
  if (::fstat(descriptor.get(), &status) != 0) throw_errno(path, "cannot examine");
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kInvalidArgument,
                path.string() + " is a folder or a special file; expected a file");
  }
  return descriptor;
}

void sync_folder(const fs::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) throw_errno(folder, "cannot open folder");
  // Some file systems cannot sync a folder (EINVAL); the rename is still atomic there.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL) throw_errno(folder, "cannot sync folder");
}

fs::path folder_of(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

std::string unique_suffix() {
  static std::atomic<std::uint64_t> counter{0};
  return std::to_string(::getpid()) + "." + std::to_string(counter.fetch_add(1));
}

}  // namespace

std::string read_file(const fs::path& path, std::size_t max_bytes) {
  struct stat status {};
  const Descriptor descriptor = open_for_reading(path, status);
  const auto expected = static_cast<std::size_t>(status.st_size);
  const auto refuse = [&] {
    throw Error(ErrorCode::kExhausted, path.string() + " is longer than the " +
                                           std::to_string(max_bytes) + " bytes allowed here");
  };
  if (expected > max_bytes) refuse();
  // One byte more than expected: the read that finds the end needs no room of its own.
  std::string bytes(expected + 1, '\0');
  std::size_t done = 0;
  // Files of /proc and /sys say size 0, and any file may grow while it is read: read to the end.
  for (;;) {
    if (done == bytes.size()) bytes.resize(bytes.size() + 4096);
    const ssize_t got = ::read(descriptor.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw_errno(path, "cannot read");
    }
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
    if (done > max_bytes) refuse();
  }
  bytes.resize(done);
  return bytes;
}

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  struct stat status {};
  const Descriptor descriptor = open_for_reading(path, status);
  const auto size = static_cast<std::size_t>(status.st_size);
  const std::byte* data = nullptr;
  if (size > 0) {  // mmap refuses length 0
    void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
    if (mapped == MAP_FAILED) throw_errno(path, "cannot map");
    data = static_cast<const std::byte*>(mapped);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(data, size));
}

MappedFile::~MappedFile() {
  if (size_ > 0) ::munmap(const_cast<std::byte*>(data_), size_);
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  std::string name = path_.filename().string();
  name.insert(name.begin(), '.');
  temporary_ = folder_of(path_) / name.append(".tmp.").append(unique_suffix());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw_errno(path_, "cannot create");
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (wrote < 0) {
      if (errno == EINTR) continue;
      throw_errno(path_, "cannot write");
    }
    done += static_cast<std::size_t>(wrote);
  }
  size_ += bytes.size();
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) throw_errno(path_, "cannot write");
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0) throw_errno(path_, "cannot write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw_errno(path_, "cannot replace");
  temporary_.clear();
  sync_folder(folder_of(path_));
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

TemporaryFolder::TemporaryFolder(const fs::path& parent) {
  std::error_code ignored;
  const fs::path base = parent.empty() ? fs::temp_directory_path(ignored) : parent;
  std::string pattern = (base / "planish-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    throw_errno(base, "cannot create a temporary folder in");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path resolve_inside(const fs::path& folder, std::string_view relative) {
  const auto leaves = [&](std::string_view why) {
    return Error(ErrorCode::kCorrupt, "path '" + std::string(relative) + "' " + std::string(why) +
                                          "; expected a file inside '" + folder.string() + "'");
  };
  const fs::path wanted(relative);
  if (wanted.empty()) throw leaves("is empty");
  if (relative.find('\0') != std::string_view::npos) throw leaves("contains a NUL byte");
  if (wanted.is_absolute()) throw leaves("is absolute");
  // Refused before the file system is asked, so that nothing is told of files outside.
  const fs::path normal = wanted.lexically_normal();
  if (!normal.empty() && *normal.begin() == "..") throw leaves("leaves the folder");
  std::error_code failure;
  const fs::path base = fs::canonical(folder.empty() ? fs::path(".") : folder, failure);
  if (failure) throw Error(ErrorCode::kNotFound, folder.string() + ": " + failure.message());
  const fs::path resolved = fs::weakly_canonical(base / wanted, failure);
  if (failure)
    throw Error(ErrorCode::kNotFound, (folder / wanted).string() + ": " + failure.message());
  const fs::path inside = resolved.lexically_relative(base);
  if (inside.empty() || *inside.begin() == "..")
    throw leaves("leaves the folder by a symbolic link");
  if (!fs::exists(resolved, failure)) {
    throw Error(ErrorCode::kNotFound, (folder / wanted).string() + " does not exist");
  }
  return resolved;
}

}  // namespace planish
