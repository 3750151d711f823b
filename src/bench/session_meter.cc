// A sweep's measurements on real sessions.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <map>
#include <thread>
#include <tuple>

#include "planish/base/parallel.h"
#include "planish/bench/sweep.h"

namespace planish {
namespace {

using SteadyTime = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// CPU time of all threads of this process so far, in seconds.
double process_cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

SessionConfig session_config(const SweepPoint& point) {
  SessionConfig config;
  config.threads = point.threads;
  config.spinning = point.spinning;
  config.memory_arena = point.memory_arena;
  config.memory_pattern = point.memory_pattern;
  config.optimization = point.optimization;
  return config;
}

/// Keeps what points share: sessions differ by options, inputs by batch.
class SessionMeter {
 public:
  using Open = std::function<std::shared_ptr<Session>(std::size_t, const SessionConfig&)>;
  using InputsOf = std::function<std::vector<NamedTensor>(std::size_t)>;

  SessionMeter(Open open, InputsOf inputs_of)
      : open_(std::move(open)), inputs_of_(std::move(inputs_of)) {}

  SweepSamples measure(std::size_t model, const SweepPoint& point, double seconds) {
    Session& session = session_of(model, point);
    const std::vector<NamedTensor>& inputs = inputs_of(point.batch);
    session.run(inputs);  // finds the caches full of its neighbour's weights: not counted
    std::vector<SweepSamples> parts(static_cast<std::size_t>(point.callers));
    const double cpu_before = process_cpu_seconds();
    const auto start = SteadyTime::now();
    const auto end = start + Seconds(seconds);
    parallel_for(parts.size(), parts.size(), [&](std::size_t i) {
      do {
        const auto begin = SteadyTime::now();
        session.run(inputs);
        parts[i].run_ms.push_back(1e3 * Seconds(SteadyTime::now() - begin).count());
        parts[i].items += point.batch;
      } while (SteadyTime::now() < end);
    });
    SweepSamples all;
    for (const SweepSamples& part : parts) all.merge(part);
    all.seconds = Seconds(SteadyTime::now() - start).count();
    all.cpu_seconds = process_cpu_seconds() - cpu_before;
    return all;
  }

 private:
  using SessionKey = std::tuple<std::size_t, int, bool, bool, bool, GraphOptimization>;

  Session& session_of(std::size_t model, const SweepPoint& point) {
    const SessionKey key{model,
                         point.threads,
                         point.spinning,
                         point.memory_arena,
                         point.memory_pattern,
                         point.optimization};
    const auto found = sessions_.find(key);
    if (found != sessions_.end()) return *found->second;
    return *(sessions_[key] = open_(model, session_config(point)));
  }

  const std::vector<NamedTensor>& inputs_of(std::size_t batch) {
    const auto found = inputs_.find(batch);
    return found != inputs_.end() ? found->second : inputs_[batch] = inputs_of_(batch);
  }

  Open open_;
  InputsOf inputs_of_;
  std::map<SessionKey, std::shared_ptr<Session>> sessions_ = {};
  std::map<std::size_t, std::vector<NamedTensor>> inputs_ = {};
};

}  // namespace

MeasurePoint session_meter(
    std::function<std::shared_ptr<Session>(std::size_t model, const SessionConfig& config)> open,
    std::function<std::vector<NamedTensor>(std::size_t batch)> inputs_of) {
  auto meter = std::make_shared<SessionMeter>(std::move(open), std::move(inputs_of));
  return [meter](std::size_t model, const SweepPoint& point, double seconds) {
    return meter->measure(model, point, seconds);
  };
}

}  // namespace planish
