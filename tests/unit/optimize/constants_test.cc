#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Initializer named(Tensor value) {
  Initializer initializer;
  initializer.value = std::move(value);
  return initializer;
}

TEST(ConstantsToInitializers, TakesEveryFormOfValue) {
  const Model model =
      GraphBuilder()
          .node("Constant", {}, {"tensor"},
                {{"value", Box<Initializer>(named(Tensor::of<float>({2}, {1, 2})))}})
          .node("Constant", {}, {"f"}, {{"value_float", 2.5F}})
          .node("Constant", {}, {"fs"}, {{"value_floats", floats({1, 2})}})
          .node("Constant", {}, {"i"}, {{"value_int", std::int64_t{7}}})
          .node("Constant", {}, {"is"}, {{"value_ints", ints({3, 4})}})
          .node("Constant", {}, {"s"}, {{"value_string", std::string("a")}})
          .node("Constant", {}, {"ss"}, {{"value_strings", std::vector<std::string>{"a", "b"}}})
          .model();
  const Passed result = passed(constants_to_initializers, model);
  EXPECT_THAT(result.model.graph.nodes, IsEmpty());
  EXPECT_EQ(result.report.changes, 7U);
  EXPECT_THAT(floats_of(result.model, "tensor"), ElementsAre(1, 2));
  EXPECT_EQ(*initializer(result.model, "f"), Tensor::scalar(2.5F));
  EXPECT_THAT(floats_of(result.model, "fs"), ElementsAre(1, 2));
  EXPECT_EQ(*initializer(result.model, "i"), Tensor::scalar<std::int64_t>(7));
  EXPECT_THAT(ints_of(result.model, "is"), ElementsAre(3, 4));
  EXPECT_THAT(initializer(result.model, "s")->dims(), IsEmpty());
  EXPECT_THAT(initializer(result.model, "ss")->strings(), ElementsAre("a", "b"));
}

TEST(ConstantsToInitializers, LeavesSparseConstants) {
  SparseInitializer sparse;
  sparse.dims = {2};
  const Model model = GraphBuilder()
                          .node("Constant", {}, {"c"},
                                {{"sparse_value", Box<SparseInitializer>(std::move(sparse))}})
                          .model();
  EXPECT_THAT(ops_of(passed(constants_to_initializers, model).model), ElementsAre("Constant"));
}

Model with_weight_among_inputs() {
  Model model = GraphBuilder()
                    .input("x", DType::kFloat32, {2})
                    .input("w", DType::kFloat32, {2})
                    .initializer<float>("w", {2}, {1, 2})
                    .node("Add", {"x", "w"}, {"y"})
                    .output("y", DType::kFloat32, {2})
                    .model();
  model.ir_version = 3;
  return model;
}

TEST(InputDefaultsToConstants, WeightsStopBeingInputs) {
  const Passed result = passed(input_defaults_to_constants, with_weight_among_inputs());
  ASSERT_EQ(result.model.graph.inputs.size(), 1U);
  EXPECT_EQ(result.model.graph.inputs.front().name, "x");
  EXPECT_GE(result.model.ir_version, 4);  // before, initializers had to be inputs
}

TEST(InputDefaultsToConstants, AreKeptWhenAskedFor) {
  const Model model = with_weight_among_inputs();
  const Passed result =
      passed(input_defaults_to_constants, model, {.input_defaults = InputDefaults::kKeep});
  EXPECT_EQ(result.model, model);
  EXPECT_EQ(result.report.changes, 0U);
}

TEST(MergeInitializers, KeepsOneOfEachTypeShapeAndContent) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .initializer<float>("a", {2}, {1, 2})
                          .initializer<float>("same", {2}, {1, 2})
                          .initializer<float>("other_shape", {2, 1}, {1, 2})
                          .initializer<std::int32_t>("other_type", {2}, {0x3F800000, 0x40000000})
                          .node("Add", {"x", "a"}, {"s"})
                          .node("Add", {"s", "same"}, {"y"})
                          .output("y")
                          .model();
  const Passed result = passed(merge_initializers, model);
  EXPECT_EQ(result.report.changes, 1U);
  EXPECT_EQ(result.model.graph.initializers.size(), 3U);
  EXPECT_EQ(result.model.graph.nodes[1].inputs, (std::vector<std::string>{"s", "a"}));
}

TEST(MergeInitializers, LeavesWhatIsAnInputOrAnOutput) {
  const Model model = GraphBuilder()
                          .input("default", DType::kFloat32, {1})
                          .initializer<float>("default", {1}, {1})
                          .initializer<float>("result", {1}, {1})
                          .initializer<float>("free", {1}, {1})
                          .node("Add", {"default", "free"}, {"y"})
                          .output("y")
                          .output("result")
                          .model();
  EXPECT_EQ(passed(merge_initializers, model).report.changes, 0U);
}

TEST(MergeInitializers, RenamesReadersInsideSubgraphs) {
  const Graph branch =
      GraphBuilder().node("Neg", {"same"}, {"inner"}).untyped_output("inner").graph();
  const Model model =
      GraphBuilder()
          .input("c", DType::kBool, {})
          .initializer<float>("a", {1}, {1})
          .initializer<float>("same", {1}, {1})
          .node("If", {"c"}, {"y"},
                {{"then_branch", Box<Graph>(branch)}, {"else_branch", Box<Graph>(branch)}})
          .node("Add", {"a", "y"}, {"z"})
          .output("z")
          .model();
  const Model merged = passed(merge_initializers, model).model;
  const auto& then =
      std::get<Box<Graph>>(merged.graph.nodes[0].find_attribute("then_branch")->value);
  EXPECT_THAT(then->nodes[0].inputs, ElementsAre("a"));
}

TEST(RemoveDeadCode, KeepsWhatASubgraphReads) {
  const Graph branch =
      GraphBuilder().node("Neg", {"captured"}, {"inner"}).untyped_output("inner").graph();
  const Model model =
      GraphBuilder()
          .input("c", DType::kBool, {})
          .input("x", DType::kFloat32, {1})
          .initializer<float>("unused", {1}, {1})
          .node("Abs", {"x"}, {"captured"})
          .node("Abs", {"x"}, {"dead"})
          .node("If", {"c"}, {"y"},
                {{"then_branch", Box<Graph>(branch)}, {"else_branch", Box<Graph>(branch)}})
          .output("y")
          .model();
  const Passed result = passed(remove_dead_code, model);
  EXPECT_THAT(ops_of(result.model), ElementsAre("Abs", "If"));
  EXPECT_THAT(result.model.graph.initializers, IsEmpty());
  EXPECT_EQ(result.report.changes, 2U);
}

}  // namespace
}  // namespace planish::test
