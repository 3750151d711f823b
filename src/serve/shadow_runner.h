// Runs another version on live requests, on CPU time that nobody else wants.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "planish/serve/shadow.h"
#include "serve/model_registry.h"

namespace planish::serve {

/// One shadow: compares every n-th or so request of a model, strictly behind the live ones. Its
/// thread has the scheduling class SCHED_IDLE: the kernel gives it a core only while no other
/// thread wants it, and takes it away at once. What does not fit into its short queue is dropped
/// and counted.
class ShadowRunner {
 public:
  ShadowRunner(ShadowConfig config, Version shadow, LogSink log, std::uint64_t seed = 0);
  ~ShadowRunner();
  ShadowRunner(const ShadowRunner&) = delete;
  ShadowRunner& operator=(const ShadowRunner&) = delete;

  /// Offers an answered request. Returns at once. Tensors are shared, not copied.
  void offer(const Version& live, const std::string& id, const std::vector<NamedTensor>& inputs,
             const std::vector<Tensor>& outputs);
  [[nodiscard]] ShadowReport report() const;
  [[nodiscard]] const ShadowConfig& config() const { return config_; }
  /// Until everything that was taken is compared. For tests, and for the end of a bench.
  void wait_until_idle();

 private:
  struct Pair {
    Version live = {};
    std::string id = {};
    std::vector<NamedTensor> inputs = {};
    std::vector<Tensor> outputs = {};
  };
  void begin_report(const std::string& live);
  void run(const std::stop_token& stop);
  void compare(const Pair& pair);

  const ShadowConfig config_;
  const Version shadow_;
  const LogSink log_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any changed_;
  std::deque<Pair> queue_;
  bool busy_ = false;
  std::mt19937_64 random_;
  ShadowReport report_;
  std::uint64_t agreed_top1_ = 0;
  std::uint64_t agreed_topk_ = 0;
  double cosine_sum_ = 0.0;
  LatencyHistogram compute_;  // of the shadow version
  std::jthread thread_;
};

}  // namespace planish::serve
