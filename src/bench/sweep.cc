#include "planish/bench/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/base/parallel.h"
#include "planish/host/host.h"

namespace planish {
namespace {

struct ObjectiveRow {
  SweepObjective objective;
  std::string_view name;
};
constexpr std::array kObjectives{ObjectiveRow{SweepObjective::kLatency, "latency"},
                                 ObjectiveRow{SweepObjective::kThroughput, "throughput"},
                                 ObjectiveRow{SweepObjective::kCpu, "cpu"}};

constexpr int kTurns = 3;        // of a round over its points
constexpr int kRefineTurns = 5;  // of the winner against one change

/// 1, 2, 4, … and `limit` itself.
std::vector<int> doubling(int limit) {
  std::vector<int> numbers;
  for (int n = 1; n < limit; n *= 2) numbers.push_back(n);
  numbers.push_back(std::max(1, limit));
  return numbers;
}

/// Larger is better. A point over the limit is behind all that keep it, by how far it is over.
double score(const SweepConfig& config, const SweepSamples& samples) {
  const double p99 = summarize(samples.run_ms).p99;
  if (config.objective == SweepObjective::kLatency) return -p99;
  if (config.max_p99_ms && p99 > *config.max_p99_ms) return -1e12 - (p99 - *config.max_p99_ms);
  return config.objective == SweepObjective::kThroughput ? samples.items_per_second()
                                                         : -samples.cpu_ms_per_item();
}

class Search {
 public:
  Search(SweepReport& report, const MeasurePoint& measure, const ProgressSink& progress,
         std::stop_token stop)
      : report_(report), measure_(measure), progress_(progress), stop_(std::move(stop)) {}

  void run() {
    const std::vector<SweepPoint> points = sweep_points(report_.config);
    total_ = points.size() * 2;  // the first round is about half of it all
    first_round(points);
    halve();
    refine();
    explain();
  }

 private:
  [[nodiscard]] std::size_t last_model() const { return report_.models.size() - 1; }
  [[nodiscard]] const SweepConfig& config() const { return report_.config; }

  SweepSamples measure(std::size_t model, const SweepPoint& point, double seconds) {
    throw_if_stopped(stop_);
    return measure_(model, point, seconds);
  }

  void step(std::size_t amount) {
    done_ += amount;
    if (progress_) progress_(ProgressEvent{"sweep", std::min(done_, total_), total_});
  }

  void first_round(const std::vector<SweepPoint>& points) {
    for (const SweepPoint& point : points)
      report_.cells.push_back(
          SweepCell{point, std::vector<SweepSamples>(report_.models.size()), {}});
    for (int turn = 0; turn < kTurns; ++turn) {
      for (SweepCell& cell : report_.cells) {
        if (cell.refused.empty()) measure_cell(cell);
      }
      step(points.size() / kTurns);
    }
    for (SweepCell& cell : report_.cells) {
      if (cell.refused.empty()) running_.emplace_back(cell.point, cell.models.back());
    }
  }

  void measure_cell(SweepCell& cell) {
    try {
      for (std::size_t model = 0; model < cell.models.size(); ++model)
        cell.models[model].merge(measure(model, cell.point, config().seconds / kTurns));
    } catch (const Error& error) {
      // A model that does not even run plainly is the user's error; a batch that it does not take
      // is one of its limits.
      if (error.code() == ErrorCode::kCancelled || cell.point == SweepPoint{}) throw;
      cell.refused = error.message();
      cell.models.clear();
    }
  }

  void rank() {
    std::ranges::stable_sort(running_, [&](const auto& a, const auto& b) {
      return score(config(), a.second) > score(config(), b.second);
    });
  }

  void halve() {
    double seconds = config().seconds;
    rank();
    while (running_.size() > 1) {
      running_.resize((running_.size() + 1) / 2);
      if (running_.size() == 1) break;
      seconds *= 2;
      for (int turn = 0; turn < kTurns; ++turn) {
        for (auto& [point, samples] : running_)
          samples.merge(measure(last_model(), point, seconds / kTurns));
      }
      step(running_.size());
      rank();
    }
    report_.best = running_.front().first;
    report_.best_samples = std::move(running_.front().second);
  }

