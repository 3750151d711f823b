// Takes Q/DQ pairs out of a QDQ model that cost time and save none.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/quantize/fusion.h"

namespace planish {

struct LeftoverReport {
  std::size_t float_pairs = 0;  // readers that read floats now, where floats were before the pair
  std::size_t constants = 0;  // constants that are stored as floats now, for readers that are float
  /// Operators that would run on integers, but for more conversions than they save; by name.
  std::vector<std::string> islands = {};
  std::size_t pairs_before = 0;  // Q and DQ nodes
  std::size_t pairs_after = 0;

  [[nodiscard]] bool changes_nothing() const { return float_pairs + constants == 0; }
};

struct WithoutLeftovers {
  Model model = {};
  LeftoverReport report = {};
};

/// Rewrites the QDQ model `model` by what forecast_fusion says of it, until nothing is to do:
///  1. An operator that stays float reads floats where there are any, not those that went through a
///     pair; a MatMul or Gemm that only such operators read writes floats itself.
///  2. A quantized constant that only such operators read is stored as the floats it stands for.
///  3. Operators that run on integers, joined by integers, form a part of the graph. A part without
///     Conv, MatMul or Gemm only saves memory traffic: 3 bytes per element that an operator reads
///     or writes, while each element that enters or leaves the part costs 5 (4 of the float, 1 of
///     the integer). Where it costs as much as it saves, the part becomes float.
/// Values gain resolution by it; what stays on integers has the integers it had. Sizes are read
/// from graph.values (write_value_types); values of unknown size count as equal. Only the main
/// graph is looked at.
WithoutLeftovers remove_leftovers(const Model& model, const FusionConfig& config = {});

/// A sentence for people.
std::string explain(const LeftoverReport& report);
Json to_json(const LeftoverReport& report);

}  // namespace planish
