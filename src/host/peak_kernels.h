// Loops of multiply-accumulates in registers, one row per instruction set. See peaks.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace planish::host {

enum class PeakKind { kFp32, kInt8 };

struct PeakKernel {
  PeakKind kind = PeakKind::kFp32;
  std::string_view isa = {};           // name of kIsaRows that the CPU must have; empty: always
  std::string_view instructions = {};  // for people
  std::uint64_t macs_per_round = 0;
  /// Runs so many rounds. The result depends on all of them, so that none can be left out.
  std::uint64_t (*run)(std::uint64_t rounds) = nullptr;
};

/// Fastest first; empty on kinds of CPU that have no row yet.
std::span<const PeakKernel> peak_kernels();

/// Sum of `words`, read in the widest way that every CPU of this kind has.
std::uint64_t read_all(std::span<const std::uint64_t> words);

}  // namespace planish::host
