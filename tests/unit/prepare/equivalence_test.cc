// Every pass on models that ONNX Runtime runs before and after: the same answers, within the
// tolerance of the pass, and the simpler graph that was promised.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "planish/prepare/prepare.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

struct Case {
  std::string name;
  std::function<Model()> model;
  std::vector<std::string> ops;  // after preparation
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

Tensor positive(std::vector<std::int64_t> dims, std::uint64_t seed) {
  return random_tensor(std::move(dims), seed, 0.5F, 1.5F);
}

/// Parameters of a BatchNormalization of `channels` channels.
GraphBuilder& batch_norm(GraphBuilder& builder, std::int64_t channels, const std::string& data,
                         const std::string& output) {
  return builder.initializer("gamma", positive({channels}, 11))
      .initializer("beta", random_tensor({channels}, 12))
      .initializer("mean", random_tensor({channels}, 13))
      .initializer("var", positive({channels}, 14))
      .node("BatchNormalization", {data, "gamma", "beta", "mean", "var"}, {output});
}

Model conv_batch_norm() {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {"N", 4, 9, 9})
      .initializer("w", random_tensor({6, 2, 3, 3}, 1))
      .node("Conv", {"x", "w"}, {"c"}, {{"group", std::int64_t{2}}, {"pads", ints({1, 0, 1, 2})}});
  return batch_norm(builder, 6, "c", "y").output("y", DType::kFloat32, {"N", 6, 9, 9}).model();
}

Model conv_transpose_batch_norm() {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {"N", 4, 5, 5})
      .initializer("w", random_tensor({4, 3, 3, 3}, 1))
      .initializer("b", random_tensor({6}, 2))
      .node("ConvTranspose", {"x", "w", "b"}, {"c"},
            {{"group", std::int64_t{2}},
             {"strides", ints({2, 2})},
             {"output_padding", ints({1, 1})}});
  return batch_norm(builder, 6, "c", "y").untyped_output("y").model();
}

Model gemm_batch_norm() {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {5, "N"})
      .initializer("w", random_tensor({6, 5}, 1))
      .initializer("b", random_tensor({1, 6}, 2))
      .node("Gemm", {"x", "w", "b"}, {"g"},
            {{"transA", std::int64_t{1}},
             {"transB", std::int64_t{1}},
             {"alpha", 0.5F},
             {"beta", 3.0F}});
  return batch_norm(builder, 6, "g", "y").untyped_output("y").model();
}

Model matmul_batch_norm() {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {"N", 5})
      .initializer("w", random_tensor({5, 6}, 1))
      .node("MatMul", {"x", "w"}, {"m"});
  return batch_norm(builder, 6, "m", "y").untyped_output("y").model();
}

Model scales() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 3, 8, 8})
      .initializer("w", random_tensor({5, 3, 1, 1}, 1))
      .initializer("m", positive({1, 5, 1, 1}, 2))
      .initializer("a", random_tensor({5, 1, 1}, 3))
      .initializer("d", positive({1}, 4))
      .initializer("s", random_tensor({}, 5))
      .node("Conv", {"x", "w"}, {"c"})
      .node("Mul", {"m", "c"}, {"t1"})
      .node("Add", {"t1", "a"}, {"t2"})
      .node("Div", {"t2", "d"}, {"t3"})
      .node("Sub", {"s", "t3"}, {"y"})
      .untyped_output("y")
      .model();
}

Model padded_convs() {
  return GraphBuilder(18)
      .input("x", DType::kFloat32, {"N", 2, 8, 8})
      .initializer<std::int64_t>("pads", {8}, {0, 0, 0, 1, 0, 0, 2, 1})
      .initializer<std::int64_t>("some", {4}, {1, 1, 2, 0})
      .initializer<std::int64_t>("axes", {2}, {-2, -1})
      .initializer("w", random_tensor({2, 1, 3, 3}, 1))
      .node("Pad", {"x", "pads"}, {"p"})
      .node("Conv", {"p", "w"}, {"c"}, {{"group", std::int64_t{2}}, {"strides", ints({2, 2})}})
      .node("Pad", {"c", "some", "", "axes"}, {"q"})
      .node("AveragePool", {"q"}, {"y"}, {{"kernel_shape", ints({3, 3})}})
      .untyped_output("y")
      .model();
}

