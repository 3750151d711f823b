#include "planish/inspect/inspect.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/graph_builder.h"

namespace planish {
namespace {

using test::GraphBuilder;
using test::ints;

Tensor zeros(std::vector<std::int64_t> dims) {
  std::size_t count = 1;
  for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
  return Tensor::of<float>(std::move(dims), std::vector<float>(count, 0.5F));
}

/// Conv [8, 3, 3, 3] on 16 x 16 without padding, then a pool and a Gemm to 10 classes.
Model network() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 3, 16, 16})
      .initializer("w", zeros({8, 3, 3, 3}))
      .initializer("f", zeros({8, 10}))
      .node("Conv", {"x", "w"}, {"c"})
      .node("Relu", {"c"}, {"r"})
      .node("GlobalAveragePool", {"r"}, {"p"})
      .node("Flatten", {"p"}, {"v"})
      .node("Gemm", {"v", "f"}, {"y"})
      .output("y", DType::kFloat32, {"batch", 10})
      .model();
}

const OperatorSummary& find(const InspectReport& report, std::string_view op) {
  return *std::ranges::find(report.operators, op, &OperatorSummary::op_type);
}

TEST(InspectModel, CountsMultiplyAccumulatesFromShapes) {
  const InspectReport report = inspect_model(network());
  EXPECT_EQ(find(report, "Conv").macs, 8U * 14 * 14 * 3 * 3 * 3);
  EXPECT_EQ(find(report, "Gemm").macs, 80U);
  EXPECT_EQ(report.macs, find(report, "Conv").macs + 80U);
  EXPECT_EQ(report.nodes_of_unknown_work, 0U);
}

TEST(InspectModel, SymbolicDimensionsAreTakenAsStated) {
  InspectConfig config;
  config.dims["batch"] = 4;
  const InspectReport report = inspect_model(network(), config);
  EXPECT_EQ(find(report, "Gemm").macs, 4U * 80);
  EXPECT_EQ(report.assumed_dims.at("batch"), 4);
}

TEST(WorkByNode, CountsWithTheSizesOfTheInputs) {
  // Two matrix products: one of as many rows as there are tokens, one of a single row.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"batch", "tokens", 8})
                          .input("y", DType::kFloat32, {1, 8})
                          .initializer("w", zeros({8, 8}))
                          .node("MatMul", {"x", "w"}, {"p"})
                          .node("MatMul", {"y", "w"}, {"q"})
                          .output("p", DType::kFloat32, {"batch", "tokens", 8})
                          .output("q", DType::kFloat32, {1, 8})
                          .model();
  const std::vector<NamedTensor> inputs{{"x", zeros({2, 128, 8})}, {"y", zeros({1, 8})}};
  const DimSizes dims = dims_of(model, inputs);
  EXPECT_EQ(dims, (DimSizes{{"batch", 2}, {"tokens", 128}}));
  EXPECT_EQ(work_by_node(model, dims), (std::vector<std::uint64_t>{2 * 128 * 64, 64}));
}

TEST(InspectModel, RecommendsStaticForConvolutions) {
  const InspectReport report = inspect_model(network());
  EXPECT_EQ(report.mode, RecommendedMode::kStatic);
  EXPECT_EQ(report.advice, "100 % of the work is Conv: static");
}

TEST(InspectModel, RecommendsDynamicForMatrixProducts) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"batch", "tokens", 32})
                          .initializer("w", zeros({32, 64}))
                          .node("MatMul", {"x", "w"}, {"y"})
                          .output("y", DType::kFloat32, {"batch", "tokens", 64})
                          .model();
  const InspectReport report = inspect_model(model);
  EXPECT_EQ(report.mode, RecommendedMode::kDynamic);
  EXPECT_EQ(report.macs, 128U * 32 * 64);  // 128 tokens where none are said
}

TEST(InspectModel, SaysWhatWouldBeQuantizedAndWhyTheRestStays) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"batch", 3, 8, 8})
                          .initializer("w", zeros({4, 3, 1, 1}))
                          .node("Conv", {"x", "w"}, {"c"})
                          .node("Erf", {"c"}, {"y"})
                          .output("y", DType::kFloat32, {"batch", 4, 8, 8})
                          .model();
  const InspectReport report = inspect_model(model);
  EXPECT_EQ(find(report, "Conv").quantized_nodes, 1U);
  ASSERT_EQ(report.left_fp32.size(), 1U);
  EXPECT_EQ(report.left_fp32[0].op_type, "Erf");
  EXPECT_FALSE(report.left_fp32[0].reason.empty());
}

TEST(InspectModel, RecognizesAQuantizedModel) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 4})
                          .initializer<float>("s", {}, {0.1F})
                          .initializer<std::uint8_t>("z", {}, {0})
                          .node("QuantizeLinear", {"x", "s", "z"}, {"q"})
                          .node("DequantizeLinear", {"q", "s", "z"}, {"y"})
                          .output("y", DType::kFloat32, {1, 4})
                          .model();
  const InspectReport report = inspect_model(model);
  EXPECT_TRUE(report.already_quantized);
  EXPECT_TRUE(report.retarget.changes_nothing());
  EXPECT_NE(report.advice.find("fits avx2 as it is"), std::string::npos);
}

TEST(InspectModel, SaysWhichChannelsATargetWouldReduce) {
  // Neighbours of one sign, both as large as can be: every pair of products exceeds 16 bits.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 4})
                          .initializer<float>("w", {4, 3}, std::vector<float>(12, 1.0F))
                          .node("MatMul", {"x", "w"}, {"y"}, {}, "product")
                          .output("y", DType::kFloat32, {1, 3})
                          .model();
  const InspectReport report = inspect_model(model, {.dims = {}, .target = Target::kAvx2});
  ASSERT_EQ(report.reductions.size(), 1U);
  EXPECT_EQ(report.reductions[0].node, "product");
  EXPECT_EQ(report.reductions[0].reduced, 3U);
  EXPECT_TRUE(inspect_model(model, {.dims = {}, .target = Target::kAvx512Vnni}).reductions.empty());
}

TEST(InspectModel, AModelWithoutMatrixWorkHasNothingToSpeedUp) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 4})
                          .node("Relu", {"x"}, {"y"})
                          .output("y", DType::kFloat32, {1, 4})
                          .model();
  const InspectReport report = inspect_model(model);
  EXPECT_EQ(report.mode, RecommendedMode::kNone);
  EXPECT_NE(report.advice.find("nothing to speed up"), std::string::npos);
}

TEST(MultiplyAccumulates, OfAGroupedConvolutionCountsItsGroupOnly) {
  const Model model =
      GraphBuilder()
          .input("x", DType::kFloat32, {1, 8, 4, 4})
          .initializer("w", zeros({8, 1, 3, 3}))
          .node("Conv", {"x", "w"}, {"y"}, {{"group", 8}, {"pads", ints({1, 1, 1, 1})}})
          .output("y", DType::kFloat32, {1, 8, 4, 4})
          .model();
  EXPECT_EQ(inspect_model(model).macs, 8U * 16 * 9);
}

TEST(MultiplyAccumulates, AreUnknownWithoutShapes) {
  Node node;
  node.op_type = "Conv";
  node.inputs = {"x", "w"};
  node.outputs = {"y"};
  EXPECT_EQ(multiply_accumulates(node, {}), std::nullopt);
  node.op_type = "Relu";
  EXPECT_EQ(multiply_accumulates(node, {}), 0U);
}

}  // namespace
}  // namespace planish
