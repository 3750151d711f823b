#include "planish/archive/zip.h"

#include <zlib.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "planish/base/byte_reader.h"
#include "planish/base/checked.h"

// APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to 4.3.16
// (ends of the central directory), 4.5.3 (zip64).
namespace planish {
namespace {

constexpr std::uint64_t kLocalHeader = 0x04034b50;
constexpr std::uint64_t kCentralHeader = 0x02014b50;
constexpr std::uint64_t kEnd = 0x06054b50;
constexpr std::uint64_t kEnd64 = 0x06064b50;
constexpr std::uint64_t kEnd64Locator = 0x07064b50;
constexpr std::size_t kLocalHeaderBytes = 30;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64LocatorBytes = 20;
constexpr std::size_t kMaxCommentBytes = 0xffff;
constexpr std::uint64_t kIn64 = 0xffffffff;  // the real number is in a zip64 field
constexpr std::uint64_t kMaxDeflateRatio = 1032;
constexpr std::uint16_t kDeflated = 8;

/// Reads the structures of one archive, whose kind `what` errors name.
class DirectoryReader {
 public:
  DirectoryReader(std::span<const std::byte> zip, std::string_view what) : zip_(zip), what_(what) {}

  [[noreturn]] void corrupt(const std::string& why) const {
    throw Error(ErrorCode::kCorrupt, std::string(what_) + ": " + why);
  }

  [[nodiscard]] ByteReader reader_at(std::uint64_t offset) const {
    if (offset > zip_.size()) corrupt("an offset lies beyond the end of the file");
    return {zip_.subspan(static_cast<std::size_t>(offset)), what_};
  }

  struct Directory {
    std::uint64_t members = 0;
    std::uint64_t offset = 0;
  };

  [[nodiscard]] Directory read_directory() const {
    const std::size_t end = find_end();
    ByteReader record = reader_at(end);
    record.take(4 + 2 + 2 + 2);  // signature, disks, members on this disk
    Directory directory;
    directory.members = record.take_integer(2);
    record.take(4);  // bytes of the directory
    directory.offset = record.take_integer(4);
    if (directory.members == 0xffff || directory.offset == kIn64) return read_directory64(end);
    return directory;
  }

  [[nodiscard]] ZipMember read_central_header(ByteReader& reader) const {
    if (reader.take_integer(4) != kCentralHeader) corrupt("a directory entry is missing");
    ZipMember member;
    reader.take(4);  // versions
    const std::uint64_t flags = reader.take_integer(2);
    member.method = static_cast<std::uint16_t>(reader.take_integer(2));
    reader.take(4);  // time and date
    member.crc = static_cast<std::uint32_t>(reader.take_integer(4));
    member.packed_bytes = reader.take_integer(4);
    member.bytes = reader.take_integer(4);
    const std::uint64_t name_bytes = reader.take_integer(2);
    const std::uint64_t extra_bytes = reader.take_integer(2);
    const std::uint64_t comment_bytes = reader.take_integer(2);
    reader.take(2 + 2 + 4);  // disk, attributes
    member.header_offset = reader.take_integer(4);
    member.name = reader.take_text(name_bytes);
    read_zip64_field(ByteReader(reader.take(extra_bytes), what_), member);
    reader.take(comment_bytes);
    if ((flags & 1U) != 0) {
      throw Error(ErrorCode::kUnsupported,
                  std::string(what_) + ": '" + member.name + "' is encrypted");
    }
    return member;
  }

  /// Members that share bytes are how a small archive claims to be a large one.
  void set_ends(std::vector<ZipMember>& members, std::uint64_t directory) const {
    std::vector<ZipMember*> in_order;
    for (ZipMember& member : members) in_order.push_back(&member);
    std::ranges::stable_sort(in_order, {}, &ZipMember::header_offset);
    for (std::size_t i = 0; i < in_order.size(); ++i) {
      ZipMember& member = *in_order[i];
      const bool last = i + 1 == in_order.size();
      member.end_offset = last ? directory : in_order[i + 1]->header_offset;
      const std::uint64_t least = checked_add(member.packed_bytes, kLocalHeaderBytes);
      if (checked_add(member.header_offset, least) <= member.end_offset) continue;
      corrupt("'" + member.name + "' overlaps " +
              (last ? "the directory" : "'" + in_order[i + 1]->name + "'"));
    }
  }

 private:
  [[nodiscard]] std::size_t find_end() const {
    if (zip_.size() >= kEndBytes) {
      const std::size_t last = zip_.size() - kEndBytes;
      const std::size_t first = last > kMaxCommentBytes ? last - kMaxCommentBytes : 0;
      for (std::size_t at = last + 1; at-- > first;) {
        if (reader_at(at).take_integer(4) == kEnd) return at;
      }
    }
    corrupt("not a zip archive, or truncated: its directory is missing");
  }

  [[nodiscard]] Directory read_directory64(std::size_t end) const {
    if (end < kEnd64LocatorBytes) corrupt("zip64 locator is missing");
    ByteReader locator = reader_at(end - kEnd64LocatorBytes);
    if (locator.take_integer(4) != kEnd64Locator) corrupt("zip64 locator is missing");
    locator.take(4);  // disk
    ByteReader record = reader_at(locator.take_integer(8));
    if (record.take_integer(4) != kEnd64) corrupt("zip64 directory is missing");
    record.take(8 + 2 + 2 + 4 + 4 + 8);  // size, versions, disks, members on this disk
    Directory directory;
    directory.members = record.take_integer(8);
    record.take(8);  // bytes of the directory
    directory.offset = record.take_integer(8);
    return directory;
  }