/// The padding that one exporter of EfficientNet leaves behind.
Model padding_chain() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 1, 8, 8})
      .initializer<std::int64_t>("given", {4}, {0, 1, 0, 1})
      .initializer<std::int64_t>("four", {1}, {4})
      .initializer<std::int64_t>("pairs", {2}, {-1, 2})
      .initializer<std::int64_t>("last", {1}, {-1})
      .initializer<std::int64_t>("first", {1}, {INT64_MIN + 1})
      .initializer<std::int64_t>("zero", {1}, {0})
      .initializer("none", Tensor::scalar(0.0F))
      .initializer("w", random_tensor({1, 1, 3, 3}, 1))
      .node("ConstantOfShape", {"four"}, {"zeros"},
            {{"value", Box<Initializer>(Initializer{
                           .value = Tensor::of<std::int64_t>({1}, std::vector<std::int64_t>{0})})}})
      .node("Concat", {"given", "zeros"}, {"all"}, {{"axis", std::int64_t{0}}})
      .node("Reshape", {"all", "pairs"}, {"rows"})
      .node("Slice", {"rows", "last", "first", "zero", "last"}, {"reversed"})
      .node("Transpose", {"reversed"}, {"columns"}, {{"perm", ints({1, 0})}})
      .node("Reshape", {"columns", "last"}, {"flat"})
      .node("Cast", {"flat"}, {"pads"}, {{"to", std::int64_t{7}}})
      .node("Pad", {"x", "pads", "none"}, {"p"}, {{"mode", std::string("constant")}})
      .node("Conv", {"p", "w"}, {"y"}, {{"strides", ints({2, 2})}, {"pads", ints({0, 0, 0, 0})}})
      .untyped_output("y")
      .model();
}

Model clamps() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 4})
      .initializer<float>("low", {1}, {-0.5F})
      .initializer("high", Tensor::scalar(0.75F))
      .initializer("zero", Tensor::scalar(0.0F))
      .node("Max", {"x", "low"}, {"a"})
      .node("Min", {"a", "high"}, {"b"})
      .node("Neg", {"b"}, {"n"})
      .node("Clip", {"n", "zero"}, {"y"})
      .untyped_output("y")
      .model();
}

Model flatten_by_shape() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 2, 3, 3})
      .initializer("index", Tensor::scalar<std::int64_t>(0))
      .initializer<std::int64_t>("axes", {1}, {0})
      .initializer<std::int64_t>("rest", {1}, {-1})
      .node("Relu", {"x"}, {"r"})
      .node("Shape", {"x"}, {"s"})
      .node("Gather", {"s", "index"}, {"n"})
      .node("Unsqueeze", {"n", "axes"}, {"n1"})
      .node("Concat", {"n1", "rest"}, {"target"}, {{"axis", std::int64_t{0}}})
      .node("Reshape", {"r", "target"}, {"y"})
      .output("y", DType::kFloat32, {"N", 18})
      .model();
}

Model no_ops() {
  return GraphBuilder(13)
      .input("x", DType::kFloat32, {"N", 4})
      .initializer<std::int64_t>("same", {2}, {0, 4})
      .initializer<std::int64_t>("pads", {4}, {0, 0, 0, 0})
      .initializer<std::int64_t>("from", {2}, {0, 0})
      .initializer<std::int64_t>("to", {2}, {INT64_MAX, 4})
      .initializer<std::int64_t>("ones", {1}, {1})
      .node("Neg", {"x"}, {"a"})
      .node("Identity", {"a"}, {"b"})
      .node("Dropout", {"b"}, {"c"})
      .node("Cast", {"c"}, {"d"}, {{"to", std::int64_t{1}}})
      .node("Transpose", {"d"}, {"e"}, {{"perm", ints({0, 1})}})
      .node("Pad", {"e", "pads"}, {"f"})
      .node("Reshape", {"f", "same"}, {"g"})
      .node("Slice", {"g", "from", "to"}, {"h"})
      .node("Expand", {"h", "ones"}, {"i"})
      .node("Concat", {"i"}, {"j"}, {{"axis", std::int64_t{1}}})
      .node("Flatten", {"j"}, {"y"})
      .output("y", DType::kFloat32, {"N", 4})
      .model();
}

/// Weights shared through Identity, as torch exports them.
Model shared_bias() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 2, 4, 4})
      .initializer("w", random_tensor({2, 2, 1, 1}, 1))
      .initializer("b", random_tensor({2}, 2))
      .node("Identity", {"b"}, {"b2"})
      .node("Conv", {"x", "w", "b"}, {"c"})
      .node("Conv", {"c", "w", "b2"}, {"y"})
      .untyped_output("y")
      .model();
}

Model constant_outputs() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 2})
      .initializer<float>("c", {2}, {1, 2})
      .node("Constant", {}, {"anchors"}, {{"value_floats", floats({3, 4})}})
      .node("Neg", {"c"}, {"negated"})
      .node("Identity", {"c"}, {"copy"})
      .node("Add", {"x", "c"}, {"y"})
      .output("y", DType::kFloat32, {"N", 2})
      .output("anchors", DType::kFloat32, {2})
      .output("negated", DType::kFloat32, {2})
      .output("copy", DType::kFloat32, {2})
      .model();
}

