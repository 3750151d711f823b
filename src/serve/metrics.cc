#include "serve/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/base/version.h"
#include "planish/host/host.h"

namespace planish::serve {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<std::pair<std::string, std::string>>;

/// Collects families in the order in which they are first named.
class Families {
 public:
  void gauge(const char* name, const char* help, double value, const Labels& labels = {}) {
    metric(name, help, MetricType::Gauge, labels).gauge.value = value;
  }
  void counter(const char* name, const char* help, double value, const Labels& labels = {}) {
    metric(name, help, MetricType::Counter, labels).counter.value = value;
  }
  void histogram(const char* name, const char* help, const LatencyHistogram::Snapshot& snapshot,
                 const Labels& labels) {
    ClientMetric::Histogram& out = metric(name, help, MetricType::Histogram, labels).histogram;
    out.sample_count = snapshot.count;
    out.sample_sum = static_cast<double>(snapshot.total_ns) * 1e-9;
    std::uint64_t seen = 0;
    // The four finest steps of each power of two would be 576 lines; every quarter is 4 a power.
    for (std::size_t bucket = 0; bucket < LatencyHistogram::kBuckets; ++bucket) {
      seen += snapshot.counts[bucket];
      const bool is_bound =
          bucket % (LatencyHistogram::kSteps / 2) == LatencyHistogram::kSteps / 2 - 1;
      const std::uint64_t upper = LatencyHistogram::upper_end(bucket);
      if (!is_bound || upper < kShortestBound || upper > kLongestBound) continue;
      out.bucket.push_back({seen, static_cast<double>(upper + 1) * 1e-6});
    }
    out.bucket.push_back({snapshot.count, std::numeric_limits<double>::infinity()});
  }
  [[nodiscard]] std::string text() const {
    return prometheus::TextSerializer().Serialize(families_);
  }

 private:
  static constexpr std::uint64_t kShortestBound = 60;         // us
  static constexpr std::uint64_t kLongestBound = 70'000'000;  // us

  ClientMetric& metric(const char* name, const char* help, MetricType type, const Labels& labels) {
    if (families_.empty() || families_.back().name != name) {
      MetricFamily& family = families_.emplace_back();
      family.name = name;
      family.help = help;
      family.type = type;
    }
    ClientMetric& metric = families_.back().metric.emplace_back();
    for (const auto& [key, value] : labels) metric.label.push_back({key, value});
    return metric;
  }

