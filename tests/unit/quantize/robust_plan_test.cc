// Models that profile best must not get wrong, each found by random models (tests/random_models).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "planish/quantize/plan.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::GraphBuilder;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;

constexpr DType kFloat = DType::kFloat32;
constexpr QuantizationFormat kFormats[] = {QuantizationFormat::kQdq,
                                           QuantizationFormat::kQOperator};

QuantizationPlan plan_of(const Model& model, const QuantizationConfig& config) {
  CalibrationTable table;
  for (const std::string& tensor : calibration_targets(model, config)) {
    table.ranges[tensor] = {-1.0F, 1.0F};
  }
  return plan_quantization(model, table, config);
}

Model quantized(const Model& model, const QuantizationConfig& config) {
  return apply(plan_of(model, config), model);
}

const Node& node_named(const Model& model, const std::string& name) {
  return *std::ranges::find(model.graph.nodes, name, &Node::name);
}

const Node& maker_of(const Model& model, const std::string& value) {
  return *std::ranges::find_if(model.graph.nodes,
                               [&](const Node& node) { return node.output(0) == value; });
}

const Initializer* constant(const Model& model, const std::string& name) {
  const auto found = std::ranges::find(model.graph.initializers, name, &Initializer::name);
  return found == model.graph.initializers.end() ? nullptr : &*found;
}

/// x → Conv a (bias b) → Resize y by the scales b, which are a bias as well.
Model bias_that_is_read_as_scales() {
  return GraphBuilder()
      .input("x", kFloat, {1, 3, 4, 4})
      .initializer("w", test::random_tensor({4, 3, 1, 1}, 1))
      .initializer<float>("b", {4}, {1, 1, 2, 2})
      .node("Conv", {"x", "w", "b"}, {"a"}, {}, "conv")
      .value("a", kFloat, {1, 4, 4, 4})
      .node("Resize", {"a", "", "b"}, {"y"}, {{"mode", "nearest"}}, "resize")
      .output("y", kFloat, {1, 4, 8, 8})
      .model();
}

TEST(RobustPlan, GivesABiasThatOthersReadIntegersOfItsOwn) {
  for (const QuantizationFormat format : kFormats) {
    const Model model =
        quantized(bias_that_is_read_as_scales(), QuantizationConfig{.format = format});
    ASSERT_NE(constant(model, "b"), nullptr) << name_of(format);
    EXPECT_EQ(constant(model, "b")->value, constant(bias_that_is_read_as_scales(), "b")->value);
    EXPECT_EQ(node_named(model, "resize").input(2), "b");
  }
}

TEST(RobustPlan, PutsTheScalesOfARowOfBiasesAlongTheRow) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 4})
                          .initializer("w", test::random_tensor({4, 3}, 1))
                          .initializer("b", test::random_tensor({1, 3}, 2))
                          .node("Gemm", {"x", "w", "b"}, {"y"}, {}, "gemm")
                          .output("y", kFloat, {1, 3})
                          .model();
  const Model written = quantized(model, {});
  const Node& bias = maker_of(written, node_named(written, "gemm").input(2));
  EXPECT_EQ(bias.op_type, "DequantizeLinear");
  EXPECT_EQ(bias.int_attribute("axis", -1), 1);
}

TEST(RobustPlan, GivesAStackOfMatricesOneScale) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 2, 4})
                          .initializer("w", test::random_tensor({1, 4, 3}, 1))
                          .node("MatMul", {"x", "w"}, {"y"})
                          .output("y", kFloat, {1, 2, 3})
                          .model();
  for (const QuantizationFormat format : kFormats) {
    EXPECT_EQ(plan_of(model, QuantizationConfig{.format = format}).find("w")->axis, std::nullopt);
  }
}

TEST(RobustPlan, LeavesAGemmThatScalesItsBias) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 4})
                          .initializer("w", test::random_tensor({4, 3}, 1))
                          .initializer("b", test::random_tensor({3}, 2))
                          .node("Gemm", {"x", "w", "b"}, {"y"}, {{"beta", 2.0F}})
                          .output("y", kFloat, {1, 3})
                          .model();
  EXPECT_EQ(plan_of(model, {}).nodes.front().code, LeaveReason::kUnsupportedForm);
}

