// What is measured of single layers, against runs of whole models.
#include "planish/sensitivity/sensitivity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/calibrate/calibrate.h"
#include "planish/graph/graph_index.h"
#include "sensitivity/effect.h"
#include "sensitivity/shared_values.h"
#include "sensitivity/subgraph.h"
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

/// A residual block behind a convolution, a pool and a matrix product: 4 layers.
///
///   x -> first -> Relu -> a -> second -> Relu -> third -> Add(a) -> pool -> Gemm -> scores
Model residual(float second_scale = 1.0F) {
  const auto pads = ints({1, 1, 1, 1});
  return GraphBuilder()
      .input("x", DType::kFloat32, {1, 3, 8, 8})
      .initializer("w1", test::random_tensor({8, 3, 3, 3}, 1, -0.5F, 0.5F))
      .node("Conv", {"x", "w1"}, {"c1"}, {{"pads", pads}}, "first")
      .value("c1", DType::kFloat32, {1, 8, 8, 8})
      .node("Relu", {"c1"}, {"a"}, {}, "relu1")
      .value("a", DType::kFloat32, {1, 8, 8, 8})
      .initializer("w2", test::random_tensor({8, 8, 3, 3}, 2, -0.3F * second_scale, 0.3F))
      .node("Conv", {"a", "w2"}, {"c2"}, {{"pads", pads}}, "second")
      .value("c2", DType::kFloat32, {1, 8, 8, 8})
      .node("Relu", {"c2"}, {"r2"}, {}, "relu2")
      .value("r2", DType::kFloat32, {1, 8, 8, 8})
      .initializer("w3", test::random_tensor({8, 8, 3, 3}, 3, -0.3F, 0.3F))
      .node("Conv", {"r2", "w3"}, {"c3"}, {{"pads", pads}}, "third")
      .value("c3", DType::kFloat32, {1, 8, 8, 8})
      .node("Add", {"c3", "a"}, {"s"}, {}, "add")
      .value("s", DType::kFloat32, {1, 8, 8, 8})
      .node("GlobalAveragePool", {"s"}, {"p"}, {}, "pool")
      .value("p", DType::kFloat32, {1, 8, 1, 1})
      .node("Flatten", {"p"}, {"f"}, {}, "flatten")
      .value("f", DType::kFloat32, {1, 8})
      .initializer("w4", test::random_tensor({8, 10}, 4, -1.0F, 1.0F))
      .node("Gemm", {"f", "w4"}, {"scores"}, {}, "last")
      .output("scores", DType::kFloat32, {1, 10})
      .model();
}

FakeDataset samples(std::size_t count = 6) {
  FakeDataset data("x");
  for (std::uint64_t i = 0; i < count; ++i)
    data.add(test::random_tensor({1, 3, 8, 8}, 100 + i, -1.0F, 1.0F));
  return data;
}

struct Planned {
  Model model = {};
  CalibrationTable table = {};
  QuantizationPlan plan = {};
};

Planned planned(Model model, const Dataset& data, const QuantizationConfig& config = {}) {
  Planned result{.model = std::move(model)};
  result.table = calibrate(result.model, data, calibration_targets(result.model, config),
                           {.method = CalibrationMethod::kAuto, .threads = 2})
                     .table;
  result.plan = plan_quantization(result.model, result.table, config);
  return result;
}

SensitivityConfig quick() {
  SensitivityConfig config;
  config.threads = 2;
  config.profile = false;
  return config;
}

SensitivityReport analyze(const Planned& p, const Dataset& data,
                          const SensitivityConfig& config = quick()) {
  return analyze_sensitivity(p.model, p.table, p.plan, data, nullptr, config);
}

/// The effect of a whole model, run from its inputs.
OutputEffect effect_of(const Model& model, const Model& reference, const Dataset& data) {
  const auto float_session = open_session(reference);
  const auto session = open_session(model);
  sensitivity_detail::EffectSum sum;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const Sample sample = data.read(i);
    sum.add(float_session->run(sample.inputs)[0], session->run(sample.inputs)[0], std::nullopt);
  }
  return sum.effect();
}

std::vector<std::string> names_of(const Planned& p, const PrecisionLayer& layer) {
  std::vector<std::string> names;
  for (const std::size_t node : layer.nodes) names.push_back(p.model.graph.nodes[node].name);
  return names;
}

TEST(PrecisionLayers, AnOperatorWithWeightTakesWhatIsBehindIt) {
  const FakeDataset data = samples();
  const Planned p = planned(residual(), data);
  std::vector<std::vector<std::string>> found;
  for (const PrecisionLayer& layer : precision_layers(p.plan, p.model))
    found.push_back(names_of(p, layer));
  const std::vector<std::vector<std::string>> expected{
      {"first", "relu1"}, {"second", "relu2"}, {"third", "add", "pool", "flatten"}, {"last"}};
  EXPECT_EQ(found, expected);
}

