// Reading zip archives, as far as NumPy writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "planish/dataset/tensor_files.h"

namespace planish::detail {

struct ZipMember {
  std::string name = {};
  std::uint16_t method = 0;  // 0 stored, 8 deflated
  std::uint32_t crc = 0;
  std::uint64_t packed_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t header_offset = 0;
};

/// The members, in the order of the central directory.
/// @throws Error(kCorrupt); Error(kExhausted) when their sizes together exceed `limits`.
std::vector<ZipMember> list_zip(std::span<const std::byte> zip, const TensorFileLimits& limits);

/// The member's content, checked against its CRC-32.
/// @throws Error(kCorrupt), Error(kUnsupported) naming the compression method.
std::string extract(std::span<const std::byte> zip, const ZipMember& member);

}  // namespace planish::detail
