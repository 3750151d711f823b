// parse_tensor and serialize_tensor: every element type, in each way that ONNX stores it.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "onnx_schema.h"
#include "planish/onnx/onnx.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish::test {
namespace {

Tensor tensor_of(const std::string& text) { return parse_tensor(tensor_bytes(text)).value; }

std::vector<int> bytes_of(const Tensor& tensor) {
  std::vector<int> bytes;
  for (const std::byte byte : tensor.bytes()) bytes.push_back(static_cast<int>(byte));
  return bytes;
}

template <typename T>
std::vector<T> values_of(const Tensor& tensor) {
  return {tensor.values<T>().begin(), tensor.values<T>().end()};
}

TEST(ParseTensor, ReadsNameDimensionsAndRawBytes) {
  const Initializer tensor = parse_tensor(tensor_bytes(
      R"(name: "w" dims: 1 dims: 2 data_type: 1 raw_data: "\000\000\200\077\000\000\000\100")"));
  EXPECT_EQ(tensor.name, "w");
  EXPECT_EQ(tensor.value.dims(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(values_of<float>(tensor.value), (std::vector<float>{1, 2}));
}

TEST(ParseTensor, ReadsAScalarAndATensorWithoutElements) {
  EXPECT_EQ(values_of<float>(tensor_of("data_type: 1 float_data: 3")), std::vector<float>{3});
  const Tensor empty = tensor_of("data_type: 7 dims: 2 dims: 0");
  EXPECT_EQ(empty.element_count(), 0U);
  EXPECT_EQ(empty.dtype(), DType::kInt64);
}

TEST(ParseTensor, ReadsListsOfNumbersOfTheirOwnWidth) {
  EXPECT_EQ(values_of<float>(tensor_of("dims: 2 data_type: 1 float_data: [1.5, -2]")),
            (std::vector<float>{1.5F, -2.0F}));
  EXPECT_EQ(values_of<double>(tensor_of("dims: 2 data_type: 11 double_data: [1.5, -2]")),
            (std::vector<double>{1.5, -2.0}));
  EXPECT_EQ(values_of<std::int32_t>(tensor_of("dims: 1 data_type: 6 int32_data: -2147483648")),
            std::vector<std::int32_t>{std::numeric_limits<std::int32_t>::min()});
  EXPECT_EQ(values_of<std::int64_t>(tensor_of("dims: 1 data_type: 7 int64_data: -5")),
            std::vector<std::int64_t>{-5});
  EXPECT_EQ(values_of<std::uint64_t>(
                tensor_of("dims: 1 data_type: 13 uint64_data: 18446744073709551615")),
            std::vector<std::uint64_t>{std::numeric_limits<std::uint64_t>::max()});
}

TEST(ParseTensor, ReadsNarrowIntegersFromWideLists) {
  EXPECT_EQ(values_of<std::int8_t>(tensor_of("dims: 3 data_type: 3 int32_data: [-128, -1, 127]")),
            (std::vector<std::int8_t>{-128, -1, 127}));
  EXPECT_EQ(values_of<std::uint8_t>(tensor_of("dims: 2 data_type: 2 int32_data: [0, 255]")),
            (std::vector<std::uint8_t>{0, 255}));
  EXPECT_EQ(values_of<std::int16_t>(tensor_of("dims: 2 data_type: 5 int32_data: [-32768, 32767]")),
            (std::vector<std::int16_t>{-32768, 32767}));
  EXPECT_EQ(values_of<std::uint16_t>(tensor_of("dims: 1 data_type: 4 int32_data: 65535")),
            std::vector<std::uint16_t>{65535});
  EXPECT_EQ(values_of<std::uint32_t>(tensor_of("dims: 1 data_type: 12 uint64_data: 4294967295")),
            std::vector<std::uint32_t>{4294967295U});
  EXPECT_EQ(tensor_of("dims: 2 data_type: 9 int32_data: [1, 0]").to_ints(),
            (std::vector<std::int64_t>{1, 0}));
}

TEST(ParseTensor, ReadsHalvesAsTheirBitPatterns) {
  // 1.0 is 0x3c00 in binary16 and 0x3f80 in bfloat16.
  EXPECT_EQ(tensor_of("dims: 2 data_type: 10 int32_data: [15360, 49152]").to_floats(),
            (std::vector<float>{1.0F, -2.0F}));
  EXPECT_EQ(tensor_of("dims: 2 data_type: 16 int32_data: [16256, 49152]").to_floats(),
            (std::vector<float>{1.0F, -2.0F}));
}

TEST(ParseTensor, ReadsComplexNumbersAsPairs) {
  const Tensor tensor = tensor_of("dims: 2 data_type: 14 float_data: [1, 2, 3, 4]");
  EXPECT_EQ(tensor.element_count(), 2U);
  EXPECT_EQ(tensor.bytes().size(), 16U);
}

TEST(ParseTensor, ReadsPackedSmallElementsFromBytesInAList) {
  // Three 4-bit elements take two entries, five 2-bit ones too.
  EXPECT_EQ(bytes_of(tensor_of("dims: 3 data_type: 22 int32_data: [225, 3]")),
            (std::vector<int>{225, 3}));
  EXPECT_EQ(bytes_of(tensor_of("dims: 5 data_type: 26 int32_data: [228, 1]")),
            (std::vector<int>{228, 1}));
}

TEST(ParseTensor, PacksSixBitElementsOfAListFourIntoThreeBytes) {
  // The schema: byte0 = x0 | (x1 & 3) << 6; byte1 = x1 >> 2 | (x2 & 15) << 4; byte2 = x2 >> 4 | x3
  // << 2.
  const int x0 = 33, x1 = 18, x2 = 45, x3 = 63, x4 = 7;
  EXPECT_EQ(
      bytes_of(tensor_of("dims: 5 data_type: 27 int32_data: [33, 18, 45, 63, 7]")),
      (std::vector<int>{x0 | (x1 & 3) << 6, x1 >> 2 | (x2 & 15) << 4, x2 >> 4 | x3 << 2, x4}));
}

TEST(ParseTensor, ReadsStrings) {
  const Tensor tensor = tensor_of(R"(dims: 2 data_type: 8 string_data: ["a", "\000\377"])");
  EXPECT_EQ(tensor.strings()[0], "a");
  EXPECT_EQ(tensor.strings()[1], std::string("\0\xff", 2));
}

TEST(ParseTensor, RefusesListsThatDoNotAgreeWithTypeAndShape) {
  for (const char* text : {
           "dims: 3 data_type: 1 float_data: [1, 2]",              // too few
           "dims: 1 data_type: 1 float_data: [1, 2]",              // too many
           "dims: 1 data_type: 1 double_data: 1",                  // another type's list
           "dims: 1 data_type: 1 float_data: 1 double_data: 1",    // two lists
           "dims: 0 data_type: 1 double_data: 1",                  // another list, no elements
           "dims: 1 data_type: 14 float_data: 1",                  // half a complex number
           "dims: 3 data_type: 22 int32_data: [1, 2, 3]",          // 4-bit elements, not packed
           "dims: 1 data_type: 1 float_data: 1 raw_data: 'abcd'",  // two places
           "dims: 1 data_type: 1 raw_data: 'abc'",                 // a byte is missing
           "dims: 2 data_type: 8 string_data: 'a'",                // a string is missing
           "dims: 1 data_type: 8 raw_data: 'a'",                   // strings as raw bytes
       }) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)tensor_of(text); })) << text;
  }
}

