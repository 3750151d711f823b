#include "planish/bench/sweep.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "planish/base/error.h"

namespace planish {
namespace {

/// A machine whose times follow a formula: a run of one item on one thread takes 10 ms.
struct Machine {
  double thread_gain = 1.6;  // of two threads
  double caller_gain = 1.9;  // of two callers
  double batch_gain = 1.0;   // of each doubling of the batch
  double spinning_gain = 1.0;
  std::size_t largest_batch = 1000;
  std::vector<SweepPoint> asked = {};
  double seconds_asked = 0.0;

  SweepSamples operator()(std::size_t model, const SweepPoint& point, double seconds) {
    asked.push_back(point);
    seconds_asked += seconds;
    if (point.batch > largest_batch) throw Error(ErrorCode::kInvalidArgument, "batch is fixed");
    const double work = 10.0 * static_cast<double>(point.batch) /
                        std::pow(batch_gain, std::log2(static_cast<double>(point.batch)));
    double run_ms = work / std::pow(thread_gain, std::log2(point.threads)) /
                    (point.spinning ? spinning_gain : 1.0);
    if (model > 0) run_ms /= 2;
    const double slowed = point.callers / std::pow(caller_gain, std::log2(point.callers));
    const double each_ms = run_ms * slowed;
    SweepSamples samples;
    const auto runs = static_cast<std::size_t>(std::ceil(1e3 * seconds / each_ms)) *
                      static_cast<std::size_t>(point.callers);
    samples.run_ms.assign(runs, each_ms);
    samples.items = runs * point.batch;
    samples.seconds = each_ms * static_cast<double>(runs) / point.callers / 1e3;
    samples.cpu_seconds = samples.seconds * point.threads * point.callers;
    return samples;
  }
};

SweepReport run(Machine& machine, const SweepConfig& config,
                std::vector<std::string> models = {"m"}) {
  return sweep(std::move(models), config, std::ref(machine));
}

TEST(SweepPoints, StayWithinTheCores) {
  const auto points = sweep_points({.cores = 6});
  EXPECT_EQ(points.front(), SweepPoint{});
  EXPECT_TRUE(
      std::ranges::all_of(points, [](const SweepPoint& p) { return p.threads * p.callers <= 6; }));
  EXPECT_NE(std::ranges::find(points, SweepPoint{.threads = 6}), points.end());
  EXPECT_NE(std::ranges::find(points, SweepPoint{.threads = 2, .callers = 3, .batch = 8}),
            points.end());
}

TEST(SweepPoints, OneRequestAtATimeIsNeitherBatchedNorSideBySide) {
  for (const SweepPoint& point :
       sweep_points({.objective = SweepObjective::kLatency, .cores = 4})) {
    EXPECT_EQ(point.callers, 1);
    EXPECT_EQ(point.batch, 1U);
  }
}

TEST(Sweep, ThroughputTakesCallersWhereTheyScaleBetter) {
  Machine machine;
  const SweepReport report = run(machine, {.cores = 2});
  EXPECT_EQ(report.best, (SweepPoint{.callers = 2}));
}

TEST(Sweep, LatencyTakesThreads) {
  Machine machine;
  EXPECT_EQ(run(machine, {.objective = SweepObjective::kLatency, .cores = 2}).best,
            SweepPoint{.threads = 2});
}

TEST(Sweep, CpuTimeOfAnItemTakesOneThread) {
  Machine machine;
  EXPECT_EQ(
      run(machine, {.objective = SweepObjective::kCpu, .cores = 2, .batches = {1}}).best.threads,
      1);
}

TEST(Sweep, ABatchThatPaysIsTakenUpToTheLimitOfTheLatency) {
  Machine machine{.batch_gain = 1.3};
  EXPECT_EQ(run(machine, {.cores = 1}).best.batch, 16U);
  // 4 items: 40 / 1.69 = 24 ms; 8: 36 ms.
  const SweepReport limited = run(machine, {.max_p99_ms = 30.0, .cores = 1});
  EXPECT_EQ(limited.best.batch, 4U);
  EXPECT_TRUE(limited.within_limit);
}

TEST(Sweep, WhenNothingKeepsTheLimitTheNearestIsSaidToMissIt) {
  Machine machine;
  const SweepReport report = run(machine, {.max_p99_ms = 1.0, .cores = 2});
  EXPECT_FALSE(report.within_limit);
  EXPECT_EQ(report.best, SweepPoint{.threads = 2});
}

TEST(Sweep, ABatchThatTheModelDoesNotTakeIsSaidAndLeftOut) {
  Machine machine{.batch_gain = 1.3, .largest_batch = 2};
  const SweepReport report = run(machine, {.cores = 1});
  EXPECT_EQ(report.best.batch, 2U);
  const auto cell = std::ranges::find(report.cells, SweepPoint{.batch = 4}, &SweepCell::point);
  EXPECT_EQ(cell->refused, "batch is fixed");
}

TEST(Sweep, AModelThatDoesNotRunAtAllIsAnError) {
  Machine machine{.largest_batch = 0};
  EXPECT_THROW(run(machine, {.cores = 1}), Error);
}

TEST(Sweep, SpinningIsTakenOnlyWhereItIsWorthMoreThanTwoPercent) {
  Machine gains{.spinning_gain = 1.1};
  EXPECT_TRUE(run(gains, {.objective = SweepObjective::kLatency, .cores = 2}).best.spinning);
  Machine hardly{.spinning_gain = 1.01};
  EXPECT_FALSE(run(hardly, {.objective = SweepObjective::kLatency, .cores = 2}).best.spinning);
  Machine one_core{.spinning_gain = 2.0};
  EXPECT_FALSE(run(one_core, {.cores = 1}).best.spinning);
}

TEST(Sweep, SaysWhatEachChangeAloneIsWorth) {
  Machine machine{.thread_gain = 1.6, .caller_gain = 1.9};
  const SweepReport report = run(machine, {.cores = 2});
  const auto effect = [&](const SweepPoint& point) {
    return *std::ranges::find(report.effects, point, &SweepEffect::point);
  };
  EXPECT_NEAR(effect({.threads = 2}).throughput, 1.6, 1e-9);
  EXPECT_NEAR(effect({.threads = 2}).latency, 1 / 1.6, 1e-9);
  EXPECT_NEAR(effect({.callers = 2}).throughput, 1.9, 1e-9);
}

TEST(Sweep, EveryModelIsMeasuredAtEveryPointAndTheLastIsSearched) {
  Machine machine;
  const SweepReport report = run(machine, {.cores = 2}, {"fp32", "int8"});
  for (const SweepCell& cell : report.cells) {
    ASSERT_EQ(cell.models.size(), 2U);
    EXPECT_NEAR(cell.models[1].items_per_second() / cell.models[0].items_per_second(), 2.0, 1e-9);
  }
}

TEST(Sweep, ARoundOfHalvingCostsWhatTheFirstDoes) {
  Machine machine;
  const SweepConfig config{.cores = 8, .seconds = 0.1};
  const std::size_t points = sweep_points(config).size();
  run(machine, config);
  // Each later round has half of the points for twice the time: as much as the first, for each of
  // log2(points) rounds; 4 changes of 5 turns and 5 effects of 3 turns come after.
  const double rounds = 1 + std::ceil(std::log2(static_cast<double>(points)));
  EXPECT_LE(machine.seconds_asked,
            0.1 * (rounds * (static_cast<double>(points) + 16) + 4 * 5 * 2 + 5 * 3));
}

TEST(Sweep, WhatWasOnlyFastForAMomentIsNotChosen) {
  // Two threads look ten times as fast as they are until the sweep has halved its points.
  Machine machine;
  std::size_t calls = 0;
  const auto measure = [&](std::size_t model, const SweepPoint& point, double seconds) {
    SweepSamples samples = machine(model, point, seconds);
    if (++calls < 12 && point.threads == 2) samples.items *= 10;
    return samples;
  };
  EXPECT_EQ(sweep({"m"}, {.cores = 2, .batches = {1}}, measure).best, SweepPoint{.callers = 2});
}

TEST(Sweep, CanBeInterrupted) {
  Machine machine;
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(sweep({"m"}, {.cores = 2}, std::ref(machine), {}, stop.get_token()), Error);
}

}  // namespace
}  // namespace planish
