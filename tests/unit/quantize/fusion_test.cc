// The forecast of what ONNX Runtime fuses, held to what it fuses.
#include "planish/quantize/fusion.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "planish/base/error.h"
#include "planish/runtime/session.h"
#include "planish/runtime/value_types.h"
#include "support/graph_builder.h"
#include "support/random_qdq.h"

namespace planish::test {
namespace {

Model with_types(Model model) {
  for (const auto& [name, type] : infer_value_types(model)) {
    const auto named = [&](const auto& value) { return value.name == name; };
    if (std::ranges::any_of(model.graph.initializers, named) ||
        std::ranges::any_of(model.graph.inputs, named))
      continue;
    ValueInfo value;
    value.name = name;
    value.type = type;
    model.graph.values.push_back(value);
  }
  return model;
}

/// Q, DQ and integer operators by type; what else there is is not forecast.
std::string integer_operators(const std::map<std::string, std::size_t>& all) {
  std::string text;
  for (const auto& [op, count] : all) {
    if (op.find("Linear") != std::string::npos || op == "QGemm" || op == "MatMulNBits" ||
        op == "MatMulIntegerToFloat")
      text += op + " " + std::to_string(count) + "  ";
  }
  return text;
}

std::string operators_of(const Model& model) {
  std::map<std::string, std::size_t> counts;
  for (const Node& node : model.graph.nodes) ++counts[node.op_type];
  return integer_operators(counts);
}

/// Before the change of memory layout, which adds pairs of its own.
Model fused(const Model& model) { return optimized_model(model, GraphOptimization::kExtended); }

/// ONNX Runtime moves a Transpose through other operators when it finds that cheaper, which the
/// forecast does not follow; the moved one has a name of ONNX Runtime's making.
bool moves_transposes(const Model& optimized) {
  return std::ranges::any_of(optimized.graph.nodes, [](const Node& node) {
    return node.name == "Transpose" || node.name.starts_with("Transpose_token");
  });
}

TEST(ForecastFusion, EqualsWhatOnnxRuntimeMakesOfRandomModels) {
  constexpr std::uint64_t kSeeds = 150;
  std::size_t compared = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Model model = random_qdq_model(seed);
    Model optimized;
    try {
      optimized = fused(model);
    } catch (const Error&) {
      continue;  // ONNX Runtime 1.32 does not load what it makes of some int8 models of opset 21
    }
    if (moves_transposes(optimized)) continue;
    ++compared;
    EXPECT_EQ(integer_operators(forecast_fusion(with_types(model)).operators()),
              operators_of(optimized))
        << "seed " << seed;
  }
  EXPECT_GT(compared, kSeeds * 9 / 10);
}

/// Builds Q and DQ nodes with parameters written out.
class QdqBuilder {
 public:
  explicit QdqBuilder(const std::vector<Dim>& shape) {
    builder_.input("x", DType::kFloat32, shape);
  }

  std::string pair(const std::string& value, float scale = 0.02F) {
    return dequantize(quantize(value, scale), scale);
  }
  std::string quantize(const std::string& value, float scale = 0.02F) {
    return convert("QuantizeLinear", value, scale, Tensor::scalar(std::uint8_t{0}));
  }
  std::string dequantize(const std::string& value, float scale = 0.02F) {
    return convert("DequantizeLinear", value, scale, Tensor::scalar(std::uint8_t{0}));
  }
  std::string weight(std::vector<std::int64_t> dims) {
    std::size_t count = 1;
    for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
    const std::string integers =
        constant(Tensor::of(std::move(dims), std::vector<std::int8_t>(count, 3)));
    return convert("DequantizeLinear", integers, 0.01F, Tensor::scalar(std::int8_t{0}));
  }
  std::string bias(float scale) {
    const std::string integers = constant(Tensor::of({4}, std::vector<std::int32_t>(4, 7)));
    return convert("DequantizeLinear", integers, scale, Tensor::scalar(std::int32_t{0}));
  }
  std::string constant(Tensor value) {
    const std::string name = fresh("c");
    builder_.initializer(name, std::move(value));
    return name;
  }
  std::string op(const std::string& op_type, const std::vector<std::string>& inputs) {
    const std::string output = fresh("v");
    builder_.node(op_type, inputs, {output}, {}, op_type + "_under_test");
    return output;
  }
  Model model(const std::string& output) {
    builder_.untyped_output(output);
    return builder_.model();
  }

