#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;

/// Neg, then the node under test, then Abs: what stays of the three after the pass.
struct Between {
  std::vector<std::string> constants = {};  // further inputs of the node
  Attributes attributes = {};
  Shape in = {"N", 4};
  Shape out = {"N", 4};
  std::int64_t opset = 17;
};

std::vector<std::string> left_of(const std::string& op, const Between& between = {}) {
  std::vector<std::string> inputs{"a"};
  inputs.insert(inputs.end(), between.constants.begin(), between.constants.end());
  const Model model = GraphBuilder(between.opset)
                          .input("x", DType::kFloat32, between.in)
                          .value("a", DType::kFloat32, between.in)
                          .value("b", DType::kFloat32, between.out)
                          .initializer<std::int64_t>("zeros", {4}, {0, 0, 0, 0})
                          .initializer<std::int64_t>("pads", {4}, {0, 0, 0, 1})
                          .initializer<std::int64_t>("zero", {1}, {0})
                          .initializer<std::int64_t>("one", {1}, {1})
                          .initializer<std::int64_t>("four", {1}, {4})
                          .initializer<std::int64_t>("end", {1}, {INT64_MAX})
                          .initializer("no", Tensor(DType::kBool, {}, std::string(1, '\0')))
                          .initializer("yes", Tensor(DType::kBool, {}, std::string(1, '\1')))
                          .input("fed", DType::kBool, {})
                          .node("Neg", {"x"}, {"a"})
                          .node(op, std::move(inputs), {"b"}, between.attributes)
                          .node("Abs", {"b"}, {"y"})
                          .output("y")
                          .model();
  return ops_of(passed(remove_no_ops, model).model);
}

const auto kGone = ElementsAre("Neg", "Abs");
auto stays(const std::string& op) { return ElementsAre("Neg", op, "Abs"); }

TEST(RemoveNoOps, Identity) { EXPECT_THAT(left_of("Identity"), kGone); }

TEST(RemoveNoOps, DropoutInInferenceOnly) {
  EXPECT_THAT(left_of("Dropout"), kGone);
  EXPECT_THAT(left_of("Dropout", {.attributes = {{"ratio", 0.5F}}, .opset = 10}), kGone);
  EXPECT_THAT(left_of("Dropout", {.constants = {"", "no"}}), kGone);
  EXPECT_THAT(left_of("Dropout", {.constants = {"", "yes"}}), stays("Dropout"));
  EXPECT_THAT(left_of("Dropout", {.constants = {"", "fed"}}), stays("Dropout"));
}

TEST(RemoveNoOps, DropoutWhoseMaskIsReadStays) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .node("Dropout", {"x"}, {"d", "mask"})
                          .node("Abs", {"d"}, {"y"})
                          .output("y")
                          .output("mask", DType::kBool, {2})
                          .model();
  EXPECT_EQ(passed(remove_no_ops, model).report.changes, 0U);
}

TEST(RemoveNoOps, CastToTheSameTypeOnly) {
  EXPECT_THAT(left_of("Cast", {.attributes = {{"to", std::int64_t{1}}}}), kGone);
  EXPECT_THAT(left_of("Cast", {.attributes = {{"to", std::int64_t{10}}}}), stays("Cast"));
}

TEST(RemoveNoOps, TransposeThatKeepsTheOrder) {
  EXPECT_THAT(left_of("Transpose", {.attributes = {{"perm", ints({0, 1})}}}), kGone);
  EXPECT_THAT(left_of("Transpose", {.attributes = {{"perm", ints({1, 0})}}}), stays("Transpose"));
  EXPECT_THAT(left_of("Transpose"), stays("Transpose"));  // reverses
}

TEST(RemoveNoOps, PadOfNothing) {
  EXPECT_THAT(left_of("Pad", {.constants = {"zeros"}}), kGone);
  EXPECT_THAT(left_of("Pad", {.constants = {"pads"}}), stays("Pad"));
  EXPECT_THAT(left_of("Pad", {.attributes = {{"pads", ints({0, 0, 0, 0})}}, .opset = 10}), kGone);
}

TEST(RemoveNoOps, ReshapeToTheSameShape) {
  EXPECT_THAT(left_of("Reshape", {.constants = {"zeros"}}), kGone);
  // The element count fixes the one dimension of which nothing is known.
  EXPECT_THAT(left_of("Reshape", {.constants = {"zeros"}, .out = {Dim(), 4}}), kGone);
  EXPECT_THAT(left_of("Reshape", {.constants = {"zeros"}, .out = {4, "N"}}), stays("Reshape"));
  EXPECT_THAT(left_of("Reshape", {.constants = {"zeros"}, .out = {"N", 2, 2}}), stays("Reshape"));
  EXPECT_THAT(left_of("Flatten"), kGone);
}

TEST(RemoveNoOps, ReshapeOfAnEmptyTensorStays) {
  EXPECT_THAT(left_of("Reshape", {.constants = {"zeros"}, .in = {0, 4}, .out = {0, 5}}),
              stays("Reshape"));
}