TEST(RobustPlan, AsksForFloat32WhereAllWeightsAreFloat16) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat16, {1, 4})
                          .initializer("w", test::random_bits(DType::kFloat16, {4, 3}, 1))
                          .node("MatMul", {"x", "w"}, {"y"})
                          .output("y", DType::kFloat16, {1, 3})
                          .model();
  for (const QuantizationMode mode : {QuantizationMode::kStatic, QuantizationMode::kDynamic}) {
    EXPECT_TRUE(test::throws(ErrorCode::kUnsupported,
                             [&] { plan_of(model, QuantizationConfig{.mode = mode}); },
                             {"float16", "'w'", "float32"}));
  }
}

TEST(RobustPlan, LeavesAPadWhoseValueTheInputsRangeMayNotHold) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 4, 4, 4})
                          .initializer("w", test::random_tensor({4, 4, 1, 1}, 1))
                          .initializer<std::int64_t>("pads", {8}, {0, 0, 1, 1, 0, 0, 1, 1})
                          .initializer<float>("value", {}, {7.0F})
                          .node("Conv", {"x", "w"}, {"a"}, {}, "before")
                          .value("a", kFloat, {1, 4, 4, 4})
                          .node("Pad", {"a", "pads", "value"}, {"p"}, {}, "pad")
                          .value("p", kFloat, {1, 4, 6, 6})
                          .node("Conv", {"p", "w"}, {"y"}, {}, "after")
                          .output("y", kFloat, {1, 4, 6, 6})
                          .model();
  QuantizationConfig config;
  config.format = QuantizationFormat::kQOperator;
  EXPECT_EQ(plan_of(model, config).nodes.at(1).code, LeaveReason::kUnsupportedForm);
}

TEST(RobustPlan, LetsNodesThatAreLeftReadWhatTheyRead) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 4, 4, 4})
                          .initializer("w", test::random_tensor({4, 4, 1, 1}, 1))
                          .node("Conv", {"x", "w"}, {"a"}, {}, "conv")
                          .value("a", kFloat, {1, 4, 4, 4})
                          .node("Tanh", {"x"}, {"t"}, {}, "tanh")
                          .value("t", kFloat, {1, 4, 4, 4})
                          .node("Div", {"t", "w"}, {"z"}, {}, "div")
                          .output("z", kFloat, {4, 4, 4, 4})
                          .output("a", kFloat, {1, 4, 4, 4})
                          .model();
  for (const QuantizationFormat format : kFormats) {
    const Model written = quantized(model, QuantizationConfig{.format = format});
    EXPECT_THAT(node_named(written, "tanh").inputs, ElementsAre("x")) << name_of(format);
    EXPECT_THAT(node_named(written, "div").inputs, ElementsAre("t", "w")) << name_of(format);
  }
}

TEST(RobustPlan, LeavesRoomForTheProductsBesideABias) {
  // Weights so small that, at their own scale, int32 could not hold the biases.
  const std::size_t products = 64 * 3 * 3;
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 64, 8, 8})
                          .initializer("w", test::random_tensor({4, 64, 3, 3}, 1, -1e-7F, 1e-7F))
                          .initializer("b", test::random_tensor({4}, 2))
                          .node("Conv", {"x", "w", "b"}, {"y"})
                          .output("y", kFloat, {1, 4, 6, 6})
                          .model();
  for (const DType weight : {DType::kInt8, DType::kUInt8}) {
    for (const Granularity weights : {Granularity::kPerChannel, Granularity::kPerTensor}) {
      for (const QuantizationFormat format : kFormats) {
        QuantizationConfig config{.format = format, .weights = weights};
        config.weight = weight;
        const QuantizationPlan plan = plan_of(model, config);
        const auto values = constant(model, "b")->value.values<float>();
        const std::vector<float>& scales = plan.biases.at(0).scales;
        for (std::size_t i = 0; i < values.size(); ++i) {
          const double integer =
              std::abs(values[i]) / static_cast<double>(scales[scales.size() == 1 ? 0 : i]);
          EXPECT_LE(integer + 255.0 * 255.0 * products, std::numeric_limits<std::int32_t>::max())
              << short_name_of(weight) << ' ' << name_of(weights) << ' ' << name_of(format);
        }
      }
    }
  }
}

