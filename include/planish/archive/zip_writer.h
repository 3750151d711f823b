// Writing zip archives that NumPy reads: stored members, in memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace planish {

/// Collects members; every member is stored as it is.
class ZipWriter {
 public:
  /// @throws Error(kExhausted) beyond what an archive without zip64 holds: 4 GiB, 65535 members.
  void add(std::string_view name, std::string_view content);
  /// The archive. Call once, last.
  [[nodiscard]] std::string finish() &&;

 private:
  std::string archive_;
  std::string directory_;
  std::uint16_t members_ = 0;
};

}  // namespace planish
