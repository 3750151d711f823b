#include "planish/quantize/target.h"

#include <algorithm>

namespace planish {

std::optional<Target> target_from(std::string_view name) {
  const auto row = std::ranges::find(kTargets, name, &TargetRow::name);
  if (row == kTargets.end()) return std::nullopt;
  return row->target;
}

Target target_of_isa(std::span<const std::string> isa) {
  Target best = Target::kAvx2;
  // Rows of one architecture go from slow to fast.
  for (const TargetRow& row : kTargets) {
    if (std::ranges::find(isa, row.isa) != isa.end()) best = row.target;
  }
  return best;
}

}  // namespace planish