Model constant_branch() {
  const Graph then = GraphBuilder()
                         .initializer("k", Tensor::scalar(2.0F))
                         .node("Mul", {"x", "k"}, {"t"})
                         .output("t", DType::kFloat32, {"N", 2})
                         .graph();
  const Graph otherwise =
      GraphBuilder().node("Neg", {"x"}, {"t2"}).output("t2", DType::kFloat32, {"N", 2}).graph();
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 2})
      .initializer<std::int64_t>("two", {1}, {2})
      .initializer("index", Tensor::scalar<std::int64_t>(1))
      .node("Shape", {"x"}, {"shape"})
      .node("Gather", {"shape", "index"}, {"width"})
      .node("Equal", {"width", "two"}, {"is_two"})
      .node("Squeeze", {"is_two"}, {"condition"})
      .node("If", {"condition"}, {"y"},
            {{"then_branch", Box<Graph>(then)}, {"else_branch", Box<Graph>(otherwise)}})
      .output("y", DType::kFloat32, {"N", 2})
      .model();
}

Model function_call() {
  Model model = GraphBuilder()
                    .opset("custom", 1)
                    .input("x", DType::kFloat32, {"N", 2})
                    .node("Swish", {"x"}, {"y"}, {}, {}, "custom")
                    .output("y", DType::kFloat32, {"N", 2})
                    .model();
  Function swish;
  swish.domain = "custom";
  swish.name = "Swish";
  swish.inputs = {"X"};
  swish.outputs = {"Y"};
  swish.opset_imports = {OpsetImport{"", 17}};
  swish.nodes = GraphBuilder()
                    .node("Sigmoid", {"X"}, {"x"})  // named like a value of the caller
                    .node("Mul", {"X", "x"}, {"Y"})
                    .graph()
                    .nodes;
  model.functions = {swish};
  return model;
}

Model old_inputs() {
  Model model = GraphBuilder(9)
                    .input("x", DType::kFloat32, {"N", 2})
                    .input("w", DType::kFloat32, {2, 3})
                    .initializer("w", random_tensor({2, 3}, 1))
                    .node("MatMul", {"x", "w"}, {"m"})
                    .node("Clip", {"m"}, {"y"}, {{"min", 0.0F}})
                    .output("y", DType::kFloat32, {"N", 3})
                    .model();
  model.ir_version = 3;
  return model;
}

/// The end of a network as the dynamo exporter writes it.
Model mean_over_space() {
  return GraphBuilder(18)
      .input("x", DType::kFloat32, {"N", 5, 7, 9})
      .initializer<std::int64_t>("axes", {2}, {-1, -2})
      .node("ReduceMean", {"x", "axes"}, {"y"}, {{"keepdims", std::int64_t{0}}})
      .output("y", DType::kFloat32, {"N", 5})
      .model();
}

Model hard_swish_operator() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 2, 8, 8})
      .node("HardSwish", {"x"}, {"y"})
      .output("y", DType::kFloat32, {"N", 2, 8, 8})
      .model();
}

Model hard_swish_chain() {
  return GraphBuilder(12)
      .input("x", DType::kFloat32, {"N", 2, 8, 8})
      .initializer("three", Tensor::scalar(3.0F))
      .initializer("zero", Tensor::scalar(0.0F))
      .initializer("six", Tensor::scalar(6.0F))
      .node("Add", {"x", "three"}, {"a"})
      .node("Clip", {"a", "zero", "six"}, {"c"})
      .node("Mul", {"x", "c"}, {"m"})
      .node("Div", {"m", "six"}, {"y"})
      .output("y", DType::kFloat32, {"N", 2, 8, 8})
      .model();
}

/// The Add of the gate, which would go into the Conv before it, is found first.
Model hard_sigmoid_behind_conv() {
  return GraphBuilder(13)
      .input("x", DType::kFloat32, {"N", 2, 4, 4})
      .initializer("w", random_tensor({3, 2, 1, 1}, 1, -4.0F, 4.0F))
      .initializer("three", Tensor::scalar(3.0F))
      .initializer("zero", Tensor::scalar(0.0F))
      .initializer("six", Tensor::scalar(6.0F))
      .node("Conv", {"x", "w"}, {"v"})
      .node("Add", {"v", "three"}, {"a"})
      .node("Max", {"a", "zero"}, {"r"})
      .node("Min", {"r", "six"}, {"c"})
      .node("Div", {"c", "six"}, {"y"})
      .output("y", DType::kFloat32, {"N", 3, 4, 4})
      .model();
}