TEST(RemoveNoOps, ExpandToTheSameShapeOnlyWhenEveryDimensionIsKnownEqual) {
  EXPECT_THAT(left_of("Expand", {.constants = {"zeros"}}), kGone);
  EXPECT_THAT(left_of("Expand", {.constants = {"zeros"}, .out = {Dim(), 4}}), stays("Expand"));
}

TEST(RemoveNoOps, SliceOfEverything) {
  EXPECT_THAT(left_of("Slice", {.constants = {"zero", "end", "one"}}), kGone);
  EXPECT_THAT(left_of("Slice", {.constants = {"zero", "four", "one", "one"}}), kGone);
  EXPECT_THAT(left_of("Slice", {.constants = {"zero", "four", "zero"}}), stays("Slice"));
  EXPECT_THAT(left_of("Slice", {.constants = {"one", "end", "one"}}), stays("Slice"));
  EXPECT_THAT(left_of("Slice", {.constants = {"zero", "end", "one", "four"}}), stays("Slice"));
}

TEST(RemoveNoOps, ConcatOfOne) {
  EXPECT_THAT(left_of("Concat", {.attributes = {{"axis", std::int64_t{0}}}}), kGone);
}

TEST(RemoveNoOps, OtherDomainsAreOtherOperators) {
  const Model model = GraphBuilder()
                          .opset("custom", 1)
                          .input("x", DType::kFloat32, {2})
                          .node("Identity", {"x"}, {"i"}, {}, {}, "custom")
                          .node("Abs", {"i"}, {"y"})
                          .output("y")
                          .model();
  EXPECT_EQ(passed(remove_no_ops, model).report.changes, 0U);
}

TEST(RemoveNoOps, GraphOutputsKeepTheirNames) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .node("Neg", {"x"}, {"a"})
                          .node("Identity", {"a"}, {"i"})
                          .node("Identity", {"i"}, {"y"})
                          .node("Abs", {"a"}, {"z"})
                          .output("y")
                          .output("z")
                          .model();
  const Model result = passed(remove_no_ops, model).model;
  EXPECT_THAT(ops_of(result), ElementsAre("Neg", "Abs"));
  EXPECT_THAT(result.graph.nodes[0].outputs, ElementsAre("y"));
  EXPECT_THAT(result.graph.nodes[1].inputs, ElementsAre("y"));
}

TEST(RemoveNoOps, AnInputHandedOutAsOutputKeepsItsIdentity) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .node("Identity", {"x"}, {"y"})
                          .output("y")
                          .model();
  EXPECT_EQ(passed(remove_no_ops, model).model, model);
}

TEST(RemoveNoOps, OneOfTwoOutputsOfTheSameValueStays) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .node("Neg", {"x"}, {"a"})
                          .node("Identity", {"a"}, {"y"})
                          .node("Identity", {"a"}, {"z"})
                          .output("y")
                          .output("z")
                          .model();
  const Model result = passed(remove_no_ops, model).model;
  EXPECT_THAT(ops_of(result), ElementsAre("Neg", "Identity"));
  EXPECT_THAT(result.graph.nodes[1].inputs, ElementsAre("y"));
  EXPECT_THAT(result.graph.nodes[1].outputs, ElementsAre("z"));
}

TEST(RemoveNoOps, ABiasBehindIdentityIsReadDirectly) {
  // Exporters of torch share equal biases that way; quantizers look for the bias among the
  // initializers.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 1, 4, 4})
                          .initializer<float>("w", {1, 1, 1, 1}, {2})
                          .initializer<float>("b", {1}, {3})
                          .node("Identity", {"b"}, {"b2"})
                          .node("Conv", {"x", "w", "b2"}, {"h"})
                          .node("Conv", {"h", "w", "b"}, {"y"})
                          .output("y")
                          .model();
  const Model result = passed(remove_no_ops, model).model;
  EXPECT_THAT(ops_of(result), ElementsAre("Conv", "Conv"));
  EXPECT_THAT(result.graph.nodes[0].inputs, ElementsAre("x", "w", "b"));
}

TEST(RemoveNoOps, ReadersInsideSubgraphsFollow) {
  const Graph branch = GraphBuilder().node("Neg", {"i"}, {"inner"}).untyped_output("inner").graph();
  const Graph shadow = GraphBuilder()
                           .initializer<float>("i", {2}, {1, 2})
                           .node("Neg", {"i"}, {"inner"})
                           .untyped_output("inner")
                           .graph();
  const Model model =
      GraphBuilder()
          .input("c", DType::kBool, {})
          .input("x", DType::kFloat32, {2})
          .node("Identity", {"x"}, {"i"})
          .node("If", {"c"}, {"y"},
                {{"then_branch", Box<Graph>(branch)}, {"else_branch", Box<Graph>(shadow)}})
          .output("y")
          .model();
  const Model result = passed(remove_no_ops, model).model;
  ASSERT_THAT(ops_of(result), ElementsAre("If"));
  const auto branch_of = [&](const char* name) {
    return std::get<Box<Graph>>(result.graph.nodes[0].find_attribute(name)->value)->nodes[0];
  };
  EXPECT_THAT(branch_of("then_branch").inputs, ElementsAre("x"));
  EXPECT_THAT(branch_of("else_branch").inputs, ElementsAre("i"));  // its own
}

}  // namespace
}  // namespace planish::test
