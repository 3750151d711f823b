// Bias correction, adaptive rounding and all remedies together, on plans of small models.
#include "planish/remedy/remedies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/graph/graph_index.h"
#include "planish/quantize/sum_layout.h"
#include "planish/runtime/observed_session.h"
#include "support/fake_dataset.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::FakeDataset;
using test::GraphBuilder;
using test::ints;
using test::throws;

/// Inputs whose mean is far from 0, as behind a Relu: what shifts means.
FakeDataset samples(std::vector<std::int64_t> dims, std::size_t count = 6) {
  FakeDataset data("x");
  for (std::uint64_t i = 0; i < count; ++i) data.add(test::random_tensor(dims, i + 1, 0.0F, 2.0F));
  return data;
}

Model convolution(const std::string& bias) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {1, 4, 7, 7})
      .initializer("w", test::random_tensor({6, 4, 3, 3}, 3, -0.3F, 1.0F));
  std::vector<std::string> inputs{"x", "w"};
  if (!bias.empty()) {
    builder.initializer("b", test::random_tensor({6}, 4));
    inputs.push_back(bias);
  }
  return builder
      .node("Conv", inputs, {"conv"}, {{"pads", ints({1, 1, 1, 1})}, {"strides", ints({2, 2})}})
      .value("conv", DType::kFloat32, {1, 6, 4, 4})
      .node("Relu", {"conv"}, {"y"})
      .output("y", DType::kFloat32, {1, 6, 4, 4})
      .model();
}

RemediedPlan planned(const Model& model, const Dataset& data, const RemedyConfig& remedies,
                     QuantizationConfig quantization = {}) {
  return plan_with_remedies(model, data, quantization, {.threads = 2}, remedies);
}

RemedyConfig only_bias_correction() {
  RemedyConfig config;
  config.bias_correction = true;
  return config;
}

RemedyConfig only_rounding() {
  RemedyConfig config;
  config.rounding = RoundingConfig{.threads = 2};
  config.observation.rows_per_sample = 1000;
  return config;
}

/// The mean of every channel (of axis 1) of `value` over all samples, without fused kernels.
std::vector<double> channel_means(const Model& model, const std::string& value,
                                  const Dataset& data) {
  const std::vector<std::string> values{value};
  const auto session = open_observed_session(
      model, values, {.optimization = GraphOptimization::kNone}, ElementOrder::kRowMajor);
  std::vector<double> sums;
  double count = 0.0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    session->run(data.read(i).inputs, DimsObserver([&](const ObservedValue& seen) {
                   const auto channels = static_cast<std::size_t>(seen.dims[1]);
                   const std::size_t inner = seen.elements.size() / channels;
                   sums.resize(channels, 0.0);
                   for (std::size_t e = 0; e < seen.elements.size(); ++e)
                     sums[e / inner] += static_cast<double>(seen.elements[e]);
                   count += static_cast<double>(inner);
                 }));
  }
  for (double& sum : sums) sum /= count;
  return sums;
}

/// |mean of the quantized convolution's output - mean of the float one's|, by channel. The output
/// of the convolution is what its QuantizeLinear (whose Relu is absorbed) reads.
std::vector<double> mean_errors(const RemediedPlan& made, const Dataset& data) {
  const auto expected = channel_means(made.model, "conv", data);
  const auto found = channel_means(apply(made.plan, made.model), "y_QuantizeLinear_Input", data);
  std::vector<double> errors;
  for (std::size_t c = 0; c < expected.size(); ++c)
    errors.push_back(std::abs(found[c] - expected[c]));
  return errors;
}

TEST(BiasCorrection, TakesAwayTheMeanErrorOnTheCalibrationData) {
  for (const char* bias : {"b", ""}) {
    const FakeDataset data = samples({1, 4, 7, 7});
    QuantizationConfig coarse;
    coarse.reduce_range = true;
    const auto before = mean_errors(planned(convolution(bias), data, {}, coarse), data);
    const RemediedPlan made = planned(convolution(bias), data, only_bias_correction(), coarse);
    ASSERT_EQ(made.report.bias_correction->layers.size(), 1U);
    EXPECT_TRUE(made.report.bias_correction->without_bias.empty());
    const auto after = mean_errors(made, data);
    for (std::size_t c = 0; c < after.size(); ++c) {
      // The bias is rounded to a multiple of its scale; a sum of 37 products below 2 is rounded to
      // float32 on either side, each product by 2^-24 of it at most.
      const double step = made.plan.biases.at(0).scales.at(c);
      EXPECT_LE(after[c], step / 2 + 2 * 37 * 37 * 2 * 0x1p-24) << c;
    }
    EXPECT_LT(*std::ranges::max_element(after), *std::ranges::max_element(before) / 10);
  }
}