TEST(ParseTensor, RefusesEntriesThatDoNotFitTheElementType) {
  for (const char* text :
       {"data_type: 2 int32_data: 256", "data_type: 3 int32_data: -129",
        "data_type: 10 int32_data: 65536", "data_type: 12 uint64_data: 4294967296",
        "data_type: 27 int32_data: 64", "data_type: 12 uint64_data: 18446744073709551615"}) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)tensor_of(text); }, {"does not fit"}))
        << text;
  }
}

TEST(ParseTensor, RefusesAbsurdDimensionsBeforeItAllocates) {
  for (const char* text : {"dims: -1 data_type: 1", "dims: 4611686018427387904 data_type: 1",
                           "dims: 9223372036854775807 dims: 3 data_type: 2",
                           "dims: 4294967296 dims: 4294967296 dims: 0 data_type: 1",
                           "dims: 4611686018427387904 data_type: 6 int32_data: 1"}) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)tensor_of(text); })) << text;
  }
}

TEST(ParseTensor, NamesTheTensorInErrors) {
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { (void)tensor_of("name: 'w' dims: 1 data_type: 1"); },
                     {"tensor 'w'", "float_data has 0 entries", "need 1"}));
}

TEST(ParseTensor, RefusesElementTypesThatItDoesNotKnow) {
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [] { (void)tensor_of("data_type: 99"); }, {"99"}));
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [] { (void)tensor_of("data_type: -1"); }));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { (void)tensor_of("dims: 1"); }, {"no element type"}));
}

TEST(ParseTensor, RefusesSegmentsAndExternalData) {
  EXPECT_TRUE(
      throws(ErrorCode::kUnsupported,
             [] { (void)tensor_of("data_type: 1 float_data: 1 segment { begin: 0 end: 1 }"); },
             {"segments"}));
  EXPECT_TRUE(throws(ErrorCode::kNotFound,
                     [] {
                       (void)tensor_of(
                           "data_type: 1 data_location: EXTERNAL "
                           "external_data { key: 'location' value: 'w.bin' }");
                     },
                     {"w.bin"}));
}

TEST(ParseTensor, RefusesBytesThatAreNoTensor) {
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { (void)parse_tensor(""); }));
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [] { (void)parse_tensor("\xff\xff\xff"); }));
  const std::string whole = tensor_bytes("dims: 2 data_type: 1 float_data: [1, 2]");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { (void)parse_tensor(whole.substr(0, size)); }))
        << size;
  }
}

TEST(SerializeTensor, GivesBackEveryElementTypeAndEveryBit) {
  for (const DTypeRow& row : kDTypes) {
    if (row.bits == 0) continue;
    Initializer tensor;
    tensor.name = std::string(row.name);
    tensor.value = random_bits(row.dtype, {3, 5}, 1);
    tensor.metadata = {{"key", "value"}};
    EXPECT_TRUE(parse_tensor(serialize_tensor(tensor)) == tensor) << row.name;
  }
}

TEST(SerializeTensor, GivesBackStringsScalarsAndNoElements) {
  for (const Tensor& value : {Tensor::of_strings({2}, {"a", ""}), Tensor::scalar(1.5F), Tensor(),
                              Tensor::of_strings({0}, {})}) {
    Initializer tensor;
    tensor.value = value;
    EXPECT_TRUE(parse_tensor(serialize_tensor(tensor)) == tensor);
  }
}

}  // namespace
}  // namespace planish::test
