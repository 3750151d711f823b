// The CPUs that a model can be made for, and what ONNX Runtime's integer kernels (MLAS) do on each.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "planish/graph/dtype.h"

namespace planish {

enum class Target {
  kAvx2,        // x86-64 without 8-bit dot products: what is safe here is right on every CPU
  kAvx512,      // AVX-512 without VNNI: Skylake-SP
  kAvxVnni,     // 256 bits: since Alder Lake
  kAvx512Vnni,  // since Cascade Lake, Ice Lake, Zen 4
  kAmx,         // tiles: since Sapphire Rapids
  kArmDotprod,  // Armv8.2 and later: SDOT and UDOT, perhaps SMMLA
};

/// How many times faster than FP32 whole networks run.
struct SpeedUpRange {
  double low = 1.0;
  double high = 1.0;
};

struct TargetRow {
  Target target = Target::kAvx2;
  std::string_view name = {};        // as on the command line
  std::string_view isa = {};         // what a machine of this kind has, as the host report names it
  DType activation = DType::kUInt8;  // 8-bit activations that have fast kernels
  DType weight = DType::kInt8;       // and the weights that go with them
  /// Whether U8S8 kernels add pairs of products in 16 bits that saturate (VPMADDUBSW).
  bool u8s8_saturates = false;
  std::optional<SpeedUpRange> speed_up =
      {};                         // measured; nothing where nobody did (docs/targets.md)
  std::string_view kernels = {};  // which pairs of types MLAS has kernels for
};

// Source: platform.cpp of onnxruntime/core/mlas/lib, ONNX Runtime 1.32. Of one architecture, from
// slow to fast.
// clang-format off
inline constexpr std::array kTargets{
    TargetRow{Target::kAvx2, "avx2", "avx2", DType::kUInt8, DType::kInt8, true, SpeedUpRange{1.5, 2.2},
              "U8S8 by VPMADDUBSW; U8U8 in 16-bit products; no S8S8"},
    TargetRow{Target::kAvx512, "avx512", "avx512f", DType::kUInt8, DType::kInt8, true, std::nullopt,
              "U8S8 by VPMADDUBSW; U8U8 in 16-bit products; no S8S8"},
    TargetRow{Target::kAvxVnni, "avx_vnni", "avx_vnni", DType::kUInt8, DType::kInt8, false, std::nullopt,
              "U8S8 by VPDPBUSDS; U8U8 in 16-bit products; S8S8 in matrix products with AVX-VNNI-INT8 only"},
    TargetRow{Target::kAvx512Vnni, "avx512_vnni", "avx512_vnni", DType::kUInt8, DType::kInt8, false, SpeedUpRange{2.0, 3.5},
              "U8S8 by VPDPBUSDS; U8U8 in 16-bit products; no S8S8"},
    TargetRow{Target::kAmx, "amx", "amx_int8", DType::kUInt8, DType::kInt8, false, std::nullopt,
              "U8S8 by TDPBUSD in matrix products, by VPDPBUSDS in convolutions of 4n channels; no S8S8"},
    TargetRow{Target::kArmDotprod, "arm_dotprod", "arm_dotprod", DType::kInt8, DType::kInt8, false, std::nullopt,
              "S8S8 by SDOT or SMMLA; U8S8 and U8U8 by UDOT or UMMLA, after flipping the weights' sign bit"},
};
// clang-format on

constexpr bool targets_are_in_order() {
  for (std::size_t i = 0; i < kTargets.size(); ++i) {
    if (static_cast<std::size_t>(kTargets.at(i).target) != i) return false;
  }
  return true;
}
static_assert(targets_are_in_order(), "kTargets: one row per Target, in enum order");

constexpr const TargetRow& row_of(Target target) {
  return kTargets.at(static_cast<std::size_t>(target));
}
constexpr std::string_view name_of(Target target) { return row_of(target).name; }
std::optional<Target> target_from(std::string_view name);

/// The fastest target that a machine with these instruction sets is (HostReport::isa); kAvx2, which
/// is right everywhere, when it is none.
Target target_of_isa(std::span<const std::string> isa);

}  // namespace planish
