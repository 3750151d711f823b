#include <spng.h>

#include <memory>
#include <string>

#include "planish/base/error.h"
#include "preprocess/codec.h"

namespace planish::detail {
namespace {

// Text, profiles and the like; pixel data is not held in memory as chunks.
constexpr std::size_t kMaxChunkBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxChunkBytesInAll = std::size_t{32} << 20;

struct Free {
  void operator()(spng_ctx* context) const { spng_ctx_free(context); }
};

void check(int result) {
  if (result == 0) return;
  const bool too_large =
      result == SPNG_EMEM || result == SPNG_EOVERFLOW || result == SPNG_ECHUNK_LIMITS;
  const ErrorCode code = too_large ? ErrorCode::kExhausted : ErrorCode::kCorrupt;
  throw Error(code, std::string("PNG: ") + spng_strerror(result));
}

}  // namespace

Image decode_png(std::span<const std::byte> bytes, const ImageLimits& limits) {
  const std::unique_ptr<spng_ctx, Free> context(spng_ctx_new(0));
  if (!context) throw Error(ErrorCode::kExhausted, "PNG: cannot start the decoder");
  check(spng_set_chunk_limits(context.get(), kMaxChunkBytes, kMaxChunkBytesInAll));
  check(spng_set_png_buffer(context.get(), bytes.data(), bytes.size()));
  spng_ihdr header{};
  check(spng_get_ihdr(context.get(), &header));
  check_size(header.width, header.height, limits);

  // Without flags alpha and transparent colours are left out and 16 bits become their upper 8.
  const bool gray = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE && header.bit_depth <= 8;
  Image image = blank_image(header.height, header.width, gray ? 1 : 3);
  check(spng_decode_image(context.get(), image.pixels.data(), image.pixels.size(),
                          gray ? SPNG_FMT_G8 : SPNG_FMT_RGB8, 0));
  check(spng_decode_chunks(context.get()));  // to the end: a file that is cut off is an error
  return image;
}

}  // namespace planish::detail