  /// Whether `changed` beats the best in at least four of five turns: by chance alone that is 3
  /// in 16. And by 2 % in all, less than which nobody would give up a default.
  bool is_better(const SweepPoint& changed, SweepSamples& samples) {
    int won = 0;
    SweepSamples of_best;
    for (int turn = 0; turn < kRefineTurns; ++turn) {
      const SweepSamples plain = measure(last_model(), report_.best, config().seconds);
      const SweepSamples other = measure(last_model(), changed, config().seconds);
      if (score(config(), other) > score(config(), plain)) ++won;
      of_best.merge(plain);
      samples.merge(other);
    }
    const double before = score(config(), of_best);
    const bool gains = score(config(), samples) - before > 0.02 * std::abs(before);
    const bool median_gains = summarize(samples.run_ms).p50 < 0.98 * summarize(of_best.run_ms).p50;
    return won >= kRefineTurns - 1 && gains && median_gains;
  }

  void refine() {
    const auto try_change = [&](auto change) {
      SweepPoint changed = report_.best;
      change(changed);
      SweepSamples samples;
      if (changed == report_.best || !is_better(changed, samples)) return;
      report_.best = changed;
      report_.best_samples = std::move(samples);
    };
    // One thread has none that could wait.
    try_change([](SweepPoint& point) { point.spinning = point.threads > 1; });
    try_change([](SweepPoint& point) { point.memory_pattern = false; });
    try_change([](SweepPoint& point) { point.memory_arena = false; });
    try_change([](SweepPoint& point) { point.optimization = GraphOptimization::kExtended; });
  }

  /// What ran side by side last has the last word: rounds of halving lie apart in time.
  void choose_among(const std::vector<SweepPoint>& points,
                    const std::vector<SweepSamples>& measured, const SweepSamples& plain) {
    const auto best = std::ranges::find(points, report_.best);
    const SweepSamples* chosen =
        best == points.end() ? &plain : &measured[static_cast<std::size_t>(best - points.begin())];
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (score(config(), measured[i]) <= score(config(), *chosen)) continue;
      chosen = &measured[i];
      report_.best = points[i];
    }
    report_.best_samples = *chosen;
    if (config().max_p99_ms)
      report_.within_limit = summarize(chosen->run_ms).p99 <= *config().max_p99_ms;
  }

  void explain() {
    const auto runs = [&](const SweepPoint& point) {
      const auto cell = std::ranges::find(report_.cells, point, &SweepCell::point);
      return cell == report_.cells.end() || cell->refused.empty();
    };
    std::vector<SweepPoint> points;
    const auto add = [&](const SweepPoint& point) {
      if (point != SweepPoint{} && std::ranges::find(points, point) == points.end() && runs(point))
        points.push_back(point);
    };
    add(SweepPoint{.threads = config().cores});
    add(SweepPoint{.callers = config().cores});
    if (!config().batches.empty()) {
      const std::size_t largest = std::ranges::max(config().batches);
      add(SweepPoint{.batch = report_.best.batch > 1 ? report_.best.batch : largest});
    }
    add(report_.best);
    SweepSamples plain;
    std::vector<SweepSamples> changed(points.size());
    for (int turn = 0; turn < kTurns; ++turn) {
      plain.merge(measure(last_model(), SweepPoint{}, config().seconds));
      for (std::size_t i = 0; i < points.size(); ++i)
        changed[i].merge(measure(last_model(), points[i], config().seconds));
    }
    choose_among(points, changed, plain);
    const double plain_median = summarize(plain.run_ms).p50;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const double median = summarize(changed[i].run_ms).p50;
      report_.effects.push_back(SweepEffect{
          points[i],
          plain.items_per_second() > 0 ? changed[i].items_per_second() / plain.items_per_second()
                                       : 0.0,
          plain_median > 0 ? median / plain_median : 0.0});
    }
    step(total_);
  }

  SweepReport& report_;
  const MeasurePoint& measure_;
  const ProgressSink& progress_;
  std::stop_token stop_;
  std::vector<std::pair<SweepPoint, SweepSamples>> running_ = {};
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 1;
};

Json to_json(const SweepSamples& samples) {
  return {{"latency_ms", to_json(summarize(samples.run_ms))},
          {"items_per_second", samples.items_per_second()},
          {"cpu_ms_per_item", samples.cpu_ms_per_item()}};
}

std::string_view name_of(GraphOptimization optimization) {
  return optimization == GraphOptimization::kExtended ? "extended" : "all";
}

}  // namespace

std::string_view name_of(SweepObjective objective) {
  return std::ranges::find(kObjectives, objective, &ObjectiveRow::objective)->name;
}

std::optional<SweepObjective> sweep_objective_from(std::string_view name) {
  const auto* const row = std::ranges::find(kObjectives, name, &ObjectiveRow::name);
  return row == kObjectives.end() ? std::nullopt : std::optional(row->objective);
}

