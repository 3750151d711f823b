// The forecast of quantize/fusion.h held to the graph that ONNX Runtime really runs, and what each
// left-over costs there.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/quantize/qdq_lint.h"
#include "planish/runtime/node_profile.h"

namespace planish {

/// A finding and the time of the Q and DQ nodes that stay because of it.
struct MeasuredFinding {
  LintFinding finding = {};
  std::optional<std::chrono::nanoseconds> time = {};  // of one run; nothing: not measured
  double share = 0.0;                                 // of all nodes' time, in [0, 1]
};

struct LintReport {
  std::vector<MeasuredFinding> findings = {};  // most time first
  std::size_t quantize_nodes = 0;              // left in the graph that runs
  std::size_t dequantize_nodes = 0;
  /// Pairs that ONNX Runtime adds itself around Transposes when it changes the layout of
  /// QLinearConv; the forecast does not follow that.
  std::size_t layout_pairs = 0;
  /// Operators whose number is not as forecast: "QLinearConv: 4, forecast 5". Empty: it holds.
  std::vector<std::string> differences = {};
  /// The graph that runs, by operator; times are 0 when nothing was measured.
  std::vector<OperatorTime> operators = {};
  std::vector<NodeTime> kernels = {};                 // as measured, in the order in which they ran
  std::optional<std::chrono::nanoseconds> time = {};  // of all nodes in one run
};

/// Optimizes `model` as it is served, explains what is left of its Q/DQ nodes, and measures it on
/// `inputs` (none: without times).
/// @throws Error as open_session and profile_nodes.
LintReport lint_model(const Model& model, std::span<const NamedTensor> inputs = {},
                      const ProfileConfig& config = {});

Json to_json(const LintReport& report);

}  // namespace planish
