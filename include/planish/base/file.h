// Files: read whole, mapped, and written so that they appear whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace planish {

/// Bytes of `path`, at most `max_bytes` of them.
/// @throws Error kNotFound, kUnavailable (cannot be read), kExhausted (longer than `max_bytes`).
std::string read_file(const std::filesystem::path& path,
                      std::size_t max_bytes = std::size_t{1} << 32);

/// A read-only mapping of a whole file. The mapping lives as long as any copy of the pointer.
class MappedFile {
 public:
  /// @throws Error kNotFound, kUnavailable; kInvalidArgument when `path` is not a regular file.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}
  const std::byte* data_;
  std::size_t size_;
};

/// A file that appears at `path` only by commit(): until then the bytes go to a temporary file in
/// the same folder, which the destructor removes (also when a signal ends the work by exception).
class AtomicFile {
 public:
  /// @throws Error(kNotFound) when the folder does not exist, kUnavailable when it is not writable.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends. @throws Error(kExhausted) when the disk is full, kUnavailable otherwise.
  void write(std::string_view bytes);
  void write(std::span<const std::byte> bytes);
  /// Bytes written so far.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// fsync, rename over `path`, fsync of the folder. Call once, last.
  void commit();
  /// Where the bytes that were written are until commit().
  [[nodiscard]] const std::filesystem::path& temporary_path() const noexcept { return temporary_; }

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

/// AtomicFile in one call.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

/// A temporary folder that is removed with all it holds when the object dies.
class TemporaryFolder {
 public:
  /// Below `parent`, or below the system's folder for temporary files.
  explicit TemporaryFolder(const std::filesystem::path& parent = {});
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// `folder / relative`, resolved through symbolic links.
/// @throws Error(kCorrupt) when `relative` is absolute or empty, or the result leaves `folder`
///   (by "..", or by a symbolic link); Error(kNotFound) when the file does not exist.
std::filesystem::path resolve_inside(const std::filesystem::path& folder,
                                     std::string_view relative);

}  // namespace planish
