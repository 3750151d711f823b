// Options that several commands share, spelled and explained once.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "command.h"
#include "planish/bench/sweep.h"
#include "planish/calibrate/calibrate.h"
#include "planish/dataset/dataset.h"
#include "planish/graph/model.h"
#include "planish/quantize/target.h"

namespace planish::cli {

/// "--preprocess", "--on-bad-sample", "--max-samples": how samples are read.
struct DataOptions {
  std::string preprocess = "none";
  std::string on_bad_sample = "fail";
  std::size_t max_samples = 0;

  void declare(CLI::App& app);
  /// @throws Error as load_preprocess_spec.
  [[nodiscard]] DatasetConfig config() const;
};

/// "--method", "--percentile", "--bins": how ranges are found.
struct MethodOptions {
  std::string name;
  RangeOptions ranges;

  explicit MethodOptions(CalibrationMethod by_default = CalibrateConfig{}.method)
      : name(name_of(by_default)) {}
  void declare(CLI::App& app);
  [[nodiscard]] CalibrationMethod method() const;
};

/// "--objective", "--max-p99": what a sweep looks for.
struct ObjectiveOptions {
  std::string name{name_of(SweepConfig{}.objective)};
  std::optional<double> max_p99_ms;

  /// They count only with `sweep`.
  void declare(CLI::App& app, CLI::Option& sweep);
  [[nodiscard]] SweepConfig config() const;
};

/// "--target": the CPU that the model is made for.
struct TargetOption {
  std::string name = "host";

  void declare(CLI::App& app);
  /// That of this machine for "host".
  [[nodiscard]] Target target() const;
};

/// The token in a file: its first line. @throws Error(kInvalidArgument) when that is empty.
std::string token_in(const std::string& path);

/// The model that calibrate and quantize work on: prepared, or as it is with the types of its
/// values. Preparing is deterministic, so a calibration made by one command fits the other's model.
Model load_for_quantization(const std::string& path, bool as_it_is, const Context& context);

}  // namespace planish::cli
