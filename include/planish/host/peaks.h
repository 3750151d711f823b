// The most that this CPU can do, measured: what a model's speed is held against.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

#include "planish/base/json_fwd.h"
#include "planish/host/host.h"

namespace planish {

/// Multiply-accumulates per second in registers, without memory: no kernel of any library is
/// faster.
struct ArithmeticPeak {
  double one_core = 0.0;   // of one core while the others rest
  double all_cores = 0.0;  // of `threads` cores together
  /// What was run: "VPDPBUSD, 512 bits". Empty: not measured on this kind of CPU.
  std::string_view instructions = {};
};

struct HostPeaks {
  int threads = 1;
  ArithmeticPeak fp32 = {};
  /// 8-bit activations (unsigned) times 8-bit weights (signed), summed in 32 bits.
  ArithmeticPeak int8 = {};
  double read_bytes_per_second = 0.0;  // from memory, `threads` cores together

  /// How many times faster INT8 can be than FP32 where arithmetic decides; nothing if not measured.
  [[nodiscard]] std::optional<double> int8_over_fp32() const;
};

struct PeakConfig {
  int threads = 0;  // 0: usable_cores()
  std::chrono::milliseconds time_per_kernel{40};
  std::size_t read_bytes = std::size_t{192} << 20;  // more than the last cache holds
};

/// Runs the fastest sequence of instructions that `isa` (HostReport::isa) has for each kind,
/// several times, and keeps the best: noise only ever slows. Takes about four times
/// `time_per_kernel` and the reading, 0.3 s by default.
HostPeaks measure_peaks(const HostReport& host, const PeakConfig& config = {});

/// Least time of a model with so many multiply-accumulates in FP32 and in INT8 on `threads` cores;
/// nothing where peaks are not measured. Between one core and all, cores are taken to add up
/// evenly.
std::optional<std::chrono::duration<double>> least_time(const HostPeaks& peaks, double fp32_macs,
                                                        double int8_macs, int threads);

Json to_json(const HostPeaks& peaks);

}  // namespace planish
