// Samples as a person sees them.
#include "pipeline/pictures.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "planish/base/file.h"
#include "support/fake_dataset.h"
#include "support/paths.h"

namespace planish::pipeline {
namespace {

/// [1, channels, 8, 8], element i of channel c: i + 1000 c.
Tensor planes(std::int64_t channels) {
  std::vector<float> values;
  for (std::int64_t c = 0; c < channels; ++c) {
    for (int i = 0; i < 64; ++i) values.push_back(static_cast<float>(i + 1000 * c));
  }
  return Tensor::of<float>({1, channels, 8, 8}, values);
}

TEST(PictureOf, ATensorOfAnImagesShapeGoesFromItsLeastToItsGreatestElement) {
  const auto picture = picture_of(planes(3));
  ASSERT_TRUE(picture);
  EXPECT_EQ(picture->height, 8);
  EXPECT_EQ(picture->width, 8);
  EXPECT_EQ(picture->channels, 3);
  EXPECT_EQ(picture->pixels.front(), 0);   // 0
  EXPECT_EQ(picture->pixels.back(), 255);  // 2063
  EXPECT_EQ(picture->pixels[1], static_cast<int>(1000.0 / 2063.0 * 255.0 + 0.5));
}

TEST(PictureOf, ChannelsMayBeLast) {
  std::vector<float> values(8 * 8 * 3, 0.0F);
  values[1] = 1.0F;  // green of the first pixel
  const auto picture = picture_of(Tensor::of<float>({1, 8, 8, 3}, values));
  ASSERT_TRUE(picture);
  EXPECT_EQ(picture->pixels[0], 0);
  EXPECT_EQ(picture->pixels[1], 255);
}

TEST(PictureOf, OtherTensorsHaveNone) {
  EXPECT_FALSE(picture_of(planes(4)));
  EXPECT_FALSE(picture_of(Tensor::of<float>({64}, std::vector<float>(64))));
  EXPECT_FALSE(picture_of(Tensor::of<std::int64_t>({1, 1, 8, 8}, std::vector<std::int64_t>(64))));
  std::vector<float> infinite(64, 0.0F);
  infinite[3] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(picture_of(Tensor::of<float>({1, 1, 8, 8}, infinite)));
}

TEST(PictureOf, ASampleIsMadeSmallAndKeepsItsShape) {
  test::FakeDataset data("x", {Tensor::of<float>({1, 1, 200, 400}, std::vector<float>(80'000))});
  const auto picture = picture_of(data, 0, 100);
  ASSERT_TRUE(picture);
  EXPECT_EQ(picture->height, 50);
  EXPECT_EQ(picture->width, 100);
}

TEST(PictureOf, ASampleThatCannotBeReadHasNone) {
  test::FakeDataset data("x");
  data.add_broken();
  EXPECT_FALSE(picture_of(data, 0));
}

}  // namespace
}  // namespace planish::pipeline
