// What is concluded from measurements, given as literals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/commands.h"
#include "diagnose/facts.h"

namespace planish::diagnose_detail {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Turns of these medians.
BenchResult bench(std::vector<double> turns_ms) {
  BenchResult result;
  result.latency_ms = summarize(turns_ms);
  result.turn_medians_ms = std::move(turns_ms);
  return result;
}

/// A machine with VNNI, 4 cores and nothing else to do; INT8 three times as fast.
Facts quiet() {
  Facts facts;
  facts.fp32_path = "fp32.onnx";
  facts.int8_path = "int8.onnx";
  facts.target = Target::kAvx512Vnni;
  facts.host.cores_online = facts.host.cores_allowed = facts.host.cores_usable = 4;
  facts.speed.emplace();
  facts.speed->fp32 = bench(std::vector<double>(20, 3.0));
  facts.speed->int8 = bench(std::vector<double>(20, 1.0));
  facts.speed->wall_seconds = 10.0;
  return facts;
}

std::vector<Finding> machine_faults(const Facts& facts) {
  Judgement judgement;
  find_machine_faults(facts, judgement);
  return judgement.findings;
}

TEST(FindMachineFaults, AQuietMachineHasNone) { EXPECT_THAT(machine_faults(quiet()), IsEmpty()); }

TEST(FindMachineFaults, ACpuWithoutDotProductIsAHintWithWhatToExpect) {
  Facts facts = quiet();
  facts.target = Target::kAvx2;
  const auto findings = machine_faults(facts);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].code, FindingCode::kNoInt8Instructions);
  EXPECT_THAT(findings[0].evidence, HasSubstr("1.5x to 2.2x as fast as FP32 here, 2.0x to 3.5x"));
}

TEST(FindMachineFaults, ThreadsAboveTheQuotaAreFoundWithTheGroup) {
  Facts facts = quiet();
  facts.config.session.threads = 4;
  facts.host.quota = CpuQuota{1.5, "/sys/fs/cgroup/pod", 0};
  facts.host.cores_usable = 1;
  const auto findings = machine_faults(facts);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].code, FindingCode::kThreadsAboveCores);
  EXPECT_EQ(findings[0].evidence, "4 threads under a quota of 1.5 cores (/sys/fs/cgroup/pod)");
  EXPECT_THAT(findings[0].commands, ElementsAre("planish bench fp32.onnx int8.onnx --threads 1"));
}

TEST(FindMachineFaults, ThreadsAboveTheCpusetAreFound) {
  Facts facts = quiet();
  facts.config.session.threads = 3;
  facts.host.cores_allowed = facts.host.cores_usable = 2;
  const auto findings = machine_faults(facts);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].evidence, "3 threads under 2 of 4 cores by affinity and cpuset");
}

TEST(FindMachineFaults, ThrottlingIsFoundByItsShareOfTheTime) {
  Facts facts = quiet();
  facts.host.quota = CpuQuota{1.0, "/sys/fs/cgroup", 0};
  facts.host.cores_usable = 1;
  facts.speed->throttled_seconds = 0.1;  // 1 % of 10 s
  EXPECT_THAT(machine_faults(facts), IsEmpty());
  facts.speed->throttled_seconds = 2.5;
  const auto findings = machine_faults(facts);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].code, FindingCode::kThrottled);
  EXPECT_THAT(findings[0].numbers, ElementsAre(Measurement{"throttled_share", 0.25}));
}

TEST(FindMachineFaults, OtherLoadAndStealAreFound) {
  Facts facts = quiet();
  facts.speed->other_load_share = 0.4;
  ASSERT_THAT(machine_faults(facts), SizeIs(1));
  EXPECT_EQ(machine_faults(facts)[0].code, FindingCode::kOtherLoad);
  facts.speed->other_load_share = 0.0;
  facts.speed->steal_share = 0.1;
  EXPECT_THAT(machine_faults(facts), SizeIs(1));
}

TEST(FindMachineFaults, SpinningIsFoundWhereCoresAreShared) {
  Facts facts = quiet();
  facts.config.session.spinning = true;
  EXPECT_THAT(machine_faults(facts), IsEmpty());  // one thread never waits for another
  facts.config.session.threads = 2;
  EXPECT_THAT(machine_faults(facts), IsEmpty());  // two of four cores, and nobody else
  facts.config.session.threads = 4;
  ASSERT_THAT(machine_faults(facts), SizeIs(1));
  EXPECT_EQ(machine_faults(facts)[0].code, FindingCode::kSpinning);
  facts.config.session.threads = 2;
  facts.host.quota = CpuQuota{3.0, "/sys/fs/cgroup", 0};
  ASSERT_THAT(machine_faults(facts), SizeIs(1));
  EXPECT_EQ(machine_faults(facts)[0].code, FindingCode::kSpinning);
}

std::vector<Finding> lost_speed(const Facts& facts) {
  Judgement judgement;
  find_lost_speed(facts, judgement);
  return judgement.findings;
}

TEST(FindLostSpeed, AFasterModelIsFine) { EXPECT_THAT(lost_speed(quiet()), IsEmpty()); }

