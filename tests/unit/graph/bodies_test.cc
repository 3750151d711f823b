#include "planish/graph/bodies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "planish/base/error.h"
#include "support/graph_builder.h"
#include "support/throws.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

std::vector<std::string> names_of(const std::vector<ValueInfo>& infos) {
  std::vector<std::string> names;
  for (const ValueInfo& info : infos) names.push_back(info.name);
  return names;
}

/// Reads constant "w" and value "a" of the graph around, and has a constant "k" of its own.
Box<Graph> branch() {
  return Box<Graph>(GraphBuilder()
                        .initializer<float>("k", {1}, {3})
                        .node("Mul", {"a", "w"}, {"m"})
                        .node("Add", {"m", "k"}, {"out"})
                        .untyped_output("out")
                        .graph());
}

Model conditional() {
  return GraphBuilder()
      .input("c", DType::kBool, {})
      .input("x", DType::kFloat32, {"n"})
      .initializer<float>("w", {1}, {2})
      .value("a", DType::kFloat32, {"n"})
      .node("Relu", {"x"}, {"a"})
      .node("If", {"c"}, {"y"}, {{"then_branch", branch()}, {"else_branch", branch()}})
      .untyped_output("y")
      .model();
}

Model opened(const Model& model, const BodyPlace& place) {
  return open_body(model, GraphIndex(model.graph), place);
}

TEST(BodiesOf, ListsBodiesByNodeAttributeAndPosition) {
  const Model model = conditional();
  EXPECT_THAT(bodies_of(model.graph),
              ElementsAre(BodyPlace{1, "then_branch", 0}, BodyPlace{1, "else_branch", 0}));
}

TEST(BodyAt, RefusesAPlaceWithoutBody) {
  const Model model = conditional();
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                     [&] {
                       body_at(model.graph, {0, "then_branch", 0});
                     },
                     {"no graph"}));
}

TEST(OpenBody, MakesConstantsInitializersAndValuesTypedInputs) {
  const Model model = conditional();
  const Model body = opened(model, {1, "then_branch", 0});
  EXPECT_THAT(names_of(body.graph.inputs), ElementsAre("a"));
  EXPECT_EQ(body.graph.inputs[0].type, model.graph.values[0].type);
  ASSERT_EQ(body.graph.initializers.size(), 2U);
  EXPECT_EQ(body.graph.initializers[1].name, "w");
  EXPECT_EQ(body.graph.initializers[1].value.bytes().data(),
            model.graph.initializers[0].value.bytes().data());
}

TEST(CloseBody, GivesBackTheModelWhenNothingChanged) {
  Model model = conditional();
  const Model before = model;
  for (const BodyPlace& place : bodies_of(before.graph))
    close_body(model, place, opened(before, place));
  EXPECT_EQ(model, before);
}

TEST(CloseBody, KeepsAReplacedConstantApartFromTheOneAround) {
  Model model = conditional();
  const BodyPlace place{1, "then_branch", 0};
  Model body = opened(model, place);
  body.graph.initializers[1].value = Tensor::of<float>({1}, std::vector<float>{5});
  close_body(model, place, std::move(body));
  const Graph& inside = body_at(model.graph, place);
  ASSERT_EQ(inside.initializers.size(), 2U);
  EXPECT_NE(inside.initializers[1].name, "w");
  EXPECT_EQ(inside.nodes[0].inputs[1], inside.initializers[1].name);
  EXPECT_EQ(model.graph.initializers[0].value.values<float>()[0], 2);
}

TEST(CloseBody, RenamesWhatIsNewAndTakenElsewhere) {
  Model model = conditional();
  const BodyPlace place{1, "else_branch", 0};
  Model body = opened(model, place);
  body.graph.nodes[0].outputs[0] = "x";  // the name of an input of the main graph
  body.graph.nodes[1].inputs[0] = "x";
  body.set_opset("com.microsoft", 1);
  close_body(model, place, std::move(body));
  const Graph& inside = body_at(model.graph, place);
  EXPECT_NE(inside.nodes[0].outputs[0], "x");
  EXPECT_EQ(inside.nodes[1].inputs[0], inside.nodes[0].outputs[0]);
  EXPECT_EQ(model.opset("com.microsoft"), 1);
}

TEST(ForEachOuterUse, SeesThroughBodiesInBodies) {
  const Graph outer = GraphBuilder()
                          .initializer<float>("w", {1}, {0})
                          .node("If", {"cond"}, {"y"}, {{"then_branch", branch()}})
                          .graph();
  std::vector<std::string> read;
  for_each_outer_use(outer, [&](const std::string& name) { read.push_back(name); });
  EXPECT_THAT(read, UnorderedElementsAre("cond", "a"));  // "w" is its own
}

TEST(ConstantNodesToInitializers, TakesEveryDenseFormAndNoOtherNode) {
  Graph graph = GraphBuilder()
                    .node("Constant", {}, {"f"}, {{"value_float", 1.5F}})
                    .node("Constant", {}, {"i"}, {{"value_ints", ints({1, 2})}})
                    .node("Add", {"f", "f"}, {"y"})
                    .graph();
  std::vector<std::string> done;
  constant_nodes_to_initializers(graph, [&](const Node& node) { done.push_back(node.outputs[0]); });
  EXPECT_THAT(done, ElementsAre("f", "i"));
  ASSERT_EQ(graph.nodes.size(), 1U);
  ASSERT_EQ(graph.initializers.size(), 2U);
  EXPECT_EQ(graph.initializers[0].value, Tensor::scalar(1.5F));
  EXPECT_EQ(graph.initializers[1].value.to_ints(), (std::vector<std::int64_t>{1, 2}));
}

}  // namespace
}  // namespace planish::test
