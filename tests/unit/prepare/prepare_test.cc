#include "planish/prepare/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/graph/graph_index.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

Model conv_identity_batch_norm(std::int64_t opset = 17) {
  return GraphBuilder(opset)
      .input("x", DType::kFloat32, {"N", 1, 4, 4})
      .initializer("w", random_tensor({2, 1, 3, 3}, 1))
      .initializer<float>("one", {2}, {1, 1.5})
      .initializer<float>("zero", {2}, {0.5, 0})
      .node("Conv", {"x", "w"}, {"c"})
      .node("Identity", {"c"}, {"i"})
      .node("BatchNormalization", {"i", "one", "zero", "zero", "one"}, {"b"})
      .node("Relu", {"b"}, {"y"})
      .output("y", DType::kFloat32, {"N", 2, 2, 2})
      .model();
}

std::vector<std::string> ops_of(const Model& model) {
  std::vector<std::string> ops;
  for (const Node& node : model.graph.nodes) ops.push_back(node.op_type);
  return ops;
}

TEST(Prepare, WritesTheTypeOfEveryValue) {
  const Model model = prepare(conv_identity_batch_norm()).model;
  EXPECT_EQ(ops_of(model), (std::vector<std::string>{"Conv", "Relu"}));
  const GraphIndex index(model.graph);
  for (const Node& node : model.graph.nodes) {
    const ValueType* type = index.type(node.output(0));
    ASSERT_NE(type, nullptr) << node.output(0);
    EXPECT_EQ(type->tensor()->shape, (Shape{"N", 2, 2, 2})) << node.output(0);
  }
}

TEST(Prepare, DoesNotTrustSizesThatAnExporterWroteOfItsExample) {
  // The batch of the example, 1, is declared of a value between; a Shape of it must not become 1.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"N", 4})
                          .value("a", DType::kFloat32, {1, 4})
                          .node("Neg", {"x"}, {"a"})
                          .node("Shape", {"a"}, {"y"})
                          .output("y", DType::kInt64, {2})
                          .model();
  const Prepared prepared = prepare(model, {.on_mismatch = OnMismatch::kFail});
  EXPECT_EQ(ops_of(prepared.model), (std::vector<std::string>{"Neg", "Shape"}));
}

TEST(Prepare, KeepsInputsAndOutputs) {
  const Model model = conv_identity_batch_norm();
  const Model prepared = prepare(model).model;
  EXPECT_EQ(prepared.graph.inputs, model.graph.inputs);
  EXPECT_EQ(prepared.graph.outputs, model.graph.outputs);
}

TEST(Prepare, SkipsPassesByName) {
  const Prepared prepared = prepare(conv_identity_batch_norm(), {.skip = {"batch-norms"}});
  EXPECT_EQ(ops_of(prepared.model),
            (std::vector<std::string>{"Conv", "BatchNormalization", "Relu"}));
  EXPECT_THAT(prepared.report.notes, ::testing::Contains(HasSubstr("BatchNormalization stay")));
}

TEST(Prepare, AnUnknownPassIsAnErrorThatNamesTheKnownOnes) {
  try {
    prepare(conv_identity_batch_norm(), {.skip = {"batchnorm"}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.message(), HasSubstr("'batchnorm'"));
    EXPECT_THAT(error.message(), HasSubstr("batch-norms"));
  }
}

TEST(Prepare, ReportsEachPassWithItsErrorAndTolerance) {
  const Prepared prepared = prepare(conv_identity_batch_norm());
  const auto outcome = std::ranges::find_if(
      prepared.report.passes, [](const PassOutcome& o) { return o.report.pass == "batch-norms"; });
  ASSERT_NE(outcome, prepared.report.passes.end());
  EXPECT_EQ(outcome->report.changes, 1U);
  ASSERT_TRUE(outcome->max_relative_error);
  EXPECT_LE(*outcome->max_relative_error, outcome->tolerance);
  const Json json = to_json(prepared.report);
  EXPECT_EQ(json["nodes_before"], 4);
  EXPECT_EQ(json["nodes_after"], 2);
  EXPECT_TRUE(json["max_relative_error"].is_number());
}

TEST(Prepare, WhatCannotBeComparedIsPreparedAndSaysSo) {
  Model model = conv_identity_batch_norm();
  model.graph.nodes[3].op_type = "RandomNormalLike";
  const Prepared prepared = prepare(model);
  EXPECT_EQ(ops_of(prepared.model), (std::vector<std::string>{"Conv", "RandomNormalLike"}));
  EXPECT_FALSE(prepared.report.whole.max_relative_error);
  EXPECT_THAT(prepared.report.whole.not_verified_because, HasSubstr("differently"));
}

/// The bias of the Conv, 1e8, leaves steps of 8 between its outputs; the mean of the batch norm
/// takes it away again. Folded, the two cancel, and the outputs are as fine as the inputs: better,
/// but not the same.
Model ill_conditioned() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 1, 4, 4})
      .initializer<float>("w", {1, 1, 1, 1}, {1})
      .initializer<float>("large", {1}, {1e8F})
      .initializer<float>("one", {1}, {1})
      .initializer<float>("zero", {1}, {0})
      .node("Conv", {"x", "w", "large"}, {"c"})
      .node("Identity", {"c"}, {"i"})
      .node("BatchNormalization", {"i", "one", "zero", "large", "one"}, {"y"})
      .output("y", DType::kFloat32, {"N", 1, 4, 4})
      .model();
}

