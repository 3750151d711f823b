#include "planish/archive/zip_writer.h"

#include <zlib.h>

#include <limits>
#include <utility>

#include "planish/base/error.h"

// APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (end).
namespace planish {
namespace {

constexpr std::uint16_t kVersionNeeded = 20;
constexpr std::uint16_t kFirstDate = 0x21;  // 1980-01-01: the same content is the same archive

template <typename T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xFFU);
}

/// The fields that both headers share.
void put_common(std::string& out, std::string_view name, std::string_view content) {
  const auto crc = static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
  put(out, kVersionNeeded);
  put(out, std::uint16_t{0});  // flags
  put(out, std::uint16_t{0});  // stored
  put(out, std::uint16_t{0});  // time
  put(out, kFirstDate);
  put(out, crc);
  put(out, static_cast<std::uint32_t>(content.size()));
  put(out, static_cast<std::uint32_t>(content.size()));
  put(out, static_cast<std::uint16_t>(name.size()));
  put(out, std::uint16_t{0});  // extra field
}

}  // namespace

void ZipWriter::add(std::string_view name, std::string_view content) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const std::uint64_t after = std::uint64_t{archive_.size()} + directory_.size() + content.size() +
                              2 * name.size() + 256;  // 256: more than all headers
  if (after > kMost || members_ == std::numeric_limits<std::uint16_t>::max() ||
      name.size() > std::numeric_limits<std::uint16_t>::max()) {
    throw Error(ErrorCode::kExhausted, "a zip archive of more than 4 GiB or 65535 members");
  }
  const auto offset = static_cast<std::uint32_t>(archive_.size());
  put(archive_, std::uint32_t{0x04034b50});
  put_common(archive_, name, content);
  archive_ += name;
  archive_ += content;
  put(directory_, std::uint32_t{0x02014b50});
  put(directory_, kVersionNeeded);  // made by
  put_common(directory_, name, content);
  put(directory_, std::uint16_t{0});  // comment
  put(directory_, std::uint16_t{0});  // disk
  put(directory_, std::uint16_t{0});  // internal attributes
  put(directory_, std::uint32_t{0});  // external attributes
  put(directory_, offset);
  directory_ += name;
  ++members_;
}

std::string ZipWriter::finish() && {
  const auto offset = static_cast<std::uint32_t>(archive_.size());
  const auto bytes = static_cast<std::uint32_t>(directory_.size());
  archive_ += directory_;
  put(archive_, std::uint32_t{0x06054b50});
  put(archive_, std::uint16_t{0});  // this disk
  put(archive_, std::uint16_t{0});  // that of the directory
  put(archive_, members_);
  put(archive_, members_);
  put(archive_, bytes);
  put(archive_, offset);
  put(archive_, std::uint16_t{0});  // comment
  return std::move(archive_);
}

}  // namespace planish