  std::vector<MetricFamily> families_;
};

Labels labels_of(const LoadedVersion& version) {
  return {{"model", version.model}, {"version", version.version()}};
}

/// Every loaded version that answers or did.
std::vector<Version> loaded(const std::vector<ModelStatus>& models) {
  std::vector<Version> versions;
  for (const ModelStatus& model : models) {
    for (const Version& version : {model.active, model.previous}) {
      if (version) versions.push_back(version);
    }
  }
  return versions;
}

template <typename Value>
void counters(Families& families, const std::vector<Version>& versions, const char* name,
              const char* help, const Value& value) {
  for (const Version& version : versions)
    families.counter(name, help, static_cast<double>(value(version->statistics)),
                     labels_of(*version));
}

template <typename Value>
void histograms(Families& families, const std::vector<Version>& versions, const char* name,
                const char* help, const Value& value) {
  for (const Version& version : versions)
    families.histogram(name, help, value(version->statistics).snapshot(), labels_of(*version));
}

/// Pages in memory, from /proc/self/statm; 0 where it cannot be read.
double resident_bytes() {
  try {
    const std::string text = read_file("/proc/self/statm", 4096);
    const auto space = text.find(' ');
    if (space == text.npos) return 0.0;
    return std::strtod(text.c_str() + space, nullptr) * 4096.0;
  } catch (const Error&) {
    return 0.0;
  }
}

void add_process(Families& families, const MetricsInput& input) {
  families.gauge("planish_build_info", "1; the version is a label", 1,
                 {{"version", std::string(kVersion)}, {"onnxruntime", runtime_version()}});
  families.gauge("planish_workers", "Runs that can go side by side",
                 static_cast<double>(input.workers));
  families.gauge("planish_requests_running", "Requests that are computed now",
                 static_cast<double>(input.running));
  families.gauge("planish_requests_waiting", "Requests in the queue now",
                 static_cast<double>(input.waiting));
  families.gauge("planish_connections", "Open connections of the data port",
                 static_cast<double>(input.connections));
  families.gauge("process_resident_memory_bytes", "Memory that is in use", resident_bytes());
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  families.counter("process_cpu_seconds_total", "CPU time of this process",
                   static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6);
  const HostReport host = describe_host();
  families.gauge("planish_cores_usable", "Cores under quota, cpuset and affinity",
                 host.cores_usable);
  if (host.quota) {
    families.gauge("planish_cpu_quota_cores", "Cores that the control group allows",
                   host.quota->cores);
    families.counter("planish_cpu_throttled_seconds_total",
                     "Time for which the control group stopped this process",
                     static_cast<double>(host.quota->throttled_usec) * 1e-6);
  }
}

void add_shadows(Families& families, const std::vector<ShadowReport>& shadows) {
  const auto each = [&](const auto& add) {
    for (const ShadowReport& report : shadows)
      add(report, Labels{{"model", report.model},
                         {"shadow", report.shadow.substr(0, report.shadow.find(' '))}});
  };
  each([&](const ShadowReport& report, const Labels& labels) {
    families.counter("planish_shadow_samples_total", "Answers compared with the shadow version's",
                     static_cast<double>(report.samples), labels);
  });
  each([&](const ShadowReport& report, const Labels& labels) {
    families.counter("planish_shadow_dropped_total", "Requests not compared: no idle CPU",
                     static_cast<double>(report.dropped), labels);
  });
  each([&](const ShadowReport& report, const Labels& labels) {
    families.counter("planish_shadow_failed_total", "Requests on which the shadow version failed",
                     static_cast<double>(report.failed), labels);
  });
  each([&](const ShadowReport& report, const Labels& labels) {
    families.gauge("planish_shadow_top1_agreement", "Share of answers with the same first class",
                   report.top1.share, labels);
  });
  each([&](const ShadowReport& report, const Labels& labels) {
    families.gauge("planish_shadow_top1_agreement_low95", "Lower end of its 95 % interval (Wilson)",
                   report.top1.low, labels);
  });
  each([&](const ShadowReport& report, const Labels& labels) {
    families.gauge("planish_shadow_cosine_mean", "Mean cosine of the first outputs",
                   report.cosine_mean, labels);
  });
}

void add_captures(Families& families, const std::vector<CaptureCounts>& captures) {
  const auto each = [&](const char* name, const char* help, std::uint64_t CaptureCounts::*count) {
    for (const CaptureCounts& one : captures) {
      families.counter(name, help, static_cast<double>(one.*count),
                       {{"model", one.model}, {"kind", one.kind}});
    }
  };
  each("planish_capture_seen_total", "Samples that a capture chose from", &CaptureCounts::seen);
  each("planish_capture_written_total", "Samples written", &CaptureCounts::written);
  each("planish_capture_dropped_total", "Samples chosen but not written: slow disk, or the limit",
       &CaptureCounts::dropped);
}

Json duration(const LatencyHistogram::Snapshot& snapshot) {
  return {{"count", snapshot.count}, {"ns", snapshot.total_ns}};
}

Json latency(const LatencyHistogram::Snapshot& snapshot) {
  const auto ms = [&](double q) {
    return static_cast<double>(snapshot.quantile(q).count()) * 1e-3;
  };
  return {{"p50", ms(0.5)}, {"p95", ms(0.95)}, {"p99", ms(0.99)}};
}

Json batch_statistics(const BatchCounts& batches) {
  Json list = Json::array();
  for (std::size_t size = 0; size < batches.rows().size(); ++size) {
    const BatchCounts::Row& row = batches.rows()[size];
    const std::uint64_t runs = row.runs.load();
    if (runs == 0) continue;
    const auto total = [&](const std::atomic<std::uint64_t>& ns) {
      return Json{{"count", runs}, {"ns", ns.load()}};
    };
    list.push_back({{"batch_size", size},
                    {"compute_input", total(row.input_ns)},
                    {"compute_infer", total(row.infer_ns)},
                    {"compute_output", total(row.output_ns)}});
  }
  return list;
}

Json statistics_of(const LoadedVersion& version) {
  const VersionStatistics& counts = version.statistics;
  const auto request = counts.request.snapshot();
  Json json;
  json["name"] = version.model;
  json["version"] = version.version();
  json["last_inference"] = counts.last_request_ms.load();
  json["inference_count"] = counts.inferences.load();
  json["execution_count"] = counts.executions.load();
  Json& stats = json["inference_stats"];
  stats["success"] = duration(request);
  const std::uint64_t failed = counts.failures.load() + counts.bad_requests.load() +
                               counts.rejections.load() + counts.cancellations.load();
  stats["fail"] = {{"count", failed}, {"ns", 0}};
  stats["queue"] = duration(counts.queue.snapshot());
  stats["compute_input"] = duration(counts.input.snapshot());
  stats["compute_infer"] = duration(counts.compute.snapshot());
  stats["compute_output"] = duration(counts.output.snapshot());
  stats["cache_hit"] = {{"count", 0}, {"ns", 0}};
  stats["cache_miss"] = {{"count", 0}, {"ns", 0}};
  json["response_stats"] = Json::object();
  json["batch_stats"] = batch_statistics(counts.batches);
  json["memory_usage"] = Json::array();
  // planish's own: what a person wants to know.
  json["latency_ms"] = latency(request);
  json["compute_ms"] = latency(counts.compute.snapshot());
  json["digest"] = version.digest;
  return json;
}

}  // namespace

