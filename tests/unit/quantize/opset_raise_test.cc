#include "quantize/opset_raise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planish/base/error.h"
#include "planish/quantize/plan.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish {
namespace {

using quantize_detail::OtherForms;
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

/// Old forms of every operator that is rewritten, at least the values of which can be declared.
Model of_opset_9() {
  return GraphBuilder(9)
      .input("x", kFloat, {1, 3, 4, 4})
      .initializer("scales", {4}, std::vector<float>{1, 1, 2, 2})
      .initializer("w", test::random_tensor({4, 3, 1, 1}, 1))
      .node("Conv", {"x", "w"}, {"c"}, {}, "conv")
      .value("c", kFloat, {1, 4, 4, 4})
      .node("Clip", {"c"}, {"r"}, {{"min", 0.0F}, {"max", 6.0F}}, "clip")
      .value("r", kFloat, {1, 4, 4, 4})
      .node("Pad", {"r"}, {"p"}, {{"pads", ints({0, 0, 1, 1, 0, 0, 1, 1})}, {"value", 1.0F}}, "pad")
      .value("p", kFloat, {1, 4, 6, 6})
      .node("Upsample", {"p", "scales"}, {"u"}, {{"mode", std::string("nearest")}}, "up")
      .value("u", kFloat, {1, 4, 12, 12})
      .node("Slice", {"u"}, {"s"},
            {{"starts", ints({0})}, {"ends", ints({2})}, {"axes", ints({3})}}, "slice")
      .value("s", kFloat, {1, 4, 12, 2})
      .node("ReduceSum", {"s"}, {"m"}, {{"axes", ints({2, 3})}, {"keepdims", std::int64_t{1}}},
            "sum")
      .value("m", kFloat, {1, 4, 1, 1})
      .node("Squeeze", {"m"}, {"q"}, {{"axes", ints({2, 3})}}, "squeeze")
      .value("q", kFloat, {1, 4})
      .node("Split", {"q"}, {"a", "b"}, {{"axis", std::int64_t{1}}, {"split", ints({1, 3})}},
            "split")
      .value("b", kFloat, {1, 3})
      .node("Dropout", {"b"}, {"d"}, {{"ratio", 0.5F}}, "dropout")
      .value("d", kFloat, {1, 3})
      .node("Softmax", {"d"}, {"y"}, {{"axis", std::int64_t{1}}}, "softmax")
      .output("y", kFloat, {1, 3})
      .model();
}

TEST(RaiseOpset, RewritesWhatHasAnotherFormWithoutChangingTheAnswer) {
  const Model old = of_opset_9();
  const Model raised = raise_opset(old, 13, OtherForms::kRewrite);
  EXPECT_EQ(raised.opset(), 13);
  EXPECT_EQ(raised.graph.nodes.size(), old.graph.nodes.size());
  const std::vector<NamedTensor> inputs{{"x", test::random_tensor({1, 3, 4, 4}, 2, -9.0F, 9.0F)}};
  const auto before = open_session(old)->run(inputs);
  const auto after = open_session(raised)->run(inputs);
  EXPECT_EQ(before, after);
}

TEST(RaiseOpset, RefusesASoftmaxOverSeveralAxes) {
  const Model old = GraphBuilder(11)
                        .input("x", kFloat, {2, 4, 3})
                        .node("Softmax", {"x"}, {"y"}, {{"axis", std::int64_t{1}}}, "flat")
                        .output("y", kFloat, {2, 4, 3})
                        .model();
  EXPECT_THROW(raise_opset(old, 13, OtherForms::kRewrite), Error);
}

TEST(RaiseOpset, GivesOldModelsScalesPerChannelUnderProfileBest) {
  CalibrationTable table;
  for (const std::string& tensor : calibration_targets(of_opset_9(), {}))
    table.ranges[tensor] = {-9.0F, 9.0F};
  const QuantizationPlan plan = plan_quantization(of_opset_9(), table, {});
  EXPECT_EQ(plan.find("w")->params.size(), 4U);
  EXPECT_NO_THROW(open_session(apply(plan, of_opset_9())));
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

TEST(RaiseOpset, HappensAsFarAsEachProfileNeeds) {
  const Model model = old_convolution();
  CalibrationTable table;
  table.ranges = {{"x", {-1.0F, 1.0F}}, {"y", {-1.0F, 1.0F}}};
  QuantizationConfig config{.profile = QuantizationProfile::kOnnxRuntime132};
  EXPECT_EQ(apply(plan_quantization(model, table, config), model).opset(), 11);
  config.profile = QuantizationProfile::kBest;
  EXPECT_EQ(apply(plan_quantization(model, table, config), model).opset(), 13);
}

}  // namespace
}  // namespace planish
