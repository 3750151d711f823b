// Findings about the machine, through the whole diagnosis, on machines that a test describes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "planish/base/file.h"
#include "planish/diagnose/diagnose.h"
#include "planish/onnx/onnx.h"
#include "small_models.h"

namespace planish {
namespace {

using test::codes_of;
using test::find;
using test::quantized;
using test::small_network;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

/// Four cores with VNNI, all of them this process's.
HostReport idle_machine() {
  HostReport host;
  host.cpu = "a CPU";
  host.isa = {"avx2", "avx512f", "avx512_vnni"};
  host.cores_online = host.cores_allowed = host.cores_usable = 4;
  return host;
}

/// FP32 takes 3 ms and everything else 1 ms, beside other work of this share.
MeasureSpeed measured_beside(double other_load_share, double steal_share = 0.0) {
  return [=](std::span<const BenchSubject> subjects, const BenchConfig&) {
    BenchReport report{.steal_share = steal_share, .other_load_share = other_load_share};
    for (const BenchSubject& subject : subjects) {
      const std::vector<double> runs(20, subject.name == "FP32" ? 3.0 : 1.0);
      report.results.push_back(BenchResult{.name = subject.name,
                                           .latency_ms = summarize(runs),
                                           .samples_ms = runs,
                                           .turn_medians_ms = runs});
    }
    return report;
  };
}

class DiagnoseMachine : public testing::Test {
 protected:
  DiagnoseMachine() {
    config_.seconds = 0.5;
    config_.host = idle_machine;
    config_.measure_speed = measured_beside(0.0);
  }
  DiagnoseReport run() {
    save_model(small_network(), folder_.path() / "fp32.onnx");
    save_model(quantized(small_network()), folder_.path() / "int8.onnx");
    return diagnose(folder_.path() / "fp32.onnx", folder_.path() / "int8.onnx", config_);
  }

  TemporaryFolder folder_;
  DiagnoseConfig config_;
};

TEST_F(DiagnoseMachine, AnIdleMachineWithDotProductsHasNoFault) {
  for (const FindingCode code : codes_of(run()))
    EXPECT_NE(row_of(code).subject, Subject::kMachine) << row_of(code).name;
}

TEST_F(DiagnoseMachine, ACpuWithoutDotProductsIsNamed) {
  config_.host = [] {
    HostReport host = idle_machine();
    host.cpu = "an old CPU";
    host.isa = {"avx2"};
    return host;
  };
  EXPECT_THAT(find(run(), FindingCode::kNoInt8Instructions).evidence, HasSubstr("an old CPU"));
}

TEST_F(DiagnoseMachine, ThrottlingIsWhatTheGroupCountsWhileSpeedIsMeasured) {
  auto throttled_usec = std::make_shared<std::uint64_t>(7'000'000);
  config_.host = [throttled_usec] {
    HostReport host = idle_machine();
    // More at each look than a diagnosis of half a second can take.
    host.quota = CpuQuota{2.0, "/sys/fs/cgroup/pod", *throttled_usec += 1'000'000'000};
    host.cores_usable = 2;
    return host;
  };
  const DiagnoseReport report = run();
  EXPECT_THAT(find(report, FindingCode::kThrottled).evidence, HasSubstr("/sys/fs/cgroup/pod"));
}

TEST_F(DiagnoseMachine, AQuotaThatDoesNotThrottleIsNoFault) {
  config_.host = [] {
    HostReport host = idle_machine();
    host.quota = CpuQuota{2.0, "/sys/fs/cgroup/pod", 7'000'000};  // before, not now
    host.cores_usable = 2;
    return host;
  };
  EXPECT_THAT(codes_of(run()), Not(Contains(FindingCode::kThrottled)));
}

TEST_F(DiagnoseMachine, ThreadsAboveTheQuotaAreFound) {
  config_.session.threads = 2;
  config_.host = [] {
    HostReport host = idle_machine();
    host.quota = CpuQuota{1.5, "/sys/fs/cgroup/pod", 0};
    host.cores_usable = 1;
    return host;
  };
  EXPECT_THAT(find(run(), FindingCode::kThreadsAboveCores).commands,
              Contains(HasSubstr("--threads 1")));
}

TEST_F(DiagnoseMachine, OtherLoadAndTheHypervisorsShareAreFound) {
  config_.measure_speed = measured_beside(0.4);
  EXPECT_THAT(find(run(), FindingCode::kOtherLoad).evidence, HasSubstr("took 40 % of the CPU"));
  config_.measure_speed = measured_beside(0.0, 0.1);
  EXPECT_THAT(find(run(), FindingCode::kOtherLoad).evidence, HasSubstr("hypervisor 10 %"));
}

TEST_F(DiagnoseMachine, SpinningIsAFaultWhereCoresAreShared) {
  config_.session.threads = 2;
  config_.session.spinning = true;
  EXPECT_THAT(codes_of(run()), Not(Contains(FindingCode::kSpinning)));
  config_.measure_speed = measured_beside(0.3);
  EXPECT_THAT(find(run(), FindingCode::kSpinning).evidence, HasSubstr("30 %"));
}

}  // namespace
}  // namespace planish
