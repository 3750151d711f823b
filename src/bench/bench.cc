#include "planish/bench/bench.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

#include "planish/base/checked.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/base/parallel.h"
#include "planish/host/host.h"

namespace planish {
namespace {

double milliseconds_between(std::chrono::nanoseconds start, std::chrono::nanoseconds end) {
  return std::chrono::duration<double, std::milli>(end - start).count();
}

/// The state of one subject while the turns go round.
struct Runner {
  const BenchSubject* subject = nullptr;
  BenchResult result = {};
  double measured_ms = 0.0;

  double timed_run(const Clock& clock) const {
    const auto start = clock.now();
    subject->run();
    return milliseconds_between(start, clock.now());
  }

  [[nodiscard]] bool is_done(const BenchConfig& config) const {
    return measured_ms >= config.seconds * 1e3 && result.samples_ms.size() >= config.min_runs;
  }

  void warm_up(const BenchConfig& config, const Clock& clock) {
    result.first_run_ms = timed_run(clock);
    double spent = 0.0;
    for (std::size_t i = 0; i < config.warmup_runs || spent < config.warmup_seconds * 1e3; ++i) {
      // A clock that stands still (in tests) must not warm up for ever.
      if (i > 100'000) break;
      spent += timed_run(clock);
    }
  }

  void take_turn(const BenchConfig& config, const Clock& clock) {
    subject->run();
    std::vector<double> turn;
    double spent = 0.0;
    do {
      turn.push_back(timed_run(clock));
      spent += turn.back();
    } while (spent < config.turn_seconds * 1e3 && turn.size() < 10'000);
    measured_ms += spent;
    result.samples_ms.insert(result.samples_ms.end(), turn.begin(), turn.end());
    std::ranges::sort(turn);
    result.turn_medians_ms.push_back(quantile(turn, 0.5));
  }

  BenchResult finish() {
    result.name = subject->name;
    result.latency_ms = summarize(result.samples_ms);
    const LatencySummary& latency = result.latency_ms;
    result.qps = latency.mean > 0 ? 1e3 * static_cast<double>(subject->items) / latency.mean : 0.0;
    result.spread = latency.p50 > 0 ? (latency.p95 - latency.p50) / latency.p50 : 0.0;
    const std::span<const double> turns = result.turn_medians_ms;
    const std::size_t third = turns.size() / 3;
    if (third > 0) {
      const auto median_of = [](std::span<const double> part) {
        std::vector<double> sorted(part.begin(), part.end());
        std::ranges::sort(sorted);
        return quantile(sorted, 0.5);
      };
      const double first = median_of(turns.first(third));
      result.drift = first > 0 ? median_of(turns.last(third)) / first - 1.0 : 0.0;
    }
    return std::move(result);
  }
};

double share_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::uint64_t since(std::uint64_t later, std::uint64_t earlier) {
  return later > earlier ? later - earlier : 0;
}

}  // namespace

BenchReport bench_interleaved(std::span<const BenchSubject> subjects, const BenchConfig& config,
                              const Clock& clock, const ProgressSink& progress,
                              std::stop_token stop) {
  std::vector<Runner> runners;
  for (const BenchSubject& subject : subjects) runners.push_back(Runner{&subject, {}, 0.0});
  for (Runner& runner : runners) {
    throw_if_stopped(stop);
    runner.warm_up(config, clock);
  }
  const CpuTimes before = read_cpu_times();
  // Every subject takes part in every round until all are done: so turn i of one and turn i of
  // another always ran side by side, and a slow subject's neighbours just get more runs.
  while (!std::ranges::all_of(runners, [&](const Runner& r) { return r.is_done(config); })) {
    for (Runner& runner : runners) {
      throw_if_stopped(stop);
      runner.take_turn(config, clock);
    }
    if (progress) {
      const auto least = std::ranges::min_element(runners, {}, &Runner::measured_ms);
      const double total = config.seconds * 1e3;
      progress(ProgressEvent{"bench",
                             static_cast<std::uint64_t>(std::min(least->measured_ms, total)),
                             static_cast<std::uint64_t>(total)});
    }
  }
  const CpuTimes after = read_cpu_times();
  BenchReport report;
  const std::uint64_t total = since(after.total, before.total);
  const std::uint64_t steal = since(after.steal, before.steal);
  const std::uint64_t busy = since(total, since(after.idle, before.idle) + steal);
  report.steal_share = share_of(steal, total);
  report.other_load_share = share_of(since(busy, since(after.own, before.own)), total);
  for (Runner& runner : runners) report.results.push_back(runner.finish());
  return report;
}

RatioEstimate speed_up(const BenchResult& base, const BenchResult& candidate) {
  std::vector<double> ratios;
  const std::size_t turns = std::min(base.turn_medians_ms.size(), candidate.turn_medians_ms.size());
  for (std::size_t i = 0; i < turns; ++i) {
    if (candidate.turn_medians_ms[i] > 0) {
      ratios.push_back(base.turn_medians_ms[i] / candidate.turn_medians_ms[i]);
    }
  }
  return estimate_median(std::move(ratios));
}

std::vector<NamedTensor> stack_samples(std::span<const Sample> samples, std::size_t batch) {
  if (samples.empty() || batch == 0) {
    throw Error(ErrorCode::kInvalidArgument, "no samples to make a batch of");
  }
  if (batch == 1) return samples.front().inputs;
  std::vector<NamedTensor> stacked;
  for (std::size_t k = 0; k < samples.front().inputs.size(); ++k) {
    const NamedTensor& first = samples.front().inputs[k];
    std::vector<std::int64_t> dims = first.value.dims();
    if (dims.empty()) {  // a scalar has no batch dimension: it is shared by the batch
      stacked.push_back(first);
      continue;
    }
    std::vector<std::byte> bytes;
    bytes.reserve(checked_mul(first.value.bytes().size(), batch));
    for (std::size_t i = 0; i < batch; ++i) {
      const Sample& sample = samples[i % samples.size()];
      const Tensor& value = sample.inputs.at(k).value;
      if (value.dims() != first.value.dims() || value.dtype() != first.value.dtype()) {
        throw Error(ErrorCode::kInvalidArgument,
                    "samples '" + samples.front().name + "' and '" + sample.name +
                        "' cannot share a batch: input '" + first.name + "' is " +
                        to_string(first.value.dims()) + " and " + to_string(value.dims()) +
                        "; use --batch 1, or samples of one shape");
      }
      bytes.insert(bytes.end(), value.bytes().begin(), value.bytes().end());
    }
    dims.front() *= static_cast<std::int64_t>(batch);
    stacked.push_back(NamedTensor{first.name, Tensor(first.value.dtype(), dims, std::move(bytes))});
  }
  return stacked;
}

std::vector<NamedTensor> random_inputs(const Signature& signature, std::size_t batch,
                                       std::int64_t unknown_dim, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> unit(0.0F, 1.0F);
  std::vector<NamedTensor> inputs;
  for (const TensorSpec& spec : signature.inputs) {
    std::vector<std::int64_t> dims;
    for (std::size_t i = 0; i < spec.shape.size(); ++i) {
      const std::int64_t free = i == 0 ? static_cast<std::int64_t>(batch) : unknown_dim;
      dims.push_back(spec.shape[i].number().value_or(free));
    }
    const std::size_t count = checked_element_count(dims);
    std::vector<std::byte> bytes(byte_count(spec.dtype, count));
    if (spec.dtype == DType::kFloat32) {
      for (std::size_t i = 0; i < count; ++i) {
        const float value = unit(random);
        std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
      }
    } else if (spec.dtype == DType::kFloat16) {
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint16_t value = half_from_float(unit(random));
        std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
      }
    } else if (!row_of(spec.dtype).is_float && count > 0) {
      // 0 or 1 in the lowest byte of each (little-endian) element: valid as index, mask and bool.
      const std::size_t width = std::max<std::size_t>(1, bytes.size() / count);
      for (std::size_t at = 0; at < bytes.size(); at += width) {
        bytes[at] = static_cast<std::byte>(random() & 1U);
      }
    }
    inputs.push_back(NamedTensor{spec.name, Tensor(spec.dtype, std::move(dims), std::move(bytes))});
  }
  return inputs;
}

BenchSubject inference_subject(std::string name, Session& session,
                               const std::vector<NamedTensor>& inputs, std::size_t batch) {
  return BenchSubject{std::move(name), [&session, &inputs] { session.run(inputs); }, batch};
}

BenchSubject end_to_end_subject(std::string name, const Dataset& data, Session* session) {
  auto next = std::make_shared<std::size_t>(0);
  return BenchSubject{std::move(name), [&data, session, next] {
                        const Sample sample = data.read((*next)++ % data.size());
                        if (session != nullptr) session->run(sample.inputs);
                      }};
}

Json to_json(const BenchResult& result) {
  Json json;
  json["name"] = result.name;
  json["latency_ms"] = to_json(result.latency_ms);
  json["qps"] = result.qps;
  json["first_run_ms"] = result.first_run_ms;
  json["spread"] = result.spread;
  json["drift"] = result.drift;
  return json;
}

Json to_json(const BenchReport& report) {
  Json json;
  json["results"] = Json::array();
  for (const BenchResult& result : report.results) json["results"].push_back(to_json(result));
  json["steal_share"] = report.steal_share;
  json["other_load_share"] = report.other_load_share;
  return json;
}

}  // namespace planish
