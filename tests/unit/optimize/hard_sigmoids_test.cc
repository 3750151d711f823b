#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;

constexpr DType kFloat = DType::kFloat32;

GraphBuilder start(std::int64_t opset = 17) {
  GraphBuilder builder(opset);
  builder.input("x", kFloat, {"N", 4, 8, 8})
      .input("z", kFloat, {"N", 4, 8, 8})
      .initializer("zero", Tensor::scalar(0.0F))
      .initializer("half", Tensor::scalar(0.5F))
      .initializer("one", Tensor::scalar(1.0F))
      .initializer("three", Tensor::scalar(3.0F))
      .initializer<float>("three_1", {1}, {3})
      .initializer("minus_three", Tensor::scalar(-3.0F))
      .initializer("five", Tensor::scalar(5.0F))
      .initializer("six", Tensor::scalar(6.0F))
      .initializer("sixth", Tensor::scalar(1.0F / 6))
      .initializer("fifth", Tensor::scalar(0.2F));
  for (const char* between : {"a", "b", "c", "m"}) builder.value(between, kFloat, {"N", 4, 8, 8});
  return builder;
}

/// After the pass and the removal of what it left without readers.
Model joined(GraphBuilder& builder) {
  Model model = passed(find_hard_sigmoids, builder.output("y").model()).model;
  remove_dead_code(model, {});
  return model;
}

void expect_hard_sigmoid(const Node& node, float alpha, float beta) {
  ASSERT_EQ(node.op_type, "HardSigmoid");
  EXPECT_FLOAT_EQ(node.float_attribute("alpha", 0), alpha);
  EXPECT_FLOAT_EQ(node.float_attribute("beta", 0), beta);
}

/// The graph is HardSigmoid(x) = g, Mul(x, g) = y.
void expect_hard_swish(const Model& model) {
  ASSERT_THAT(ops_of(model), ElementsAre("HardSigmoid", "Mul"));
  const Node& gate = model.graph.nodes[0];
  expect_hard_sigmoid(gate, 1.0F / 6, 0.5F);
  EXPECT_THAT(gate.inputs, ElementsAre("x"));
  EXPECT_THAT(model.graph.nodes[1].inputs, ::testing::UnorderedElementsAre("x", gate.output(0)));
  EXPECT_THAT(model.graph.nodes[1].outputs, ElementsAre("y"));
}

TEST(FindHardSigmoids, HardSwish) {
  expect_hard_swish(joined(start().node("HardSwish", {"x"}, {"y"})));
}

TEST(FindHardSigmoids, HardSwishAsProductThenDivision) {
  for (const char* three : {"three", "three_1"}) {
    expect_hard_swish(joined(start()
                                 .node("Add", {"x", three}, {"a"})
                                 .node("Clip", {"a", "zero", "six"}, {"b"})
                                 .node("Mul", {"x", "b"}, {"m"})
                                 .node("Div", {"m", "six"}, {"y"})));
  }
}

TEST(FindHardSigmoids, HardSwishWithConstantsFirstAndAFactor) {
  expect_hard_swish(joined(start()
                               .node("Add", {"three", "x"}, {"a"})
                               .node("Clip", {"a", "zero", "six"}, {"b"})
                               .node("Mul", {"b", "x"}, {"m"})
                               .node("Mul", {"sixth", "m"}, {"y"})));
}

TEST(FindHardSigmoids, HardSwishAsDivisionThenProduct) {
  for (const bool divides : {true, false}) {
    auto builder = start();
    builder.node("Sub", {"x", "minus_three"}, {"a"}).node("Clip", {"a", "zero", "six"}, {"b"});
    if (divides) {
      builder.node("Div", {"b", "six"}, {"c"});
    } else {
      builder.node("Mul", {"b", "sixth"}, {"c"});
    }
    expect_hard_swish(joined(builder.node("Mul", {"x", "c"}, {"y"})));
  }
}

TEST(FindHardSigmoids, BoundsAreAttributesBeforeOpset11) {
  expect_hard_swish(joined(start(10)
                               .node("Add", {"x", "three"}, {"a"})
                               .node("Clip", {"a"}, {"b"}, {{"min", 0.0F}, {"max", 6.0F}})
                               .node("Mul", {"x", "b"}, {"m"})
                               .node("Div", {"m", "six"}, {"y"})));
}