std::string to_string(const SweepPoint& point) {
  std::string text = std::to_string(point.threads) + (point.threads == 1 ? " thread" : " threads");
  if (point.callers > 1) text += ", " + std::to_string(point.callers) + " callers";
  if (point.batch > 1) text += ", batch " + std::to_string(point.batch);
  if (point.spinning) text += ", spinning";
  if (!point.memory_arena) text += ", no arena";
  if (!point.memory_pattern) text += ", no memory pattern";
  if (point.optimization != GraphOptimization::kAll) text += ", extended optimizations only";
  return text;
}

Json to_json(const SweepPoint& point) {
  return {{"threads", point.threads},
          {"callers", point.callers},
          {"batch", point.batch},
          {"spinning", point.spinning},
          {"memory_arena", point.memory_arena},
          {"memory_pattern", point.memory_pattern},
          {"optimization", name_of(point.optimization)}};
}

void SweepSamples::merge(const SweepSamples& more) {
  run_ms.insert(run_ms.end(), more.run_ms.begin(), more.run_ms.end());
  seconds += more.seconds;
  cpu_seconds += more.cpu_seconds;
  items += more.items;
}

std::vector<SweepPoint> sweep_points(const SweepConfig& config) {
  const int cores = config.cores > 0 ? config.cores : usable_cores();
  const bool one_at_a_time = config.objective == SweepObjective::kLatency;
  std::vector<SweepPoint> points = {SweepPoint{}};
  for (const int threads : doubling(cores)) {
    for (const int callers : doubling(one_at_a_time ? 1 : cores / threads)) {
      for (const std::size_t batch : one_at_a_time ? std::vector<std::size_t>{1} : config.batches) {
        const SweepPoint point{.threads = threads, .callers = callers, .batch = batch};
        if (std::ranges::find(points, point) == points.end()) points.push_back(point);
      }
    }
  }
  return points;
}

SweepReport sweep(std::vector<std::string> models, const SweepConfig& config,
                  const MeasurePoint& measure, const ProgressSink& progress, std::stop_token stop) {
  if (models.empty()) throw Error(ErrorCode::kInvalidArgument, "no model to sweep");
  SweepReport report;
  report.config = config;
  if (report.config.cores <= 0) report.config.cores = usable_cores();
  report.models = std::move(models);
  Search(report, measure, progress, std::move(stop)).run();
  return report;
}

std::vector<std::string> explain(const SweepReport& report) {
  std::vector<std::string> lines;
  for (const SweepEffect& effect : report.effects) {
    lines.push_back(fmt::format("{}: {:.2f}x the throughput, {:.2f}x the time of a run",
                                to_string(effect.point), effect.throughput, effect.latency));
  }
  const LatencySummary latency = summarize(report.best_samples.run_ms);
  lines.push_back(fmt::format(
      "best {} on {} core{}: {} ({:.1f} items/s, p50 {:.3g} ms, p99 {:.3g} ms, {:.3g} ms of CPU an "
      "item)",
      name_of(report.config.objective), report.config.cores, report.config.cores == 1 ? "" : "s",
      to_string(report.best), report.best_samples.items_per_second(), latency.p50, latency.p99,
      report.best_samples.cpu_ms_per_item()));
  if (!report.within_limit) {
    lines.push_back(
        fmt::format("no way to run it keeps a p99 of {:.3g} ms here: this comes nearest",
                    *report.config.max_p99_ms));
  }
  return lines;
}

Json to_json(const SweepReport& report) {
  Json json;
  json["objective"] = name_of(report.config.objective);
  json["max_p99_ms"] = report.config.max_p99_ms ? Json(*report.config.max_p99_ms) : Json();
  json["cores"] = report.config.cores;
  json["models"] = report.models;
  json["best"] = to_json(report.best);
  json["best"]["measured"] = to_json(report.best_samples);
  json["within_limit"] = report.within_limit;
  json["effects"] = Json::array();
  for (const SweepEffect& effect : report.effects) {
    json["effects"].push_back({{"point", to_json(effect.point)},
                               {"throughput", effect.throughput},
                               {"latency", effect.latency}});
  }
  json["cells"] = Json::array();
  for (const SweepCell& cell : report.cells) {
    Json one = {{"point", to_json(cell.point)}, {"models", Json::array()}};
    for (const SweepSamples& samples : cell.models) one["models"].push_back(to_json(samples));
    if (!cell.refused.empty()) one["refused"] = cell.refused;
    json["cells"].push_back(std::move(one));
  }
  return json;
}

}  // namespace planish
