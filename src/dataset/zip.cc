#include "dataset/zip.h"

#include <zlib.h>

#include <algorithm>

#include "dataset/byte_reader.h"
#include "planish/base/checked.h"

// APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to 4.3.16
// (ends of the central directory), 4.5.3 (zip64).
namespace planish::detail {
namespace {

constexpr std::uint64_t kLocalHeader = 0x04034b50;
constexpr std::uint64_t kCentralHeader = 0x02014b50;
constexpr std::uint64_t kEnd = 0x06054b50;
constexpr std::uint64_t kEnd64 = 0x06064b50;
constexpr std::uint64_t kEnd64Locator = 0x07064b50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64LocatorBytes = 20;
constexpr std::size_t kMaxCommentBytes = 0xffff;
constexpr std::uint64_t kIn64 = 0xffffffff;  // the real number is in a zip64 field
constexpr std::uint64_t kMaxDeflateRatio = 1032;

[[noreturn]] void corrupt(const std::string& what) {
  throw Error(ErrorCode::kCorrupt, ".npz: " + what);
}

ByteReader reader_at(std::span<const std::byte> zip, std::uint64_t offset) {
  if (offset > zip.size()) corrupt("an offset lies beyond the end of the file");
  return {zip.subspan(static_cast<std::size_t>(offset)), ".npz"};
}

struct Directory {
  std::uint64_t members = 0;
  std::uint64_t offset = 0;
};

std::size_t find_end(std::span<const std::byte> zip) {
  if (zip.size() >= kEndBytes) {
    const std::size_t last = zip.size() - kEndBytes;
    const std::size_t first = last > kMaxCommentBytes ? last - kMaxCommentBytes : 0;
    for (std::size_t at = last + 1; at-- > first;) {
      if (reader_at(zip, at).take_integer(4) == kEnd) return at;
    }
  }
  corrupt("not a zip archive, or truncated: its directory is missing");
}

Directory read_directory64(std::span<const std::byte> zip, std::size_t end) {
  if (end < kEnd64LocatorBytes) corrupt("zip64 locator is missing");
  ByteReader locator = reader_at(zip, end - kEnd64LocatorBytes);
  if (locator.take_integer(4) != kEnd64Locator) corrupt("zip64 locator is missing");
  locator.take(4);  // disk
  ByteReader record = reader_at(zip, locator.take_integer(8));
  if (record.take_integer(4) != kEnd64) corrupt("zip64 directory is missing");
  record.take(8 + 2 + 2 + 4 + 4 + 8);  // size, versions, disks, members on this disk
  Directory directory;
  directory.members = record.take_integer(8);
  record.take(8);  // bytes of the directory
  directory.offset = record.take_integer(8);
  return directory;
}

Directory read_directory(std::span<const std::byte> zip) {
  const std::size_t end = find_end(zip);
  ByteReader record = reader_at(zip, end);
  record.take(4 + 2 + 2 + 2);  // signature, disks, members on this disk
  Directory directory;
  directory.members = record.take_integer(2);
  record.take(4);  // bytes of the directory
  directory.offset = record.take_integer(4);
  if (directory.members == 0xffff || directory.offset == kIn64) return read_directory64(zip, end);
  return directory;
}

/// Replaces the numbers that did not fit by those of the zip64 field, which stand in this order.
void read_zip64_field(ByteReader extra, ZipMember& member) {
  while (extra.left() >= 4) {
    const std::uint64_t kind = extra.take_integer(2);
    ByteReader field(extra.take(extra.take_integer(2)), ".npz zip64 field");
    if (kind != 1) continue;
    for (std::uint64_t* number : {&member.bytes, &member.packed_bytes, &member.header_offset}) {
      if (*number == kIn64) *number = field.take_integer(8);
    }
  }
}

ZipMember read_central_header(ByteReader& reader) {
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
  read_zip64_field(ByteReader(reader.take(extra_bytes), ".npz"), member);
  reader.take(comment_bytes);
  if ((flags & 1U) != 0)
    throw Error(ErrorCode::kUnsupported, ".npz: '" + member.name + "' is encrypted");
  return member;
}

std::string inflate_all(std::span<const std::byte> packed, std::size_t expected) {
  std::string out(expected, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    throw Error(ErrorCode::kExhausted, ".npz: cannot start zlib");
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
  if (status != Z_STREAM_END || written != expected)
    corrupt("deflated data is damaged or of another size");
  return out;
}

std::uint32_t crc_of(const std::string& bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

std::vector<ZipMember> list_zip(std::span<const std::byte> zip, const TensorFileLimits& limits) {
  const Directory directory = read_directory(zip);
  if (directory.members > limits.max_members) {
    throw Error(ErrorCode::kExhausted, ".npz of " + std::to_string(directory.members) +
                                           " arrays; at most " +
                                           std::to_string(limits.max_members) + " are read");
  }
  ByteReader reader = reader_at(zip, directory.offset);
  std::vector<ZipMember> members;
  std::uint64_t total = 0;
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    members.push_back(read_central_header(reader));
    total = checked_add(total, members.back().bytes);
  }
  if (total > limits.max_bytes) {
    throw Error(ErrorCode::kExhausted, ".npz unpacks to " + std::to_string(total) +
                                           " bytes; at most " + std::to_string(limits.max_bytes) +
                                           " are read");
  }
  return members;
}

std::string extract(std::span<const std::byte> zip, const ZipMember& member) {
  ByteReader reader = reader_at(zip, member.header_offset);
  if (reader.take_integer(4) != kLocalHeader)
    corrupt("'" + member.name + "' is not where the directory says");
  reader.take(2 + 2 + 2 + 4 + 4 + 4 + 4);  // version, flags, method, time, CRC-32, sizes
  const std::uint64_t name_bytes = reader.take_integer(2);
  const std::uint64_t extra_bytes = reader.take_integer(2);
  reader.take(name_bytes + extra_bytes);
  const std::span<const std::byte> packed = reader.take(member.packed_bytes);
  std::string content;
  if (member.method == 0) {
    if (member.packed_bytes != member.bytes)
      corrupt("'" + member.name + "' is stored with two sizes");
    content.assign(reinterpret_cast<const char*>(packed.data()), packed.size());
  } else if (member.method == 8) {
    // What no deflate stream can reach is refused before memory is taken.
    if (member.bytes / kMaxDeflateRatio > member.packed_bytes)
      corrupt("'" + member.name + "' claims too much");
    content = inflate_all(packed, static_cast<std::size_t>(member.bytes));
  } else {
    throw Error(ErrorCode::kUnsupported, ".npz: '" + member.name + "' uses compression method " +
                                             std::to_string(member.method) +
                                             "; expected stored or deflated");
  }
  if (crc_of(content) != member.crc) corrupt("'" + member.name + "' does not match its checksum");
  return content;
}

}  // namespace planish::detail
