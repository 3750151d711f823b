// What each step of the way costs on one model, each against what it is measured by: calibration
// against plain inference of the same samples on the same cores, in turns of one run.
//
//   steps_bench MODEL DATA [PREPROCESS] [ROUNDS]
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>

#include "planish/base/parallel.h"
#include "planish/bench/latency.h"
#include "planish/calibrate/calibrate.h"
#include "planish/host/host.h"
#include "planish/inspect/inspect.h"
#include "planish/onnx/onnx.h"
#include "planish/prepare/prepare.h"
#include "planish/quantize/plan.h"

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

void run(const char* model_path, const char* data_path, const char* preprocess, int rounds) {
  Model model;
  std::printf("load        %8.3f s\n", seconds_of([&] { model = load_model(model_path); }));
  std::printf("inspect     %8.3f s\n", seconds_of([&] { inspect_model(model); }));
  Model prepared;
  std::printf("prepare     %8.3f s\n", seconds_of([&] { prepared = prepare(model).model; }));

  const auto session = open_session(prepared);
  DatasetConfig data_config;
  data_config.preprocess = load_preprocess_spec(preprocess);
  const auto data = open_dataset(data_path, session->signature(), data_config);
  const auto threads = static_cast<std::size_t>(usable_cores());
  const std::vector<std::string> targets = calibration_targets(prepared, QuantizationConfig{});
  std::vector<double> plain;
  std::vector<double> calibration;
  std::vector<double> ratios;
  CalibrationTable table;
  for (int round = 0; round < rounds; ++round) {
    plain.push_back(seconds_of([&] {
      parallel_for(data->size(), threads,
                   [&](std::size_t i) { session->run(data->read(i).inputs); });
    }));
    const double before = peak_megabytes();
    calibration.push_back(seconds_of([&] { table = calibrate(prepared, *data, targets).table; }));
    if (round == 0)
      std::printf("peak memory %8.1f MB before calibration, %.1f MB after\n", before,
                  peak_megabytes());
    ratios.push_back(calibration.back() / plain.back());
  }
  std::printf(
      "plain FP32  %8.3f s for %zu samples on %zu cores, reading and preprocessing included\n",
      median(plain), data->size(), threads);
  std::printf("calibrate   %8.3f s, %zu tensors: %.2f x plain (each of %d rounds:",
              median(calibration), targets.size(), median(ratios), rounds);
  for (const double ratio : ratios) std::printf(" %.2f", ratio);
  std::printf(")\n");

  Model quantized;
  std::printf("quantize    %8.3f s\n", seconds_of([&] {
                quantized = apply(plan_quantization(prepared, table, {}), prepared);
              }));
}

}  // namespace
}  // namespace planish

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: steps_bench MODEL DATA [PREPROCESS] [ROUNDS]\n");
    return 2;
  }
  try {
    planish::run(argv[1], argv[2], argc > 3 ? argv[3] : "none", argc > 4 ? std::atoi(argv[4]) : 3);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "steps_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
