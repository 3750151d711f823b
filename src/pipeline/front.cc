#include "front.h"

#include <algorithm>

namespace planish::pipeline {
namespace {

FrontPoint point_of(const CandidateReport& candidate) {
  FrontPoint point{.name = candidate.name,
                   .precision = candidate.precision,
                   .speed_up = candidate.speed_up.median,
                   .p50_ms = candidate.bench->latency_ms.p50};
  if (candidate.accuracy) {
    point.loss = loss_of(*candidate.accuracy);
    point.cosine = candidate.accuracy->cosine_mean;
  }
  return point;
}

bool is_at_least_as_good(const FrontPoint& a, const FrontPoint& b) {
  return a.speed_up >= b.speed_up && a.loss <= b.loss && a.cosine >= b.cosine;
}

}  // namespace

double loss_of(const AccuracyReport& report) {
  if (report.fp32_top1 && report.int8_top1)
    return std::max(0.0, *report.fp32_top1 - *report.int8_top1);
  if (report.top1_agreement) return 1.0 - *report.top1_agreement;
  return std::max(0.0, 1.0 - report.cosine_mean);
}

std::vector<FrontPoint> pareto_front(const AutoReport& report) {
  std::vector<FrontPoint> points;
  if (report.baseline.bench) points.push_back(point_of(report.baseline));
  for (std::size_t i = 0; i < report.candidates.size(); ++i) {
    const CandidateReport& candidate = report.candidates[i];
    if (!candidate.bench || !candidate.accuracy) continue;
    if (!candidate.accuracy->non_finite.empty()) continue;
    points.push_back(point_of(candidate));
    points.back().accepted = judge(*candidate.accuracy, report.config.thresholds).accepted();
    points.back().chosen = report.chosen == i;
  }
  std::vector<FrontPoint> front;
  for (std::size_t i = 0; i < points.size(); ++i) {
    bool is_beaten = false;
    for (std::size_t j = 0; j < points.size(); ++j) {
      if (i == j || !is_at_least_as_good(points[j], points[i])) continue;
      // Of two that are equal the first stays.
      is_beaten = is_beaten || !is_at_least_as_good(points[i], points[j]) || j < i;
    }
    if (!is_beaten) front.push_back(points[i]);
  }
  std::ranges::stable_sort(front, std::ranges::greater{}, &FrontPoint::speed_up);
  return front;
}

}  // namespace planish::pipeline
