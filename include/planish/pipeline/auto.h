// The whole way of a model with one call: baseline, preparation, calibration, candidates, accuracy,
// speed, choice.
#pragma once

#include <filesystem>
#include <stop_token>

#include "planish/base/progress.h"
#include "planish/graph/model.h"
#include "planish/pipeline/auto_config.h"
#include "planish/pipeline/auto_report.h"
#include "planish/quantize/calibration_table.h"

namespace planish {

/// The report and what it is about.
struct AutoResult {
  AutoReport report = {};
  Model model = {};  // the one to serve
  CalibrationTable calibration = {};
};

/// Walks the whole way. The source is proven to load and to infer before anything else.
///
/// A candidate is chosen when it meets the thresholds and is faster than FP32 beyond the noise of
/// the run; among those, the fastest; among those as fast, the one of the greatest SQNR. When there
/// is none, the source model itself is handed out. Remedies are tried on the fastest way to static
/// INT8: with adaptive rounding and bias correction, and the same after equalization or, where
/// matrices do the work, smoothing. When none of all these is accurate, layers are searched that
/// stay in FP32, starting from the most accurate of the fast ones (MixedSearchCost says at what
/// cost).
///
/// A run that is stopped after a candidate was found returns it (RunState::kInterrupted).
/// @throws Error of any step, with its name in front; Error(kCancelled) when it is stopped before.
AutoResult run_auto(const std::filesystem::path& model, const AutoConfig& config,
                    const ProgressSink& progress = {}, std::stop_token stop = {});

}  // namespace planish
