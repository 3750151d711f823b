#include <turbojpeg.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/error.h"
#include "preprocess/codec.h"

namespace planish::detail {
namespace {

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Decompressor = std::unique_ptr<void, Destroy>;

[[noreturn]] void throw_last_error(tjhandle handle) {
  const std::string_view text = tjGetErrorStr2(handle);
  const bool unsupported =
      text.find("nsupported") != text.npos || text.find("not implemented") != text.npos;
  throw Error(unsupported ? ErrorCode::kUnsupported : ErrorCode::kCorrupt,
              "JPEG: " + std::string(text));
}

/// a * b / 255, rounded.
int multiply_255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// Inverted CMYK, which is what Adobe writes and Pillow assumes of every CMYK JPEG.
Image rgb_from_inverted_cmyk(std::int64_t height, std::int64_t width,
                             const std::vector<std::uint8_t>& cmyk) {
  Image image = blank_image(height, width, 3);
  const std::size_t count = cmyk.size() / 4;
  for (std::size_t i = 0; i < count; ++i) {
    const int light = cmyk[4 * i + 3];  // 255 - K
    for (std::size_t c = 0; c < 3; ++c) {
      const int ink = 255 - cmyk[4 * i + c];
      image.pixels[3 * i + c] = static_cast<std::uint8_t>(light - multiply_255(ink, light));
    }
  }
  return image;
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes, const ImageLimits& limits) {
  const Decompressor decompressor(tjInitDecompress());
  if (!decompressor) throw Error(ErrorCode::kExhausted, "JPEG: cannot start the decoder");
  const tjhandle handle = decompressor.get();
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto size = static_cast<unsigned long>(bytes.size());

  int width = -1;
  int height = -1;
  int subsampling = -1;
  int colorspace = -1;
  // A subsampling without a name in TurboJPEG's list is an error of this call only: the sizes are
  // known, and decoding works.
  if (tjDecompressHeader3(handle, data, size, &width, &height, &subsampling, &colorspace) != 0 &&
      (width < 0 || colorspace < 0)) {
    throw_last_error(handle);
  }
  check_size(width, height, limits);

  // The slow integer DCT and smooth upsampling are the defaults of Pillow too. Progressive files
  // are held to 500 scans: more are only made to keep a decoder busy.
  constexpr int kFlags = TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS;
  const auto decompress = [&](std::uint8_t* pixels, int format) {
    if (tjDecompress2(handle, data, size, pixels, width, 0, height, format, kFlags) != 0) {
      throw_last_error(handle);
    }
  };
  if (colorspace == TJCS_CMYK || colorspace == TJCS_YCCK) {
    std::vector<std::uint8_t> cmyk(static_cast<std::size_t>(width) *
                                   static_cast<std::size_t>(height) * 4);
    decompress(cmyk.data(), TJPF_CMYK);
    return rgb_from_inverted_cmyk(height, width, cmyk);
  }
  const bool gray = colorspace == TJCS_GRAY;
  Image image = blank_image(height, width, gray ? 1 : 3);
  decompress(image.pixels.data(), gray ? TJPF_GRAY : TJPF_RGB);
  return image;
}

}  // namespace planish::detail