TEST(RobustPlan, GivesAConstantThatIsWeightAndBiasOfOneGemmIntegersForEach) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {2, 1})
                          .initializer("c", test::random_tensor({1, 8}, 1))
                          .node("Gemm", {"x", "c", "c"}, {"y"}, {}, "gemm")
                          .output("y", kFloat, {2, 8})
                          .model();
  const Model written = quantized(model, QuantizationConfig{});
  const Node& gemm = node_named(written, "gemm");
  const auto integers_of_input = [&](std::size_t i) {
    return constant(written, maker_of(written, gemm.input(i)).input(0))->value.dtype();
  };
  EXPECT_EQ(integers_of_input(1), DType::kInt8);
  EXPECT_EQ(integers_of_input(2), DType::kInt32);
}

TEST(RobustPlan, GivesAMatrixThatIsReadByRowsAndByColumnsOneScale) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {2, 8})
                          .initializer("w", test::random_tensor({4, 8}, 1))
                          .node("Gemm", {"x", "w"}, {"a"}, {{"transB", std::int64_t{1}}})
                          .value("a", kFloat, {2, 4})
                          .node("MatMul", {"a", "w"}, {"y"})
                          .output("y", kFloat, {2, 8})
                          .model();
  for (const QuantizationFormat format : kFormats) {
    const QuantizationPlan plan = plan_of(model, QuantizationConfig{.format = format});
    EXPECT_EQ(plan.find("w")->axis, std::nullopt) << name_of(format);
    EXPECT_EQ(plan.find("w")->params.size(), 1U) << name_of(format);
  }
}

TEST(RobustPlan, PadsWithTheIntegersOfEachInputWhereTwoPadsShareTheirValue) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 4, 4, 4})
                          .initializer("w", test::random_tensor({4, 4, 1, 1}, 1))
                          .initializer<std::int64_t>("pads", {8}, {0, 0, 1, 1, 0, 0, 1, 1})
                          .initializer<float>("zero", {}, {0.0F})
                          .node("Conv", {"x", "w"}, {"a"})
                          .value("a", kFloat, {1, 4, 4, 4})
                          .node("Pad", {"a", "pads", "zero"}, {"p"}, {}, "first")
                          .value("p", kFloat, {1, 4, 6, 6})
                          .node("Conv", {"p", "w"}, {"b"})
                          .value("b", kFloat, {1, 4, 6, 6})
                          .node("Pad", {"b", "pads", "zero"}, {"q"}, {}, "second")
                          .value("q", kFloat, {1, 4, 8, 8})
                          .node("Conv", {"q", "w"}, {"y"})
                          .output("y", kFloat, {1, 4, 8, 8})
                          .model();
  CalibrationTable table;
  table.ranges = {{"x", {-1, 1}}, {"a", {-1, 1}}, {"p", {-1, 1}},
                  {"b", {-1, 3}}, {"q", {-1, 3}}, {"y", {-1, 1}}};
  for (const auto profile : {QuantizationProfile::kBest, QuantizationProfile::kOnnxRuntime132}) {
    QuantizationConfig config{.profile = profile};
    config.format = QuantizationFormat::kQOperator;
    const QuantizationPlan plan = plan_quantization(model, table, config);
    const Model written = apply(plan, model);
    for (const auto& [pad, data] : {std::pair("first", "a"), std::pair("second", "b")}) {
      const Initializer* value = constant(written, node_named(written, pad).input(2));
      ASSERT_NE(value, nullptr) << pad;
      EXPECT_EQ(value->value.values<std::uint8_t>()[0], plan.find(data)->params.front().zero_point)
          << pad << ' ' << name_of(profile);
    }
  }
}

