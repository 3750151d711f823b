// Zip archives for tests, in which any field may lie.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace planish::test {

/// One member. What is not given is what it should be.
struct ZipEntry {
  std::string name = {};
  std::string content = {};  // as it stands in the file: packed, where the method packs
  std::uint16_t method = 0;  // 0 stored, 8 deflated
  std::uint16_t flags = 0;
  std::optional<std::uint32_t> crc = {};
  std::optional<std::uint32_t> packed_bytes = {};   // as the directory claims
  std::optional<std::uint32_t> bytes = {};          // as the directory claims
  std::optional<std::uint32_t> header_offset = {};  // as the directory claims
  std::optional<std::string> local_name = {};       // in the header before the content
  std::string extra = {};                           // in the directory
};

/// The end of the directory. What is not given is what it should be.
struct ZipEnd {
  std::optional<std::uint16_t> members = {};
  std::optional<std::uint32_t> directory_offset = {};
};

/// Each content begins at a multiple of 64 bytes, as torch.export.save aligns it.
std::string zip_of(const std::vector<ZipEntry>& entries, const ZipEnd& end = {});

/// A member that is deflated.
ZipEntry deflated(std::string name, const std::string& content);

}  // namespace planish::test
