// From a model as it was exported to one that can be quantized well: all passes, each checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/base/progress.h"
#include "planish/graph/model.h"
#include "planish/optimize/passes.h"
#include "planish/prepare/verify.h"

namespace planish {

/// When outputs before and after are compared.
enum class Verify {
  kEachPass,  ///< after every pass that changed something, and at the end
  kAtEnd,     ///< once; pass by pass only when that fails, to find which one it was
  kOff,
};

/// What becomes of a pass whose outputs differ by more than its tolerance.
enum class OnMismatch {
  kUndo,  ///< its changes are dropped, and the report says so: right for users
  kFail,  ///< Error(kInternal) naming the pass: right for tests
};

struct PrepareConfig {
  std::vector<std::string> skip = {};  // names of kPasses that shall not run
  InputDefaults input_defaults = InputDefaults::kConstant;
  std::size_t max_folded_bytes = OptimizeConfig{}.max_folded_bytes;
  Verify verify = Verify::kEachPass;
  OnMismatch on_mismatch = OnMismatch::kUndo;
  VerifyConfig verification = {};
  ProgressSink progress = {};
  std::stop_token stop = {};
};

/// What one pass did, over all rounds.
struct PassOutcome {
  PassReport report = {};
  double tolerance = 0;
  std::optional<double> max_relative_error = {};  // nothing: not compared
  bool undone = false;  // the comparison failed; the changes in `report` were dropped
};

struct PrepareReport {
  std::size_t nodes_before = 0;
  std::size_t nodes_after = 0;
  std::vector<PassOutcome> passes = {};  // one per pass that ran, in the order of kPasses
  Verification whole = {};               // the model that was given against the one returned
  std::vector<std::string> notes = {};   // what a user should know of the model
};

Json to_json(const PrepareReport& report);

struct Prepared {
  Model model;
  PrepareReport report;
};

/// Runs the passes until none finds anything more, and writes the type of every value, as ONNX
/// Runtime infers it, into `graph.values`.
///
/// Names and types of graph inputs and outputs stay, but for initializers that were inputs too.
/// What the model declares of the values between is not trusted: exporters write the sizes of their
/// example there.
/// @throws Error(kInvalidArgument) when `skip` names no pass; Error(kCorrupt) when the graph is no
///   graph; as infer_value_types when ONNX Runtime refuses the model; Error(kInternal) with
///   OnMismatch::kFail; Error(kCancelled).
Prepared prepare(const Model& model, const PrepareConfig& config = {});

/// Writes what ONNX Runtime infers for every value into `graph.values`; nothing else changes. What
/// was declared stays only where nothing is inferred, as behind an operator that has no shape
/// inference.
/// @throws Error as infer_value_types.
void write_value_types(Model& model);

}  // namespace planish