TEST(PrecisionLayers, NodesThatCannotBeNamedAreInNone) {
  const FakeDataset data = samples();
  Planned p = planned(residual(), data);
  p.model.graph.nodes[0].name = "second";
  for (const PrecisionLayer& layer : precision_layers(p.plan, p.model))
    EXPECT_NE(layer.name, "second");
}

TEST(PlanWithout, KeepsTheNodesInFp32AndTheIntegersOfTheOthers) {
  const FakeDataset data = samples();
  Planned p = planned(residual(), data);
  TensorPlan& weight = *std::ranges::find(p.plan.tensors, "w2", &TensorPlan::tensor);
  weight.integers = Tensor::of<std::int8_t>({8, 8, 3, 3}, std::vector<std::int8_t>(576, 1));
  const std::vector<std::string> kept{"first"};
  const QuantizationPlan without = plan_without(p.plan, p.model, p.table, kept);
  EXPECT_FALSE(without.nodes[0].quantized);
  EXPECT_TRUE(without.nodes[2].quantized);
  EXPECT_EQ(without.find("w2")->integers, weight.integers);
  const std::vector<std::string> layer{"second", "relu2"};
  const QuantizationPlan only = plan_only(p.plan, p.model, p.table, layer);
  for (const NodeDecision& decision : only.nodes) {
    const bool is_chosen = decision.node == "second" || decision.node == "relu2";
    EXPECT_EQ(decision.quantized, is_chosen) << decision.node;
  }
  ASSERT_NE(only.find("w2"), nullptr);
  EXPECT_EQ(only.find("w2")->integers, weight.integers);
}

TEST(PlanWithout, CorrectedBiasesGoWithTheirLayers) {
  const FakeDataset data = samples();
  Planned p = planned(residual(), data);
  Node& conv = p.model.graph.nodes[0];
  conv.inputs.push_back("b1");
  p.model.graph.initializers.push_back(
      {.name = "b1", .value = Tensor::of<float>({8}, std::vector<float>(8, 0.0F))});
  p.plan = plan_quantization(p.model, p.table, {});
  p.plan.corrected.push_back({.name = "b1", .value = test::random_tensor({8}, 9)});
  const std::vector<std::string> first{"first", "relu1"};
  EXPECT_TRUE(plan_without(p.plan, p.model, p.table, first).corrected.empty());
  const std::vector<std::string> second{"second", "relu2"};
  EXPECT_EQ(plan_without(p.plan, p.model, p.table, second).corrected, p.plan.corrected);
}

// What a suffix gives is what the whole model gives, but for the rounding of the float kernels that
// made its inputs (2^-24 of a value, through other fusions). Such a value changes an integer when
// it lies within that of a half step, which of the few thousand integers of these models some 2^-24
// * 256 * thousands, one in ten, do: then one step of 1/255 of one value is added to noise that has
// half a step in every value. So noise differs by less than a hundredth.
constexpr double kFlips = 0.01;

TEST(Sensitivity, OnlyInt8IsThatOfTheWholeModel) {
  const FakeDataset data = samples();
  const Planned p = planned(residual(), data);
  const SensitivityReport report = analyze(p, data);
  ASSERT_EQ(report.layers.size(), 4U);
  for (const LayerSensitivity& layer : report.layers) {
    const auto names = names_of(p, layer.layer);
    const Model only = apply(plan_only(p.plan, p.model, p.table, names), p.model);
    const OutputEffect whole = effect_of(only, p.model, data);
    ASSERT_TRUE(layer.only_int8) << layer.not_measured_because;
    EXPECT_NEAR(layer.only_int8->relative_noise, whole.relative_noise,
                kFlips * whole.relative_noise)
        << layer.layer.name;
    EXPECT_EQ(layer.only_int8->top1_agreement, whole.top1_agreement);
    ASSERT_TRUE(layer.only_int8->kl_divergence);
    EXPECT_GT(layer.only_int8->relative_noise, 0.0);
  }
}

TEST(Sensitivity, OnlyFp32IsThatOfTheWholeModel) {
  const FakeDataset data = samples();
  const Planned p = planned(residual(), data);
  const SensitivityReport report = analyze(p, data);
  for (const LayerSensitivity& layer : report.layers) {
    const auto names = names_of(p, layer.layer);
    const Model without = apply(plan_without(p.plan, p.model, p.table, names), p.model);
    const OutputEffect whole = effect_of(without, p.model, data);
    ASSERT_TRUE(layer.only_fp32) << layer.not_measured_because;
    EXPECT_NEAR(layer.only_fp32->relative_noise, whole.relative_noise,
                kFlips * whole.relative_noise)
        << layer.layer.name;
  }
}