  /// Replaces the numbers that did not fit by those of the zip64 field, which stand in this order.
  void read_zip64_field(ByteReader extra, ZipMember& member) const {
    while (extra.left() >= 4) {
      const std::uint64_t kind = extra.take_integer(2);
      ByteReader field(extra.take(extra.take_integer(2)), what_);
      if (kind != 1) continue;
      for (std::uint64_t* number : {&member.bytes, &member.packed_bytes, &member.header_offset}) {
        if (*number == kIn64) *number = field.take_integer(8);
      }
    }
  }

  std::span<const std::byte> zip_;
  std::string_view what_;
};

/// Nothing when the data is damaged or of another size.
std::optional<std::string> inflate_all(std::span<const std::byte> packed, std::size_t expected) {
  std::string out(expected, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    throw Error(ErrorCode::kExhausted, "cannot start zlib");
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } const end{&stream};
  // zlib counts in 32 bits: both sides go in pieces.
  constexpr std::size_t kPiece = std::size_t{1} << 30;
  std::size_t read = 0;
  std::size_t written = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    const std::size_t in = std::min(kPiece, packed.size() - read);
    const std::size_t room = std::min(kPiece, expected - written);
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data() + read));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + written);
    stream.avail_out = static_cast<uInt>(room);
    status = inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += room - stream.avail_out;
  }
  if (status != Z_STREAM_END || written != expected) return std::nullopt;
  return out;
}

}  // namespace

bool is_zip(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && ByteReader(bytes, "zip").take_integer(4) == kLocalHeader;
}

ZipArchive::ZipArchive(std::span<const std::byte> zip, std::string_view what,
                       const ZipLimits& limits)
    : zip_(zip), what_(what) {
  const DirectoryReader directory_reader(zip_, what_);
  const auto directory = directory_reader.read_directory();
  if (directory.members > limits.max_members) {
    throw Error(ErrorCode::kExhausted, what_ + " of " + std::to_string(directory.members) +
                                           " members; at most " +
                                           std::to_string(limits.max_members) + " are read");
  }
  ByteReader reader = directory_reader.reader_at(directory.offset);
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    members_.push_back(directory_reader.read_central_header(reader));
    total = checked_add(total, members_.back().bytes);
  }
  directory_reader.set_ends(members_, directory.offset);
  if (total > limits.max_bytes) {
    throw Error(ErrorCode::kExhausted, what_ + " unpacks to " + std::to_string(total) +
                                           " bytes; at most " + std::to_string(limits.max_bytes) +
                                           " are read");
  }
}

const ZipMember* ZipArchive::find(std::string_view name) const {
  const auto found = std::ranges::find(members_, name, &ZipMember::name);
  return found == members_.end() ? nullptr : &*found;
}

std::span<const std::byte> ZipArchive::packed(const ZipMember& member) const {
  const DirectoryReader directory_reader(zip_, what_);
  ByteReader reader = directory_reader.reader_at(member.header_offset);
  if (reader.take_integer(4) != kLocalHeader)
    directory_reader.corrupt("'" + member.name + "' is not where the directory says");
  reader.take(2 + 2 + 2 + 4 + 4 + 4 + 4);  // version, flags, method, time, CRC-32, sizes
  const std::uint64_t name_bytes = reader.take_integer(2);
  const std::uint64_t extra_bytes = reader.take_integer(2);
  if (reader.take_text(name_bytes) != member.name)
    directory_reader.corrupt("'" + member.name + "' is not where the directory says");
  reader.take(extra_bytes);
  if (member.stored() && member.packed_bytes != member.bytes)
    directory_reader.corrupt("'" + member.name + "' is stored with two sizes");
  const std::span<const std::byte> content = reader.take(member.packed_bytes);
  if (reader.left() < zip_.size() - member.end_offset)
    directory_reader.corrupt("'" + member.name + "' overlaps what follows it");
  return content;
}

void ZipArchive::check_crc(const ZipMember& member, std::span<const std::byte> content) const {
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size());
  if (static_cast<std::uint32_t>(crc) != member.crc) {
    throw Error(ErrorCode::kCorrupt, what_ + ": '" + member.name + "' does not match its checksum");
  }
}

std::string ZipArchive::extract(const ZipMember& member) const {
  const DirectoryReader directory_reader(zip_, what_);
  const std::span<const std::byte> bytes = packed(member);
  std::string content;
  if (member.stored()) {
    content.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  } else if (member.method == kDeflated) {
    // What no deflate stream can reach is refused before memory is taken.
    if (member.bytes / kMaxDeflateRatio > member.packed_bytes)
      directory_reader.corrupt("'" + member.name + "' claims too much");
    auto inflated = inflate_all(bytes, static_cast<std::size_t>(member.bytes));
    if (!inflated) directory_reader.corrupt("deflated data is damaged or of another size");
    content = std::move(*inflated);
  } else {
    throw Error(ErrorCode::kUnsupported,
                what_ + ": '" + member.name + "' uses compression method " +
                    std::to_string(member.method) + "; expected stored or deflated");
  }
  check_crc(member, std::as_bytes(std::span(content)));
  return content;
}

std::span<const std::byte> ZipArchive::view(const ZipMember& member) const {
  if (!member.stored()) {
    throw Error(ErrorCode::kInvalidArgument,
                what_ + ": '" + member.name + "' is compressed; it can only be extracted");
  }
  const std::span<const std::byte> content = packed(member);
  check_crc(member, content);
  return content;
}

}  // namespace planish
