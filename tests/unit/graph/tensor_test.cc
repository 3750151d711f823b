#include "planish/graph/tensor.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish::test {
namespace {

TEST(Tensor, ByDefaultHasNoElements) {
  const Tensor tensor;
  EXPECT_EQ(tensor.element_count(), 0U);
  EXPECT_EQ(tensor.dims(), std::vector<std::int64_t>{0});
  EXPECT_TRUE(tensor.values<float>().empty());
}

TEST(Tensor, HoldsACopyOfTheValues) {
  std::vector<float> values{1, 2, 3, 4, 5, 6};
  const Tensor tensor = Tensor::of<float>({2, 3}, values);
  values[0] = 9;
  EXPECT_EQ(tensor.dtype(), DType::kFloat32);
  EXPECT_EQ(tensor.rank(), 2U);
  EXPECT_EQ(tensor.values<float>()[0], 1.0F);
  EXPECT_EQ(tensor.bytes().size(), 24U);
  const Tensor scalar = Tensor::scalar(std::int64_t{7});
  EXPECT_EQ(scalar.rank(), 0U);
  EXPECT_EQ(scalar.values<std::int64_t>()[0], 7);
}

TEST(Tensor, RefusesBytesThatDoNotAgreeWithItsShape) {
  EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                     [] { (void)Tensor(DType::kFloat32, {2}, std::string(7, 'x')); },
                     {"float32", "[2]", "7", "8"}));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                     [] { (void)Tensor(DType::kInt4, {3}, std::vector<std::byte>(3)); }));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                     [] { (void)Tensor(DType::kUInt8, {-1}, std::vector<std::byte>()); }));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { (void)Tensor::of_strings({2}, {"one"}); }));
  EXPECT_TRUE(
      throws(ErrorCode::kUnsupported, [] { (void)Tensor(DType::kString, {1}, std::string("x")); }));
}

TEST(Tensor, CopiesShareTheirBytes) {
  const Tensor tensor = random_tensor({100}, 1);
  const Tensor copy = tensor;  // NOLINT: the copy is the point
  EXPECT_EQ(copy.bytes().data(), tensor.bytes().data());
}

TEST(Tensor, KeepsShortStringsOfBytesInPlaceWhenItIsMoved) {
  // Bytes this short stand inside the std::string itself.
  Tensor tensor(DType::kUInt8, {3}, std::string("abc"));
  const Tensor moved = std::move(tensor);
  EXPECT_EQ(moved.to_ints(), (std::vector<std::int64_t>{'a', 'b', 'c'}));
}

TEST(Tensor, ViewsAlignedMemoryAndKeepsItsOwner) {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2});
  const std::weak_ptr<std::vector<float>> watch = owner;
  const auto bytes = std::as_bytes(std::span(*owner));
  {
    const Tensor tensor(DType::kFloat32, {2}, bytes, std::move(owner));
    EXPECT_EQ(tensor.bytes().data(), bytes.data());
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Tensor, CopiesMemoryThatIsNotAligned) {
  alignas(8) std::array<std::byte, 17> memory{};
  const double value = 2.5;
  for (const std::size_t offset : {1U, 4U, 7U}) {
    std::memcpy(memory.data() + offset, &value, sizeof value);
    const Tensor tensor(DType::kFloat64, {1}, std::span(memory).subspan(offset, 8), nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes().data()) % alignof(double), 0U);
    EXPECT_EQ(tensor.values<double>()[0], 2.5);
  }
}

TEST(Tensor, GivesValuesOnlyAsTheTypeTheyHave) {
  const Tensor tensor = Tensor::scalar(1.0F);
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { (void)tensor.values<std::int32_t>(); },
                     {"float32", "int32"}));
}

TEST(Tensor, ConvertsFloatsOfEveryWidth) {
  const std::vector<float> expected{1.0F, -2.0F};
  EXPECT_EQ(Tensor::of<float>({2}, {1, -2}).to_floats(), expected);
  EXPECT_EQ(Tensor::of<double>({2}, {1, -2}).to_floats(), expected);
  EXPECT_EQ(Tensor(DType::kFloat16, {2}, std::string("\x00\x3c\x00\xc0", 4)).to_floats(), expected);
  EXPECT_EQ(Tensor(DType::kBFloat16, {2}, std::string("\x80\x3f\x00\xc0", 4)).to_floats(),
            expected);
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [] { (void)Tensor::scalar(1).to_floats(); }));
}

TEST(Tensor, ConvertsIntegersOfEveryWidth) {
  EXPECT_EQ(Tensor::of<std::int8_t>({2}, {-128, 127}).to_ints(),
            (std::vector<std::int64_t>{-128, 127}));
  EXPECT_EQ(Tensor::of<std::uint8_t>({1}, {255}).to_ints(), std::vector<std::int64_t>{255});
  EXPECT_EQ(Tensor::of<std::uint16_t>({1}, {65535}).to_ints(), std::vector<std::int64_t>{65535});
  EXPECT_EQ(Tensor::of<std::int16_t>({1}, {-32768}).to_ints(), std::vector<std::int64_t>{-32768});
  EXPECT_EQ(Tensor::of<std::uint32_t>({1}, {4294967295U}).to_ints(),
            std::vector<std::int64_t>{4294967295});
  EXPECT_EQ(Tensor::of<std::int32_t>({1}, {-1}).to_ints(), std::vector<std::int64_t>{-1});
  EXPECT_EQ(Tensor::of<std::int64_t>({1}, {-1}).to_ints(), std::vector<std::int64_t>{-1});
  EXPECT_EQ(Tensor::scalar(true).to_ints(), std::vector<std::int64_t>{1});
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [] { (void)Tensor::scalar(1.0F).to_ints(); }));
}

TEST(Tensor, TakesAnotherShapeOfTheSameCount) {
  const Tensor tensor = random_tensor({2, 3}, 1);
  const Tensor flat = tensor.reshaped({6});
  EXPECT_EQ(flat.dims(), std::vector<std::int64_t>{6});
  EXPECT_EQ(flat.bytes().data(), tensor.bytes().data());
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)tensor.reshaped({5}); }, {"[2, 3]", "[5]"}));
}

TEST(Tensor, IsEqualByTypeShapeAndBits) {
  EXPECT_TRUE(random_tensor({2, 3}, 1) == random_tensor({2, 3}, 1));
  EXPECT_FALSE(random_tensor({2, 3}, 1) == random_tensor({2, 3}, 2));
  EXPECT_FALSE(random_tensor({2, 3}, 1) == random_tensor({2, 3}, 1).reshaped({3, 2}));
  EXPECT_FALSE(Tensor::scalar(std::int32_t{0}) == Tensor::scalar(0.0F));
  EXPECT_TRUE(Tensor::scalar(NAN) == Tensor::scalar(NAN));
  EXPECT_FALSE(Tensor::scalar(0.0F) == Tensor::scalar(-0.0F));
  EXPECT_TRUE(Tensor() == Tensor(DType::kFloat32, {0}, std::string()));
  EXPECT_TRUE(Tensor::of_strings({1}, {"a"}) == Tensor::of_strings({1}, {"a"}));
  EXPECT_FALSE(Tensor::of_strings({1}, {"a"}) == Tensor::of_strings({1}, {"b"}));
}

TEST(ToString, ShowsDimensions) {
  EXPECT_EQ(to_string(std::vector<std::int64_t>{1, 3, 224}), "[1, 3, 224]");
  EXPECT_EQ(to_string(std::vector<std::int64_t>{}), "[]");
}

}  // namespace
}  // namespace planish::test
