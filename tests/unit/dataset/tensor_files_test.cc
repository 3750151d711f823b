#include "planish/dataset/tensor_files.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "test_files.h"

namespace planish {
namespace {

using test_files::as_span;
using test_files::golden;
using test_files::message_of;

/// 0, 1, 2, … as the golden files hold them.
void expect_counting(const Tensor& tensor, const std::vector<std::int64_t>& dims) {
  EXPECT_EQ(tensor.dims(), dims);
  const bool is_float = row_of(tensor.dtype()).is_float;
  for (std::size_t i = 0; i < tensor.element_count(); ++i) {
    const auto expected = static_cast<std::int64_t>(tensor.dtype() == DType::kBool ? i % 2 : i);
    if (is_float) {
      EXPECT_EQ(tensor.to_floats()[i], static_cast<float>(expected));
    } else {
      EXPECT_EQ(tensor.to_ints()[i], expected);
    }
  }
}

TEST(ParseNpy, ReadsEveryElementType) {
  const std::vector<std::pair<std::string, DType>> types{
      {"f2", DType::kFloat16}, {"f4", DType::kFloat32}, {"f8", DType::kFloat64},
      {"u1", DType::kUInt8},   {"i1", DType::kInt8},    {"b1", DType::kBool},
      {"u2", DType::kUInt16},  {"i2", DType::kInt16},   {"u4", DType::kUInt32},
      {"i4", DType::kInt32},   {"u8", DType::kUInt64},  {"i8", DType::kInt64}};
  for (const auto& [name, dtype] : types) {
    const Tensor tensor = parse_npy(as_span(golden(name + ".npy")));
    EXPECT_EQ(tensor.dtype(), dtype);
    expect_counting(tensor, {2, 3, 4});
  }
}

TEST(ParseNpy, FortranOrderAndVersionsAreTheSameArray) {
  const Tensor plain = parse_npy(as_span(golden("f4.npy")));
  for (const char* name : {"fortran.npy", "version1.npy", "version2.npy", "version3.npy"}) {
    EXPECT_EQ(parse_npy(as_span(golden(name))), plain) << name;
  }
}

TEST(ParseNpy, ScalarsAndEmptyArrays) {
  EXPECT_EQ(parse_npy(as_span(golden("scalar.npy"))), Tensor::scalar(0.0F));
  EXPECT_EQ(parse_npy(as_span(golden("empty.npy"))).dims(), (std::vector<std::int64_t>{0, 3}));
}

TEST(ParseNpy, WhatCannotBeUsedIsNamed) {
  EXPECT_EQ(message_of([] { (void)parse_npy(as_span(golden("big_endian.npy"))); }),
            "elements of NumPy type '>f4'; expected little-endian floats, integers or bool");
  ErrorCode code{};
  message_of([] { (void)parse_npy(as_span(golden("records.npy"))); }, &code);
  EXPECT_EQ(code, ErrorCode::kUnsupported);
  message_of([] { (void)parse_npy(as_span(golden("complex.npy"))); }, &code);
  EXPECT_EQ(code, ErrorCode::kUnsupported);
}

TEST(ParseNpy, SizesThatDoNotAgreeAreCorrupt) {
  using test_files::npy;
  for (const std::string& bytes :
       {npy("<f4", "(2, 2)", "1234"), npy("<f4", "(1,)", "12345"),
        npy("<f4", "(9223372036854775807, 9)", "1234"), npy("<f4", "(4611686018427387904,)", ""),
        npy("<f4", "(-1,)", ""), npy("<f4", "(99999999999999999999,)", ""),
        npy("|b1", "(1,)", "\2"), npy("<f4", "1", "1234"), npy("<f4", "(1", "1234"),
        std::string("\x93NUMPY"), std::string("not numpy at all"), std::string()}) {
    ErrorCode code{};
    message_of([&] { (void)parse_npy(as_span(bytes)); }, &code);
    EXPECT_EQ(code, ErrorCode::kCorrupt) << bytes;
  }
}

TEST(ParseNpy, RefusesEveryTruncation) {
  const std::string bytes = golden("fortran.npy");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW((void)parse_npy(as_span(bytes.substr(0, size))), Error) << size;
  }
}

TEST(ParseNpz, ReadsStoredDeflatedAndZip64) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const std::vector<NamedTensor> tensors = parse_npz(as_span(golden(name)));
    ASSERT_EQ(tensors.size(), 2U);
    EXPECT_EQ(tensors[0].name, "ids");
    EXPECT_EQ(tensors[1].name, "mask");
    expect_counting(tensors[0].value, {1, 5});
    expect_counting(tensors[1].value, {1, 5});
  }
  const std::vector<NamedTensor> tensors = parse_npz(as_span(golden("zip64.npz")));
  ASSERT_EQ(tensors.size(), 1U);
  expect_counting(tensors[0].value, {2, 3, 4});
}

