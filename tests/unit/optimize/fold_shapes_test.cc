#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pass_testing.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;

/// Reshape(x, Concat(Unsqueeze(Gather(Shape(x), 0)), tail)), as exporters write flatten.
Model flatten_chain(Shape shape, std::vector<std::int64_t> tail, Attributes reshape = {}) {
  const auto count = static_cast<std::int64_t>(tail.size());
  return GraphBuilder()
      .input("x", DType::kFloat32, std::move(shape))
      .initializer("zero", Tensor::scalar<std::int64_t>(0))
      .initializer<std::int64_t>("axes", {1}, {0})
      .initializer<std::int64_t>("tail", {count}, tail)
      .node("Shape", {"x"}, {"shape"})
      .node("Gather", {"shape", "zero"}, {"batch"})
      .node("Unsqueeze", {"batch", "axes"}, {"batch1"})
      .node("Concat", {"batch1", "tail"}, {"target"}, {{"axis", std::int64_t{0}}})
      .node("Reshape", {"x", "target"}, {"y"}, reshape)
      .output("y")
      .model();
}

/// The target of the Reshape that flatten_chain ends with, after the pass.
std::vector<std::int64_t> target_in(const Model& model) {
  return ints_of(model, model.graph.nodes.back().input(1));
}

TEST(FoldShapes, ArithmeticOnKnownDimensionsBecomesConstant) {
  const Model model = passed(fold_shapes, flatten_chain({4, 3, 2, 2}, {12})).model;
  EXPECT_THAT(ops_of(model), ElementsAre("Reshape"));
  EXPECT_THAT(target_in(model), ElementsAre(4, 12));
}

TEST(FoldShapes, SymbolOfTheDataAtTheSameAxisBecomesZero) {
  EXPECT_THAT(target_in(passed(fold_shapes, flatten_chain({"N", 3, 2, 2}, {12})).model),
              ElementsAre(0, 12));
  EXPECT_THAT(target_in(passed(fold_shapes, flatten_chain({"N", 3, 2, 2}, {-1})).model),
              ElementsAre(0, -1));
}

TEST(FoldShapes, OneUnknownDimensionBecomesMinusOne) {
  EXPECT_THAT(target_in(passed(fold_shapes, flatten_chain({Dim(), 3, 2, 2}, {12})).model),
              ElementsAre(-1, 12));
  EXPECT_THAT(target_in(passed(fold_shapes, flatten_chain({"N", 3, 2, 2}, {12},
                                                          {{"allowzero", std::int64_t{1}}}))
                            .model),
              ElementsAre(-1, 12));
}

TEST(FoldShapes, TwoUnknownDimensionsStay) {
  const Passed result = passed(fold_shapes, flatten_chain({Dim(), 3, Dim(), 2}, {-1}));
  EXPECT_EQ(result.report.changes, 0U);
}

TEST(FoldShapes, AZeroAmongTheTargetsStays) {
  // 0 means "as in the data": no number may be inferred from it.
  const Passed result = passed(fold_shapes, flatten_chain({Dim(), 3, 2, 2}, {0, 4}));
  EXPECT_EQ(result.report.changes, 0U);
}

TEST(FoldShapes, KnownPartOfADynamicShapeFolds) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"N", 3, 8, 6})
                          .initializer<std::int64_t>("from", {1}, {2})
                          .initializer<std::int64_t>("to", {1}, {4})
                          .initializer<std::int64_t>("two", {1}, {2})
                          .node("Shape", {"x"}, {"shape"})
                          .node("Slice", {"shape", "from", "to"}, {"size"})
                          .node("Mul", {"size", "two"}, {"doubled"})
                          .output("doubled", DType::kInt64, {2})
                          .model();
  const Model folded = passed(fold_shapes, model).model;
  EXPECT_THAT(ops_of(folded), ElementsAre("Shape"));  // dead code now
  EXPECT_THAT(ints_of(folded, "doubled"), ElementsAre(16, 12));
}

TEST(FoldShapes, ShapeKeepsItsStartAndEnd) {
  const Model model =
      GraphBuilder()
          .input("x", DType::kFloat32, {"N", 3, 8, 6})
          .node("Shape", {"x"}, {"tail"}, {{"start", std::int64_t{-2}}})
          .node("Shape", {"x"}, {"c"}, {{"start", std::int64_t{1}}, {"end", std::int64_t{2}}})
          .output("tail", DType::kInt64, {2})
          .output("c", DType::kInt64, {1})
          .model();
  const Model folded = passed(fold_shapes, model).model;
  EXPECT_THAT(ints_of(folded, "tail"), ElementsAre(8, 6));
  EXPECT_THAT(ints_of(folded, "c"), ElementsAre(3));
}

TEST(FoldShapes, OverflowIsNotANumber) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {std::int64_t{1} << 62})
                          .initializer<std::int64_t>("four", {1}, {4})
                          .node("Shape", {"x"}, {"shape"})
                          .node("Mul", {"shape", "four"}, {"y"})
                          .output("y")
                          .model();
  EXPECT_THAT(ops_of(passed(fold_shapes, model).model), ElementsAre("Mul"));
}

TEST(FoldShapes, CastLikeOfAKnownTypeBecomesCast) {
  const Model model = GraphBuilder(19)
                          .input("x", DType::kFloat16, {1})
                          .initializer("zero", Tensor::scalar(0.0F))
                          .node("CastLike", {"zero", "x"}, {"y"})
                          .output("y")
                          .model();
  const Model lowered = passed(fold_shapes, model).model;
  EXPECT_THAT(ops_of(lowered), ElementsAre("Cast"));
  EXPECT_THAT(lowered.graph.nodes[0].inputs, ElementsAre("zero"));
  EXPECT_EQ(lowered.graph.nodes[0].int_attribute("to", 0), 10);  // FLOAT16
}

TEST(FoldShapes, AnOverridableTargetStays) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .input("axis", DType::kInt64, {})
                          .initializer("axis", Tensor::scalar<std::int64_t>(0))
                          .node("Shape", {"x"}, {"shape"})
                          .node("Gather", {"shape", "axis"}, {"y"})
                          .output("y")
                          .model();
  EXPECT_THAT(ops_of(passed(fold_shapes, model).model), ElementsAre("Gather"));
}

}  // namespace
}  // namespace planish::test