TEST(FindHardSigmoids, AGateOnAnotherValue) {
  const Model model = joined(start()
                                 .node("Add", {"x", "three"}, {"a"})
                                 .node("Clip", {"a", "zero", "six"}, {"b"})
                                 .node("Mul", {"z", "b"}, {"m"})
                                 .node("Div", {"m", "six"}, {"y"}));
  ASSERT_THAT(ops_of(model), ElementsAre("HardSigmoid", "Mul"));
  EXPECT_THAT(model.graph.nodes[1].inputs, ElementsAre("z", model.graph.nodes[0].output(0)));
}

TEST(FindHardSigmoids, ASlopeBeforeTheClip) {
  for (const bool divides : {true, false}) {
    auto builder = start();
    if (divides) {
      builder.node("Div", {"x", "five"}, {"a"});
    } else {
      builder.node("Mul", {"fifth", "x"}, {"a"});
    }
    const Model model =
        joined(builder.node("Add", {"a", "half"}, {"b"}).node("Clip", {"b", "zero", "one"}, {"y"}));
    ASSERT_THAT(ops_of(model), ElementsAre("HardSigmoid"));
    expect_hard_sigmoid(model.graph.nodes[0], 0.2F, 0.5F);
    EXPECT_THAT(model.graph.nodes[0].inputs, ElementsAre("x"));
    EXPECT_THAT(model.graph.nodes[0].outputs, ElementsAre("y"));
  }
}

TEST(FindHardSigmoids, OtherConstantsStay) {
  auto other_divisor = start();
  other_divisor.node("Add", {"x", "three"}, {"a"})
      .node("Clip", {"a", "zero", "six"}, {"b"})
      .node("Div", {"b", "five"}, {"y"});
  EXPECT_THAT(ops_of(joined(other_divisor)), ElementsAre("Add", "Clip", "Div"));
  auto from_one = start();
  from_one.node("Add", {"x", "three"}, {"a"})
      .node("Clip", {"a", "one", "six"}, {"b"})
      .node("Div", {"b", "six"}, {"y"});
  EXPECT_THAT(ops_of(joined(from_one)), ElementsAre("Add", "Clip", "Div"));
  // Its zero would not be an integer above the lowest.
  auto downwards = start();
  downwards.node("Sub", {"x", "three"}, {"a"})
      .node("Clip", {"a", "zero", "six"}, {"b"})
      .node("Div", {"b", "six"}, {"y"});
  EXPECT_THAT(ops_of(joined(downwards)), ElementsAre("Sub", "Clip", "Div"));
}

TEST(FindHardSigmoids, ConstantDividedByTheClipStays) {
  auto builder = start();
  builder.node("Add", {"x", "three"}, {"a"})
      .node("Clip", {"a", "zero", "six"}, {"b"})
      .node("Div", {"six", "b"}, {"y"});
  EXPECT_THAT(ops_of(joined(builder)), ElementsAre("Add", "Clip", "Div"));
}

TEST(FindHardSigmoids, AClipThatIsReadTwiceStays) {
  auto builder = start();
  builder.node("Add", {"x", "three"}, {"a"})
      .node("Clip", {"a", "zero", "six"}, {"b"})
      .node("Div", {"b", "six"}, {"y"})
      .output("b");
  EXPECT_THAT(ops_of(joined(builder)), ElementsAre("Add", "Clip", "Div"));
}

TEST(FindHardSigmoids, AnAddThatIsReadTwiceStays) {
  auto builder = start();
  builder.node("Add", {"x", "three"}, {"a"})
      .node("Clip", {"a", "zero", "six"}, {"b"})
      .node("Div", {"b", "six"}, {"y"})
      .output("a");
  EXPECT_THAT(ops_of(joined(builder)), ElementsAre("Add", "Clip", "Div"));
}

TEST(FindHardSigmoids, HardSwishOfAnotherTypeStays) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat16, {"N", 4}).node("HardSwish", {"x"}, {"y"});
  EXPECT_THAT(ops_of(joined(builder)), ElementsAre("HardSwish"));
}

}  // namespace
}  // namespace planish::test
