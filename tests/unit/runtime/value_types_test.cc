#include "planish/runtime/value_types.h"

#include <gtest/gtest.h>

#include <string>

#include "planish/base/error.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::GraphBuilder;
using test::ints;

Shape shape_of(const ValueTypes& types, const std::string& name) {
  return types.at(name).tensor()->shape.value();
}

TEST(InferValueTypes, KnowsEveryValueOfAConvolution) {
  const ValueTypes types = infer_value_types(
      GraphBuilder()
          .input("x", DType::kFloat32, {"batch", 3, 32, 32})
          .initializer("w", test::random_tensor({16, 3, 3, 3}, 1))  // large: not handed over
          .node("Conv", {"x", "w"}, {"conv"}, {{"kernel_shape", ints({3, 3})}})
          .node("Relu", {"conv"}, {"y"})
          .untyped_output("y")
          .model());
  const Shape expected{"batch", 16, 30, 30};
  EXPECT_EQ(shape_of(types, "conv"), expected);
  EXPECT_EQ(shape_of(types, "y"), expected);
  EXPECT_EQ(shape_of(types, "x"), (Shape{"batch", 3, 32, 32}));
  EXPECT_EQ(shape_of(types, "w"), (Shape{16, 3, 3, 3}));
  EXPECT_EQ(types.at("conv").tensor()->dtype, DType::kFloat32);
}

TEST(InferValueTypes, FollowsShapesThatAreConstants) {
  const ValueTypes types = infer_value_types(GraphBuilder()
                                                 .input("x", DType::kFloat32, {2, 8})
                                                 .initializer<std::int64_t>("shape", {3}, {4, 2, 2})
                                                 .node("Reshape", {"x", "shape"}, {"y"})
                                                 .untyped_output("y")
                                                 .model());
  EXPECT_EQ(shape_of(types, "y"), (Shape{4, 2, 2}));
  EXPECT_EQ(shape_of(types, "shape"), (Shape{3}));
}

TEST(InferValueTypes, TellsAScalarFromAnUnknownRank) {
  const ValueTypes types =
      infer_value_types(GraphBuilder()
                            .input("x", DType::kFloat32, {2, 8})
                            .input("shape", DType::kInt64, {"rank"})
                            .node("ReduceSum", {"x"}, {"sum"}, {{"keepdims", std::int64_t{0}}})
                            .node("Reshape", {"x", "shape"}, {"any"})
                            .untyped_output("sum")
                            .untyped_output("any")
                            .model());
  EXPECT_EQ(types.at("sum").tensor()->shape, Shape{});
  EXPECT_EQ(types.at("any").tensor()->shape, std::nullopt);
  EXPECT_EQ(types.at("any").tensor()->dtype, DType::kFloat32);
}

TEST(InferValueTypes, KnowsSequences) {
  const ValueTypes types = infer_value_types(GraphBuilder()
                                                 .input("x", DType::kFloat32, {2})
                                                 .node("SequenceConstruct", {"x", "x"}, {"pair"})
                                                 .node("SequenceLength", {"pair"}, {"length"})
                                                 .untyped_output("length")
                                                 .model());
  EXPECT_TRUE(std::holds_alternative<SequenceType>(types.at("pair").type));
  EXPECT_EQ(types.at("length").tensor()->dtype, DType::kInt64);
}

TEST(InferValueTypes, SkipsOmittedOutputsAndKeepsDeclaredOnes) {
  const ValueTypes types = infer_value_types(GraphBuilder()
                                                 .input("x", DType::kFloat32, {2, 8})
                                                 .node("Dropout", {"x"}, {"kept", ""})
                                                 .node("Neg", {"kept"}, {"y"})
                                                 .output("y", DType::kFloat32, {2, 8})
                                                 .model());
  EXPECT_EQ(shape_of(types, "kept"), (Shape{2, 8}));
  EXPECT_EQ(shape_of(types, "y"), (Shape{2, 8}));
  EXPECT_FALSE(types.contains(""));
}

TEST(InferValueTypes, KeepsALargeConstantWhereItMustBeOne) {
  // The type of the output depends on the elements of a constant of more than a kilobyte.
  std::vector<std::int64_t> dims(200, 1);
  dims[0] = 8;
  const ValueTypes types = infer_value_types(GraphBuilder()
                                                 .input("x", DType::kFloat32, {8})
                                                 .initializer<std::int64_t>("shape", {200}, dims)
                                                 .node("Reshape", {"x", "shape"}, {"y"})
                                                 .untyped_output("y")
                                                 .model());
  EXPECT_EQ(types.at("y").tensor()->dtype, DType::kFloat32);
}

TEST(InferValueTypes, NamesTheOperatorThatIsNotKnown) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .node("Frobnicate", {"x"}, {"y"})
                          .untyped_output("y")
                          .model();
  EXPECT_TRUE(
      test::throws(ErrorCode::kUnsupported, [&] { infer_value_types(model); }, {"Frobnicate"}));
}

}  // namespace
}  // namespace planish
