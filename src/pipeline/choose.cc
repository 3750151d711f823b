#include "choose.h"

#include <algorithm>

namespace planish::pipeline {
namespace {

double sqnr_of(const CandidateReport& candidate) {
  return candidate.accuracy ? candidate.accuracy->sqnr_db : 0.0;
}

}  // namespace

const std::string& operators_of(const CandidateReport& candidate) {
  const std::optional<RemediesUsed>& remedies = candidate.remedies;
  return remedies && remedies->muls_added == 0 ? remedies->of : candidate.name;
}

std::optional<std::size_t> choose(std::span<const CandidateReport> candidates) {
  const CandidateReport* fastest = nullptr;
  for (const CandidateReport& candidate : candidates) {
    if (candidate.rejected_because || !candidate.bench) continue;
    if (fastest == nullptr || candidate.speed_up.median > fastest->speed_up.median)
      fastest = &candidate;
  }
  if (fastest == nullptr) return std::nullopt;
  const auto is_eligible = [&](const CandidateReport& candidate) {
    if (candidate.rejected_because || !candidate.bench) return false;
    return operators_of(candidate) == operators_of(*fastest) ||
           candidate.speed_up.median >= fastest->speed_up.median * (1.0 - kSpeedStep);
  };
  double most = sqnr_of(*fastest);
  for (const CandidateReport& candidate : candidates) {
    if (is_eligible(candidate)) most = std::max(most, sqnr_of(candidate));
  }
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    // An exact model's SQNR is infinite: not a difference.
    if (is_eligible(candidates[i]) && sqnr_of(candidates[i]) + kSqnrStepDb >= most) return i;
  }
  return static_cast<std::size_t>(fastest - candidates.data());
}

}  // namespace planish::pipeline