TEST(BiasCorrection, CorrectsTheAddBehindAMatMul) {
  // Of shapes at which ONNX Runtime does not make a Gemm of the two, whose float bias it would not
  // take.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"n", 1, 16})
                          .initializer("w", test::random_tensor({16, 6}, 3, -0.3F, 1.0F))
                          .initializer("b", test::random_tensor({6}, 4))
                          .node("MatMul", {"x", "w"}, {"product"})
                          .value("product", DType::kFloat32, {"n", 1, 6})
                          .node("Add", {"product", "b"}, {"y"})
                          .output("y", DType::kFloat32, {"n", 1, 6})
                          .model();
  const FakeDataset data = samples({5, 1, 16});
  const RemediedPlan made = planned(model, data, only_bias_correction());
  ASSERT_EQ(made.plan.corrected.size(), 1U);
  EXPECT_EQ(made.plan.corrected[0].name, "b");
  const auto mean_of = [&](const Model& of) {
    const auto session = open_session(of, {.optimization = GraphOptimization::kNone});
    std::vector<double> sums(6, 0.0);
    for (std::size_t i = 0; i < data.size(); ++i) {
      const Tensor y = session->run(data.read(i).inputs).front();
      for (std::size_t e = 0; e < y.element_count(); ++e)
        sums[e % 6] += static_cast<double>(y.values<float>()[e]) / 30.0;
    }
    return sums;
  };
  const auto expected = mean_of(model);
  const auto found = mean_of(apply(made.plan, made.model));
  // The bias stays float: what is left is the rounding of sums of 17 products below 2.
  for (std::size_t c = 0; c < 6; ++c) EXPECT_NEAR(found[c], expected[c], 2 * 17 * 17 * 2 * 0x1p-24);
}

TEST(BiasCorrection, NamesLayersThatHaveNoBias) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {5, 16})
                          .initializer("w", test::random_tensor({16, 6}, 3))
                          .node("MatMul", {"x", "w"}, {"y"}, {}, "projection")
                          .output("y", DType::kFloat32, {5, 6})
                          .model();
  const RemediedPlan made = planned(model, samples({5, 16}), only_bias_correction());
  EXPECT_EQ(made.report.bias_correction->without_bias, std::vector<std::string>{"projection"});
  EXPECT_TRUE(made.plan.corrected.empty());
}

TEST(BiasCorrection, LayersThatShareABiasGetTheirOwn) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 4, 7, 7})
                          .initializer("w1", test::random_tensor({6, 4, 3, 3}, 3))
                          .initializer("w2", test::random_tensor({6, 4, 3, 3}, 4))
                          .initializer("b", test::random_tensor({6}, 5))
                          .node("Conv", {"x", "w1", "b"}, {"c1"})
                          .node("Conv", {"x", "w2", "b"}, {"c2"})
                          .value("c1", DType::kFloat32, {1, 6, 5, 5})
                          .value("c2", DType::kFloat32, {1, 6, 5, 5})
                          .node("Add", {"c1", "c2"}, {"y"})
                          .output("y", DType::kFloat32, {1, 6, 5, 5})
                          .model();
  const Model own = with_own_biases(model);
  EXPECT_NE(own.graph.nodes[0].input(2), own.graph.nodes[1].input(2));
  const FakeDataset data = samples({1, 4, 7, 7});
  EXPECT_EQ(open_session(own)->run(data.read(0).inputs),
            open_session(model)->run(data.read(0).inputs));
  const RemediedPlan made = planned(model, data, only_bias_correction());
  EXPECT_EQ(made.report.bias_correction->layers.size(), 2U);
  EXPECT_EQ(made.plan.corrected.size(), 2U);
}

/// E[|(W - W') x|^2] of the layer of `node` in float64, around the mean when `centred`.
double output_error(const RemediedPlan& made, const LayerStatistics& seen, std::size_t channel,
                    const std::vector<float>& weights, bool centred) {
  const TensorPlan& plan = *made.plan.find("w");
  const Tensor values = GraphIndex(made.model.graph).constant("w")->value;
  const Tensor integers =
      plan.integers ? *plan.integers : quantize_per_channel(values, plan.params, *plan.axis);
  const std::size_t terms = weights.size() / plan.params.size();
  std::vector<double> error(terms);
  for (std::size_t k = 0; k < terms; ++k) {
    const std::size_t e = channel * terms + k;
    error[k] = static_cast<double>(weights[e]) -
               static_cast<double>(plan.params[channel].scale) *
                   static_cast<double>(integers.values<std::int8_t>()[e]);
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < terms; ++i) {
    for (std::size_t j = 0; j < terms; ++j) {
      double moment = seen.second_moment[i * terms + j];
      if (centred) moment -= seen.moment_mean[i] * seen.moment_mean[j];
      sum += error[i] * error[j] * moment;
    }
  }
  return sum;
}

