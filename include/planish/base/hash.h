// SHA-256 (FIPS 180-4), the name by which models, data sets and versions are known.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace planish {

/// A running SHA-256.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  Sha256& update(std::span<const std::byte> bytes);
  Sha256& update(std::string_view bytes);
  /// 64 lower-case hexadecimal digits. Ends this hash: update() must not follow.
  [[nodiscard]] std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// 64 lower-case hexadecimal digits.
std::string sha256_hex(std::string_view bytes);
/// The same of a file's content, read through a mapping. @throws Error as MappedFile::open.
std::string sha256_hex_of_file(const std::filesystem::path& path);

}  // namespace planish
