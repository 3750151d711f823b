// Measures several subjects in one interleaved run, so that a machine whose speed drifts slows all
// of them alike and ratios can be trusted.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/clock.h"
#include "planish/base/progress.h"
#include "planish/bench/latency.h"
#include "planish/dataset/dataset.h"
#include "planish/runtime/session.h"

namespace planish {

/// Something that is measured: one call of run() is one inference (or one request end to end).
struct BenchSubject {
  std::string name = {};
  std::function<void()> run = {};
  std::size_t items = 1;  // images in one run: the batch; QPS counts items
};

struct BenchConfig {
  double seconds = 2.0;         // measured time per subject; longer narrows the interval
  std::size_t min_runs = 30;    // per subject, even when they take longer than `seconds`
  std::size_t warmup_runs = 5;  // per subject before anything counts: caches, arenas, clocks
  double warmup_seconds = 0.2;  // and at least this long, since a core's clock rises slowly
  double turn_seconds = 0.04;   // a subject runs this long, then it is the next one's turn
};

/// What one subject took.
struct BenchResult {
  std::string name = {};
  LatencySummary latency_ms = {};
  double qps = 0.0;           // items per second of one caller: 1000 * items / mean
  double first_run_ms = 0.0;  // the very first run, before warm-up
  double spread = 0.0;        // (p95 - p50) / p50: noise of the machine or of the model
  double drift = 0.0;         // median of the last third of turns / of the first third - 1
  std::vector<double> samples_ms = {};  // every run, in order
  std::vector<double> turn_medians_ms =
      {};  // one per turn; turn i of all subjects ran side by side
};

struct BenchReport {
  std::vector<BenchResult> results = {};  // in the order of the subjects
  double steal_share = 0.0;               // CPU time that the hypervisor gave to others meanwhile
  double other_load_share = 0.0;          // CPU time that other processes took meanwhile
};

/// Runs the subjects in turns until each has run config.seconds. Each turn's first run is not
/// counted: it finds the caches full of its neighbour's weights.
/// @throws what a subject throws, Error(kCancelled).
BenchReport bench_interleaved(std::span<const BenchSubject> subjects,
                              const BenchConfig& config = {}, const Clock& clock = steady_clock(),
                              const ProgressSink& progress = {}, std::stop_token stop = {});

/// Measures subjects as bench_interleaved does: a parameter of what measures, so that tests can
/// hold times.
using MeasureSpeed =
    std::function<BenchReport(std::span<const BenchSubject> subjects, const BenchConfig& config)>;

/// How many times faster `candidate` is than `base`: the median, over the turns that ran side by
/// side, of base's turn median over candidate's.
RatioEstimate speed_up(const BenchResult& base, const BenchResult& candidate);

/// `samples` (one or more, cycled when there are fewer than `batch`) stacked along dimension 0 into
/// one run's inputs. @throws Error(kInvalidArgument) when their other dimensions differ.
std::vector<NamedTensor> stack_samples(std::span<const Sample> samples, std::size_t batch);

/// Inputs of random numbers that fit `signature` where there is no data: floats in [0, 1),
/// integers 0 or 1. The first dimension is `batch`; other unknown ones are `unknown_dim`.
std::vector<NamedTensor> random_inputs(const Signature& signature, std::size_t batch,
                                       std::int64_t unknown_dim = 1, std::uint64_t seed = 1);

/// A subject that runs `session` on `inputs`; both must outlive it.
BenchSubject inference_subject(std::string name, Session& session,
                               const std::vector<NamedTensor>& inputs, std::size_t batch);

/// A subject that reads, decodes and preprocesses the next sample of `data` and, when `session` is
/// given, runs it: what a request costs end to end.
BenchSubject end_to_end_subject(std::string name, const Dataset& data, Session* session);

Json to_json(const BenchResult& result);
Json to_json(const BenchReport& report);

}  // namespace planish
