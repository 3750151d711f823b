// All shadows of a server: loaded behind it, offered every answer.
#pragma once

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "planish/serve/server.h"
#include "serve/model_registry.h"
#include "serve/protocol.h"
#include "serve/shadow_runner.h"

namespace planish::serve {

class ShadowSet {
 public:
  /// Loads the versions that `config` names on a thread of its own; one that cannot be loaded is
  /// told to the log.
  ShadowSet(const ServerConfig& config, ModelRegistry& registry);
  ~ShadowSet();
  ShadowSet(const ShadowSet&) = delete;
  ShadowSet& operator=(const ShadowSet&) = delete;

  /// Returns at once; tensors are shared.
  void offer(const Version& live, const InferRequest& request, const std::vector<Tensor>& outputs);
  [[nodiscard]] std::vector<ShadowReport> reports() const;

 private:
  void load(const std::stop_token& stop, ModelRegistry& registry);

  const ServerConfig& config_;
  mutable std::mutex mutex_;  // guards runners_
  std::vector<std::shared_ptr<ShadowRunner>> runners_;
  std::jthread loader_;
};

}  // namespace planish::serve
