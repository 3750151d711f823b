// Inputs for a model of which only the signature is known.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "planish/runtime/session.h"

namespace planish {

/// Sizes for dimensions that the signature leaves open.
struct OpenDims {
  std::int64_t batch = 1;    // of an open axis 0, and of axes with the same symbol
  std::int64_t others = 64;  // of all other open axes

  friend bool operator==(const OpenDims&, const OpenDims&) = default;
};

/// What integer inputs hold: they may be indices, masks or counts.
enum class IntegerFill { kZeroOrOne, kOne };

/// Whether the signature leaves axes open, and whether others than the first.
struct Openness {
  bool batch = false;
  bool others = false;
};
Openness openness_of(const Signature& signature);

/// One tensor per input: floats normally distributed, 8-bit integers over their whole range, other
/// integers as `fill` says. Nothing when an input has a type that is not drawn (strings).
/// @throws Error(kExhausted) when an input would be larger than any model takes.
std::optional<std::vector<NamedTensor>> random_inputs(const Signature& signature,
                                                      const OpenDims& open, IntegerFill fill,
                                                      std::uint64_t seed);

}  // namespace planish
