#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "pass_testing.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;

GraphBuilder start(std::int64_t opset = 17) {
  GraphBuilder builder(opset);
  builder.input("x", DType::kFloat32, {"N", 4})
      .initializer("zero", Tensor::scalar(0.0F))
      .initializer("three", Tensor::scalar(3.0F))
      .initializer("six", Tensor::scalar(6.0F))
      .initializer("inf", Tensor::scalar(std::numeric_limits<float>::infinity()))
      .initializer<float>("wide", {1, 1, 1}, {0})
      .initializer<float>("each", {4}, {0, 1, 2, 3});
  return builder;
}

Model merged(GraphBuilder& builder) {
  return passed(merge_clamps, builder.output("y", DType::kFloat32, {"N", 4}).model()).model;
}

/// Bounds of the Clip that is node 0; -1 for an absent one.
std::vector<float> bounds(const Model& model) {
  const Node& node = model.graph.nodes.at(0);
  std::vector<float> result;
  for (const std::size_t k : {1U, 2U}) {
    result.push_back(node.input(k).empty() ? -1 : floats_of(model, node.input(k)).at(0));
  }
  return result;
}

TEST(MergeClamps, ClipWithoutUpperBoundIsRelu) {
  for (const char* high : {"", "inf"}) {
    const Model model = merged(start().node("Clip", {"x", "zero", high}, {"y"}));
    EXPECT_THAT(ops_of(model), ElementsAre("Relu"));
    EXPECT_THAT(model.graph.nodes[0].inputs, ElementsAre("x"));
  }
  EXPECT_THAT(ops_of(merged(start().node("Max", {"zero", "x"}, {"y"}))), ElementsAre("Relu"));
}

TEST(MergeClamps, AttributesBeforeOpset11) {
  const Model relu = merged(start(10).node("Clip", {"x"}, {"y"}, {{"min", 0.0F}}));
  EXPECT_THAT(ops_of(relu), ElementsAre("Relu"));
  EXPECT_EQ(relu.graph.nodes[0].find_attribute("min"), nullptr);
  const Model clip = merged(start(10).node("Relu", {"x"}, {"r"}).node("Min", {"r", "six"}, {"y"}));
  EXPECT_THAT(ops_of(clip), ElementsAre("Clip"));
  EXPECT_EQ(clip.graph.nodes[0].float_attribute("min", -1), 0);
  EXPECT_EQ(clip.graph.nodes[0].float_attribute("max", -1), 6);
}

TEST(MergeClamps, ReluAndMinAreOneClip) {
  const Model model = merged(start().node("Relu", {"x"}, {"r"}).node("Min", {"r", "six"}, {"y"}));
  EXPECT_THAT(ops_of(model), ElementsAre("Clip"));
  EXPECT_THAT(bounds(model), ElementsAre(0, 6));
  EXPECT_THAT(model.graph.nodes[0].outputs, ElementsAre("y"));
}

TEST(MergeClamps, ChainsOfAnyLengthAndOrder) {
  const Model model = merged(start()
                                 .node("Min", {"x", "six"}, {"a"})
                                 .node("Max", {"zero", "a"}, {"b"})
                                 .node("Relu", {"b"}, {"c"})
                                 .node("Clip", {"c", "", "three"}, {"y"}));
  EXPECT_THAT(ops_of(model), ElementsAre("Clip"));
  EXPECT_THAT(bounds(model), ElementsAre(0, 3));
}

TEST(MergeClamps, DisjointBoundsLeaveAConstant) {
  const Model model = merged(
      start().node("Clip", {"x", "three", "six"}, {"a"}).node("Clip", {"a", "", "zero"}, {"y"}));
  EXPECT_THAT(ops_of(model), ElementsAre("Clip"));
  EXPECT_THAT(bounds(model), ElementsAre(0, 0));
}

TEST(MergeClamps, AClampThatIsReadTwiceStays) {
  auto builder = start();
  builder.node("Relu", {"x"}, {"r"}).node("Min", {"r", "six"}, {"y"}).output("r");
  EXPECT_THAT(ops_of(merged(builder)), ElementsAre("Relu", "Min"));
}

TEST(MergeClamps, BoundsThatAreNoConstantScalarsStay) {
  auto fed = start();
  fed.input("bound", DType::kFloat32, {})
      .node("Relu", {"x"}, {"r"})
      .node("Min", {"r", "bound"}, {"y"});
  EXPECT_THAT(ops_of(merged(fed)), ElementsAre("Relu", "Min"));
  EXPECT_THAT(ops_of(merged(start().node("Max", {"x", "each"}, {"y"}))), ElementsAre("Max"));
}

TEST(MergeClamps, ABoundThatGivesTheDataAnotherRankStays) {
  EXPECT_THAT(ops_of(merged(start().node("Max", {"x", "wide"}, {"y"}))), ElementsAre("Max"));
}

TEST(MergeClamps, ContradictoryBoundsStay) {
  auto builder = start();
  builder.node("Clip", {"x", "six", "three"}, {"a"}).node("Relu", {"a"}, {"y"});
  EXPECT_THAT(ops_of(merged(builder)), ElementsAre("Clip", "Relu"));
}

}  // namespace
}  // namespace planish::test
