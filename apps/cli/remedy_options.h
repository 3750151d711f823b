// Options that say what is done against lost accuracy.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "planish/remedy/remedies.h"

namespace planish::cli {

/// "--no-remedies", "--equalize", "--smooth", "--smooth-with-mul", "--weight-clipping",
/// "--rounding", "--bias-correction", "--no-bias-correction".
struct RemedyOptions {
  bool equalize = false;
  bool smooth = false;
  bool smooth_with_mul = false;
  std::string weight_clipping = "none";
  bool bias_correction = false;
  bool no_bias_correction = false;
  bool none = false;
  std::string rounding;  // empty: as RemedyConfig has it

  void declare(CLI::App& app);
  /// What the user asks for, over what is done by itself.
  [[nodiscard]] RemedyConfig config(RemedyConfig defaults = {}) const;
};

/// A line per remedy: how many layers it changed, and by how much.
std::string summary_of(const RemedyReport& report);

}  // namespace planish::cli