TEST(AdaptiveRounding, NeverWorsensALayersOutput) {
  for (const bool corrected : {false, true}) {
    RemedyConfig remedies = only_rounding();
    remedies.rounding->damping = 0.0;  // so that the objective is the output's error itself
    remedies.bias_correction = corrected;
    const FakeDataset data = samples({1, 4, 7, 7});
    const Model model = convolution("b");
    const RemediedPlan nearest = planned(model, data, {});
    const RemediedPlan made = planned(model, data, remedies);
    const auto layers = layers_to_observe(nearest.plan, nearest.model);
    const auto seen = observe_layers(nearest.model, data, layers,
                                     {.second_moments = true, .rows_per_sample = 1000});
    const auto weights = model.graph.initializers[0].value.to_floats();
    for (std::size_t channel = 0; channel < 6; ++channel) {
      const double before = output_error(nearest, seen[0], channel, weights, corrected);
      const double after = output_error(made, seen[0], channel, weights, corrected);
      EXPECT_LE(after, before * (1 + 1e-5)) << channel;  // moments are kept in float32
    }
    const RoundedLayer& report = made.report.rounding->layers.at(0);
    EXPECT_LT(report.error_after, report.error_before * 0.7);
    EXPECT_GT(report.changed, 0U);
  }
}

TEST(AdaptiveRounding, FindsTheBestOfTwoWeights) {
  // Two inputs that are always equal: only the sum of the two errors counts. 0.4 and 0.4 steps off
  // the nearest are 0.8 together; one of them rounded up leaves 0.2.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 3})
                          .initializer<float>("w", {3, 1}, {10.4F, 20.4F, 127.0F})
                          .node("MatMul", {"x", "w"}, {"y"})
                          .output("y", DType::kFloat32, {1, 1})
                          .model();
  FakeDataset data("x", {Tensor::of<float>({1, 3}, std::vector<float>{1, 1, 0}),
                         Tensor::of<float>({1, 3}, std::vector<float>{2, 2, 0})});
  RemedyConfig remedies = only_rounding();
  remedies.rounding->damping = 0.0;
  const RemediedPlan made = planned(model, data, remedies);
  const auto integers = made.plan.find("w")->integers->to_ints();
  EXPECT_EQ(integers[0] + integers[1], 31);
  EXPECT_EQ(integers[2], 127);
}

TEST(AdaptiveRounding, LeavesWeightsOfIndependentInputsAtTheNearest) {
  // One input at a time: no error can make up for another.
  FakeDataset data("x");
  for (std::size_t i = 0; i < 8; ++i) {
    std::vector<float> one(8, 0.0F);
    one[i] = 1.0F;
    data.add(Tensor::of<float>({1, 8}, one));
  }
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 8})
                          .initializer("w", test::random_tensor({8, 5}, 1))
                          .node("MatMul", {"x", "w"}, {"y"})
                          .output("y", DType::kFloat32, {1, 5})
                          .model();
  const RemediedPlan made = planned(model, data, only_rounding());
  EXPECT_EQ(made.report.rounding->layers.at(0).changed, 0U);
  const TensorPlan& plan = *made.plan.find("w");
  EXPECT_EQ(*plan.integers,
            quantize_per_channel(model.graph.initializers[0].value, plan.params, *plan.axis));
}

TEST(AdaptiveRounding, StaysWithinTheIntegersThatRoundingToNearestUses) {
  QuantizationConfig reduced;
  reduced.reduce_range = true;
  const RemediedPlan made =
      planned(convolution("b"), samples({1, 4, 7, 7}), only_rounding(), reduced);
  for (const std::int64_t q : made.plan.find("w")->integers->to_ints()) {
    EXPECT_LE(std::abs(q), 64);
  }
}

