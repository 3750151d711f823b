// What was given up so that a CPU's integer sums cannot saturate (docs/targets.md).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/quantize/target.h"

namespace planish {

/// A weight whose products a target adds in pairs, in 16 bits that saturate, and the output
/// channels whose scale was raised just so far that no pair can. A weight with one scale is one
/// channel.
struct RangeReduction {
  std::string node = {};  // the first that reads it
  std::string op_type = {};
  std::string weight = {};
  std::size_t channels = 0;
  std::size_t reduced = 0;     // of them
  float largest_ratio = 1.0F;  // of a raised scale to what it was; 2 is one bit
  friend bool operator==(const RangeReduction&, const RangeReduction&) = default;
};

struct RangeReductionTotals {
  std::size_t channels = 0;
  std::size_t reduced = 0;
  float largest_ratio = 1.0F;
};
RangeReductionTotals totals_of(std::span<const RangeReduction> weights);

/// "15 of 64 output channels have wider steps (up to 1.42x), so that …": one sentence with the
/// reason, for people.
std::string explain(std::span<const RangeReduction> weights, Target target);
/// {"target", "channels", "reduced", "largest_ratio", "weights": [those with a reduced channel]}.
Json to_json(std::span<const RangeReduction> weights, Target target);

}  // namespace planish
