#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;

constexpr DType kFloat = DType::kFloat32;

/// ReduceMean of x [N, 3, 4, 5] over `axes`.
Model mean_of(std::vector<std::int64_t> axes, std::int64_t keepdims, std::int64_t opset = 17,
              DType dtype = kFloat) {
  GraphBuilder builder(opset);
  builder.input("x", dtype, {"N", 3, 4, 5});
  Attributes attributes{{"keepdims", keepdims}};
  std::vector<std::string> inputs{"x"};
  if (opset >= 18) {
    builder.initializer<std::int64_t>("axes", {static_cast<std::int64_t>(axes.size())}, axes);
    inputs.emplace_back("axes");
  } else {
    attributes.emplace_back("axes", axes);
  }
  builder.node("ReduceMean", inputs, {"y"}, attributes, "mean").output("y");
  return passed(find_global_pools, builder.model()).model;
}

TEST(FindGlobalPools, MeanOverSpaceThatKeepsItsAxes) {
  for (const std::int64_t opset : {13, 18, 20}) {
    const Model model = mean_of({2, 3}, 1, opset);
    EXPECT_THAT(ops_of(model), ElementsAre("GlobalAveragePool")) << opset;
    const Node& pool = model.graph.nodes[0];
    EXPECT_THAT(pool.inputs, ElementsAre("x"));
    EXPECT_THAT(pool.outputs, ElementsAre("y"));
    EXPECT_TRUE(pool.attributes.empty());
    EXPECT_EQ(pool.name, "mean");
  }
}

TEST(FindGlobalPools, MeanOverSpaceThatDropsItsAxesIsFlattened) {
  for (const std::int64_t opset : {13, 18}) {
    const Model model = mean_of({-1, -2}, 0, opset);
    ASSERT_THAT(ops_of(model), ElementsAre("GlobalAveragePool", "Flatten"));
    EXPECT_EQ(model.graph.nodes[0].outputs, model.graph.nodes[1].inputs);
    EXPECT_THAT(model.graph.nodes[1].outputs, ElementsAre("y"));
  }
}

TEST(FindGlobalPools, OtherMeansStay) {
  EXPECT_THAT(ops_of(mean_of({1, 2}, 1)), ElementsAre("ReduceMean"));
  EXPECT_THAT(ops_of(mean_of({3}, 1)), ElementsAre("ReduceMean"));
  EXPECT_THAT(ops_of(mean_of({2, 2}, 1)), ElementsAre("ReduceMean"));
  EXPECT_THAT(ops_of(mean_of({1, 2, 3}, 1)), ElementsAre("ReduceMean"));
  EXPECT_THAT(ops_of(mean_of({}, 1)), ElementsAre("ReduceMean"));
  EXPECT_THAT(ops_of(mean_of({2, 9}, 1)), ElementsAre("ReduceMean"));
}

TEST(FindGlobalPools, MeansOfIntegersStay) {
  EXPECT_THAT(ops_of(mean_of({2, 3}, 1, 17, DType::kInt32)), ElementsAre("ReduceMean"));
}

TEST(FindGlobalPools, MeansOverComputedAxesOrOfUnknownRankStay) {
  GraphBuilder computed(18);
  computed.input("x", kFloat, {"N", 3, 4, 5})
      .input("axes", DType::kInt64, {2})
      .node("ReduceMean", {"x", "axes"}, {"y"})
      .output("y");
  EXPECT_THAT(ops_of(passed(find_global_pools, computed.model()).model), ElementsAre("ReduceMean"));
  GraphBuilder unknown;
  unknown.input("x", kFloat, {"N", 3, 4, 5})
      .node("Mystery", {"x"}, {"m"}, {}, {}, "custom")
      .node("ReduceMean", {"m"}, {"y"}, {{"axes", ints({2, 3})}})
      .output("y");
  EXPECT_THAT(ops_of(passed(find_global_pools, unknown.model()).model),
              ElementsAre("Mystery", "ReduceMean"));
}

/// AveragePool of x [N, 3, 4, 5].
std::vector<std::string> pooled(const Attributes& attributes) {
  GraphBuilder builder;
  builder.input("x", kFloat, {"N", 3, 4, 5}).node("AveragePool", {"x"}, {"y"}, attributes);
  return ops_of(passed(find_global_pools, builder.output("y").model()).model);
}

TEST(FindGlobalPools, AveragePoolOfTheWholeImage) {
  EXPECT_THAT(pooled({{"kernel_shape", ints({4, 5})}}), ElementsAre("GlobalAveragePool"));
  EXPECT_THAT(pooled({{"kernel_shape", ints({4, 5})},
                      {"strides", ints({2, 2})},
                      {"pads", ints({0, 0, 0, 0})},
                      {"auto_pad", std::string("VALID")}}),
              ElementsAre("GlobalAveragePool"));
}

TEST(FindGlobalPools, SmallerOrPaddedAveragePoolsStay) {
  EXPECT_THAT(pooled({{"kernel_shape", ints({4, 4})}}), ElementsAre("AveragePool"));
  EXPECT_THAT(pooled({{"kernel_shape", ints({4, 5})}, {"pads", ints({0, 0, 1, 0})}}),
              ElementsAre("AveragePool"));
  EXPECT_THAT(pooled({{"kernel_shape", ints({4, 5})}, {"auto_pad", std::string("SAME_UPPER")}}),
              ElementsAre("AveragePool"));
  EXPECT_THAT(pooled({{"kernel_shape", ints({4, 5})}, {"dilations", ints({1, 2})}}),
              ElementsAre("AveragePool"));
}

}  // namespace
}  // namespace planish::test
