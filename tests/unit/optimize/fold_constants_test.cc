#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "planish/base/error.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Stands for a runtime: answers [7] to everything but operators named Unknown, on which it fails.
/// Counts how often it is asked.
struct FakeRuntime {
  int calls = 0;

  NodeEvaluator evaluator() {
    return [this](const Model& model) {
      ++calls;
      std::vector<Tensor> outputs;
      for (const Node& node : model.graph.nodes) {
        if (node.op_type == "Unknown") throw Error(ErrorCode::kUnsupported, "operator 'Unknown'");
      }
      for (std::size_t i = 0; i < model.graph.outputs.size(); ++i) {
        outputs.push_back(Tensor::of<float>({1}, {7}));
      }
      return outputs;
    };
  }
};

TEST(FoldConstants, EvaluatesAWholeChainAtOnce) {
  FakeRuntime runtime;
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1})
                          .initializer<float>("c", {1}, {3})
                          .value("a", DType::kFloat32, {1})
                          .value("b", DType::kFloat32, {1})
                          .node("Neg", {"c"}, {"a"})
                          .node("Abs", {"a"}, {"b"})
                          .node("Add", {"x", "b"}, {"y"})
                          .output("y")
                          .model();
  const Passed result = passed(fold_constants, model, {.evaluate = runtime.evaluator()});
  EXPECT_THAT(ops_of(result.model), ElementsAre("Add"));
  EXPECT_THAT(floats_of(result.model, "b"), ElementsAre(7));
  EXPECT_EQ(initializer(result.model, "a"), nullptr);  // nothing reads it any more
  EXPECT_EQ(result.report.changes, 2U);
  EXPECT_EQ(runtime.calls, 1);
}

TEST(FoldConstants, WithoutARuntimeNothingIsEvaluated) {
  const Model model = GraphBuilder()
                          .initializer<float>("c", {1}, {3})
                          .node("Neg", {"c"}, {"y"})
                          .output("y")
                          .model();
  EXPECT_EQ(passed(fold_constants, model).model, model);
}

TEST(FoldConstants, WhatTheRuntimeRefusesStaysAndTheRestFolds) {
  FakeRuntime runtime;
  const Model model = GraphBuilder()
                          .initializer<float>("c", {1}, {3})
                          .node("Unknown", {"c"}, {"u"})
                          .node("Neg", {"c"}, {"n"})
                          .node("Neg", {"n"}, {"m"})
                          .output("u")
                          .output("m")
                          .model();
  const Passed result = passed(fold_constants, model, {.evaluate = runtime.evaluator()});
  EXPECT_THAT(ops_of(result.model), ElementsAre("Unknown"));
  EXPECT_THAT(floats_of(result.model, "m"), ElementsAre(7));
}

/// The operators that stay of one node on a constant `c`.
std::vector<std::string> left_of(const std::string& op, std::vector<std::string> inputs,
                                 const Attributes& attributes = {}) {
  FakeRuntime runtime;
  const Model model = GraphBuilder()
                          .initializer<float>("c", {1}, {3})
                          .initializer<float>("scale", {}, {1})
                          .initializer<std::uint8_t>("zero", {}, {0})
                          .initializer("train", Tensor(DType::kBool, {}, std::string(1, '\1')))
                          .node(op, std::move(inputs), {"y"}, attributes)
                          .output("y")
                          .model();
  return ops_of(passed(fold_constants, model, {.evaluate = runtime.evaluator()}).model);
}

TEST(FoldConstants, RandomnessIsNotFolded) {
  EXPECT_THAT(left_of("RandomNormal", {}, {{"shape", ints({1})}}), ElementsAre("RandomNormal"));
  EXPECT_THAT(left_of("Bernoulli", {"c"}), ElementsAre("Bernoulli"));
  EXPECT_THAT(left_of("Dropout", {"c", "", "train"}), ElementsAre("Dropout"));
}

TEST(FoldConstants, QuantizedConstantsStay) {
  EXPECT_THAT(left_of("QuantizeLinear", {"c", "scale", "zero"}), ElementsAre("QuantizeLinear"));
  EXPECT_THAT(left_of("DequantizeLinear", {"zero", "scale"}), ElementsAre("DequantizeLinear"));
}

TEST(FoldConstants, NodesWithSubgraphsStay) {
  const Graph branch = GraphBuilder().node("Neg", {"c"}, {"i"}).untyped_output("i").graph();
  EXPECT_THAT(left_of("If", {"train"},
                      {{"then_branch", Box<Graph>(branch)}, {"else_branch", Box<Graph>(branch)}}),
              ElementsAre("If"));
}

Model expand_to(std::vector<std::int64_t> shape, bool declare) {
  const auto rank = static_cast<std::int64_t>(shape.size());
  GraphBuilder builder;
  builder.initializer("c", Tensor::scalar(1.0F))
      .initializer<std::int64_t>("shape", {rank}, shape)
      .node("Expand", {"c", "shape"}, {"y"});
  if (declare) {
    builder.output("y", DType::kFloat32, Shape(shape.begin(), shape.end()));
  } else {
    builder.untyped_output("y");
  }
  return builder.model();
}

TEST(FoldConstants, ResultsThatGrowTheModelStay) {
  FakeRuntime runtime;
  const OptimizeConfig config{.evaluate = runtime.evaluator(), .max_folded_bytes = 1024};
  for (const bool declared : {true, false}) {
    EXPECT_THAT(ops_of(passed(fold_constants, expand_to({16, 16}, declared), config).model),
                IsEmpty());
    EXPECT_THAT(ops_of(passed(fold_constants, expand_to({16, 17}, declared), config).model),
                ElementsAre("Expand"));
    EXPECT_THAT(
        ops_of(
            passed(fold_constants, expand_to({1 << 30, 1 << 30, 1 << 30}, declared), config).model),
        ElementsAre("Expand"));
  }
}

TEST(FoldConstants, OverridableInputsAreNotConstant) {
  FakeRuntime runtime;
  const Model model = GraphBuilder()
                          .input("c", DType::kFloat32, {1})
                          .initializer<float>("c", {1}, {3})
                          .node("Neg", {"c"}, {"y"})
                          .output("y")
                          .model();
  EXPECT_EQ(passed(fold_constants, model, {.evaluate = runtime.evaluator()}).report.changes, 0U);
}

}  // namespace
}  // namespace planish::test
