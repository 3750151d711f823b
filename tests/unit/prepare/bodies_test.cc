// What preparation does inside If and Loop.
#include "planish/graph/bodies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "planish/prepare/prepare.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> ops_in(const Graph& graph) {
  std::vector<std::string> ops;
  for (const Node& node : graph.nodes) ops.push_back(node.op_type);
  return ops;
}

/// x (w^T), with the transposition written out, of a weight around or inside.
Box<Graph> product(const std::string& weight, const std::string& output) {
  GraphBuilder builder;
  if (weight == "own") builder.node("Constant", {}, {"own"}, {{"value_floats", floats({1, 2})}});
  const std::string matrix = weight == "own" ? "row" : weight;
  if (weight == "own") builder.node("Unsqueeze", {"own", "zero"}, {"row"});
  return Box<Graph>(builder.node("Transpose", {matrix}, {output + "_t"})
                        .node("MatMul", {"x", output + "_t"}, {output})
                        .node("Identity", {output}, {output + "_out"})
                        .output(output + "_out", DType::kFloat32, {"n", 1})
                        .graph());
}

Model conditional() {
  return GraphBuilder()
      .input("c", DType::kBool, {})
      .input("x", DType::kFloat32, {"n", 2})
      .initializer("w", random_tensor({1, 2}, 1))
      .initializer<std::int64_t>("zero", {1}, {0})
      .node("If", {"c"}, {"y"},
            {{"then_branch", product("w", "t")}, {"else_branch", product("own", "e")}})
      .output("y", DType::kFloat32, {"n", 1})
      .model();
}

TEST(PrepareBodies, FoldsConstantsOfInsideAndOutside) {
  const Prepared prepared = prepare(conditional(), {.verify = Verify::kEachPass});
  for (const BodyPlace& place : bodies_of(prepared.model.graph)) {
    const Graph& body = body_at(prepared.model.graph, place);
    EXPECT_THAT(ops_in(body), ElementsAre("MatMul"));
    ASSERT_EQ(body.initializers.size(), 1U);
    EXPECT_THAT(body.initializers[0].value.dims(), ElementsAre(2, 1));
  }
  EXPECT_EQ(prepared.report.whole.max_relative_error, 0.0);
  EXPECT_TRUE(prepared.model.graph.initializers.empty());  // nothing reads them any more
}

TEST(PrepareBodies, WritesTheTypesOfTheirValues) {
  Model model = conditional();
  write_value_types(model);
  for (const BodyPlace& place : bodies_of(model.graph)) {
    const Graph& body = body_at(model.graph, place);
    const std::string product = place.attribute == "then_branch" ? "t" : "e";
    const auto found = std::ranges::find(body.values, product, &ValueInfo::name);
    ASSERT_NE(found, body.values.end());
    ASSERT_NE(found->type.tensor(), nullptr);
    EXPECT_EQ(found->type.tensor()->dtype, DType::kFloat32);
  }
}

TEST(PrepareBodies, KeepWhatALoopCarries) {
  Graph turn = GraphBuilder()
                   .input("i", DType::kInt64, {})
                   .input("go", DType::kBool, {})
                   .input("state", DType::kFloat32, {2})
                   .node("Constant", {}, {"half"}, {{"value_float", 0.5F}})
                   .node("Constant", {}, {"two"}, {{"value_float", 2.0F}})
                   .node("Mul", {"half", "two"}, {"one"})
                   .node("Mul", {"state", "half"}, {"less"})
                   .node("Add", {"less", "one"}, {"next"})
                   .node("Identity", {"go"}, {"go_on"})
                   .output("go_on", DType::kBool, {})
                   .output("next", DType::kFloat32, {2})
                   .graph();
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .initializer("turns", Tensor::scalar<std::int64_t>(3))
                          .node("Loop", {"turns", "", "x"}, {"y"}, {{"body", Box<Graph>(turn)}})
                          .output("y", DType::kFloat32, {2})
                          .model();
  const Prepared prepared = prepare(model, {.verify = Verify::kEachPass});
  EXPECT_EQ(prepared.report.whole.max_relative_error, 0.0);
  const Graph& body = body_at(prepared.model.graph, {0, "body", 0});
  EXPECT_EQ(body.inputs, turn.inputs);
  EXPECT_EQ(body.nodes.size(), 3U);  // Mul, Add, and the Identity of an input
}

}  // namespace
}  // namespace planish::test
