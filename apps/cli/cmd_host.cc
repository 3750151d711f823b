#include <memory>

#include "command.h"
#include "planish/base/json.h"
#include "planish/host/host.h"
#include "planish/host/peaks.h"
#include "planish/quantize/target.h"
#include "planish/runtime/session.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  bool no_measure = false;
};

std::string cores_text(const HostReport& host) {
  std::string text =
      std::to_string(host.cores_usable) + " usable of " + std::to_string(host.cores_online);
  if (host.cores_allowed < host.cores_online)
    text += "; affinity and cpuset allow " + std::to_string(host.cores_allowed);
  if (host.quota) {
    text += "; the control group " + host.quota->where + " grants " + fixed(host.quota->cores, 2);
    if (host.quota->throttled_usec > 0) {
      text += " and has stopped its processes for " +
              fixed(static_cast<double>(host.quota->throttled_usec) / 1e6, 1) + " s so far";
    }
  }
  return text;
}

std::string caches_text(const HostReport& host) {
  std::string text;
  for (const CacheLevel& cache : host.caches) {
    text +=
        (text.empty() ? "L" : ", L") + std::to_string(cache.level) + " " + human_bytes(cache.bytes);
    if (cache.shared_by > 1) text += " for " + std::to_string(cache.shared_by) + " cores";
  }
  return text;
}

void print_peak(std::ostream& out, std::string_view title, const ArithmeticPeak& peak,
                int threads) {
  out << title;
  if (peak.instructions.empty()) {
    out << "not measured on this kind of CPU\n";
    return;
  }
  out << fixed(peak.one_core / 1e9, 1) << " G multiply-accumulates/s on one core";
  if (threads > 1) out << ", " << fixed(peak.all_cores / 1e9, 1) << " on " << threads;
  out << " (" << peak.instructions << ")\n";
}

/// What to expect of INT8 here, in words.
std::string expectation(const HostReport& host, const HostPeaks& peaks) {
  const auto ratio = peaks.int8_over_fp32();
  if (!ratio) return "";
  std::string text = "INT8 arithmetic is " + fixed(*ratio, 1) + "x as fast as FP32 here. ";
  text += host.has_int8_dot_product()
              ? "Convolutions and matrix products can come near that; the rest of a model gains "
                "from smaller tensors at most"
              : "There is no instruction for 8-bit dot products, so 3x is out of reach for most "
                "models; CPUs with AVX512-VNNI, AVX-VNNI, AMX or Arm's dot product have one";
  return text + ".";
}

void print_report(std::ostream& out, const HostReport& host, const HostPeaks* peaks) {
  std::string sets;
  for (const std::string& name : host.isa) sets += (sets.empty() ? "" : " ") + name;
  out << "cpu      " << host.cpu << '\n';
  out << "cores    " << cores_text(host) << '\n';
  out << "sets     " << (sets.empty() ? "none that INT8 needs" : sets) << "; models are made for "
      << name_of(target_of_isa(host.isa)) << '\n';
  if (!host.caches.empty()) out << "caches   " << caches_text(host) << '\n';
  out << "memory   " << human_bytes(host.memory_bytes)
      << (host.numa_nodes > 1 ? ", on " + std::to_string(host.numa_nodes) + " NUMA nodes" : "")
      << '\n';
  out << "engine   ONNX Runtime " << runtime_version() << '\n';
  if (peaks == nullptr) return;
  out << '\n';
  print_peak(out, "FP32     ", peaks->fp32, peaks->threads);
  print_peak(out, "INT8     ", peaks->int8, peaks->threads);
  out << "reading  " << fixed(peaks->read_bytes_per_second / 1e9, 1) << " GB/s from memory with "
      << peaks->threads << (peaks->threads == 1 ? " core\n" : " cores\n");
  if (const std::string text = expectation(host, *peaks); !text.empty())
    out << '\n' << text << '\n';
}

}  // namespace

Command host_command() {
  return {"host", "What this machine gives: cores under every limit, instruction sets, peaks",
          [](CLI::App& app) -> Run {
            auto options = std::make_shared<Options>();
            app.add_flag("--no-measure", options->no_measure, "Only look, do not measure peaks");
            return [options](const Context& context) {
              const HostReport host = describe_host();
              std::optional<HostPeaks> peaks;
              if (!options->no_measure) peaks = measure_peaks(host);
              Json json = to_json(host);
              json["onnxruntime"] = runtime_version();
              json["target"] = name_of(target_of_isa(host.isa));
              json["peaks"] = peaks ? to_json(*peaks) : Json(nullptr);
              print(context, json,
                    [&](std::ostream& out) { print_report(out, host, peaks ? &*peaks : nullptr); });
              return kExitSuccess;
            };
          }};
}

}  // namespace planish::cli