/// A layer whose neighbouring weights are large and of one sign: what exceeds 16 bits soonest.
Model hostile_layer(std::string_view form, std::uint64_t seed) {
  GraphBuilder builder;
  const auto weights = [&](std::vector<std::int64_t> dims) {
    return test::random_tensor(std::move(dims), seed, -0.2F, 1.0F);
  };
  if (form == "MatMul" || form == "Gemm") {
    builder.input("x", DType::kFloat32, {9, 15})
        .initializer("w", form == "Gemm" ? weights({7, 15}) : weights({15, 7}))
        .output("y", DType::kFloat32, {9, 7});
    return form == "Gemm" ? builder.node("Gemm", {"x", "w"}, {"y"}, {{"transB", 1}}).model()
                          : builder.node("MatMul", {"x", "w"}, {"y"}).model();
  }
  const std::int64_t groups = form == "grouped Conv" ? 2 : 1;
  return builder.input("x", DType::kFloat32, {1, 6, 7, 7})
      .initializer("w", weights({8, 6 / groups, 3, 3}))
      .node("Conv", {"x", "w"}, {"y"}, {{"group", groups}})
      .output("y", DType::kFloat32, {1, 8, 5, 5})
      .model();
}

TEST(AdaptiveRounding, LetsNoPairOfProductsExceedSixteenBits) {
  QuantizationConfig quantization;
  quantization.target = Target::kAvx2;
  std::size_t at_the_limit = 0;
  for (const char* form : {"Conv", "grouped Conv", "MatMul", "Gemm"}) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
      SCOPED_TRACE(std::string(form) + ", seed " + std::to_string(seed));
      const Model model = hostile_layer(form, seed);
      const bool is_matrix = std::string_view(form).find("Conv") == std::string_view::npos;
      const FakeDataset data = samples(is_matrix ? std::vector<std::int64_t>{9, 15}
                                                 : std::vector<std::int64_t>{1, 6, 7, 7});
      const RemediedPlan made = planned(model, data, only_rounding(), quantization);
      ASSERT_EQ(made.plan.reductions.size(), 1U);
      EXPECT_GT(made.report.rounding->layers.at(0).changed, 0U);
      const Tensor& integers = *made.plan.find("w")->integers;
      const auto layout = sum_layout(model.graph.nodes[0], integers.dims());
      const IntegerLimits limits = pair_limits(largest_integer(made.plan.find("x")));
      const auto q = integers.values<std::int8_t>();
      for (std::size_t sum = 0; sum < layout->sums; ++sum) {
        for (std::size_t k = 0; k + 1 < layout->length; k += 2) {
          const int pair = q[layout->offset(sum, k)] + q[layout->offset(sum, k + 1)];
          EXPECT_GE(pair, limits.min);
          EXPECT_LE(pair, limits.max);
          at_the_limit += pair == limits.max;
        }
      }
    }
  }
  EXPECT_GT(at_the_limit, 50U);  // else the test shows nothing
}

TEST(AdaptiveRounding, WritesTheIntegersInEveryFormat) {
  const FakeDataset data = samples({5, 16});
  for (const bool transposed : {false, true}) {
    const Model model = GraphBuilder()
                            .input("x", DType::kFloat32, {5, 16})
                            .initializer("w", transposed ? test::random_tensor({6, 16}, 3)
                                                         : test::random_tensor({16, 6}, 3))
                            .initializer("b", test::random_tensor({6}, 4))
                            .node("Gemm", {"x", "w", "b"}, {"y"}, {{"transB", transposed ? 1 : 0}})
                            .output("y", DType::kFloat32, {5, 6})
                            .model();
    for (const QuantizationFormat format :
         {QuantizationFormat::kQdq, QuantizationFormat::kQOperator}) {
      QuantizationConfig quantization;
      quantization.format = format;
      const RemediedPlan made = planned(model, data, only_rounding(), quantization);
      const Model quantized = apply(made.plan, made.model);
      EXPECT_EQ(GraphIndex(quantized.graph).constant("w_quantized")->value,
                *made.plan.find("w")->integers);
      open_session(quantized)->run(data.read(0).inputs);
    }
  }
}

TEST(AdaptiveRounding, WorksForDynamicQuantization) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {5, 16})
                          .initializer("w", test::random_tensor({16, 6}, 3))
                          .node("MatMul", {"x", "w"}, {"y"})
                          .output("y", DType::kFloat32, {5, 6})
                          .model();
  QuantizationConfig quantization;
  quantization.mode = QuantizationMode::kDynamic;
  const FakeDataset data = samples({5, 16});
  const RemediedPlan made = planned(model, data, only_rounding(), quantization);
  EXPECT_LT(made.report.rounding->layers.at(0).error_after,
            made.report.rounding->layers.at(0).error_before);
  open_session(apply(made.plan, made.model))->run(data.read(0).inputs);
}

