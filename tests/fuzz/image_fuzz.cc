// Any bytes as an image, through every step of preprocessing: an image, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "planish/base/error.h"
#include "planish/preprocess/preprocess.h"

namespace {

constexpr planish::ImageLimits kLimits{.max_pixels = 1 << 16};

planish::PreprocessSpec spec_of(std::size_t choice) {
  using Spec = planish::PreprocessSpec;
  Spec spec{.scale = 1 / 255.0};
  spec.resize =
      Spec::Resize{.shorter = 7, .filter = static_cast<planish::ResizeFilter>(choice % 4)};
  if (choice % 2 == 0) spec.crop = {{9, 5}};
  if (choice % 3 == 0) spec.color = Spec::Color::kGray;
  if (choice % 5 == 0) spec.layout = Spec::Layout::kNhwc;
  return spec;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const planish::Tensor tensor = planish::preprocess_encoded(bytes, spec_of(size), kLimits);
    const planish::Image image = planish::decode_image(bytes, size % 2 == 0, kLimits);
    if (tensor.rank() != 4 || image.height * image.width > kLimits.max_pixels) std::abort();
  } catch (const planish::Error& error) {
    if (error.code() == planish::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
