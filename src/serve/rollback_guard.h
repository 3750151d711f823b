// Takes a version back by itself when it breaks what the operator promised.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "planish/serve/server.h"
#include "serve/model_registry.h"
#include "serve/shadow_set.h"

namespace planish::serve {

/// Looks at the active version of every model several times a window. A version that an operator
/// activated and that breaks the rule is rolled back, once, with the reason in the store's history;
/// one that came to be active by a rollback is left alone, so that versions never swing.
class RollbackGuard {
 public:
  RollbackGuard(const ServerConfig& config, ModelRegistry& registry, const ShadowSet& shadows);
  RollbackGuard(const RollbackGuard&) = delete;
  RollbackGuard& operator=(const RollbackGuard&) = delete;

 private:
  struct Look {
    std::chrono::steady_clock::time_point time = {};
    LatencyHistogram::Snapshot request = {};
    std::uint64_t failures = 0;
  };
  struct Watched {
    std::weak_ptr<const LoadedVersion> version = {};
    std::deque<Look> looks = {};  // oldest first, no older than the window but for the first
    bool judged = false;          // rolled back, or not ours to roll back
  };

  void watch(const std::stop_token& stop);
  void look_at(const ModelStatus& model);
  void roll_back(const std::string& model, const Version& version, const std::string& why);
  void log(const Json& event) const;

  const ServerConfig& config_;
  const RollbackRule& rule_;
  ModelRegistry& registry_;
  const ShadowSet& shadows_;
  std::map<std::string, Watched> watched_;  // the thread's
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace planish::serve
