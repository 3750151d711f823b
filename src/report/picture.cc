#include "report/picture.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace planish::report {
namespace {

void put(std::vector<std::byte>& bytes, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(value >> (8 * i) & 0xFFU));
}

/// BITMAPFILEHEADER and BITMAPINFOHEADER, 24 bits a pixel without compression, rows from the bottom
/// up, each filled to four bytes.
std::vector<std::byte> bitmap_of(const Image& image) {
  constexpr std::uint32_t kHeader = 14 + 40;
  const auto width = static_cast<std::size_t>(image.width);
  const auto height = static_cast<std::size_t>(image.height);
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t row = (3 * width + 3) / 4 * 4;
  std::vector<std::byte> bytes{std::byte{'B'}, std::byte{'M'}};
  bytes.reserve(kHeader + row * height);
  put(bytes, static_cast<std::uint32_t>(kHeader + row * height), 4);
  put(bytes, 0, 4);
  put(bytes, kHeader, 4);
  put(bytes, 40, 4);
  put(bytes, static_cast<std::uint32_t>(width), 4);
  put(bytes, static_cast<std::uint32_t>(height), 4);
  put(bytes, 1, 2);   // planes
  put(bytes, 24, 2);  // bits a pixel
  for (int i = 0; i < 6; ++i) put(bytes, 0, 4);
  for (std::size_t y = height; y-- > 0;) {
    for (std::size_t x = 0; x < width; ++x) {
      const std::uint8_t* const pixel = &image.pixels[(y * width + x) * channels];
      for (std::size_t c = 3; c-- > 0;)  // blue first
        bytes.push_back(static_cast<std::byte>(pixel[channels == 3 ? c : 0]));
    }
    bytes.resize(bytes.size() + row - 3 * width);
  }
  return bytes;
}

}  // namespace

std::string base64(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const bool is_there = at + k < bytes.size();
      three = three << 8U | (is_there ? std::to_integer<std::uint32_t>(bytes[at + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const bool is_there = at + k < bytes.size() + 1;
      text += is_there ? kDigits[three >> (18U - 6U * k) & 63U] : '=';
    }
  }
  return text;
}

std::string data_uri(const Image& image) {
  return "data:image/bmp;base64," + base64(bitmap_of(image));
}

}  // namespace planish::report
