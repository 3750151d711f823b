// Models that are quantized already, fitted to another CPU.
#include "planish/quantize/retarget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/quantize/plan.h"
#include "planish/runtime/session.h"
#include "quantize/integer_ops.h"
#include "quantize/unsigned_activations.h"
#include "support/graph_builder.h"
#include "support/integer_kernels.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using quantize_detail::has_signed_activations;
using test::GraphBuilder;
using test::ints;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr DType kFloat = DType::kFloat32;

/// Convolutions, a residual Add, a constant Add, a pad, pools, a Gemm: what S8S8 models are made
/// of.
Model float_model() {
  return GraphBuilder()
      .input("x", kFloat, {1, 8, 6, 6})
      .initializer("w1", test::random_tensor({16, 8, 3, 3}, 1))
      .initializer("b1", test::random_tensor({16}, 2))
      .node("Conv", {"x", "w1", "b1"}, {"a"}, {{"pads", ints({1, 1, 1, 1})}}, "conv")
      .value("a", kFloat, {1, 16, 6, 6})
      .initializer("w2", test::random_tensor({16, 16, 1, 1}, 3))
      .node("Conv", {"a", "w2"}, {"b"}, {}, "pointwise")
      .value("b", kFloat, {1, 16, 6, 6})
      .node("Add", {"a", "b"}, {"s"}, {}, "residual")
      .value("s", kFloat, {1, 16, 6, 6})
      .initializer("offset", test::random_tensor({1, 16, 1, 1}, 4))
      .node("Add", {"s", "offset"}, {"o"}, {}, "offset_add")
      .value("o", kFloat, {1, 16, 6, 6})
      .initializer("pads", Tensor::of<std::int64_t>({8}, {0, 0, 1, 1, 0, 0, 1, 1}))
      .node("Pad", {"o", "pads"}, {"q"}, {}, "pad")
      .value("q", kFloat, {1, 16, 8, 8})
      .node("MaxPool", {"q"}, {"m"}, {{"kernel_shape", ints({2, 2})}}, "max")
      .value("m", kFloat, {1, 16, 7, 7})
      .node("GlobalAveragePool", {"m"}, {"p"}, {}, "mean")
      .value("p", kFloat, {1, 16, 1, 1})
      .node("Flatten", {"p"}, {"f"}, {}, "flatten")
      .value("f", kFloat, {1, 16})
      .initializer("w3", test::random_tensor({16, 5}, 5))
      .initializer("b3", test::random_tensor({5}, 6))
      .node("Gemm", {"f", "w3", "b3"}, {"y"}, {}, "gemm")
      .output("y", kFloat, {1, 5})
      .model();
}

/// As the Python quantizer does it by default: S8 activations.
Model quantized(QuantizationFormat format, DType activation = DType::kInt8) {
  const Model model = float_model();
  QuantizationConfig config;
  config.profile = QuantizationProfile::kOnnxRuntime132;
  config.format = format;
  config.activation = activation;
  CalibrationTable table;
  for (const std::string& tensor : calibration_targets(model, config)) {
    table.ranges[tensor] = tensor == "x" ? TensorRange{-1.0F, 1.0F} : TensorRange{-12.0F, 14.0F};
  }
  return apply(plan_quantization(model, table, config), model);
}

class EveryFormat : public testing::TestWithParam<QuantizationFormat> {};
INSTANTIATE_TEST_SUITE_P(Retarget, EveryFormat,
                         testing::Values(QuantizationFormat::kQdq, QuantizationFormat::kQOperator),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST_P(EveryFormat, SignedActivationsBecomeUnsigned) {
  const Model model = quantized(GetParam());
  ASSERT_TRUE(has_signed_activations(model));
  const Retargeted result = retarget(model, Target::kAvx512Vnni);
  EXPECT_FALSE(has_signed_activations(result.model));
  EXPECT_GT(result.report.values, 5U);
  EXPECT_EQ(result.report.conversions, 0U);
}

TEST_P(EveryFormat, TheGridStaysWhatItWasToTheBit) {
  // QDQ as it is written, in floats: S * (q + 128 - (Z + 128)). QOperator in integers whose sums do
  // not saturate: the 128 leave the sums with the zero point.
  SessionConfig config;
  if (GetParam() == QuantizationFormat::kQdq) config.optimization = GraphOptimization::kNone;
  const Model model = quantized(GetParam());
  const auto before = open_session(model, config);
  config.entries = {{"session.x64quantprecision", "1"}};  // not before: it breaks s8 models
  const auto after = open_session(retarget(model, Target::kAvx512Vnni).model, config);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const NamedTensor x{"x", test::random_tensor({1, 8, 6, 6}, seed)};
    EXPECT_EQ(before->run(std::span(&x, 1)), after->run(std::span(&x, 1))) << "seed " << seed;
  }
}

