// What calibration costs by method, against plain inference of the same samples on the same cores,
// in turns of one run; and what counting costs an element, in the cache.
//
//   calibrate_bench MODEL DATA [PREPROCESS] [ROUNDS] [SAMPLES]
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <random>

#include "calibrate/element_counter.h"
#include "calibrate/scan.h"
#include "planish/base/parallel.h"
#include "planish/bench/latency.h"
#include "planish/calibrate/calibrate.h"
#include "planish/host/host.h"
#include "planish/onnx/onnx.h"
#include "planish/prepare/prepare.h"
#include "planish/quantize/plan.h"
#include "planish/runtime/session.h"

namespace planish {
namespace {

double seconds_of(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;  // kilobytes on Linux
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

/// The least of several turns, over 256 kB of elements.
void bench_counting(const char* name, const std::function<float(float)>& of_normal) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> elements(std::size_t{1} << 16);
  for (float& element : elements) element = of_normal(normal(random));
  ElementCounter counter;
  double scan_seconds = 1.0;
  double count_seconds = 1.0;
  double drain_seconds = 1.0;
  for (int turn = 0; turn < 50; ++turn) {
    ElementScan scan;
    scan_seconds = std::min(scan_seconds, seconds_of([&] { scan = scan_elements(elements); }));
    count_seconds = std::min(count_seconds, seconds_of([&] {
                               counter.count(elements, {.min = scan.min, .max = scan.max});
                             }));
    drain_seconds = std::min(drain_seconds, seconds_of([&] {
                               counter.drain([](Side, int, std::span<const std::uint32_t>) {});
                             }));
  }
  const auto size = static_cast<double>(elements.size());
  std::printf("%-18s scan %.3f ns, count %.3f ns an element; taking the counts %.1f us a tensor\n",
              name, scan_seconds / size * 1e9, count_seconds / size * 1e9, drain_seconds * 1e6);
}

struct Method {
  CalibrationMethod method = CalibrationMethod::kMinMax;
  std::vector<double> ratios = {};   // observing and choosing, to plain inference
  std::vector<double> seconds = {};  // choosing alone
};

void bench_methods(const char* model_path, const char* data_path, const char* preprocess,
                   int rounds, std::size_t samples) {
  const Model model = prepare(load_model(model_path)).model;
  const auto session = open_session(model);
  const auto data = open_dataset(
      data_path, session->signature(),
      {.preprocess = load_preprocess_spec(preprocess), .max_samples = samples});
  const auto threads = static_cast<std::size_t>(usable_cores());
  const std::vector<std::string> targets = calibration_targets(model, QuantizationConfig{});
  std::vector<double> plain;
  std::vector<Method> methods;
  for (const std::string& name : calibration_method_names())
    methods.push_back({.method = calibration_method_from(name).value()});
  for (int round = 0; round < rounds; ++round) {
    const auto run_plain = [&] {
      parallel_for(data->size(), threads,
                   [&](std::size_t i) { session->run(data->read(i).inputs); });
    };
    for (Method& method : methods) {
      plain.push_back(seconds_of(run_plain));
      double choosing = 0.0;
      const double all = seconds_of([&] {
        Calibrator calibrator(model, targets, {.method = method.method});
        calibrator.observe(*data);
        choosing = seconds_of([&] { (void)calibrator.table(method.method); });
      });
      method.ratios.push_back(all / plain.back());
      method.seconds.push_back(choosing);
    }
  }
  std::printf("%s, %zu tensors, %zu samples, %zu cores; plain FP32 %.3f s, reading included\n",
              model_path, targets.size(), data->size(), threads, median(plain));
  for (const Method& method : methods) {
    std::printf("%-15s %.2f x plain, of which choosing took %.3f s (rounds:",
                std::string(name_of(method.method)).c_str(), median(method.ratios),
                median(method.seconds));
    for (const double ratio : method.ratios) std::printf(" %.2f", ratio);
    std::printf(")\n");
  }
  std::printf("peak memory %.0f MB\n", peak_megabytes());
}

void run(int argc, char** argv) {
  bench_counting("normal", [](float x) { return x; });
  bench_counting("rectified normal", [](float x) { return std::max(x, 0.0F); });
  bench_counting("heavy tail", [](float x) { return x * x * x; });
  bench_counting("zeros", [](float) { return 0.0F; });
  bench_methods(argv[1], argv[2], argc > 3 ? argv[3] : "none", argc > 4 ? std::atoi(argv[4]) : 3,
                argc > 5 ? std::strtoul(argv[5], nullptr, 10) : 0);
}

}  // namespace
}  // namespace planish

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: calibrate_bench MODEL DATA [PREPROCESS] [ROUNDS] [SAMPLES]\n");
    return 2;
  }
  try {
    planish::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "calibrate_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