/// A learnable affine block between convolutions, as in PP-OCR; and a normalized image before them.
Model affine_inputs() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"N", 4, 8, 8})
      .initializer("mean", random_tensor({4, 1, 1}, 1))
      .initializer("std", positive({1}, 2))
      .initializer("w1", random_tensor({6, 2, 1, 1}, 3))
      .initializer("scale", positive({1}, 4))
      .initializer("shift", random_tensor({1}, 5))
      .initializer("w2", random_tensor({6, 1, 3, 3}, 6))
      .initializer("b2", random_tensor({6}, 7))
      .node("Sub", {"x", "mean"}, {"a"})
      .node("Div", {"a", "std"}, {"b"})
      .node("Conv", {"b", "w1"}, {"c"}, {{"group", std::int64_t{2}}})
      .node("Tanh", {"c"}, {"t"})
      .node("Mul", {"scale", "t"}, {"s"})
      .node("Add", {"s", "shift"}, {"d"})
      .node("Conv", {"d", "w2", "b2"}, {"y"},
            {{"group", std::int64_t{6}}, {"pads", ints({1, 1, 1, 1})}})
      .untyped_output("y")
      .model();
}

const std::vector<Case> kCases{
    {"ConvBatchNorm", conv_batch_norm, {"Conv"}},
    {"ConvTransposeBatchNorm", conv_transpose_batch_norm, {"ConvTranspose"}},
    {"GemmBatchNorm", gemm_batch_norm, {"Gemm"}},
    {"MatMulBatchNorm", matmul_batch_norm, {"MatMul", "Add"}},
    {"Scales", scales, {"Conv"}},
    {"PaddedConvs", padded_convs, {"Conv", "AveragePool"}},
    {"PaddingChain", padding_chain, {"Conv"}},
    {"Clamps", clamps, {"Clip", "Neg", "Relu"}},
    {"FlattenByShape", flatten_by_shape, {"Relu", "Reshape"}},
    {"NoOps", no_ops, {"Neg"}},
    {"SharedBias", shared_bias, {"Conv", "Conv"}},
    {"ConstantOutputs", constant_outputs, {"Add"}},
    {"ConstantBranch", constant_branch, {"Mul"}},
    {"FunctionCall", function_call, {"Sigmoid", "Mul"}},
    {"OldInputs", old_inputs, {"MatMul", "Relu"}},
    {"AffineInputs", affine_inputs, {"Conv", "Tanh", "Add", "Conv"}},
    {"MeanOverSpace", mean_over_space, {"GlobalAveragePool", "Flatten"}},
    {"HardSwishOperator", hard_swish_operator, {"HardSigmoid", "Mul"}},
    {"HardSwishChain", hard_swish_chain, {"HardSigmoid", "Mul"}},
    {"HardSigmoidBehindConv", hard_sigmoid_behind_conv, {"Conv", "HardSigmoid"}},
};

class Equivalence : public ::testing::TestWithParam<Case> {};

TEST_P(Equivalence, HoldsWithinTheToleranceOfEachPass) {
  const Model model = GetParam().model();
  const Prepared prepared = prepare(model, {.on_mismatch = OnMismatch::kFail});
  std::vector<std::string> ops;
  for (const Node& node : prepared.model.graph.nodes) ops.push_back(node.op_type);
  EXPECT_EQ(ops, GetParam().ops);
  ASSERT_EQ(prepared.report.whole.not_verified_because, "");
  for (const PassOutcome& outcome : prepared.report.passes) {
    if (outcome.report.changes == 0) continue;
    ASSERT_TRUE(outcome.max_relative_error) << outcome.report.pass;
    EXPECT_LE(*outcome.max_relative_error, outcome.tolerance) << outcome.report.pass;
  }
}

TEST_P(Equivalence, ASecondPreparationFindsNothingMore) {
  const Prepared once = prepare(GetParam().model(), {.verify = Verify::kOff});
  const Prepared twice = prepare(once.model, {.verify = Verify::kOff});
  EXPECT_EQ(twice.model, once.model);
  for (const PassOutcome& outcome : twice.report.passes) {
    EXPECT_EQ(outcome.report.changes, 0U) << outcome.report.pass;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Equivalence, ::testing::ValuesIn(kCases),
                         [](const auto& each) { return each.param.name; });

TEST(Tolerances, LeaveRoomAboveWhatRoundingDoesHere) {
  // Otherwise a deeper model would fail on arithmetic alone.
  const Prepared prepared = prepare(conv_batch_norm());
  EXPECT_LT(*prepared.report.whole.max_relative_error, kReordered / 16);
}

}  // namespace
}  // namespace planish::test