/// An output `v`, its Transpose, what `between` adds between "t" and "r", and a Conv of "r".
Model output_turned_before_integers(const std::function<void(GraphBuilder&)>& between) {
  GraphBuilder builder;
  builder.input("x", kFloat, {1, 4, 4, 4})
      .initializer("w", test::random_tensor({4, 4, 1, 1}, 1))
      .initializer<std::int64_t>("axis", {1}, {0})
      .node("Tanh", {"x"}, {"v"})
      .node("Transpose", {"v"}, {"t"}, {{"perm", test::ints({0, 3, 1, 2})}}, "transpose")
      .value("t", kFloat, {1, 4, 4, 4});
  between(builder);
  return builder.value("r", kFloat, {1, 4, 4, 4})
      .node("Conv", {"r", "w"}, {"y"})
      .output("v", kFloat, {1, 4, 4, 4})
      .output("y", kFloat, {1, 4, 4, 4})
      .model();
}

TEST(RobustPlan, QuantizesBeforeATransposeOfAnOutputSoThatTheOutputStaysFloat) {
  const Model clamped = output_turned_before_integers(
      [](GraphBuilder& builder) { builder.node("Relu", {"t"}, {"r"}); });
  const Model reshaped = output_turned_before_integers([](GraphBuilder& builder) {
    builder.node("Unsqueeze", {"t", "axis"}, {"u"})
        .value("u", kFloat, {1, 1, 4, 4, 4})
        .node("Squeeze", {"u", "axis"}, {"r"});
  });
  for (const Model* model : {&clamped, &reshaped}) {
    for (const QuantizationFormat format : kFormats) {
      const Model written = quantized(*model, QuantizationConfig{.format = format});
      const Node* before = &maker_of(written, node_named(written, "transpose").input(0));
      if (before->op_type == "DequantizeLinear") before = &maker_of(written, before->input(0));
      EXPECT_EQ(before->op_type, "QuantizeLinear") << name_of(format);
      EXPECT_EQ(before->input(0), "v") << name_of(format);
      EXPECT_EQ(maker_of(written, "v").op_type, "Tanh") << name_of(format);
    }
  }
}

TEST(RobustPlan, QuantizesTransposedWeightsInDynamicModeWhereNamesClash) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {2, 8})
                          .input("x_scale", kFloat, {1})
                          .initializer("w", test::random_tensor({4, 8}, 1))
                          .node("Gemm", {"x", "w"}, {"g"}, {{"transB", std::int64_t{1}}}, "gemm")
                          .value("g", kFloat, {2, 4})
                          .node("Mul", {"g", "x_scale"}, {"y"})
                          .output("y", kFloat, {2, 4})
                          .model();
  QuantizationConfig config;
  config.mode = QuantizationMode::kDynamic;
  const Model written = quantized(model, config);
  const auto product = std::ranges::find(written.graph.nodes, "MatMulInteger", &Node::op_type);
  ASSERT_NE(product, written.graph.nodes.end());
  const Initializer* weight = constant(written, product->input(1));
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->value.dtype(), DType::kInt8);
  EXPECT_THAT(weight->value.dims(), ElementsAre(8, 4));
}

TEST(RobustPlan, KeepsTheNamesOfTheModelWhereItsOwnWouldBeTheSame) {
  const Model model = GraphBuilder()
                          .input("x", kFloat, {1, 4, 4, 4})
                          .input("x_scale", kFloat, {1})
                          .initializer("w", test::random_tensor({4, 4, 1, 1}, 1))
                          .node("Conv", {"x", "w"}, {"x_quantized"}, {}, "x_QuantizeLinear")
                          .value("x_quantized", kFloat, {1, 4, 4, 4})
                          .node("Mul", {"x_quantized", "x_scale"}, {"y"}, {}, "mul")
                          .output("y", kFloat, {1, 4, 4, 4})
                          .model();
  QuantizationConfig config;
  config.op_types = {"Conv"};
  for (const QuantizationFormat format : kFormats) {
    config.format = format;
    const Model written = quantized(model, config);
    EXPECT_EQ(written.graph.inputs, model.graph.inputs);
    EXPECT_EQ(constant(written, "x_scale"), nullptr);
    EXPECT_EQ(node_named(written, "mul").input(1), "x_scale");
    std::vector<std::string> names;
    for (const Node& node : written.graph.nodes) {
      EXPECT_THAT(names, Not(Contains(node.name)));
      names.push_back(node.name);
    }
  }
}

}  // namespace
}  // namespace planish
