#include <gtest/gtest.h>

#include <array>
#include <random>

#include "golden.h"
#include "planish/base/error.h"
#include "planish/base/json.h"

namespace planish {
namespace {

using golden::as_span;
using golden::image_bytes;

ErrorCode code_of_decoding(const std::string& bytes, const ImageLimits& limits = {}) {
  try {
    (void)decode_image(as_span(bytes), false, limits);
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    return error.code();
  }
  ADD_FAILURE() << "decoded";
  return ErrorCode::kInternal;
}

TEST(DecodeImage, EqualsPillowForEveryKindOfJpegAndPng) {
  for (const Json& one : golden::cases("decode")) {
    const std::string bytes = image_bytes(one.at("image"));
    EXPECT_EQ(decode_image(as_span(bytes), one.at("gray").get<bool>()), golden::expected_image(one))
        << one.at("image") << " gray " << one.at("gray");
  }
}

TEST(DecodeImage, RefusesEveryTruncation) {
  for (const char* name : {"rgb_420.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg",
                           "color2_8bit.png", "color3_4bit_interlaced.png", "color0_16bit.png"}) {
    const std::string bytes = image_bytes(name);
    // The checksum of a PNG's empty end chunk, its last 4 bytes, is not missed.
    const std::size_t needed =
        bytes.size() - (image_format_of(as_span(bytes)) == ImageFormat::kPng ? 4 : 0);
    for (std::size_t size = 0; size < needed; ++size) {
      EXPECT_ANY_THROW((void)decode_image(as_span(bytes.substr(0, size))))
          << name << " cut to " << size;
    }
    EXPECT_EQ(code_of_decoding(bytes.substr(0, bytes.size() / 2)), ErrorCode::kCorrupt) << name;
  }
}

TEST(DecodeImage, SurvivesFlippedBits) {
  std::mt19937_64 random(7);
  for (const char* name :
       {"progressive.jpg", "ycck.jpg", "color6_16bit_interlaced.png", "palette_transparent.png"}) {
    const std::string original = image_bytes(name);
    for (int i = 0; i < 500; ++i) {
      std::string bytes = original;
      bytes[random() % bytes.size()] ^= static_cast<char>(1U << (random() % 8));
      try {
        const Image image = decode_image(as_span(bytes), false, {.max_pixels = 1 << 20});
        EXPECT_EQ(image.pixels.size(), static_cast<std::size_t>(image.height * image.width * 3));
      } catch (const Error&) {  // as good an outcome
      }
    }
  }
}

TEST(DecodeImage, ChangedPngPixelDataIsCorrupt) {
  std::string bytes = image_bytes("color2_8bit.png");
  const std::size_t data = bytes.find("IDAT") + 12;
  bytes[data] = static_cast<char>(bytes[data] ^ 0x10);
  EXPECT_EQ(code_of_decoding(bytes), ErrorCode::kCorrupt);
}

/// PNG's checksum (ISO 3309).
std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

/// The PNG of `name` with another width and height, and the checksum to match.
std::string with_png_size(const std::string& name, std::uint32_t width, std::uint32_t height) {
  std::string bytes = image_bytes(name);
  const auto put = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (24 - 8 * i));
  };
  put(16, width);
  put(20, height);
  put(29, crc32(std::string_view(bytes).substr(12, 17)));
  return bytes;
}

TEST(DecodeImage, HugeSizesAreRefusedBeforeMemoryIsTaken) {
  EXPECT_EQ(code_of_decoding(with_png_size("color2_8bit.png", 0x7fffffff, 0x7fffffff)),
            ErrorCode::kExhausted);
  EXPECT_EQ(code_of_decoding(with_png_size("color2_8bit.png", 100000, 100000)),
            ErrorCode::kExhausted);
  EXPECT_EQ(code_of_decoding(with_png_size("color2_8bit.png", 0, 5)), ErrorCode::kCorrupt);
  std::string jpeg = image_bytes("rgb_420.jpg");
  const std::size_t frame = jpeg.find("\xff\xc0");
  for (const std::size_t at : {5U, 6U, 7U, 8U}) jpeg[frame + at] = '\xf0';
  EXPECT_EQ(code_of_decoding(jpeg), ErrorCode::kExhausted);
}

TEST(DecodeImage, LimitIsInPixels) {
  const std::string bytes = image_bytes("rgb_420.jpg");  // 53 x 37
  EXPECT_NO_THROW((void)decode_image(as_span(bytes), false, {.max_pixels = 53 * 37}));
  EXPECT_EQ(code_of_decoding(bytes, {.max_pixels = 53 * 37 - 1}), ErrorCode::kExhausted);
}

TEST(DecodeImage, OtherFormatsAreNamed) {
  EXPECT_EQ(code_of_decoding("GIF89a......"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of_decoding("<html>"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of_decoding(""), ErrorCode::kCorrupt);
  try {
    (void)decode_image(as_span("RIFF....WEBPVP8 "));
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "a WebP image; expected a JPEG or PNG image");
  }
}

}  // namespace
}  // namespace planish
