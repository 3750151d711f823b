// From what differs in each sample to the report over all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planish/compare/compare.h"
#include "planish/compare/metrics.h"

namespace planish {

/// Stands for the answer of a candidate whose scores are not finite.
inline constexpr std::int64_t kNoClass = -1;

/// What both models say about the classes of one sample.
struct ClassAnswers {
  std::int64_t reference_top1 = 0;  // of the first row
  std::int64_t candidate_top1 = 0;
  double top1_agreement = 0.0;  // share of the rows
  double topk_agreement = 0.0;  // mean over the rows
  std::optional<std::int64_t> label = {};
};

/// One sample, compared.
struct SampleDifference {
  std::string name = {};
  std::vector<Difference> outputs = {};  // in the signature's order
  std::optional<ClassAnswers> classes = {};
};

/// `label`: nothing when the sample has none. Both outputs are [N, classes].
/// @throws Error(kInvalidArgument) when the label is not one of the classes.
ClassAnswers compare_classes(const Tensor& reference, const Tensor& candidate, std::size_t k,
                             std::optional<std::int64_t> label);

/// `samples` in the data set's order; `judged` is the output that scalars speak of.
AccuracyReport summarize(const std::vector<SampleDifference>& samples,
                         const std::vector<std::string>& output_names, std::size_t judged,
                         const CompareConfig& config);

}  // namespace planish
