#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "golden.h"
#include "planish/base/error.h"
#include "planish/base/json.h"

namespace planish {
namespace {

constexpr std::array kFilters{ResizeFilter::kNearest, ResizeFilter::kBilinear,
                              ResizeFilter::kBicubic, ResizeFilter::kLanczos};

ResizeFilter filter_named(const std::string& name) {
  static const std::map<std::string, ResizeFilter> filters{{"nearest", ResizeFilter::kNearest},
                                                           {"bilinear", ResizeFilter::kBilinear},
                                                           {"bicubic", ResizeFilter::kBicubic},
                                                           {"lanczos", ResizeFilter::kLanczos}};
  return filters.at(name);
}

Image random_image(std::int64_t height, std::int64_t width, std::int64_t channels,
                   std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Image image{.height = height, .width = width, .channels = channels};
  image.pixels.resize(static_cast<std::size_t>(height * width * channels));
  std::generate(image.pixels.begin(), image.pixels.end(),
                [&] { return static_cast<std::uint8_t>(random()); });
  return image;
}

TEST(Resize, EqualsPillowForEveryFilterAndAspect) {
  for (const Json& one : golden::cases("resize")) {
    const std::string bytes = golden::image_bytes(one.at("image"));
    const Image source = decode_image(golden::as_span(bytes), one.at("gray").get<bool>());
    const Image expected = golden::expected_image(one);
    const Image got =
        resize(source, one.at("height"), one.at("width"), filter_named(one.at("filter")));
    ASSERT_EQ(got.pixels.size(), expected.pixels.size());
    int largest = 0;
    for (std::size_t i = 0; i < got.pixels.size(); ++i) {
      largest = std::max(largest, std::abs(got.pixels[i] - expected.pixels[i]));
    }
#if defined(__x86_64__)
    EXPECT_EQ(largest, 0) << one;
#else
    EXPECT_LE(largest, 1) << one;  // contracted multiply-adds may round a tap differently
#endif
  }
}

TEST(Resize, SameSizeIsTheSameImage) {
  const Image image = random_image(9, 14, 3, 1);
  for (const ResizeFilter filter : kFilters) EXPECT_EQ(resize(image, 9, 14, filter), image);
}

TEST(Resize, ConstantImageStaysConstant) {
  Image image = random_image(13, 40, 3, 2);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{201});
  for (const ResizeFilter filter : kFilters) {
    for (const auto& [height, width] : {std::pair{5, 7}, std::pair{40, 90}, std::pair{1, 1}}) {
      const Image result = resize(image, height, width, filter);
      EXPECT_TRUE(
          std::all_of(result.pixels.begin(), result.pixels.end(), [](auto p) { return p == 201; }));
    }
  }
}

TEST(Resize, ChannelsDoNotMix) {
  const Image color = random_image(37, 83, 3, 3);
  for (const ResizeFilter filter : kFilters) {
    const Image resized = resize(color, 20, 31, filter);
    for (std::size_t c = 0; c < 3; ++c) {
      Image plane{.height = color.height, .width = color.width, .channels = 1};
      for (std::size_t i = c; i < color.pixels.size(); i += 3)
        plane.pixels.push_back(color.pixels[i]);
      const Image expected = resize(plane, 20, 31, filter);
      for (std::size_t i = 0; i < expected.pixels.size(); ++i) {
        ASSERT_EQ(resized.pixels[3 * i + c], expected.pixels[i]);
      }
    }
  }
}

TEST(Resize, RefusesSizesThatCannotBe) {
  const Image image = random_image(4, 4, 3, 4);
  EXPECT_THROW((void)resize(image, 0, 5, ResizeFilter::kBilinear), Error);
  EXPECT_THROW((void)resize(image, 5, -1, ResizeFilter::kBilinear), Error);
  EXPECT_THROW((void)resize(image, 1 << 30, 1 << 30, ResizeFilter::kBilinear), Error);
  EXPECT_THROW((void)resize(image, INT64_MAX, 2, ResizeFilter::kNearest), Error);
  Image lying = image;
  lying.height = 5;
  EXPECT_THROW((void)resize(lying, 2, 2, ResizeFilter::kBilinear), Error);
  lying.height = INT64_MAX;
  EXPECT_THROW((void)resize(lying, 2, 2, ResizeFilter::kBilinear), Error);
}

}  // namespace
}  // namespace planish