TEST(FindLostSpeed, AModelThatIsNotFasterIsFound) {
  Facts facts = quiet();
  facts.speed->int8 = bench(std::vector<double>(20, 4.0));
  const auto findings = lost_speed(facts);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].code, FindingCode::kNotFaster);
  EXPECT_THAT(findings[0].evidence, HasSubstr("3.00 ms in FP32, 4.00 ms in INT8: 0.75x"));
}

TEST(FindLostSpeed, NoiseIsNoFinding) {
  Facts facts = quiet();
  // Ratios 0.5 and 2 in turns: the interval of the median holds both.
  std::vector<double> turns;
  for (int i = 0; i < 20; ++i) turns.push_back(i % 2 == 0 ? 6.0 : 1.5);
  facts.speed->int8 = bench(turns);
  EXPECT_THAT(lost_speed(facts), IsEmpty());
}

TEST(FindLostSpeed, ALargerBatchWithMoreThroughputIsAHint) {
  Facts facts = quiet();
  // 1 sample in 1 ms; 4 in 2 ms: twice the throughput. 16 in 16 ms: the same.
  facts.batches = {{1, bench(std::vector<double>(20, 1.0))},
                   {4, bench(std::vector<double>(20, 2.0))},
                   {16, bench(std::vector<double>(20, 16.0))}};
  facts.batches[0].bench.qps = 1000.0;
  const auto findings = lost_speed(facts);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].code, FindingCode::kBatchTooSmall);
  EXPECT_EQ(findings[0].gain, (Gain{"items_per_s", 1000.0, 2000.0, true}));
}

TEST(FindLostSpeed, ABatchThatCostsThroughputIsFound) {
  Facts facts = quiet();
  facts.batches = {{16, bench(std::vector<double>(20, 32.0))},
                   {1, bench(std::vector<double>(20, 1.0))}};
  const auto findings = lost_speed(facts);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].code, FindingCode::kBatchTooLarge);
  facts.batches[1].bench = bench(std::vector<double>(20, 1.9));  // 5 % more: not worth a change
  EXPECT_THAT(lost_speed(facts), IsEmpty());
}

TEST(FindLostSpeed, PreprocessingThatDominatesIsFoundWithItsBound) {
  Facts facts = quiet();
  facts.request = RequestTime{bench({1.0}), bench({4.0})};
  EXPECT_THAT(lost_speed(facts), IsEmpty());
  facts.request = RequestTime{bench({3.0}), bench({4.0})};
  const auto findings = lost_speed(facts);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].code, FindingCode::kPreprocessingDominates);
  EXPECT_EQ(findings[0].gain, (Gain{"latency_ms", 4.0, 1.0, false}));
}

TEST(FindSlowKernels, GainOfARemedyIsThatOfTurnsSideBySide) {
  Facts facts = quiet();
  facts.layers = {{.node = "conv", .op_type = "ConvInteger", .form = LayerForm::kDynamic}};
  facts.speed->int8 = bench(std::vector<double>(20, 8.0));
  facts.speed->remade = bench(std::vector<double>(20, 2.0));
  Judgement judgement;
  find_slow_kernels(facts, judgement);
  ASSERT_THAT(judgement.findings, SizeIs(1));
  EXPECT_EQ(judgement.findings[0].gain, (Gain{"latency_ms", 8.0, 2.0, true}));
}

TEST(FindSlowKernels, LeftOversThatCostNothingAreNoFinding) {
  Facts facts = quiet();
  facts.lint.emplace();
  facts.lint->time = std::chrono::microseconds(1000);
  LintFinding pair{.code = LintCode::kFloatPair, .node = "n", .pairs = {"q", "dq"}};
  facts.lint->findings = {{pair, std::chrono::microseconds(5), 0.005}};
  Judgement judgement;
  find_slow_kernels(facts, judgement);
  EXPECT_THAT(judgement.findings, IsEmpty());
  facts.lint->findings = {{pair, std::chrono::microseconds(200), 0.2}};
  find_slow_kernels(facts, judgement);
  ASSERT_THAT(judgement.findings, SizeIs(1));
  EXPECT_EQ(judgement.findings[0].code, FindingCode::kQdqLeft);
}

TEST(Commands, QuoteWhatAShellWouldRead) {
  EXPECT_EQ(shell_word("models/a-b_1.onnx"), "models/a-b_1.onnx");
  EXPECT_EQ(shell_word("my model.onnx"), "'my model.onnx'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
}

TEST(Commands, QuantizeWithWhatTheUserGave) {
  Facts facts = quiet();
  EXPECT_EQ(quantize_command(facts),
            "planish quantize fp32.onnx --data CALIBRATION_DATA -o better.onnx");
  facts.config.calibration_data = "cal images";
  facts.config.preprocess_name = "imagenet";
  EXPECT_EQ(quantize_command(facts),
            "planish quantize fp32.onnx --data 'cal images' --preprocess imagenet -o better.onnx");
  facts.config.calibration = "ranges.json";
  EXPECT_EQ(quantize_command(facts),
            "planish quantize fp32.onnx --calibration ranges.json -o better.onnx");
  facts.inspection.mode = RecommendedMode::kDynamic;
  EXPECT_EQ(quantize_command(facts), "planish quantize fp32.onnx --mode dynamic -o better.onnx");
}

}  // namespace
}  // namespace planish::diagnose_detail
