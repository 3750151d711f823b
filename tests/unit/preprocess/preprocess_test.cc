#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "golden.h"
#include "planish/base/error.h"
#include "planish/base/json.h"

namespace planish {
namespace {

Image gradient(std::int64_t height, std::int64_t width) {
  Image image{.height = height, .width = width, .channels = 3};
  for (std::int64_t i = 0; i < height * width * 3; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(i * 7));
  return image;
}

TEST(Preprocess, EqualsTorchvisionsTransforms) {
  for (const Json& one : golden::cases("tensor")) {
    const std::string bytes = golden::image_bytes(one.at("image"));
    const PreprocessSpec spec = parse_preprocess_spec(one.at("spec"));
    const Tensor got = preprocess_encoded(golden::as_span(bytes), spec);
    EXPECT_EQ(got.dims(), one.at("dims").get<std::vector<std::int64_t>>()) << one.at("spec");
    const auto expected = golden::expected<float>(one);
    const auto values = got.values<float>();
    ASSERT_EQ(values.size(), expected.size());
    // Pixels are equal; both sides then round the same real number to float32 once.
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_LE(std::abs(values[i] - expected[i]), std::abs(expected[i]) * 0x1p-23F + 0x1p-52F)
          << one.at("spec") << i;
    }
  }
}

TEST(Preprocess, EncodedIsDecodedThenPreprocessed) {
  for (const char* name : {"rgb_420.jpg", "gray.jpg", "color6_16bit.png"}) {
    const std::string bytes = golden::image_bytes(name);
    for (const auto color :
         {PreprocessSpec::Color::kRgb, PreprocessSpec::Color::kBgr, PreprocessSpec::Color::kGray}) {
      const PreprocessSpec spec{
          .resize = PreprocessSpec::Resize{.shorter = 16}, .color = color, .scale = 1 / 255.0};
      const bool gray = color == PreprocessSpec::Color::kGray;
      const Tensor expected = preprocess(decode_image(golden::as_span(bytes), gray), spec);
      EXPECT_EQ(preprocess_encoded(golden::as_span(bytes), spec), expected);
      EXPECT_EQ(preprocess(decode_image(golden::as_span(bytes)), spec), expected);
    }
  }
}

TEST(Preprocess, CropBeforeResamplingChangesNothing) {
  // Only what the crop keeps is computed; it must be what a crop of the whole would be.
  std::mt19937_64 random(11);
  for (int i = 0; i < 200; ++i) {
    const auto side = [&] { return static_cast<std::int64_t>(1 + random() % 60); };
    const Image image = gradient(side(), side());
    const std::array crop{side(), side()};
    PreprocessSpec spec{.resize = PreprocessSpec::Resize{.height = side(), .width = side()},
                        .layout = PreprocessSpec::Layout::kNhwc,
                        .dtype = DType::kUInt8};
    spec.resize->filter = static_cast<ResizeFilter>(random() % 4);
    const Image whole =
        resize(image, *spec.resize->height, *spec.resize->width, spec.resize->filter);
    const PreprocessSpec crop_only{.crop = crop, .layout = spec.layout, .dtype = spec.dtype};
    spec.crop = crop;
    ASSERT_EQ(preprocess(image, spec), preprocess(whole, crop_only)) << to_json(spec);
  }
}

TEST(Preprocess, LayoutsHoldTheSameValues) {
  PreprocessSpec spec{.scale = 0.5, .mean = {1, 2, 3}, .std = {2, 4, 8}};
  const Tensor nchw = preprocess(gradient(5, 7), spec);
  spec.layout = PreprocessSpec::Layout::kNhwc;
  const Tensor nhwc = preprocess(gradient(5, 7), spec);
  EXPECT_EQ(nchw.dims(), (std::vector<std::int64_t>{1, 3, 5, 7}));
  EXPECT_EQ(nhwc.dims(), (std::vector<std::int64_t>{1, 5, 7, 3}));
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < 35; ++i)
      ASSERT_EQ(nchw.values<float>()[c * 35 + i], nhwc.values<float>()[i * 3 + c]);
  }
}

TEST(Preprocess, BgrReversesTheChannels) {
  PreprocessSpec spec{.layout = PreprocessSpec::Layout::kNhwc, .dtype = DType::kUInt8};
  spec.color = PreprocessSpec::Color::kBgr;
  const Image pixel{.height = 1, .width = 1, .channels = 3, .pixels = {10, 20, 30}};
  const Tensor bgr = preprocess(pixel, spec);
  EXPECT_EQ(std::vector<std::uint8_t>(bgr.values<std::uint8_t>().begin(),
                                      bgr.values<std::uint8_t>().end()),
            (std::vector<std::uint8_t>{30, 20, 10}));
}

TEST(Preprocess, Float16IsTheFloat32Rounded) {
  PreprocessSpec spec{
      .scale = 1 / 255.0, .mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}};
  const Tensor wide = preprocess(gradient(9, 9), spec);
  spec.dtype = DType::kFloat16;
  const Tensor half = preprocess(gradient(9, 9), spec);
  EXPECT_EQ(half.dtype(), DType::kFloat16);
  const std::vector<float> values = half.to_floats();
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(values[i], float_from_half(half_from_float(wide.values<float>()[i])));
  }
}

TEST(Preprocess, GrayImageFillsEveryChannel) {
  const Image gray{.height = 1, .width = 2, .channels = 1, .pixels = {5, 9}};
  const Tensor tensor = preprocess(gray, {});
  EXPECT_EQ(tensor.dims(), (std::vector<std::int64_t>{1, 3, 1, 2}));
  EXPECT_EQ(tensor,
            preprocess({.height = 1, .width = 2, .channels = 3, .pixels = {5, 5, 5, 9, 9, 9}}, {}));
}

TEST(Preprocess, AbsurdAspectTakesNoAbsurdMemory) {
  const Image thread{
      .height = 1, .width = 60000, .channels = 1, .pixels = std::vector<std::uint8_t>(60000, 3)};
  PreprocessSpec spec{.resize = PreprocessSpec::Resize{.shorter = 256}};
  EXPECT_THROW((void)preprocess(thread, spec), Error);  // 256 x 15 360 000
  spec.crop = {{224, 224}};
  EXPECT_EQ(preprocess(thread, spec).dims(), (std::vector<std::int64_t>{1, 3, 224, 224}));
}

TEST(OutputDims, AreKnownWhenTheSpecFixesThem) {
  const auto imagenet = output_dims(load_preprocess_spec("imagenet"));
  EXPECT_EQ(imagenet, (std::array<std::optional<std::int64_t>, 4>{1, 3, 224, 224}));
  const auto tf = output_dims(load_preprocess_spec("tf"));
  EXPECT_EQ(tf, (std::array<std::optional<std::int64_t>, 4>{1, 224, 224, 3}));
  const auto none = output_dims(load_preprocess_spec("none"));
  EXPECT_EQ(none, (std::array<std::optional<std::int64_t>, 4>{1, 3, std::nullopt, std::nullopt}));
}

}  // namespace
}  // namespace planish
