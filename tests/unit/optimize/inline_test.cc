#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "planish/base/error.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;

/// A function custom.<name>(X) -> Y of `nodes`.
Function function(std::string name, std::vector<Node> nodes, std::int64_t opset = 17) {
  Function result;
  result.domain = "custom";
  result.name = std::move(name);
  result.inputs = {"X"};
  result.outputs = {"Y"};
  result.nodes = std::move(nodes);
  result.opset_imports = {OpsetImport{"", opset}};
  return result;
}

Model calling(const std::string& name, std::vector<Function> functions,
              const Attributes& attributes = {}) {
  Model model = GraphBuilder()
                    .opset("custom", 1)
                    .input("t", DType::kFloat32, {2})
                    .node(name, {"t"}, {"u"}, attributes, "call1", "custom")
                    .node(name, {"u"}, {"v"}, attributes, "call2", "custom")
                    .output("v")
                    .model();
  model.functions = std::move(functions);
  return model;
}

TEST(InlineFunctions, BodiesReplaceCallsUnderFreshNames) {
  const std::vector<Node> body =
      GraphBuilder().node("Neg", {"X"}, {"t"}).node("Abs", {"t"}, {"Y"}).graph().nodes;
  const Model model = passed(inline_functions, calling("F", {function("F", body)})).model;
  ASSERT_THAT(ops_of(model), ElementsAre("Neg", "Abs", "Neg", "Abs"));
  EXPECT_THAT(model.graph.nodes[0].inputs, ElementsAre("t"));
  EXPECT_NE(model.graph.nodes[0].output(0), "t");  // the caller's t is another one
  EXPECT_EQ(model.graph.nodes[1].input(0), model.graph.nodes[0].output(0));
  EXPECT_THAT(model.graph.nodes[1].outputs, ElementsAre("u"));
  EXPECT_THAT(model.graph.nodes[2].inputs, ElementsAre("u"));
  EXPECT_NE(model.graph.nodes[2].output(0), model.graph.nodes[0].output(0));
}

TEST(InlineFunctions, AttributesComeFromTheCallElseFromTheDefault) {
  std::vector<Node> body = GraphBuilder().node("LeakyRelu", {"X"}, {"Y"}).graph().nodes;
  Attribute reference;
  reference.name = "alpha";
  reference.ref_attr_name = "slope";
  body[0].attributes = {reference};
  const auto slope_of = [](const Model& model) {
    return passed(inline_functions, model).model.graph.nodes[0].float_attribute("alpha", -1);
  };
  Function f = function("F", body);
  f.attribute_names = {"slope"};
  EXPECT_EQ(slope_of(calling("F", {f}, {{"slope", 0.5F}})), 0.5F);
  EXPECT_EQ(slope_of(calling("F", {f})), -1);  // the operator's own default
  Attribute fallback;
  fallback.name = "slope";
  fallback.value = 0.25F;
  f.attributes = {fallback};
  EXPECT_EQ(slope_of(calling("F", {f})), 0.25F);
}

TEST(InlineFunctions, FunctionsThatCallFunctions) {
  const std::vector<Node> outer =
      GraphBuilder().node("G", {"X"}, {"Y"}, {}, {}, "custom").graph().nodes;
  const std::vector<Node> inner = GraphBuilder().node("Neg", {"X"}, {"Y"}).graph().nodes;
  const Model model =
      passed(inline_functions, calling("F", {function("F", outer), function("G", inner)})).model;
  EXPECT_THAT(ops_of(model), ElementsAre("Neg", "Neg"));
}

TEST(InlineFunctions, AFunctionThatCallsItselfIsAnError) {
  const std::vector<Node> body =
      GraphBuilder().node("F", {"X"}, {"Y"}, {}, {}, "custom").graph().nodes;
  Model model = calling("F", {function("F", body)});
  EXPECT_THROW(inline_functions(model, {}), Error);
  // And one that grows twofold at each level ends before memory does.
  const std::vector<Node> twice = GraphBuilder()
                                      .node("F", {"X"}, {"m"}, {}, {}, "custom")
                                      .node("F", {"m"}, {"Y"}, {}, {}, "custom")
                                      .graph()
                                      .nodes;
  Model growing = calling("F", {function("F", twice)});
  EXPECT_THROW(inline_functions(growing, {}), Error);
}

TEST(InlineFunctions, BodiesOfOtherOpsetsStay) {
  const std::vector<Node> body = GraphBuilder().node("Neg", {"X"}, {"Y"}).graph().nodes;
  const Passed result = passed(inline_functions, calling("F", {function("F", body, 11)}));
  EXPECT_EQ(result.report.changes, 0U);
}

Model branching(bool condition, bool overridable = false) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {2})
      .initializer("c", Tensor(DType::kBool, {}, std::string(1, condition ? '\1' : '\0')));
  if (overridable) builder.input("c", DType::kBool, {});
  const Graph then = GraphBuilder()
                         .initializer<float>("k", {1}, {1})
                         .node("Add", {"x", "k"}, {"t"})
                         .untyped_output("t")
                         .graph();
  const Graph otherwise = GraphBuilder()
                              .initializer<float>("k", {1}, {2})
                              .node("Mul", {"x", "k"}, {"t"})
                              .untyped_output("t")
                              .graph();
  return builder
      .node("If", {"c"}, {"y"},
            {{"then_branch", Box<Graph>(then)}, {"else_branch", Box<Graph>(otherwise)}})
      .output("y")
      .model();
}

TEST(InlineBranches, TheBranchThatIsTakenStays) {
  for (const bool condition : {true, false}) {
    Model model = passed(inline_branches, branching(condition)).model;
    EXPECT_THAT(ops_of(model), ElementsAre(condition ? "Add" : "Mul", "Identity"));
    EXPECT_THAT(floats_of(model, model.graph.nodes[0].input(1)), ElementsAre(condition ? 1 : 2));
    model = passed(remove_no_ops, std::move(model)).model;
    ASSERT_EQ(model.graph.nodes.size(), 1U);
    EXPECT_THAT(model.graph.nodes[0].outputs, ElementsAre("y"));
  }
}

TEST(InlineBranches, AConditionThatCallersMayOverrideStays) {
  EXPECT_EQ(passed(inline_branches, branching(true, true)).report.changes, 0U);
}

TEST(InlineBranches, ABranchInsideABranch) {
  Graph inner = branching(false).graph;
  inner.inputs.clear();  // x is the outer graph's
  Model model = branching(true);
  model.graph.nodes[0].set_attribute("then_branch", Box<Graph>(inner));
  const Model result = passed(inline_branches, model).model;
  EXPECT_THAT(ops_of(result), ElementsAre("Mul", "Identity", "Identity"));
}

}  // namespace
}  // namespace planish::test