TEST_P(EveryFormat, AModelThatFitsIsReturnedAsItIs) {
  const Model model = quantized(GetParam(), DType::kUInt8);
  const Retargeted result = retarget(model, Target::kAvx512Vnni);
  EXPECT_TRUE(result.report.changes_nothing());
  EXPECT_EQ(result.model, model);
  EXPECT_EQ(retarget(quantized(GetParam()), Target::kArmDotprod).model, quantized(GetParam()));
}

TEST_P(EveryFormat, TwiceIsAsOnce) {
  const Model once = retarget(quantized(GetParam()), Target::kAvx2).model;
  const Retargeted twice = retarget(once, Target::kAvx2);
  EXPECT_TRUE(twice.report.changes_nothing()) << explain(twice.report);
  EXPECT_EQ(twice.model, once);
}

TEST_P(EveryFormat, WeightsOfAQuantizedModelGiveUpRangeWhereSumsSaturate) {
  const Model model = quantized(GetParam(), DType::kUInt8);
  const Retargeted result = retarget(model, Target::kAvx2);
  EXPECT_THAT(result.report.reductions, SizeIs(3));
  EXPECT_GT(totals_of(result.report.reductions).reduced, 0U);
  SessionConfig exact;
  exact.entries = {{"session.x64quantprecision", "1"}};
  const NamedTensor x{"x", test::random_tensor({1, 8, 6, 6}, 1)};
  EXPECT_EQ(open_session(result.model)->run(std::span(&x, 1))[0].to_floats(),
            open_session(result.model, exact)->run(std::span(&x, 1))[0].to_floats());
}

TEST(Retarget, InputsAndOutputsThatAreSignedStaySo) {
  // q (s8) → MaxPool → Transpose → out (s8), and a second reader that wants floats.
  const Model model = GraphBuilder()
                          .input("q", DType::kInt8, {1, 2, 4, 4})
                          .initializer("s", Tensor::scalar(0.5F))
                          .initializer("z", Tensor::scalar<std::int8_t>(-3))
                          .node("MaxPool", {"q"}, {"m"}, {{"kernel_shape", ints({2, 2})}})
                          .node("Transpose", {"m"}, {"out"}, {{"perm", ints({0, 2, 3, 1})}})
                          .node("DequantizeLinear", {"m", "s", "z"}, {"y"})
                          .output("out", DType::kInt8, {1, 3, 3, 2})
                          .output("y", kFloat, {1, 2, 3, 3})
                          .model();
  const Retargeted result = retarget(model, Target::kAvx512Vnni);
  EXPECT_EQ(result.model.graph.inputs, model.graph.inputs);
  EXPECT_EQ(result.model.graph.outputs, model.graph.outputs);
  EXPECT_EQ(result.report.conversions, 2U);
  const NamedTensor q{"q", test::random_bits(DType::kInt8, {1, 2, 4, 4}, 1)};
  EXPECT_EQ(open_session(model)->run(std::span(&q, 1)),
            open_session(result.model)->run(std::span(&q, 1)));
}

TEST(Retarget, AnOperatorThatIsNotKnownGetsItsSignedValues) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {2, 8})
                          .initializer("s", Tensor::scalar(0.01F))
                          .initializer("z", Tensor::scalar<std::int8_t>(5))
                          .node("QuantizeLinear", {"x", "s", "z"}, {"q"})
                          .node("Relu", {"q"}, {"r"})
                          .node("DequantizeLinear", {"r", "s", "z"}, {"y"})
                          .output("y", kFloat, {2, 8})
                          .model();
  const Retargeted result = retarget(model, Target::kAvx2);
  EXPECT_EQ(result.report.conversions, 2U);
  const NamedTensor x{"x", test::random_tensor({2, 8}, 1)};
  EXPECT_EQ(open_session(model)->run(std::span(&x, 1)),
            open_session(result.model)->run(std::span(&x, 1)));
}

TEST(Retarget, AZeroPointThatIsNotWrittenDownIsWrittenDown) {
  const Model model = GraphBuilder(21)
                          .input("x", kFloat, {2, 8})
                          .initializer("s", Tensor::scalar(0.01F))
                          .node("QuantizeLinear", {"x", "s"}, {"q"}, {{"output_dtype", 3}})
                          .node("DequantizeLinear", {"q", "s"}, {"y"})
                          .output("y", kFloat, {2, 8})
                          .model();
  const Retargeted result = retarget(model, Target::kAvx2);
  EXPECT_EQ(result.report.values, 1U);
  const NamedTensor x{"x", test::random_tensor({2, 8}, 1)};
  EXPECT_EQ(open_session(model)->run(std::span(&x, 1)),
            open_session(result.model)->run(std::span(&x, 1)));
}

TEST(Retarget, RefusesAFloatModel) {
  EXPECT_TRUE(test::throws(ErrorCode::kInvalidArgument,
                           [] { retarget(float_model(), Target::kAvx2); },
                           {"no quantized operators"}));
}

