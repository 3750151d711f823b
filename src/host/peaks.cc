#include "planish/host/peaks.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "host/peak_kernels.h"
#include "planish/base/json.h"
#include "planish/base/parallel.h"

namespace planish {
namespace {

using SteadyTime = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// What a loop computes goes here, so that the compiler has to run it.
std::atomic<std::uint64_t> sink{0};

const host::PeakKernel* fastest(host::PeakKind kind, const HostReport& host) {
  for (const host::PeakKernel& kernel : host::peak_kernels()) {
    const bool fits =
        kernel.isa.empty() || std::ranges::find(host.isa, kernel.isa) != host.isa.end();
    if (kernel.kind == kind && fits) return &kernel;
  }
  return nullptr;
}

/// The most multiply-accumulates per second of any try of about a millisecond.
double rate_of(const host::PeakKernel& kernel, Seconds time) {
  std::uint64_t rounds = 1000;
  double best = 0.0;
  const auto end = SteadyTime::now() + time;
  do {
    const auto start = SteadyTime::now();
    sink.fetch_add(kernel.run(rounds), std::memory_order_relaxed);
    const double spent = Seconds(SteadyTime::now() - start).count();
    if (spent > 0)
      best = std::max(best, static_cast<double>(rounds * kernel.macs_per_round) / spent);
    if (spent < 5e-4) rounds *= 2;
  } while (SteadyTime::now() < end);
  return best;
}

ArithmeticPeak measure(host::PeakKind kind, const HostReport& host, std::size_t threads,
                       Seconds time) {
  const host::PeakKernel* kernel = fastest(kind, host);
  if (kernel == nullptr) return {};
  ArithmeticPeak peak{rate_of(*kernel, time), 0.0, kernel->instructions};
  std::vector<double> rates(threads);
  parallel_for(threads, threads, [&](std::size_t i) { rates[i] = rate_of(*kernel, time); });
  for (const double rate : rates) peak.all_cores += rate;
  return peak;
}

/// Bytes per second of the fastest of several passes over `bytes`, each thread over its own part.
double measure_reading(std::size_t bytes, std::size_t threads) {
  const std::size_t words = bytes / sizeof(std::uint64_t) / threads;
  std::vector<std::vector<std::uint64_t>> parts(threads);
  parallel_for(threads, threads, [&](std::size_t i) { parts[i].assign(words, i + 1); });
  double best = 0.0;
  for (int pass = 0; pass < 4; ++pass) {
    const auto start = SteadyTime::now();
    parallel_for(threads, threads, [&](std::size_t i) {
      sink.fetch_add(host::read_all(parts[i]), std::memory_order_relaxed);
    });
    const double spent = Seconds(SteadyTime::now() - start).count();
    const auto read = static_cast<double>(words * threads * sizeof(std::uint64_t));
    if (spent > 0) best = std::max(best, read / spent);
  }
  return best;
}

double rate_at(const ArithmeticPeak& peak, int threads, int all_threads) {
  if (threads <= 1 || all_threads <= 1) return peak.one_core;
  const double share = std::min(1.0, static_cast<double>(threads - 1) / (all_threads - 1));
  return peak.one_core + share * (peak.all_cores - peak.one_core);
}

Json to_json(const ArithmeticPeak& peak) {
  if (peak.instructions.empty()) return nullptr;
  return {{"one_core", peak.one_core},
          {"all_cores", peak.all_cores},
          {"instructions", peak.instructions}};
}

}  // namespace

std::optional<double> HostPeaks::int8_over_fp32() const {
  if (fp32.one_core <= 0 || int8.one_core <= 0) return std::nullopt;
  return int8.one_core / fp32.one_core;
}

HostPeaks measure_peaks(const HostReport& host, const PeakConfig& config) {
  const std::size_t threads =
      static_cast<std::size_t>(config.threads > 0 ? config.threads : host.cores_usable);
  HostPeaks peaks;
  peaks.threads = static_cast<int>(threads);
  peaks.fp32 = measure(host::PeakKind::kFp32, host, threads, config.time_per_kernel);
  peaks.int8 = measure(host::PeakKind::kInt8, host, threads, config.time_per_kernel);
  // A small machine keeps most of its memory: what is read is at most a sixteenth of it.
  const std::size_t room = host.memory_bytes > 0 ? host.memory_bytes / 16 : config.read_bytes;
  peaks.read_bytes_per_second = measure_reading(std::min(config.read_bytes, room), threads);
  return peaks;
}

std::optional<Seconds> least_time(const HostPeaks& peaks, double fp32_macs, double int8_macs,
                                  int threads) {
  const double fp32 = rate_at(peaks.fp32, threads, peaks.threads);
  const double int8 = rate_at(peaks.int8, threads, peaks.threads);
  if ((fp32_macs > 0 && fp32 <= 0) || (int8_macs > 0 && int8 <= 0)) return std::nullopt;
  return Seconds((fp32_macs > 0 ? fp32_macs / fp32 : 0.0) +
                 (int8_macs > 0 ? int8_macs / int8 : 0.0));
}

Json to_json(const HostPeaks& peaks) {
  Json json;
  json["threads"] = peaks.threads;
  json["fp32_macs_per_second"] = to_json(peaks.fp32);
  json["int8_macs_per_second"] = to_json(peaks.int8);
  json["read_bytes_per_second"] = peaks.read_bytes_per_second;
  const std::optional<double> ratio = peaks.int8_over_fp32();
  json["int8_over_fp32"] = ratio ? Json(*ratio) : Json(nullptr);
  return json;
}

}  // namespace planish
