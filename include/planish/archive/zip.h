// Reading zip archives, as NumPy (.npz) and PyTorch (.pt2) write them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace planish {

/// Bounds on an archive from outside.
struct ZipLimits {
  std::uint64_t max_bytes = std::uint64_t{4} << 30;  // of all members, unpacked
  std::size_t max_members = 4096;
};

struct ZipMember {
  std::string name = {};
  std::uint16_t method = 0;  // 0 stored, 8 deflated
  std::uint32_t crc = 0;
  std::uint64_t packed_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t header_offset = 0;
  std::uint64_t end_offset = 0;  // where the next member or the directory begins

  [[nodiscard]] bool stored() const { return method == 0; }
};

/// Whether `bytes` begin as a zip archive does.
bool is_zip(std::span<const std::byte> bytes);

/// A zip archive in memory or in a mapped file (APPNOTE.TXT 6.3.10; zip64; stored and deflated
/// members).
class ZipArchive {
 public:
  /// Reads the directory of `zip`, which must outlive the archive. `what` names the file type in
  /// errors.
  /// @throws Error(kCorrupt), also when members overlap; Error(kUnsupported) for encrypted members;
  ///   Error(kExhausted) when the members' number or their sizes together exceed `limits`, before
  ///   memory is taken.
  ZipArchive(std::span<const std::byte> zip, std::string_view what, const ZipLimits& limits = {});

  /// In the order of the directory. Names need not be unique.
  [[nodiscard]] const std::vector<ZipMember>& members() const { return members_; }
  /// The first member of that name; null when there is none.
  [[nodiscard]] const ZipMember* find(std::string_view name) const;

  /// The member's content, checked against its CRC-32.
  /// @throws Error(kCorrupt), Error(kUnsupported) naming the compression method.
  [[nodiscard]] std::string extract(const ZipMember& member) const;

  /// The content of a stored member where it lies, checked against its CRC-32.
  /// @throws Error(kCorrupt); Error(kInvalidArgument) when the member is not stored.
  [[nodiscard]] std::span<const std::byte> view(const ZipMember& member) const;

 private:
  [[nodiscard]] std::span<const std::byte> packed(const ZipMember& member) const;
  void check_crc(const ZipMember& member, std::span<const std::byte> content) const;

  std::span<const std::byte> zip_;
  std::string what_;
  std::vector<ZipMember> members_;
};

}  // namespace planish
