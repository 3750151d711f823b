#include "quantize/opset_raise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planish/base/error.h"
#include "planish/quantize/plan.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using quantize_detail::raise_opset;
using quantize_detail::raised_opset;
using test::GraphBuilder;
using test::ints;
using testing::AllOf;
using testing::HasSubstr;

constexpr DType kFloat = DType::kFloat32;

TEST(RaisedOpset, IsThatWhichTheIntegersNeed) {
  EXPECT_EQ(raised_opset(9, {}), 11);
  EXPECT_EQ(raised_opset(10, {}), 10);
  EXPECT_EQ(raised_opset(17, {}), 17);
  EXPECT_EQ(raised_opset(17, {.activation = DType::kUInt16}), 21);
  EXPECT_EQ(raised_opset(23, {.weight = DType::kInt16}), 23);
}

TEST(RaiseOpset, SaysAttributesThatNewerOpsetsWant) {
  const Model old = GraphBuilder(13)
                        .input("x", kFloat, {2, 4})
                        .node("Split", {"x"}, {"a", "b"}, {}, "halves")
                        .node("ReduceMean", {"a"}, {"y"}, {}, "mean")
                        .output("y", kFloat, {1, 1})
                        .model();
  const Model raised = raise_opset(old, 21);
  EXPECT_EQ(raised.opset(), 21);
  EXPECT_EQ(raised.graph.nodes[0].int_attribute("num_outputs", 0), 2);
  EXPECT_EQ(raised.graph.nodes[1], old.graph.nodes[1]);
}

TEST(RaiseOpset, NamesTheNodeThatWouldHaveToBeRewritten) {
  const Model old = GraphBuilder(17)
                        .input("x", kFloat, {2, 4})
                        .node("ReduceMean", {"x"}, {"y"}, {{"axes", ints({1})}}, "mean")
                        .output("y", kFloat, {2, 1})
                        .model();
  EXPECT_EQ(raise_opset(old, 17), old);
  try {
    raise_opset(old, 21);
    ADD_FAILURE() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("'mean'"), HasSubstr("opset 21")));
  }
}

/// x → Conv y, of opset 9.
Model old_convolution() {
  return GraphBuilder(9)
      .input("x", kFloat, {1, 3, 8, 8})
      .initializer("w", test::random_tensor({4, 3, 1, 1}, 1))
      .node("Conv", {"x", "w"}, {"y"}, {}, "conv")
      .output("y", kFloat, {1, 4, 8, 8})
      .model();
}

TEST(RaiseOpset, HappensInProfileOnnxRuntimeAndIsAskedOfTheUserInProfileBest) {
  const Model model = old_convolution();
  CalibrationTable table;
  table.ranges = {{"x", {-1.0F, 1.0F}}, {"y", {-1.0F, 1.0F}}};
  QuantizationConfig config{.profile = QuantizationProfile::kOnnxRuntime132};
  EXPECT_EQ(apply(plan_quantization(model, table, config), model).opset(), 11);
  config.profile = QuantizationProfile::kBest;
  EXPECT_THROW(plan_quantization(model, table, config), Error);
}

}  // namespace
}  // namespace planish
