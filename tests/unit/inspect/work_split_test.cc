#include "planish/inspect/work_split.h"

#include <gtest/gtest.h>

#include "planish/base/checked.h"
#include "support/graph_builder.h"

namespace planish {
namespace {

using test::GraphBuilder;

Tensor floats(std::vector<std::int64_t> dims) {
  return Tensor::of<float>(dims, std::vector<float>(checked_element_count(dims), 0.5F));
}

std::vector<NamedTensor> input(std::vector<std::int64_t> dims) {
  return {{"x", floats(std::move(dims))}};
}

Model product() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", "tokens", 16})
      .initializer("w", floats({16, 8}))
      .node("MatMul", {"x", "w"}, {"y"})
      .output("y", DType::kFloat32, {"batch", "tokens", 8})
      .model();
}

TEST(WorkSplit, CountsAtTheShapesOfTheInputs) {
  const WorkSplit split = work_split(product(), input({2, 5, 16}));
  EXPECT_EQ(split.fp32_macs, 2U * 5 * 16 * 8);
  EXPECT_EQ(split.int8_macs, 0U);
}

/// x through Q/DQ times a dequantized weight; then a product in FP32.
Model half_quantized() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 16})
      .initializer("s", Tensor::of<float>({}, {0.1F}))
      .initializer("z", Tensor::of<std::uint8_t>({}, {128}))
      .initializer("wz", Tensor::of<std::int8_t>({}, {0}))
      .initializer("wq", Tensor::of<std::int8_t>({16, 8}, std::vector<std::int8_t>(128, 3)))
      .initializer("v", floats({8, 4}))
      .node("QuantizeLinear", {"x", "s", "z"}, {"xq"})
      .node("DequantizeLinear", {"xq", "s", "z"}, {"xd"})
      .node("DequantizeLinear", {"wq", "s", "wz"}, {"wd"})
      .node("MatMul", {"xd", "wd"}, {"h"})
      .node("MatMul", {"h", "v"}, {"y"})
      .output("y", DType::kFloat32, {"batch", 4})
      .model();
}

TEST(WorkSplit, BetweenPairsIsInt8AndTheRestFp32) {
  const WorkSplit split = work_split(half_quantized(), input({3, 16}));
  EXPECT_EQ(split.int8_macs, 3U * 16 * 8);
  EXPECT_EQ(split.fp32_macs, 3U * 8 * 4);
}

TEST(WorkSplit, IntegerOperatorsAreInt8) {
  const Model model =
      GraphBuilder()
          .input("x", DType::kFloat32, {"batch", 16})
          .initializer("wq", Tensor::of<std::int8_t>({16, 8}, std::vector<std::int8_t>(128, 3)))
          .node("DynamicQuantizeLinear", {"x"}, {"xq", "s", "z"})
          .node("MatMulInteger", {"xq", "wq", "z"}, {"y"})
          .output("y", DType::kInt32, {"batch", 8})
          .model();
  EXPECT_EQ(work_split(model, input({3, 16})).int8_macs, 3U * 16 * 8);
}

TEST(TimeByKind, TellsConvolutionsApartAndCountsTheirWork) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"batch", 4, 8, 8})
                          .initializer("w1", floats({4, 4, 3, 3}))
                          .initializer("w2", floats({4, 1, 1, 1}))
                          .initializer("w3", floats({2, 4, 1, 1}))
                          .node("Conv", {"x", "w1"}, {"a"})
                          .node("Conv", {"a", "w2"}, {"b"}, {{"group", 4}})
                          .node("Conv", {"b", "w3"}, {"c"})
                          .node("Relu", {"c"}, {"y"})
                          .output("y", DType::kFloat32, {"batch", 2, 6, 6})
                          .model();
  using std::chrono::nanoseconds;
  const std::vector<NodeTime> times = {{"a_nchwc", "Conv", nanoseconds(5)},
                                       {"b_token_3", "QLinearConv", nanoseconds(9)},
                                       {"y_nchwc", "Conv", nanoseconds(1)},
                                       {"ReorderOutput", "ReorderOutput", nanoseconds(3)}};
  const auto kinds = time_by_kind(model, input({2, 4, 8, 8}), times);
  ASSERT_GE(kinds.size(), 4U);
  EXPECT_EQ(kinds[0].kind, "INT8 depthwise Conv");
  EXPECT_EQ(kinds[0].macs, 2U * 4 * 6 * 6);
  EXPECT_EQ(kinds[1].kind, "FP32 Conv");
  EXPECT_EQ(kinds[1].macs, 2U * 4 * 6 * 6 * 4 * 9);
  EXPECT_EQ(kinds[2].kind, "ReorderOutput");
  EXPECT_EQ(kinds[3].kind, "FP32 pointwise Conv");  // with its activation, whose name it has
  EXPECT_EQ(kinds[3].time, nanoseconds(1));
}

}  // namespace
}  // namespace planish