TEST(ParseNpz, RefusesEveryTruncationAndSurvivesFlippedBits) {
  std::mt19937_64 random(3);
  for (const char* name : {"stored.npz", "deflated.npz", "zip64.npz"}) {
    const std::string original = golden(name);
    for (std::size_t size = 0; size < original.size(); ++size) {
      EXPECT_THROW((void)parse_npz(as_span(original.substr(0, size))), Error)
          << name << " " << size;
    }
    for (int i = 0; i < 2000; ++i) {
      std::string bytes = original;
      bytes[random() % bytes.size()] ^= static_cast<char>(1U << (random() % 8));
      message_of([&] { (void)parse_npz(as_span(bytes)); });
    }
  }
}

TEST(ParseNpz, DamagedContentDoesNotPassTheChecksum) {
  std::string bytes = golden("stored.npz");
  bytes[bytes.find("NUMPY") + 125] ^= 1;
  EXPECT_NE(message_of([&] { (void)parse_npz(as_span(bytes)); }).find("checksum"),
            std::string::npos);
}

TEST(ParseNpz, UnpackedSizeIsBoundedBeforeMemoryIsTaken) {
  const std::string bytes = golden("zeros.npz");
  EXPECT_EQ(parse_npz(as_span(bytes)).front().value.element_count(), 3U * 64 * 64);
  ErrorCode code{};
  message_of([&] { (void)parse_npz(as_span(bytes), {.max_bytes = 1000}); }, &code);
  EXPECT_EQ(code, ErrorCode::kExhausted);
  message_of([&] { (void)parse_npz(as_span(golden("stored.npz")), {.max_members = 1}); }, &code);
  EXPECT_EQ(code, ErrorCode::kExhausted);
}

TEST(ParseNpz, ClaimBeyondWhatDeflateCanReachIsCorrupt) {
  std::string bytes = golden("zeros.npz");
  const std::size_t size_field = bytes.find("PK\1\2") + 24;  // uncompressed size
  for (const std::size_t i : {0U, 1U, 2U}) bytes[size_field + i] = '\xff';
  bytes[size_field + 3] = '\x7f';
  EXPECT_EQ(message_of([&] { (void)parse_npz(as_span(bytes)); }), ".npz: 'x.npy' claims too much");
}

TEST(ParseTensorJson, NestedNumbersShapesAndRequests) {
  const auto one = [](std::string_view line) { return parse_tensor_json(line).at(0).value; };
  EXPECT_EQ(one(R"({"x":[[1,2],[3,4]]})"),
            Tensor::of<std::int64_t>({2, 2}, std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(one(R"({"x":[[1,2.5]]})"), Tensor::of({1, 2}, std::vector<double>{1, 2.5}));
  EXPECT_EQ(one(R"({"x":7})"), Tensor::scalar<std::int64_t>(7));
  EXPECT_EQ(one(R"({"x":[true,false]})"),
            Tensor::of<std::int64_t>({2}, std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(one(R"({"x":{"shape":[2,1],"data":[1,2]}})"),
            Tensor::of<std::int64_t>({2, 1}, std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(
      one(R"({"id":"7","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]})"),
      Tensor::of({1, 2}, std::vector<float>{1, 2}));
  EXPECT_EQ(one(R"({"inputs":[[1,2]]})").dims(), (std::vector<std::int64_t>{1, 2}));
}

TEST(ParseTensorJson, RefusesWhatIsNoTensor) {
  for (const std::string_view line :
       {R"([1,2])", R"({"x":"text"})", R"({"x":null})", R"({"x":[[1],[2,3]]})", R"({"x":[1,[2]]})",
        R"({"x":[[1],2]})", R"({"x":{"shape":[3],"data":[1]}})",
        R"({"x":{"shape":[-1],"data":[1]}})",
        R"({"x":{"shape":[18446744073709551615],"data":[1]}})", R"({"x":{"data":[1]}})",
        R"({"x":{"shape":[1],"data":[1],"type":"f"}})", R"({"x":1)", R"({"x":1e999})",
        R"({"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["a"]}]})",
        R"({"inputs":[{"name":"x","shape":[1],"datatype":"UINT8","data":[256]}]})",
        R"({"inputs":[{"name":"x","shape":[1],"datatype":"INT64","data":[1.5]}]})",
        R"({"inputs":[{"name":"x"},3]})"}) {
    EXPECT_THROW((void)parse_tensor_json(line), Error) << line;
  }
}

TEST(ParseTensorJson, NestingIsBounded) {
  const std::string deep = R"({"x":)" + std::string(100000, '[');
  EXPECT_THROW((void)parse_tensor_json(deep), Error);
}

}  // namespace
}  // namespace planish