TEST(Retarget, SaysWhatItDid) {
  const Retargeted result = retarget(quantized(QuantizationFormat::kQdq), Target::kAvx2);
  EXPECT_THAT(explain(result.report), HasSubstr("u8 on the same grid"));
  EXPECT_EQ(to_json(result.report)["unsigned_activations"], result.report.values);
}

/// An operator that moves integers, between a QuantizeLinear and a DequantizeLinear.
struct Mover {
  const char* op_type;
  std::vector<Tensor> further = {};  // its further inputs
  test::Attributes attributes = {};
  std::size_t outputs = 1;
};

std::vector<Mover> movers() {
  const auto i64 = [](std::vector<std::int64_t> values) {
    const auto count = static_cast<std::int64_t>(values.size());
    return Tensor::of({count}, values);
  };
  return {
      {"Concat", {}, {{"axis", 1}}},
      {"DepthToSpace", {}, {{"blocksize", 2}}},
      {"Expand", {i64({2, 4, 4, 4})}},
      {"Flatten"},
      {"Gather", {i64({3, 0})}, {{"axis", 1}}},
      {"GatherElements", {Tensor::of<std::int64_t>({1, 1, 1, 2}, {0, 1})}, {{"axis", 3}}},
      {"GatherND", {Tensor::of<std::int64_t>({1, 2}, {0, 2})}},
      {"Identity"},
      {"MaxPool", {}, {{"kernel_shape", ints({2, 2})}, {"pads", ints({1, 1, 1, 1})}}},
      {"Pad", {i64({0, 0, 1, 1, 0, 0, 1, 1}), Tensor::scalar<std::int8_t>(-7)}},
      {"ReduceMax", {i64({2})}},
      {"ReduceMin", {i64({2})}},
      {"Reshape", {i64({16, 4})}},
      {"Resize",
       {Tensor(), Tensor::of<float>({4}, {1, 1, 2, 2})},
       {{"mode", "nearest"},
        {"nearest_mode", "floor"},
        {"coordinate_transformation_mode", "asymmetric"}}},
      {"Slice", {i64({1}), i64({3}), i64({2})}},
      {"SpaceToDepth", {}, {{"blocksize", 2}}},
      {"Split", {}, {{"axis", 1}, {"num_outputs", 2}}, 2},
      {"Squeeze", {i64({0})}},
      {"Tile", {i64({1, 2, 1, 1})}},
      {"Transpose", {}, {{"perm", ints({0, 2, 3, 1})}}},
      {"Unsqueeze", {i64({0})}},
  };
}

Model model_of(const Mover& mover) {
  GraphBuilder builder(18);
  builder.input("x", kFloat, {1, 4, 4, 4})
      .initializer("s", Tensor::scalar(0.01F))
      .initializer("z", Tensor::scalar<std::int8_t>(5))
      .node("QuantizeLinear", {"x", "s", "z"}, {"q"});
  std::vector<std::string> inputs{"q"};
  for (const Tensor& tensor : mover.further) {
    // A tensor without elements stands for an input that is left out.
    inputs.push_back(tensor.element_count() == 0 ? "" : "i" + std::to_string(inputs.size()));
    if (!inputs.back().empty()) builder.initializer(inputs.back(), tensor);
  }
  if (std::string(mover.op_type) == "Concat") inputs.emplace_back("q");
  std::vector<std::string> outputs;
  for (std::size_t i = 0; i < mover.outputs; ++i) outputs.push_back("m" + std::to_string(i));
  builder.node(mover.op_type, inputs, outputs, mover.attributes);
  for (const std::string& output : outputs) {
    builder.node("DequantizeLinear", {output, "s", "z"}, {"y" + output});
    builder.untyped_output("y" + output);
  }
  return builder.model();
}

TEST(Retarget, EveryOperatorThatMovesIntegersMovesUnsignedOnes) {
  std::vector<std::string_view> tested;
  for (const Mover& mover : movers()) {
    SCOPED_TRACE(mover.op_type);
    tested.emplace_back(mover.op_type);
    const Model model = model_of(mover);
    std::unique_ptr<Session> before;
    try {
      before = open_session(model);
    } catch (const Error&) {
      continue;  // ONNX Runtime has no s8 kernel to compare with
    }
    const Retargeted result = retarget(model, Target::kAvx512Vnni);
    EXPECT_EQ(result.report.conversions, 0U);
    const NamedTensor x{"x", test::random_tensor({1, 4, 4, 4}, 1)};
    EXPECT_EQ(before->run(std::span(&x, 1)), open_session(result.model)->run(std::span(&x, 1)));
  }
  for (const quantize_detail::IntegerOp& op : quantize_detail::kIntegerOps) {
    if (op.kind == quantize_detail::IntegerKind::kMoves) {
      EXPECT_THAT(tested, testing::Contains(op.op_type));
    }
  }
}

}  // namespace
}  // namespace planish