 private:
  std::string fresh(const std::string& stem) { return stem + std::to_string(next_++); }
  std::string convert(const std::string& op_type, const std::string& value, float scale,
                      Tensor zero_point) {
    const std::string output = fresh("v");
    builder_.node(op_type,
                  {value, constant(Tensor::scalar(scale)), constant(std::move(zero_point))},
                  {output});
    return output;
  }

  GraphBuilder builder_;
  std::size_t next_ = 0;
};

/// What keeps `op_type` in float, where the forecast equals what ONNX Runtime makes of the model.
FusionObstacle obstacle_of(const Model& model, const std::string& op_type) {
  const FusionForecast forecast = forecast_fusion(with_types(model));
  EXPECT_EQ(integer_operators(forecast.operators()), operators_of(fused(model)));
  for (const FusedNode& node : forecast.nodes) {
    if (node.node.op_type == op_type) return node.obstacle;
  }
  return FusionObstacle::kNone;
}

TEST(ForecastFusion, ConvNeedsABiasOfTheScaleOfInputTimesWeight) {
  for (const auto& [scale, expected] : {std::pair{0.0002F, FusionObstacle::kNone},
                                        std::pair{0.0004F, FusionObstacle::kBiasScale}}) {
    QdqBuilder b({1, 8, 4, 4});
    const std::string y = b.op("Conv", {b.pair("x"), b.weight({4, 8, 1, 1}), b.bias(scale)});
    EXPECT_EQ(obstacle_of(b.model(b.pair(y)), "Conv"), expected) << scale;
  }
}

TEST(ForecastFusion, MatMulThatBecomesAGemmNeedsAnIntegerBias) {
  QdqBuilder b({2, 8});
  const std::string product = b.op("MatMul", {b.pair("x"), b.weight({8, 4})});
  const std::string bias = b.constant(Tensor::of({4}, std::vector<float>(4, 1.0F)));
  EXPECT_EQ(obstacle_of(b.model(b.op("Add", {product, bias})), "Gemm"),
            FusionObstacle::kInputIsFloat);
}

TEST(ForecastFusion, ReluBetweenMatMulAndFloatsKeepsItFloat) {
  QdqBuilder b({2, 8});
  const std::string product = b.op("MatMul", {b.pair("x"), b.weight({8, 4})});
  EXPECT_EQ(obstacle_of(b.model(b.op("Sqrt", {b.op("Relu", {product})})), "MatMul"),
            FusionObstacle::kClampCuts);
}

TEST(ForecastFusion, MovingElementsNeedsTheSameParametersOnBothSides) {
  QdqBuilder b({1, 8, 4, 4});
  EXPECT_EQ(obstacle_of(b.model(b.pair(b.op("Flatten", {b.pair("x")}), 0.03F)), "Flatten"),
            FusionObstacle::kParamsDiffer);
}

TEST(ForecastFusion, OperatorsWithoutARowHaveNoKernel) {
  for (const char* op : {"Sqrt", "Tanh", "HardSigmoid"}) {
    QdqBuilder b({1, 8, 4, 4});
    EXPECT_EQ(obstacle_of(b.model(b.pair(b.op(op, {b.pair("x")}))), op), FusionObstacle::kNoKernel);
  }
}

TEST(FusionRules, AreFoundByTheirOperator) {
  ASSERT_NE(find_fusion_rule("Conv"), nullptr);
  EXPECT_EQ(find_fusion_rule("Conv")->fused_as, "QLinearConv");
  EXPECT_EQ(find_fusion_rule("Tanh"), nullptr);
}

}  // namespace
}  // namespace planish::test
