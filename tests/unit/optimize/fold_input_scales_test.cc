#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;

constexpr DType kFloat = DType::kFloat32;

/// x [N, 2, 4, 4] and constants; the test adds nodes that end with a Conv of weights w.
GraphBuilder start() {
  GraphBuilder builder;
  builder.input("x", kFloat, {"N", 2, 4, 4})
      .input("gray", kFloat, {"N", 1, 4, 4})
      .value("a", kFloat, {"N", 2, 4, 4})
      .value("b", kFloat, {"N", 2, 4, 4})
      .initializer("two", Tensor::scalar(2.0F))
      .initializer("zero", Tensor::scalar(0.0F))
      .initializer<float>("each", {2, 1, 1}, {10, 100})
      .initializer<float>("w", {1, 2, 1, 1}, {3, 4})
      .initializer<float>("bias", {1}, {0.5F});
  return builder;
}

Model folded(GraphBuilder& builder) {
  return passed(fold_input_scales, builder.output("y").model()).model;
}

std::vector<float> weights(const Model& model, std::size_t input = 1) {
  return floats_of(model, model.graph.nodes.back().input(input));
}

TEST(FoldInputScales, AFactorGoesIntoTheWeights) {
  const Model times =
      folded(start().node("Mul", {"two", "x"}, {"a"}).node("Conv", {"a", "w"}, {"y"}));
  EXPECT_THAT(ops_of(times), ElementsAre("Conv"));
  EXPECT_THAT(times.graph.nodes[0].inputs, ElementsAre("x", "w"));
  EXPECT_THAT(weights(times), ElementsAre(6, 8));
  const Model by = folded(start().node("Div", {"x", "two"}, {"a"}).node("Conv", {"a", "w"}, {"y"}));
  EXPECT_THAT(weights(by), ElementsAre(1.5F, 2));
}

TEST(FoldInputScales, AShiftOfEachChannelGoesIntoTheBias) {
  const Model plus =
      folded(start().node("Add", {"x", "each"}, {"a"}).node("Conv", {"a", "w", "bias"}, {"y"}));
  EXPECT_THAT(ops_of(plus), ElementsAre("Conv"));
  EXPECT_THAT(weights(plus), ElementsAre(3, 4));
  EXPECT_THAT(weights(plus, 2), ElementsAre(FloatEq(0.5F + 30 + 400)));
  const Model minus =
      folded(start().node("Sub", {"x", "each"}, {"a"}).node("Conv", {"a", "w"}, {"y"}));
  EXPECT_THAT(weights(minus, 2), ElementsAre(FloatEq(-430)));
}

TEST(FoldInputScales, EachGroupTakesTheShiftsOfItsChannels) {
  const Model model = folded(start()
                                 .initializer<float>("dw", {4, 1, 1, 1}, {1, 2, 3, 4})
                                 .node("Add", {"x", "each"}, {"a"})
                                 .node("Conv", {"a", "dw"}, {"y"}, {{"group", std::int64_t{2}}}));
  EXPECT_THAT(weights(model, 2), ElementsAre(10, 20, 300, 400));
}

TEST(FoldInputScales, PaddingKeepsTheShiftAndTakesTheFactorBeforeIt) {
  const Attributes padded{{"pads", ints({0, 1, 0, 0})}};
  const Model alone =
      folded(start().node("Add", {"x", "each"}, {"a"}).node("Conv", {"a", "w"}, {"y"}, padded));
  EXPECT_THAT(ops_of(alone), ElementsAre("Add", "Conv"));
  const Model both = folded(start()
                                .node("Mul", {"x", "two"}, {"a"})
                                .node("Sub", {"a", "each"}, {"b"})
                                .node("Conv", {"b", "w"}, {"y"}, padded));
  ASSERT_THAT(ops_of(both), ElementsAre("Add", "Conv"));
  EXPECT_EQ(both.graph.nodes[0].input(0), "x");
  EXPECT_THAT(floats_of(both, both.graph.nodes[0].input(1)), ElementsAre(-5, -50));
  EXPECT_THAT(weights(both), ElementsAre(6, 8));
  const Model same =
      folded(start()
                 .node("Mul", {"x", "two"}, {"a"})
                 .node("Conv", {"a", "w"}, {"y"}, {{"auto_pad", std::string("SAME_UPPER")}}));
  EXPECT_THAT(ops_of(same), ElementsAre("Conv"));
}

TEST(FoldInputScales, FactorsThatDifferOrAreZeroStay) {
  EXPECT_THAT(
      ops_of(folded(start().node("Mul", {"x", "each"}, {"a"}).node("Conv", {"a", "w"}, {"y"}))),
      ElementsAre("Mul", "Conv"));
  EXPECT_THAT(
      ops_of(folded(start().node("Div", {"x", "zero"}, {"a"}).node("Conv", {"a", "w"}, {"y"}))),
      ElementsAre("Div", "Conv"));
}

TEST(FoldInputScales, AConstantInFrontOfADifferenceOrQuotientStays) {
  EXPECT_THAT(
      ops_of(folded(start().node("Sub", {"two", "x"}, {"a"}).node("Conv", {"a", "w"}, {"y"}))),
      ElementsAre("Sub", "Conv"));
  EXPECT_THAT(
      ops_of(folded(start().node("Div", {"two", "x"}, {"a"}).node("Conv", {"a", "w"}, {"y"}))),
      ElementsAre("Div", "Conv"));
}

TEST(FoldInputScales, AConstantThatBroadcastsTheDataStays) {
  EXPECT_THAT(
      ops_of(folded(start().node("Add", {"gray", "each"}, {"a"}).node("Conv", {"a", "w"}, {"y"}))),
      ElementsAre("Add", "Conv"));
}

TEST(FoldInputScales, AnInputThatIsReadTwiceStays) {
  EXPECT_THAT(
      ops_of(folded(
          start().node("Mul", {"x", "two"}, {"a"}).node("Conv", {"a", "w"}, {"y"}).output("a"))),
      ElementsAre("Mul", "Conv"));
}

TEST(FoldInputScales, SharedWeightsAreScaledForOneReaderOnly) {
  const Model model = folded(start()
                                 .node("Conv", {"x", "w"}, {"c"})
                                 .node("Mul", {"x", "two"}, {"a"})
                                 .node("Conv", {"a", "w"}, {"y"})
                                 .output("c"));
  ASSERT_THAT(ops_of(model), ElementsAre("Conv", "Conv"));
  EXPECT_THAT(floats_of(model, model.graph.nodes[0].input(1)), ElementsAre(3, 4));
  EXPECT_THAT(weights(model), ElementsAre(6, 8));
}

}  // namespace
}  // namespace planish::test
