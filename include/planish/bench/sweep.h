// Threads, callers side by side, batch and session options: which of them serve a model best under
// the limits of this machine, and what each is worth.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/base/progress.h"
#include "planish/bench/latency.h"
#include "planish/runtime/session.h"

namespace planish {

/// What counts.
enum class SweepObjective {
  kLatency,     // least p99 of one request at a time
  kThroughput,  // most items per second, under `max_p99_ms` if that is given
  kCpu,         // least CPU time of an item, under `max_p99_ms` if that is given
};
std::string_view name_of(SweepObjective objective);
std::optional<SweepObjective> sweep_objective_from(std::string_view name);

/// One way to run a model.
struct SweepPoint {
  int threads = 1;        // of one run
  int callers = 1;        // runs side by side, on one session
  std::size_t batch = 1;  // items of one run
  bool spinning = false;
  bool memory_arena = true;
  bool memory_pattern = true;
  GraphOptimization optimization = GraphOptimization::kAll;
  friend bool operator==(const SweepPoint&, const SweepPoint&) = default;
};
/// "2 threads, batch 4": what differs from one thread, one caller, batch 1 and the defaults.
std::string to_string(const SweepPoint& point);
Json to_json(const SweepPoint& point);

/// What was measured at a point so far; merged when it is measured again.
struct SweepSamples {
  std::vector<double> run_ms = {};  // of each run
  double seconds = 0.0;             // of all callers together, by the wall
  double cpu_seconds = 0.0;         // of the whole process meanwhile
  std::size_t items = 0;

  void merge(const SweepSamples& more);
  [[nodiscard]] double items_per_second() const {
    return seconds > 0 ? static_cast<double>(items) / seconds : 0.0;
  }
  [[nodiscard]] double cpu_ms_per_item() const {
    return items > 0 ? 1e3 * cpu_seconds / static_cast<double>(items) : 0.0;
  }
};

/// Runs a model at a point for about so many seconds. `model` counts the models of the sweep.
/// @throws Error when the model cannot be run so, such as a batch that it does not take.
using MeasurePoint =
    std::function<SweepSamples(std::size_t model, const SweepPoint& point, double seconds)>;

struct SweepConfig {
  SweepObjective objective = SweepObjective::kThroughput;
  std::optional<double> max_p99_ms = {};
  int cores = 0;  // threads times callers stay within; 0: usable_cores()
  std::vector<std::size_t> batches = {1, 2, 4, 8, 16};
  double seconds = 0.2;  // of a point in the first round; each later round twice as long
};

/// One point of the first round, at which every model was measured.
struct SweepCell {
  SweepPoint point = {};
  std::vector<SweepSamples> models = {};  // in the order of the models
  std::string refused = {};               // why it could not be measured; then `models` is empty
};

/// What one change alone is worth, measured in turns with the plain way to run.
struct SweepEffect {
  SweepPoint point = {};
  double throughput = 1.0;  // items per second, times those of the plain way
  double latency = 1.0;     // median of a run, times that of the plain way
};

struct SweepReport {
  SweepConfig config = {};
  std::vector<std::string> models = {};
  std::vector<SweepCell> cells = {};
  SweepPoint best = {};  // for the last model
  SweepSamples best_samples = {};
  bool within_limit = true;  // false: no point kept `max_p99_ms`, `best` comes nearest
  std::vector<SweepEffect> effects = {};
};

/// The points of the first round: threads and callers whose product is within the cores, and
/// batches.
std::vector<SweepPoint> sweep_points(const SweepConfig& config);

/// Successive halving (Jamieson and Talwalkar, 2016): all points are measured for a short time, the
/// better half of them for twice as long, until one is left; each round goes over its points in
/// several turns, so that a machine whose speed drifts slows all of them alike. The winner is then
/// tried with spinning, without arena, without memory pattern and with fewer optimizations: what is
/// better in most turns is taken. Only the last model is searched; the first round measures all.
/// @throws what `measure` throws at one thread, one caller, batch 1; Error(kCancelled).
SweepReport sweep(std::vector<std::string> models, const SweepConfig& config,
                  const MeasurePoint& measure, const ProgressSink& progress = {},
                  std::stop_token stop = {});

/// What each change alone is worth and how the model is run best, a line each:
/// "2 threads: 1.53x the throughput, 0.58x the time of a run".
std::vector<std::string> explain(const SweepReport& report);

/// Measures models for real: `open` loads the model of that number. `inputs_of` makes one run's
/// inputs of a batch.
MeasurePoint session_meter(
    std::function<std::shared_ptr<Session>(std::size_t model, const SessionConfig& config)> open,
    std::function<std::vector<NamedTensor>(std::size_t batch)> inputs_of);

Json to_json(const SweepReport& report);

}  // namespace planish