TEST(Prepare, APassThatMissesItsToleranceIsUndone) {
  for (const Verify verify : {Verify::kEachPass, Verify::kAtEnd}) {
    const Prepared prepared = prepare(ill_conditioned(), {.verify = verify});
    EXPECT_EQ(ops_of(prepared.model), (std::vector<std::string>{"Conv", "BatchNormalization"}));
    EXPECT_EQ(prepared.report.whole.max_relative_error, 0);
    for (const PassOutcome& outcome : prepared.report.passes) {
      EXPECT_EQ(outcome.undone, outcome.report.pass == "batch-norms") << outcome.report.pass;
    }
  }
}

TEST(Prepare, AModelWhoseAnswersHangOnRoundingIsPreparedAllTheSame) {
  // The exponent is so large that the last bit of the product decides.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"N", 8})
                          .initializer("w", random_tensor({8, 8}, 1))
                          .initializer("scale", random_tensor({8}, 2, 1.0F, 2.0F))
                          .initializer("much", Tensor::scalar(1e5F))
                          .node("MatMul", {"x", "w"}, {"m"})
                          .node("Mul", {"m", "scale"}, {"s"})
                          .node("Neg", {"s"}, {"n"})
                          .node("Mul", {"n", "much"}, {"l"})
                          .node("Sin", {"l"}, {"y"})
                          .output("y", DType::kFloat32, {"N", 8})
                          .model();
  const Prepared prepared = prepare(model, {.on_mismatch = OnMismatch::kFail});
  EXPECT_EQ(ops_of(prepared.model), (std::vector<std::string>{"MatMul", "Neg", "Mul", "Sin"}));
  EXPECT_GT(*prepared.report.whole.max_relative_error, kReordered);
}

TEST(Prepare, APassThatMissesItsToleranceIsAnErrorWhenAskedFor) {
  try {
    prepare(ill_conditioned(), {.on_mismatch = OnMismatch::kFail});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_THAT(error.message(), HasSubstr("'batch-norms'"));
  }
}

TEST(Prepare, NodesOutOfOrderAreSortedAndCyclesRefused) {
  Model model = conv_identity_batch_norm();
  std::ranges::reverse(model.graph.nodes);
  EXPECT_EQ(ops_of(prepare(model).model), (std::vector<std::string>{"Conv", "Relu"}));
  Model cycle = conv_identity_batch_norm();
  cycle.graph.nodes[0].inputs[0] = "y";
  EXPECT_THROW(prepare(cycle), Error);
}

TEST(Prepare, EndsWhenStopped) {
  std::stop_source source;
  source.request_stop();
  try {
    prepare(conv_identity_batch_norm(), {.stop = source.get_token()});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

TEST(Prepare, InputDefaultsStayOverridableWhenAskedFor) {
  Model model = GraphBuilder()
                    .input("x", DType::kFloat32, {"N", 2})
                    .input("w", DType::kFloat32, {2})
                    .initializer<float>("w", {2}, {1, 2})
                    .input("unused", DType::kFloat32, {1})
                    .initializer<float>("unused", {1}, {1})
                    .node("Identity", {"x"}, {"i"})
                    .node("Mul", {"i", "w"}, {"y"})
                    .output("y", DType::kFloat32, {"N", 2})
                    .model();
  const Model kept = prepare(model, {.input_defaults = InputDefaults::kKeep}).model;
  EXPECT_EQ(kept.graph.inputs.size(), 3U);
  // Without its default, an input would have to be given.
  EXPECT_EQ(kept.graph.initializers.size(), 2U);
  const Model constant = prepare(model).model;
  EXPECT_EQ(constant.graph.inputs.size(), 1U);
}

}  // namespace
}  // namespace planish::test
