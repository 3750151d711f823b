// Which of the measured candidates is handed out.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "planish/pipeline/auto.h"

namespace planish::pipeline {

/// Less than this says nothing about which of two models is the more accurate.
constexpr double kSqnrStepDb = 0.5;

/// Candidates of which this is equal have the same operators, so the same speed.
const std::string& operators_of(const CandidateReport& candidate);

/// Of two models that are both accurate enough, the more accurate may be slower by so much.
constexpr double kSpeedStep = 0.02;

/// Index of the candidate to hand out; nothing when all are rejected or none was measured.
///
/// Of those that are not rejected, the fastest, and those as fast as it: the ones of the same
/// operators (with remedies and without), and the ones within kSpeedStep of its speed. Of these,
/// the greatest SQNR on the evaluation data counts: the first whose SQNR is within kSqnrStepDb of
/// it, so that a model is not changed for nothing.
std::optional<std::size_t> choose(std::span<const CandidateReport> candidates);

}  // namespace planish::pipeline