TEST(Sensitivity, TheWholePlanIsMeasuredToo) {
  const FakeDataset data = samples();
  const Planned p = planned(residual(), data);
  const SensitivityReport report = analyze(p, data);
  const OutputEffect whole = effect_of(apply(p.plan, p.model), p.model, data);
  EXPECT_NEAR(report.int8.relative_noise, whole.relative_noise, kFlips * whole.relative_noise);
}

TEST(Sensitivity, ALayerOfCoarseStepsComesFirst) {
  const FakeDataset data = samples();
  // One element of the second weight a thousand times the others, in one scale per tensor.
  Model model = residual();
  std::vector<float> values = model.graph.initializers[1].value.to_floats();
  values[0] *= 1000.0F;
  model.graph.initializers[1].value = Tensor::of<float>({8, 8, 3, 3}, values);
  QuantizationConfig config;
  config.weights = Granularity::kPerTensor;
  const Planned p = planned(model, data, config);
  const SensitivityReport report = analyze(p, data);
  EXPECT_EQ(report.layers[most_sensitive_first(report).front()].layer.name, "second");
}

TEST(Sensitivity, TheFirstLayersOwnNoiseIsTheNoiseSoFar) {
  const FakeDataset data = samples();
  const Planned p = planned(residual(), data);
  const LayerSensitivity first = analyze(p, data).layers.front();
  ASSERT_TRUE(first.local_noise && first.accumulated_noise);
  EXPECT_NEAR(*first.local_noise, *first.accumulated_noise, kFlips * *first.local_noise);
}

TEST(Sensitivity, MemoryAndThreadsDoNotChangeTheResult) {
  const FakeDataset data = samples();
  const Planned p = planned(residual(), data);
  const SensitivityReport one = analyze(p, data);
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{40'000}}) {
    SensitivityConfig config = quick();
    config.max_bytes = bytes;  // nothing fits: every layer runs the whole model; or a few layers
    config.threads = 1;
    const SensitivityReport other = analyze(p, data, config);
    EXPECT_GT(other.cost.passes, one.cost.passes);
    for (std::size_t i = 0; i < one.layers.size(); ++i) {
      EXPECT_NEAR(other.layers[i].only_int8->relative_noise,
                  one.layers[i].only_int8->relative_noise,
                  kFlips * one.layers[i].only_int8->relative_noise);
      EXPECT_NEAR(other.layers[i].only_fp32->relative_noise,
                  one.layers[i].only_fp32->relative_noise,
                  kFlips * one.layers[i].only_fp32->relative_noise);
    }
  }
}

TEST(Sensitivity, TheCostIsStatedBeforeAndBounded) {
  const FakeDataset data = samples(20);
  const Planned p = planned(residual(), data);
  std::vector<SensitivityCost> stated;
  SensitivityConfig config = quick();
  config.on_cost = [&](const SensitivityCost& cost) { stated.push_back(cost); };
  const SensitivityReport free = analyze(p, data, config);
  ASSERT_EQ(stated.size(), 1U);
  EXPECT_EQ(stated[0].samples, 20U);
  EXPECT_EQ(stated[0].layers, 4U);
  config.max_inferences = stated[0].inferences / 2;
  const SensitivityReport bounded = analyze(p, data, config);
  EXPECT_LE(bounded.cost.inferences, config.max_inferences);
  EXPECT_GE(bounded.samples, 9U);
}

TEST(Sensitivity, GoesOnWhereItWasInterrupted) {
  const FakeDataset data = samples();
  const Planned p = planned(residual(), data);
  const TemporaryFolder folder;
  SensitivityConfig config = quick();
  config.threads = 1;
  config.partial_results = folder.path() / "partial.json";
  std::stop_source source;
  const ProgressSink stop_after_one = [&](const ProgressEvent&) { source.request_stop(); };
  EXPECT_TRUE(throws(ErrorCode::kCancelled, [&] {
    analyze_sensitivity(p.model, p.table, p.plan, data, nullptr, config, stop_after_one,
                        source.get_token());
  }));
  ASSERT_TRUE(std::filesystem::exists(*config.partial_results));
  const SensitivityReport second = analyze(p, data, config);
  EXPECT_GE(second.resumed, 1U);
  EXPECT_EQ(second.cost.layers, second.layers.size() - second.resumed);
  config.partial_results.reset();
  const SensitivityReport whole = analyze(p, data, config);
  for (std::size_t i = 0; i < whole.layers.size(); ++i) {
    EXPECT_EQ(second.layers[i].only_int8, whole.layers[i].only_int8);
    EXPECT_EQ(second.layers[i].only_fp32, whole.layers[i].only_fp32);
    EXPECT_EQ(second.layers[i].local_noise, whole.layers[i].local_noise);
  }
}

