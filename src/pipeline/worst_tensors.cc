#include "pipeline/worst_tensors.h"

#include <algorithm>

namespace planish::pipeline {

std::vector<WorstTensor> worst_tensors(const RemediedPlan& made, std::size_t most) {
  std::vector<WorstTensor> tensors;
  for (const TensorPlan& planned : made.plan.tensors) {
    const auto seen = made.table.observations.find(planned.tensor);
    if (planned.role != TensorRole::kActivation || planned.params.size() != 1 ||
        seen == made.table.observations.end() || !seen->second.sqnr_db) {
      continue;
    }
    // The plan may hold less than was calibrated: the range of a Relu behind, for one.
    const QuantizationParams& params = planned.params.front();
    const IntegerLimits limits = integer_limits(params.dtype);
    const auto real = [&](std::int32_t q) {
      return params.scale * static_cast<float>(q - params.zero_point);
    };
    tensors.push_back({.name = planned.tensor,
                       .range = {.min = real(limits.min), .max = real(limits.max)},
                       .seen = seen->second});
  }
  std::ranges::stable_sort(tensors, {}, [](const WorstTensor& t) { return *t.seen.sqnr_db; });
  tensors.resize(std::min(most, tensors.size()));
  return tensors;
}

}  // namespace planish::pipeline