TEST(Remedies, DoNotDependOnThreads) {
  RemedyConfig all = only_rounding();
  all.bias_correction = true;
  all.equalize = EqualizeConfig{};
  const FakeDataset data = samples({1, 4, 7, 7}, 20);
  all.rounding->threads = 1;
  const RemediedPlan one = plan_with_remedies(convolution("b"), data, {}, {.threads = 1}, all);
  all.rounding->threads = 4;
  const RemediedPlan four = plan_with_remedies(convolution("b"), data, {}, {.threads = 4}, all);
  EXPECT_EQ(one.plan, four.plan);
  EXPECT_EQ(one.model, four.model);
}

TEST(Remedies, DoNotDependOnHowManyLayersMemoryHolds) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {5, 16})
                          .initializer("w1", test::random_tensor({16, 12}, 3))
                          .node("MatMul", {"x", "w1"}, {"h"})
                          .value("h", DType::kFloat32, {5, 12})
                          .initializer("w2", test::random_tensor({12, 6}, 4))
                          .node("MatMul", {"h", "w2"}, {"y"})
                          .output("y", DType::kFloat32, {5, 6})
                          .model();
  RemedyConfig remedies = only_rounding();
  remedies.bias_correction = true;
  const RemediedPlan together = planned(model, samples({5, 16}), remedies);
  remedies.observation.max_bytes = 1;
  const RemediedPlan one_by_one = planned(model, samples({5, 16}), remedies);
  EXPECT_EQ(together.report.rounding->layers.size(), 2U);
  EXPECT_EQ(to_json(one_by_one.report), to_json(together.report));
  EXPECT_EQ(one_by_one.plan, together.plan);
}

TEST(Remedies, NoneIsCalibrationAndPlanAlone) {
  const FakeDataset data = samples({1, 4, 7, 7});
  const Model model = convolution("b");
  const RemediedPlan made = planned(model, data, {});
  const CalibrationTable table = calibrate(model, data, calibration_targets(model, {})).table;
  EXPECT_EQ(made.model, model);
  EXPECT_EQ(made.table, table);
  EXPECT_EQ(made.plan, plan_quantization(model, table, {}));
}

TEST(Remedies, AreRefusedUnderTheProfileThatHasNone) {
  QuantizationConfig parity;
  parity.profile = QuantizationProfile::kOnnxRuntime132;
  EXPECT_TRUE(
      throws(ErrorCode::kInvalidArgument,
             [&] {
               planned(convolution("b"), samples({1, 4, 7, 7}), only_bias_correction(), parity);
             },
             {"onnxruntime-1.32"}));
}

TEST(Remedies, StopOnRequest) {
  std::stop_source stop;
  stop.request_stop();
  RemedyConfig all = only_rounding();
  all.equalize = EqualizeConfig{};
  EXPECT_TRUE(throws(ErrorCode::kCancelled, [&] {
    plan_with_remedies(convolution("b"), samples({1, 4, 7, 7}), {}, {}, all, {}, stop.get_token());
  }));
}

TEST(Remedies, ShowInThePlan) {
  RemedyConfig both = only_rounding();
  both.bias_correction = true;
  const RemediedPlan made = planned(convolution("b"), samples({1, 4, 7, 7}), both);
  const std::string text = to_string(made.plan);
  EXPECT_NE(text.find("integers chosen by adaptive rounding"), std::string::npos);
  EXPECT_NE(text.find("corrected 'b'"), std::string::npos);
  const Json json = to_json(made.plan);
  EXPECT_EQ(json["corrected"][0]["constant"], "b");
  EXPECT_EQ(json["corrected"][0]["values"].size(), 6U);
}

TEST(Plan, RefusesIntegersAndConstantsOfAnotherModel) {
  const FakeDataset data = samples({1, 4, 7, 7});
  RemediedPlan made = planned(convolution("b"), data, only_rounding());
  QuantizationPlan wrong = made.plan;
  for (TensorPlan& tensor : wrong.tensors) {
    if (tensor.integers)
      tensor.integers = Tensor::of<std::int8_t>({1}, std::vector<std::int8_t>{1});
  }
  EXPECT_TRUE(
      throws(ErrorCode::kInvalidArgument, [&] { apply(wrong, made.model); }, {"'w'", "[1]"}));
  made.plan.corrected.push_back({"nosuch", Tensor::scalar(1.0F)});
  EXPECT_TRUE(
      throws(ErrorCode::kInvalidArgument, [&] { apply(made.plan, made.model); }, {"nosuch"}));
}

}  // namespace
}  // namespace planish