TEST(Sensitivity, ResultsOfAnotherPlanAreNotTaken) {
  const FakeDataset data = samples();
  const Planned p = planned(residual(), data);
  const TemporaryFolder folder;
  SensitivityConfig config = quick();
  config.partial_results = folder.path() / "partial.json";
  analyze(p, data, config);
  EXPECT_EQ(analyze(p, data, config).resumed, 4U);
  QuantizationConfig coarse;
  coarse.reduce_range = true;
  EXPECT_EQ(analyze(planned(residual(), data, coarse), data, config).resumed, 0U);
}

TEST(Sensitivity, SharesOfTimeAndWorkAreShares) {
  const FakeDataset data = samples();
  const Planned p = planned(residual(), data);
  SensitivityConfig config = quick();
  config.profile = true;
  const SensitivityReport report = analyze(p, data, config);
  double work = 0.0;
  double time = 0.0;
  for (const LayerSensitivity& layer : report.layers) {
    work += layer.mac_share;
    ASSERT_TRUE(layer.int8_time_share && layer.fp32_time_share);
    time += *layer.int8_time_share;
  }
  EXPECT_NEAR(work, 1.0, 1e-12);
  EXPECT_LE(time, 1.0 + 1e-12);
}

TEST(Sensitivity, DynamicPlansHaveLayersToo) {
  const FakeDataset data = samples();
  Planned p{.model = residual()};
  QuantizationConfig config;
  config.mode = QuantizationMode::kDynamic;
  p.plan = plan_quantization(p.model, p.table, config);
  const SensitivityReport report = analyze(p, data);
  ASSERT_EQ(report.layers.size(), 1U);
  EXPECT_EQ(report.layers[0].layer.name, "last");
  ASSERT_TRUE(report.layers[0].only_int8);
  // The only layer: without it nothing is quantized.
  EXPECT_NEAR(report.layers[0].only_int8->relative_noise, report.int8.relative_noise,
              kFlips * report.int8.relative_noise);
  EXPECT_LT(report.layers[0].only_fp32->relative_noise, 1e-10);
}

TEST(Sensitivity, PlansOfQOperatorAreRefused) {
  const FakeDataset data = samples();
  QuantizationConfig config;
  config.format = QuantizationFormat::kQOperator;
  const Planned p = planned(residual(), data, config);
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { analyze(p, data); }, {"qdq"}));
}

TEST(Sensitivity, ALayerThatTheOutputDoesNotDependOnHasNoEffect) {
  Model model = residual();
  GraphBuilder side;
  const FakeDataset data = samples();
  model.graph.nodes.push_back(model.graph.nodes[4]);
  Node& branch = model.graph.nodes.back();
  branch.name = "branch";
  branch.inputs[0] = "a";
  branch.outputs = {"other"};
  model.graph.outputs.push_back({.name = "other", .type = model.graph.outputs[0].type});
  model.graph.outputs.back().type.type =
      TensorType{.dtype = DType::kFloat32, .shape = Shape{1, 8, 8, 8}};
  const Planned p = planned(model, data);
  const SensitivityReport report = analyze(p, data);
  const auto found = std::ranges::find_if(
      report.layers, [](const LayerSensitivity& l) { return l.layer.name == "branch"; });
  ASSERT_NE(found, report.layers.end());
  EXPECT_EQ(found->only_int8->relative_noise, 0.0);
  EXPECT_GT(*found->local_noise, 0.0);
}

TEST(Sensitivity, JsonNamesWhatCanBeExcluded) {
  const FakeDataset data = samples();
  const Json json = to_json(analyze(planned(residual(), data), data));
  ASSERT_EQ(json.at("layers").size(), 4U);
  EXPECT_EQ(json.at("layers")[0].at("node"), "first");
  EXPECT_TRUE(json.at("layers")[0].at("only_int8").contains("kl_divergence"));
  EXPECT_TRUE(json.at("layers")[0].at("output").contains("clipped"));
  EXPECT_GT(json.at("cost").at("inferences"), 0.0);
}

TEST(SuffixOf, LeavesOutBranchesThatTheLayerDoesNotReach) {
  const Model model = residual();
  const GraphIndex index(model.graph);
  const std::vector<std::size_t> third{4, 5};
  const auto suffix = sensitivity_detail::suffix_of(model.graph, index, third, "scores");
  EXPECT_EQ(suffix.nodes, (std::vector<std::size_t>{4, 5, 6, 7, 8}));
  EXPECT_EQ(suffix.cuts, (std::vector<std::string>{"a", "r2"}));
}

}  // namespace
}  // namespace planish
