// Options that say what is done against lost accuracy.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "planish/remedy/remedies.h"

namespace planish::cli {

/// "--equalize", "--bias-correction", "--rounding".
struct RemedyOptions {
  bool equalize = false;
  bool bias_correction = false;
  std::string rounding = "nearest";

  void declare(CLI::App& app);
  [[nodiscard]] RemedyConfig config() const;
};

/// A line per remedy: how many layers it changed, and by how much.
std::string summary_of(const RemedyReport& report);

}  // namespace planish::cli
