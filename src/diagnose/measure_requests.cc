// What a request costs beside inference, and what other batches cost.
#include <algorithm>

#include "diagnose/samples.h"
#include "diagnose/subjects.h"
#include "planish/base/error.h"
#include "planish/bench/bench.h"

namespace planish::diagnose_detail {
namespace {

constexpr double kBatchShare = 0.15;  // of the budget
constexpr double kRequestShare = 0.1;

BenchConfig bench_within(double seconds, std::size_t subjects, double run_seconds) {
  BenchConfig config;
  config.seconds = seconds / static_cast<double>(subjects);
  config.warmup_seconds = std::min(config.warmup_seconds, config.seconds / 5);
  config.warmup_runs = 1;
  config.min_runs =
      static_cast<std::size_t>(std::clamp(config.seconds / std::max(run_seconds, 1e-6), 3.0, 30.0));
  return config;
}

/// One run's inputs for `batch` samples: those that were measured, repeated.
std::vector<NamedTensor> repeated(const Subjects& subjects, std::size_t batch) {
  if (subjects.data) {
    std::vector<Sample> samples;
    for (std::size_t i = 0; i < std::min(batch, subjects.data->size()); ++i)
      samples.push_back(subjects.data->read(i));
    return stack_samples(samples, batch);
  }
  Signature one;
  for (const NamedTensor& input : subjects.inputs) {
    Shape shape(input.value.dims().begin(), input.value.dims().end());
    if (!shape.empty()) shape.front() = Dim(static_cast<std::int64_t>(batch));
    one.inputs.push_back({input.name, input.value.dtype(), std::move(shape)});
  }
  return random_inputs(one, batch, 1);
}

void measure_batches(const Subjects& subjects, const Budget& budget, Facts& facts,
                     const ProgressSink& progress, const std::stop_token& stop) {
  const bool is_open = facts.batch_probe && facts.batch_probe->refused.empty() &&
                       facts.batch_probe->mismatch.empty();
  if (!is_open) return;
  std::vector<std::size_t> batches{facts.batch};
  for (const std::size_t batch : {std::size_t{1}, std::size_t{4}, std::size_t{16}}) {
    if (batch != facts.batch) batches.push_back(batch);
  }
  // One run of the largest is a good part of the time of a large model: then fewer are tried.
  const double seconds = std::min(kBatchShare * budget.total(), budget.left());
  const double a_sample = facts.run_seconds / static_cast<double>(facts.batch);
  std::erase_if(batches, [&](std::size_t batch) {
    return batch != facts.batch && 5.0 * a_sample * static_cast<double>(batch) > seconds / 3;
  });
  if (batches.size() < 2) {
    facts.skipped.push_back(
        {FindingCode::kBatchTooSmall, "other batches take too long: raise --seconds"});
    return;
  }
  std::vector<std::vector<NamedTensor>> inputs;
  std::vector<BenchSubject> runs;
  inputs.reserve(batches.size());
  for (const std::size_t batch : batches) {
    inputs.push_back(batch == facts.batch ? subjects.inputs : repeated(subjects, batch));
    runs.push_back(inference_subject("batch", *subjects.int8_session, inputs.back(), batch));
  }
  BenchReport report = bench_interleaved(runs, bench_within(seconds, runs.size(), a_sample * 16),
                                         steady_clock(), progress, stop);
  for (std::size_t i = 0; i < batches.size(); ++i)
    facts.batches.push_back({batches[i], std::move(report.results[i])});
}

void measure_end_to_end(const Subjects& subjects, const Budget& budget, Facts& facts,
                        const ProgressSink& progress, const std::stop_token& stop) {
  if (!subjects.data || facts.batch != 1 || !subjects.data->encoded_image(0)) return;
  const std::vector<BenchSubject> runs{
      end_to_end_subject("reading and preprocessing", *subjects.data, nullptr),
      end_to_end_subject("end to end", *subjects.data, subjects.int8_session.get())};
  BenchReport report = bench_interleaved(
      runs,
      bench_within(std::min(kRequestShare * budget.total(), budget.left()), 2, facts.run_seconds),
      steady_clock(), progress, stop);
  facts.request = RequestTime{std::move(report.results[0]), std::move(report.results[1])};
}

}  // namespace

void measure_requests(const Subjects& subjects, const Budget& budget, Facts& facts,
                      const ProgressSink& progress, const std::stop_token& stop) {
  if (!subjects.comparable || !facts.config.measure) return;
  try {
    measure_batches(subjects, budget, facts, progress, stop);
    measure_end_to_end(subjects, budget, facts, progress, stop);
  } catch (const Error& error) {
    // Samples of several sizes share no batch.
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    facts.skipped.push_back({FindingCode::kBatchTooSmall, error.message()});
  }
}

}  // namespace planish::diagnose_detail
