#include "planish/quantize/range_reduction.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "planish/base/json.h"

namespace planish {
namespace {

std::string two_decimals(float value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f", static_cast<double>(value));
  return text.data();
}

}  // namespace

RangeReductionTotals totals_of(std::span<const RangeReduction> weights) {
  RangeReductionTotals totals;
  for (const RangeReduction& weight : weights) {
    totals.channels += weight.channels;
    totals.reduced += weight.reduced;
    totals.largest_ratio = std::max(totals.largest_ratio, weight.largest_ratio);
  }
  return totals;
}

std::string explain(std::span<const RangeReduction> weights, Target target) {
  const std::string where(name_of(target));
  if (!row_of(target).u8s8_saturates) return "no sum saturates on " + where;
  const RangeReductionTotals totals = totals_of(weights);
  if (totals.reduced == 0)
    return "no pair of products exceeds 16 bits on " + where + ": every channel has its full range";
  return std::to_string(totals.reduced) + " of " + std::to_string(totals.channels) +
         " output channels have wider steps (up to " + two_decimals(totals.largest_ratio) +
         "x), the least at which no pair of products exceeds the 16 bits in which " + where +
         " adds it";
}

Json to_json(std::span<const RangeReduction> weights, Target target) {
  const RangeReductionTotals totals = totals_of(weights);
  Json json{{"target", name_of(target)},
            {"channels", totals.channels},
            {"reduced", totals.reduced},
            {"largest_ratio", totals.largest_ratio}};
  json["weights"] = Json::array();
  for (const RangeReduction& weight : weights) {
    if (weight.reduced == 0) continue;
    json["weights"].push_back({{"node", weight.node},
                               {"op", weight.op_type},
                               {"weight", weight.weight},
                               {"channels", weight.channels},
                               {"reduced", weight.reduced},
                               {"largest_ratio", weight.largest_ratio}});
  }
  return json;
}

}  // namespace planish
