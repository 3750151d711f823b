#include "support/zip_writer.h"

#include <zlib.h>

#include <stdexcept>

namespace planish::test {
namespace {

constexpr std::size_t kAlignment = 64;

template <typename T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xffU);
}

std::uint32_t crc_of(const std::string& content) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
}

/// The fields that both headers share.
void put_common(std::string& out, const ZipEntry& entry, std::uint32_t packed, std::uint32_t bytes,
                std::size_t name_bytes, std::size_t extra_bytes) {
  put<std::uint16_t>(out, 20);  // version needed
  put(out, entry.flags);
  put(out, entry.method);
  put<std::uint32_t>(out, 0);  // time and date
  put(out, entry.crc.value_or(crc_of(entry.content)));
  put(out, packed);
  put(out, bytes);
  put(out, static_cast<std::uint16_t>(name_bytes));
  put(out, static_cast<std::uint16_t>(extra_bytes));
}

}  // namespace

std::string zip_of(const std::vector<ZipEntry>& entries, const ZipEnd& end) {
  std::string out;
  std::string directory;
  for (const ZipEntry& entry : entries) {
    const auto size = static_cast<std::uint32_t>(entry.content.size());
    const auto offset = static_cast<std::uint32_t>(out.size());
    const std::string local_name = entry.local_name.value_or(entry.name);
    const std::size_t before = out.size() + 30 + local_name.size();
    const std::size_t padding = (kAlignment - before % kAlignment) % kAlignment;
    put<std::uint32_t>(out, 0x04034b50);
    put_common(out, entry, size, size, local_name.size(), padding);
    out += local_name;
    out.append(padding, '\0');
    out += entry.content;

    put<std::uint32_t>(directory, 0x02014b50);
    put<std::uint16_t>(directory, 20);  // version made by
    put_common(directory, entry, entry.packed_bytes.value_or(size), entry.bytes.value_or(size),
               entry.name.size(), entry.extra.size());
    put<std::uint16_t>(directory, 0);  // comment
    put<std::uint32_t>(directory, 0);  // disk, attributes
    put<std::uint32_t>(directory, 0);
    put(directory, entry.header_offset.value_or(offset));
    directory += entry.name + entry.extra;
  }
  const auto directory_offset = static_cast<std::uint32_t>(out.size());
  const std::uint16_t count = end.members.value_or(static_cast<std::uint16_t>(entries.size()));
  out += directory;
  put<std::uint32_t>(out, 0x06054b50);
  put<std::uint32_t>(out, 0);  // disks
  put(out, count);
  put(out, count);
  put(out, static_cast<std::uint32_t>(directory.size()));
  put(out, end.directory_offset.value_or(directory_offset));
  put<std::uint16_t>(out, 0);  // comment
  return out;
}

ZipEntry deflated(std::string name, const std::string& content) {
  std::string packed(compressBound(static_cast<uLong>(content.size())) + 16, '\0');
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    throw std::runtime_error("cannot start zlib");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return {.name = std::move(name),
          .content = std::move(packed),
          .method = 8,
          .crc = crc_of(content),
          .bytes = static_cast<std::uint32_t>(content.size())};
}

}  // namespace planish::test
