#include "serve/rollback_guard.h"

#include <algorithm>

#include "planish/base/error.h"
#include "planish/base/json.h"

namespace planish::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLooksInAWindow = 10;
constexpr std::chrono::milliseconds kLongestPause{1000};

/// The report of the pair whose live version this is.
std::optional<ShadowReport> report_on(const Version& version, const ShadowSet& shadows) {
  for (ShadowReport& report : shadows.reports()) {
    if (report.model == version->model && report.live == version->text()) return std::move(report);
  }
  return std::nullopt;
}

}  // namespace

RollbackGuard::RollbackGuard(const ServerConfig& config, ModelRegistry& registry,
                             const ShadowSet& shadows)
    : config_(config), rule_(*config.auto_rollback), registry_(registry), shadows_(shadows) {
  if (registry.store() == nullptr)
    throw Error(ErrorCode::kInvalidArgument, "automatic rollback needs a store");
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

void RollbackGuard::watch(const std::stop_token& stop) {
  const auto pause =
      std::clamp(rule_.window / kLooksInAWindow, std::chrono::milliseconds{1}, kLongestPause);
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    stopped_.wait_for(lock, stop, pause, [] { return false; });
    if (stop.stop_requested()) return;
    for (const ModelStatus& model : registry_.statuses()) {
      if (model.active) look_at(model);
    }
  }
}

void RollbackGuard::look_at(const ModelStatus& model) {
  Watched& watched = watched_[model.name];
  if (watched.version.lock() != model.active) watched = Watched{.version = model.active};
  if (watched.judged) return;
  const VersionStatistics& statistics = model.active->statistics;
  const auto now = Clock::now();
  std::deque<Look>& looks = watched.looks;
  looks.push_back({now, statistics.request.snapshot(), statistics.failures.load()});
  while (looks.size() > 2 && looks[1].time <= now - rule_.window) looks.pop_front();
  const Look& first = looks.front();
  const Look& last = looks.back();
  const auto answered = last.request.since(first.request);
  WindowCounts counts;
  counts.failures = last.failures - first.failures;
  counts.requests = answered.count + counts.failures;
  counts.p99_ms = static_cast<double>(answered.quantile(0.99).count()) * 1e-3;
  const auto why = breach(rule_, counts, report_on(model.active, shadows_));
  if (!why) return;
  watched.judged = true;
  roll_back(model.name, model.active, *why);
}

void RollbackGuard::roll_back(const std::string& model, const Version& version,
                              const std::string& why) {
  Json event{
      {"event", "auto-rollback"}, {"model", model}, {"from", version->generation}, {"why", why}};
  try {
    const auto history = registry_.store()->history(model);
    const auto active = registry_.store()->active(model);
    const auto entry = std::ranges::find_if(
        history, [&](const auto& one) { return active && one.sequence == active->sequence; });
    if (!active || active->generation != version->generation || entry == history.end()) return;
    if (entry->action != store::HistoryAction::kActivate) {
      event["event"] = "auto-rollback-refused";
      event["reason"] = "it is active by a rollback itself";
    } else {
      const auto back = registry_.rollback(model, {"planish serve", "automatic: " + why});
      event["to"] = back.generation;
      version->statistics.auto_rollbacks.fetch_add(1, std::memory_order_relaxed);
    }
  } catch (const Error& error) {
    event["event"] = "auto-rollback-failed";
    event["reason"] = error.what();
  }
  log(event);
}

void RollbackGuard::log(const Json& event) const {
  if (config_.log) config_.log(event);
}

}  // namespace planish::serve
