#include "pipeline/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/candidates.h"
#include "planish/pipeline/auto.h"

namespace planish::pipeline {
namespace {

using testing::Contains;
using testing::Field;
using testing::Not;

auto has_code(const char* code) { return Contains(Field(&Advice::code, code)); }

/// A report of a run that gives no reason for advice.
AutoReport healthy() {
  AutoReport report;
  report.host.isa = {"avx512_vnni"};
  report.target = Target::kAvx512Vnni;
  report.host.cores_usable = 4;
  report.calibration_samples = 200;
  report.config.eval_data = "eval";
  report.inspection.mode = RecommendedMode::kDynamic;
  CandidateReport candidate;
  candidate.quantized_mac_share = 0.99;
  candidate.accuracy = AccuracyReport{};
  candidate.accuracy->samples = 500;
  report.candidates = {candidate};
  report.chosen = 0;
  return report;
}

TEST(Advice, AHealthyRunGivesNone) { EXPECT_TRUE(advice_for(healthy()).empty()); }

TEST(Advice, NamesWhatWasRejectedWhenFp32IsHandedOut) {
  AutoReport report = healthy();
  report.chosen.reset();
  report.candidates[0].rejected_because = "too slow";
  EXPECT_THAT(advice_for(report), has_code("fp32-handed-out"));
}

TEST(Advice, SaysThatTheCpuHasNoDotProduct) {
  AutoReport report = healthy();
  report.host.isa = {"avx2"};
  report.target = Target::kAvx2;
  EXPECT_THAT(advice_for(report), has_code("no-int8-instructions"));
}

TEST(Advice, SaysHowMuchRangeTheTargetCost) {
  AutoReport report = healthy();
  report.target = Target::kAvx2;
  report.candidates[0].reductions = {{"conv", "Conv", "w", 64, 0, 1.0F}};
  EXPECT_THAT(advice_for(report), Not(has_code("ranges-reduced")));
  report.candidates[0].reductions = {{"conv", "Conv", "w", 64, 15, 1.42F}};
  EXPECT_THAT(advice_for(report), Contains(Field(&Advice::text, testing::HasSubstr("15 of 64"))));
}

TEST(Advice, SaysThatTheModelWasMadeForAnotherCpu) {
  AutoReport report = healthy();
  EXPECT_THAT(advice_for(report), Not(has_code("made-for-another-cpu")));
  report.host.isa = {"avx2"};
  EXPECT_THAT(advice_for(report), has_code("made-for-another-cpu"));
}

TEST(Advice, SeesPreprocessingThatDominates) {
  AutoReport report = healthy();
  report.end_to_end = EndToEndReport{};
  report.end_to_end->chosen.latency_ms.p50 = 2.0;
  report.end_to_end->preprocess.latency_ms.p50 = 1.5;
  EXPECT_THAT(advice_for(report), has_code("preprocessing-dominates"));
  report.end_to_end->preprocess.latency_ms.p50 = 0.1;
  EXPECT_THAT(advice_for(report), Not(has_code("preprocessing-dominates")));
}

TEST(Advice, SeesThinData) {
  AutoReport report = healthy();
  report.calibration_samples = 3;
  report.config.eval_data.reset();
  report.candidates[0].accuracy->samples = 10;
  const auto advice = advice_for(report);
  EXPECT_THAT(advice, has_code("few-calibration-samples"));
  EXPECT_THAT(advice, has_code("judged-on-calibration-data"));
  EXPECT_THAT(advice, has_code("few-evaluation-samples"));
}

TEST(Advice, SeesThreadsBeyondTheCores) {
  AutoReport report = healthy();
  report.config.threads = 8;
  EXPECT_THAT(advice_for(report), has_code("threads-above-cores"));
}

TEST(Advice, SeesANoisyMachine) {
  AutoReport report = healthy();
  report.bench.other_load_share = 0.5;
  EXPECT_THAT(advice_for(report), has_code("noisy-machine"));
}

InspectReport work(double conv, double matmul) {
  InspectReport report;
  OperatorSummary first;
  first.op_type = "Conv";
  first.mac_share = conv;
  OperatorSummary second;
  second.op_type = "MatMul";
  second.mac_share = matmul;
  report.operators = {first, second};
  report.mode = conv >= matmul ? RecommendedMode::kStatic : RecommendedMode::kDynamic;
  return report;
}

TEST(CandidateSpecs, DynamicIsNotTriedOnAConvolutionNetwork) {
  for (const CandidateSpec& spec :
       candidate_specs(work(0.99, 0.01), Target::kAvx512Vnni, Graph{})) {
    EXPECT_EQ(spec.method, Method::kStatic);
  }
}

TEST(CandidateSpecs, DynamicIsTriedOnRecurrentLayersToo) {
  InspectReport inspection = work(0.6, 0.0);
  inspection.operators.push_back({.op_type = "LSTM", .mac_share = 0.4});
  const auto specs = candidate_specs(inspection, Target::kAvx2, Graph{});
  EXPECT_EQ(specs.back().method, Method::kDynamic);
  EXPECT_EQ(std::ranges::count(specs.back().config.op_types, "LSTM"), 1);
}

TEST(CandidateSpecs, DynamicComesFirstOnATransformer) {
  EXPECT_EQ(candidate_specs(work(0.0, 1.0), Target::kAvx512Vnni, Graph{}).front().method,
            Method::kDynamic);
}

TEST(CandidateSpecs, ActivationsAreUnsignedOnX86AndSignedOnArm) {
  for (const CandidateSpec& spec : candidate_specs(work(0.5, 0.5), Target::kAvx2, Graph{})) {
    EXPECT_EQ(spec.config.activation, DType::kUInt8);
  }
  EXPECT_EQ(candidate_specs(work(1.0, 0.0), Target::kArmDotprod, Graph{}).front().config.activation,
            DType::kInt8);
}

TEST(CandidateSpecs, EveryOneIsMadeForTheTargetAndAValidChoice) {
  for (const TargetRow& row : kTargets) {
    for (const CandidateSpec& spec : candidate_specs(work(0.5, 0.5), row.target, Graph{})) {
      EXPECT_EQ(spec.config.target, row.target);
      EXPECT_NO_THROW(validate(spec.config)) << row.name << ": " << spec.name;
    }
  }
}

/// A convolution that reads `channels` channels, and a second one.
Graph two_convolutions(std::int64_t channels) {
  Graph graph;
  Initializer weight;
  weight.name = "w";
  weight.value = Tensor::of<float>({1, channels, 1, 1},
                                   std::vector<float>(static_cast<std::size_t>(channels)));
  graph.initializers = {weight};
  for (const char* name : {"stem", "body"}) {
    Node node;
    node.op_type = "Conv";
    node.name = name;
    node.inputs = {"x", "w"};
    graph.nodes.push_back(node);
  }
  return graph;
}

TEST(CandidateSpecs, AConvolutionOverAnImageIsAlsoTriedInFloat) {
  const auto is_float_stem = [](const CandidateSpec& spec) {
    return spec.config.exclude_nodes == std::vector<std::string>{"stem"};
  };
  const Target target = Target::kAvx512Vnni;
  EXPECT_EQ(std::ranges::count_if(candidate_specs(work(1.0, 0.0), target, two_convolutions(3)),
                                  is_float_stem),
            2);
  EXPECT_EQ(std::ranges::count_if(candidate_specs(work(1.0, 0.0), target, two_convolutions(64)),
                                  is_float_stem),
            0);
}

}  // namespace
}  // namespace planish::pipeline
