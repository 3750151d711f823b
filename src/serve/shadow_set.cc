#include "serve/shadow_set.h"

#include <exception>

#include "planish/base/json.h"

namespace planish::serve {

ShadowSet::ShadowSet(const ServerConfig& config, ModelRegistry& registry) : config_(config) {
  if (config.shadows.empty()) return;
  loader_ = std::jthread([this, &registry](const std::stop_token& stop) { load(stop, registry); });
}

ShadowSet::~ShadowSet() = default;

void ShadowSet::load(const std::stop_token& stop, ModelRegistry& registry) {
  const auto log = [&](const Json& event) {
    if (config_.log) config_.log(event);
  };
  for (const ShadowConfig& shadow : config_.shadows) {
    if (stop.stop_requested()) return;
    try {
      Version version = registry.load_beside(shadow.model, shadow.version);
      auto runner = std::make_shared<ShadowRunner>(shadow, std::move(version), config_.log);
      {
        const std::lock_guard lock(mutex_);
        runners_.push_back(std::move(runner));
      }
      log({{"event", "shadow-ready"}, {"model", shadow.model}, {"version", shadow.version}});
    } catch (const std::exception& error) {
      log({{"event", "shadow-failed"}, {"model", shadow.model}, {"reason", error.what()}});
    }
  }
}

void ShadowSet::offer(const Version& live, const InferRequest& request,
                      const std::vector<Tensor>& outputs) {
  if (config_.shadows.empty()) return;
  const std::lock_guard lock(mutex_);
  for (const auto& runner : runners_)
    runner->offer(live, request.id.value_or(""), request.inputs, outputs);
}

std::vector<ShadowReport> ShadowSet::reports() const {
  const std::lock_guard lock(mutex_);
  std::vector<ShadowReport> reports;
  for (const auto& runner : runners_) reports.push_back(runner->report());
  return reports;
}

}  // namespace planish::serve
