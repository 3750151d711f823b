#include "planish/host/peaks.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "host/peak_kernels.h"

namespace planish {
namespace {

bool has(const HostReport& host, std::string_view isa) {
  return isa.empty() || std::ranges::find(host.isa, isa) != host.isa.end();
}

TEST(PeakKernels, EveryKernelOfThisCpuComputesItsSum) {
  const HostReport host = describe_host();
  for (const host::PeakKernel& kernel : host::peak_kernels()) {
    if (!has(host, kernel.isa)) continue;
    // Sums only grow in magnitude, so a loop that ran is not 0.
    EXPECT_NE(kernel.run(100), 0U) << kernel.instructions;
  }
}

TEST(PeakKernels, ReadsEveryWord) {
  std::vector<std::uint64_t> words(1003);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < words.size(); ++i) sum += words[i] = i * i;
  EXPECT_EQ(host::read_all(words), sum);
}

TEST(MeasurePeaks, ThisMachineHasPeaks) {
  const HostReport host = describe_host();
  const HostPeaks peaks = measure_peaks(
      host, {.threads = 1, .time_per_kernel = std::chrono::milliseconds(2), .read_bytes = 1 << 20});
  EXPECT_GT(peaks.read_bytes_per_second, 0.0);
  if (!has(host, "avx2")) GTEST_SKIP() << "no kernels for this CPU";
  EXPECT_GT(peaks.fp32.one_core, 0.0);
  EXPECT_GT(peaks.int8.one_core, 0.0);
  EXPECT_TRUE(peaks.int8_over_fp32());
}

TEST(MeasurePeaks, ACpuWithoutAKnownSetHasNone) {
  const HostPeaks peaks = measure_peaks(HostReport{}, {.threads = 1, .read_bytes = 1 << 16});
#if !defined(__aarch64__)
  EXPECT_TRUE(peaks.fp32.instructions.empty());
#endif
  EXPECT_FALSE(peaks.int8_over_fp32());
  EXPECT_FALSE(least_time(peaks, 0.0, 1e9, 1));
}

HostPeaks literal_peaks() {
  HostPeaks peaks;
  peaks.threads = 4;
  peaks.fp32 = {1e9, 3.4e9, "FMA"};
  peaks.int8 = {4e9, 13e9, "DOT"};
  return peaks;
}

TEST(LeastTime, AddsWhatEachKindTakes) {
  EXPECT_DOUBLE_EQ(least_time(literal_peaks(), 2e9, 8e9, 1)->count(), 2.0 + 2.0);
}

TEST(LeastTime, AllCoresTogetherCountAsMeasured) {
  EXPECT_DOUBLE_EQ(least_time(literal_peaks(), 3.4e9, 0, 4)->count(), 1.0);
  EXPECT_DOUBLE_EQ(least_time(literal_peaks(), 3.4e9, 0, 9)->count(), 1.0);
}

TEST(LeastTime, CoresBetweenAreTakenEvenly) {
  // One core 1e9, four 3.4e9: each further one 0.8e9.
  EXPECT_DOUBLE_EQ(least_time(literal_peaks(), 1.8e9, 0, 2)->count(), 1.0);
}

}  // namespace
}  // namespace planish
