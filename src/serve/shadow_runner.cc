#include "serve/shadow_runner.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "planish/base/error.h"
#include "planish/base/json.h"

namespace planish::serve {
namespace {

constexpr std::size_t kQueue = 32;  // pairs; each holds one request's tensors
constexpr std::size_t kWorst = 16;  // samples kept by name
constexpr std::size_t kTopK = 5;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// How one row (one element of the batch) of an output differs.
struct RowDifference {
  double cosine = 1.0;
  double max_abs_error = 0.0;
  bool same_top1 = true;
  bool in_topk = true;
};

RowDifference compare_rows(std::span<const float> live, std::span<const float> shadow) {
  RowDifference difference;
  double dot = 0.0;
  double live_norm = 0.0;
  double shadow_norm = 0.0;
  for (std::size_t i = 0; i < live.size(); ++i) {
    const double a = live[i];
    const double b = shadow[i];
    dot += a * b;
    live_norm += a * a;
    shadow_norm += b * b;
    difference.max_abs_error = std::max(difference.max_abs_error, std::abs(a - b));
  }
  // Two vectors of zeros are the same; one of zeros and one that is not have nothing in common.
  const double norms = std::sqrt(live_norm) * std::sqrt(shadow_norm);
  difference.cosine = norms > 0 ? dot / norms : (live_norm == shadow_norm ? 1.0 : 0.0);
  const auto best = static_cast<std::size_t>(std::ranges::max_element(live) - live.begin());
  const auto above =
      std::ranges::count_if(shadow, [&](float value) { return value > shadow[best]; });
  difference.same_top1 = above == 0;
  difference.in_topk = static_cast<std::size_t>(above) < kTopK;
  return difference;
}

/// CPU time of this thread where the run has no other, else the time that passes.
std::chrono::nanoseconds run_clock(const LoadedVersion& version) {
  timespec now{};
  (void)::clock_gettime(version.threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

ShadowConfig parse_shadow(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorCode::kInvalidArgument, "shadow '" + std::string(text) +
                                                 "': " + std::string(why) +
                                                 "; expected NAME=VERSION:FRACTION, as in "
                                                 "resnet=fp32:0.1");
  };
  const auto equal = text.find('=');
  const auto colon = text.rfind(':');
  if (equal == text.npos || colon == text.npos || colon < equal) refuse("is none");
  ShadowConfig config;
  config.model = std::string(text.substr(0, equal));
  config.version = std::string(text.substr(equal + 1, colon - equal - 1));
  const std::string_view number = text.substr(colon + 1);
  const char* const end = number.data() + number.size();
  const auto [stop, failure] = std::from_chars(number.data(), end, config.fraction);
  if (failure != std::errc() || stop != end) refuse("the fraction is no number");
  if (!(config.fraction > 0.0 && config.fraction <= 1.0)) refuse("the fraction is not in (0, 1]");
  if (config.model.empty() || config.version.empty()) refuse("a name is empty");
  return config;
}

ShareInterval wilson_interval(std::uint64_t agreed, std::uint64_t samples) {
  if (samples == 0) return {};
  constexpr double kZ = 1.959963984540054;  // of 95 %, two-sided
  const auto n = static_cast<double>(samples);
  const double p = static_cast<double>(agreed) / n;
  const double centre = p + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(p * (1 - p) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return {p, std::max(0.0, (centre - half) / scale), std::min(1.0, (centre + half) / scale)};
}

ShadowRunner::ShadowRunner(ShadowConfig config, Version shadow, LogSink log, std::uint64_t seed)
    : config_(std::move(config)), shadow_(std::move(shadow)), log_(std::move(log)), random_(seed) {
  begin_report("");
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

ShadowRunner::~ShadowRunner() = default;

/// mutex_ is held, or nobody else is there yet.
void ShadowRunner::begin_report(const std::string& live) {
  report_ = ShadowReport{.model = config_.model,
                         .live = live,
                         .shadow = shadow_->text(),
                         .fraction = config_.fraction,
                         .cosine_min = 1.0};
  agreed_top1_ = 0;
  agreed_topk_ = 0;
  cosine_sum_ = 0.0;
}

void ShadowRunner::offer(const Version& live, const std::string& id,
                         const std::vector<NamedTensor>& inputs,
                         const std::vector<Tensor>& outputs) {
  if (live->model != config_.model || live->generation == shadow_->generation) return;
  {
    const std::lock_guard lock(mutex_);
    if (std::uniform_real_distribution<>(0.0, 1.0)(random_) >= config_.fraction) return;
    if (queue_.size() >= kQueue) {
      ++report_.dropped;
      return;
    }
    queue_.push_back({live, id, inputs, outputs});
  }
  changed_.notify_all();
}

ShadowReport ShadowRunner::report() const {
  const std::lock_guard lock(mutex_);
  ShadowReport report = report_;
  report.top1 = wilson_interval(agreed_top1_, report.samples);
  report.topk = wilson_interval(agreed_topk_, report.samples);
  const LatencyHistogram::Snapshot runs = compute_.snapshot();
  const auto ms = [&](double q) { return static_cast<double>(runs.quantile(q).count()) * 1e-3; };
  report.compute_ms = {runs.count, ms(0.5), ms(0.95), ms(0.99)};
  if (report.samples > 0) report.cosine_mean = cosine_sum_ / static_cast<double>(report.samples);
  return report;
}

void ShadowRunner::wait_until_idle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queue_.empty() && !busy_; });
}

void ShadowRunner::run(const std::stop_token& stop) {
  const sched_param none{};
  (void)::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &none);
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !queue_.empty(); })) {
    const Pair pair = std::move(queue_.front());
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    compare(pair);
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

void ShadowRunner::compare(const Pair& pair) {
  std::vector<RowDifference> rows;
  std::string failure;
  try {
    const auto start = run_clock(*shadow_);
    const std::vector<Tensor> outputs = shadow_->session->run(pair.inputs);
    compute_.record(run_clock(*shadow_) - start);
    // The first output decides, as in `planish compare`: a classifier's scores, an embedding.
    const std::vector<float> live = pair.outputs.front().to_floats();
    const std::vector<float> shadow = outputs.front().to_floats();
    if (live.size() != shadow.size() || live.empty())
      throw Error(ErrorCode::kUnsupported, "the versions' first outputs have other shapes");
    const auto& dims = pair.outputs.front().dims();
    const std::size_t count = dims.size() > 1 ? static_cast<std::size_t>(dims.front()) : 1;
    const std::size_t width = live.size() / count;
    for (std::size_t row = 0; row < count; ++row) {
      rows.push_back(compare_rows(std::span(live).subspan(row * width, width),
                                  std::span(shadow).subspan(row * width, width)));
    }
  } catch (const std::exception& error) {
    failure = error.what();
  }
  Json event{{"event", "shadow"}, {"model", config_.model}, {"id", pair.id}};
  {
    const std::lock_guard lock(mutex_);
    // Another version answers now: what was found beside the last one says nothing of it.
    if (report_.live != pair.live->text()) begin_report(pair.live->text());
    if (!failure.empty()) ++report_.failed;
    for (const RowDifference& row : rows) {
      ++report_.samples;
      agreed_top1_ += row.same_top1 ? 1 : 0;
      agreed_topk_ += row.in_topk ? 1 : 0;
      cosine_sum_ += row.cosine;
      report_.cosine_min = std::min(report_.cosine_min, row.cosine);
      report_.max_abs_error = std::max(report_.max_abs_error, row.max_abs_error);
      report_.worst.push_back({pair.id, now_ms(), row.cosine, row.max_abs_error, row.same_top1});
    }
    // A changed answer is worse than any distance.
    std::ranges::sort(report_.worst, [](const ShadowSample& a, const ShadowSample& b) {
      return std::pair(a.same_top1, a.cosine) < std::pair(b.same_top1, b.cosine);
    });
    if (report_.worst.size() > kWorst) report_.worst.resize(kWorst);
  }
  if (!log_) return;
  if (!failure.empty()) event["error"] = failure;
  event["live"] = pair.live->generation;
  event["shadow"] = shadow_->generation;
  for (const RowDifference& row : rows) {
    event["cosine"] = row.cosine;
    event["max_abs_error"] = row.max_abs_error;
    event["same_top1"] = row.same_top1;
    log_(event);
  }
  if (rows.empty()) log_(event);
}

Json to_json(const ShadowReport& report) {
  const auto interval = [](const ShareInterval& share) {
    return Json{{"share", share.share}, {"low95", share.low}, {"high95", share.high}};
  };
  Json json;
  json["model"] = report.model;
  json["live"] = report.live;
  json["shadow"] = report.shadow;
  json["fraction"] = report.fraction;
  json["samples"] = report.samples;
  json["dropped"] = report.dropped;
  json["failed"] = report.failed;
  json["top1_agreement"] = interval(report.top1);
  json["top5_agreement"] = interval(report.topk);
  json["cosine_mean"] = report.cosine_mean;
  json["cosine_min"] = report.cosine_min;
  json["max_abs_error"] = report.max_abs_error;
  json["compute_ms"] = {{"runs", report.compute_ms.runs},
                        {"p50", report.compute_ms.p50},
                        {"p95", report.compute_ms.p95},
                        {"p99", report.compute_ms.p99}};
  json["worst"] = Json::array();
  for (const ShadowSample& sample : report.worst) {
    json["worst"].push_back({{"id", sample.id},
                             {"time_ms", sample.time_ms},
                             {"cosine", sample.cosine},
                             {"max_abs_error", sample.max_abs_error},
                             {"same_top1", sample.same_top1}});
  }
  return json;
}

ShadowReport shadow_report_from(const Json& json) {
  const auto count = [](const Json& object, const char* key) {
    const auto value = json_get<std::int64_t>(object, key);
    if (value < 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  std::string("'") + key + "' is negative; expected a count");
    }
    return static_cast<std::uint64_t>(value);
  };
  const auto interval = [&](const char* key) {
    const Json& share = json_get<Json>(json, key);
    return ShareInterval{json_get<double>(share, "share"), json_get<double>(share, "low95"),
                         json_get<double>(share, "high95")};
  };
  const Json compute = json_get<Json>(json, "compute_ms");
  ShadowReport report;
  report.model = json_get<std::string>(json, "model");
  report.live = json_get<std::string>(json, "live");
  report.shadow = json_get<std::string>(json, "shadow");
  report.fraction = json_get<double>(json, "fraction");
  report.samples = count(json, "samples");
  report.dropped = count(json, "dropped");
  report.failed = count(json, "failed");
  report.top1 = interval("top1_agreement");
  report.topk = interval("top5_agreement");
  report.cosine_mean = json_get<double>(json, "cosine_mean");
  report.cosine_min = json_get<double>(json, "cosine_min");
  report.max_abs_error = json_get<double>(json, "max_abs_error");
  report.compute_ms = {count(compute, "runs"), json_get<double>(compute, "p50"),
                       json_get<double>(compute, "p95"), json_get<double>(compute, "p99")};
  return report;  // `worst` is for people
}

}  // namespace planish::serve
