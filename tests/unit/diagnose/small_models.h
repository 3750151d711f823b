// Small FP32 networks, what quantizers make of them, and what a diagnosis found.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/diagnose/diagnose.h"
#include "planish/graph/model.h"
#include "planish/prepare/prepare.h"
#include "planish/quantize/plan.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish::test {

/// Two convolutions, a pool and a Gemm: x [batch, 3, 8, 8] to y [batch, 5]. Every value lies in
/// [-40, 40] for inputs in [-1, 1], and weights are uniform in [-1, 1].
inline Model small_network(const Dim& batch = "batch") {
  return GraphBuilder()
      .input("x", DType::kFloat32, {batch, 3, 8, 8})
      .initializer("w1", random_tensor({16, 3, 3, 3}, 1))
      .initializer("b1", random_tensor({16}, 2))
      .node("Conv", {"x", "w1", "b1"}, {"a"}, {{"pads", ints({1, 1, 1, 1})}}, "conv1")
      .node("Relu", {"a"}, {"r"})
      .initializer("w2", random_tensor({16, 16, 1, 1}, 3))
      .node("Conv", {"r", "w2"}, {"c"}, {}, "conv2")
      .node("GlobalAveragePool", {"c"}, {"p"})
      .node("Flatten", {"p"}, {"f"})
      .initializer("w3", random_tensor({16, 5}, 4))
      .node("Gemm", {"f", "w3"}, {"y"}, {}, "gemm")
      .output("y", DType::kFloat32, {batch, 5})
      .model();
}

/// By ranges of [-40, 40] where none are given.
inline Model quantized(const Model& fp32, const QuantizationConfig& config = {},
                       CalibrationTable table = {}) {
  PrepareConfig unverified;
  unverified.verify = Verify::kOff;
  Model model = fp32;
  if (config.profile == QuantizationProfile::kBest)
    model = prepare(fp32, unverified).model;
  else
    write_value_types(model);
  table.ranges.try_emplace("r", TensorRange{0.0F, 40.0F});  // behind Relu
  for (const std::string& tensor : calibration_targets(model, config))
    table.ranges.try_emplace(tensor, TensorRange{-40.0F, 40.0F});
  return apply(plan_quantization(model, table, config), model);
}

/// As ONNX Runtime's quantizer would: dynamic mode and S8 activations as they are asked for.
inline QuantizationConfig peer_config() {
  QuantizationConfig config;
  config.profile = QuantizationProfile::kOnnxRuntime132;
  return config;
}

inline std::vector<FindingCode> codes_of(const DiagnoseReport& report) {
  std::vector<FindingCode> codes;
  for (const Finding& finding : report.findings) codes.push_back(finding.code);
  return codes;
}

inline Finding find(const DiagnoseReport& report, FindingCode code) {
  const auto found = std::ranges::find(report.findings, code, &Finding::code);
  if (found == report.findings.end())
    throw Error(ErrorCode::kNotFound, std::string(row_of(code).name));
  return *found;
}

}  // namespace planish::test