std::string write_metrics(const MetricsInput& input) {
  Families families;
  add_process(families, input);
  for (const ModelStatus& model : input.models) {
    families.gauge("planish_model_ready", "1 when the model answers",
                   model.state == ModelState::kReady ? 1 : 0, {{"model", model.name}});
  }
  for (const ModelStatus& model : input.models) {
    if (!model.active) continue;
    families.gauge("planish_model_version_info", "1; the active version is in the labels", 1,
                   {{"model", model.name},
                    {"version", model.active->version()},
                    {"digest", model.active->digest}});
  }
  const std::vector<Version> versions = loaded(input.models);
  using S = VersionStatistics;
  counters(families, versions, "planish_inferences_total", "Batch elements inferred",
           [](const S& s) { return s.inferences.load(); });
  counters(families, versions, "planish_executions_total", "Runs of the model",
           [](const S& s) { return s.executions.load(); });
  counters(families, versions, "planish_request_failures_total",
           "Requests that the model or the server failed on",
           [](const S& s) { return s.failures.load(); });
  counters(families, versions, "planish_request_rejections_total",
           "Requests refused: queue full, too late, out of memory",
           [](const S& s) { return s.rejections.load(); });
  counters(families, versions, "planish_request_invalid_total",
           "Requests that the caller got wrong", [](const S& s) { return s.bad_requests.load(); });
  counters(families, versions, "planish_request_cancellations_total",
           "Requests whose caller went away before the answer",
           [](const S& s) { return s.cancellations.load(); });
  counters(families, versions, "planish_auto_rollbacks_total",
           "Times that the server took this version back by itself",
           [](const S& s) { return s.auto_rollbacks.load(); });
  histograms(families, versions, "planish_request_duration_seconds",
             "From the whole request read to its response made",
             [](const S& s) -> const LatencyHistogram& { return s.request; });
  histograms(families, versions, "planish_queue_duration_seconds", "Waiting for a worker",
             [](const S& s) -> const LatencyHistogram& { return s.queue; });
  histograms(families, versions, "planish_input_duration_seconds",
             "Parsing, decoding, preprocessing",
             [](const S& s) -> const LatencyHistogram& { return s.input; });
  histograms(families, versions, "planish_compute_duration_seconds", "The run of the model",
             [](const S& s) -> const LatencyHistogram& { return s.compute; });
  add_shadows(families, input.shadows);
  add_captures(families, input.captures);
  return families.text();
}

std::string write_statistics(const std::vector<ModelStatus>& models) {
  Json json;
  json["model_stats"] = Json::array();
  for (const Version& version : loaded(models))
    json["model_stats"].push_back(statistics_of(*version));
  return json.dump();
}

}  // namespace planish::serve
