// What must hold of every quantized model, checked on one.
#pragma once

#include <optional>
#include <string>

#include "planish/graph/model.h"
#include "planish/quantize/calibration_table.h"
#include "planish/quantize/config.h"
#include "random_models/random_model.h"

namespace planish::test {

/// How a random model is quantized.
struct QuantizationCase {
  QuantizationConfig config = {};
  /// Ranges are this much wider than what was observed, so that activations use the lower part of
  /// their integers only and sums of two products do not saturate 16 bits.
  float headroom = 1.0F;
};

/// Any mode, format, granularity, integer types and profile that go together and with `opset`.
QuantizationCase random_case(Choices& choices, std::int64_t opset);
/// "static qdq per-channel u8/s8 best, reduced range, headroom 2.2".
std::string to_string(const QuantizationCase& quantization);

/// Of all float values of `random` and of its inputs, by its own samples, widened by `headroom`.
CalibrationTable ranges_of_samples(const RandomModel& random, float headroom);

/// What became of one model.
struct Claims {
  std::string broken =
      {};                 // the first claim that does not hold, with what was found; "" when all do
  bool compared = false;  // with the bounds: no 16-bit sum could saturate
  double largest_error = 0.0;   // of all outputs and levels, as a share of its bound
  double largest_spread = 0.0;  // likewise, between levels
  /// What was checked; absent when quantizing it failed.
  std::optional<Model> quantized = {};
};

/// Quantizes `random` by the ranges of its own samples and checks that
///  - plan and application are deterministic, and the result survives being written and read;
///  - names and types of inputs and outputs stay;
///  - ONNX Runtime loads and runs it at every optimization level;
///  - its outputs are as near to the float model's as bounds_of() says, and to one another likewise
///    at all levels, wherever no 16-bit sum of two products can saturate.
/// @throws nothing of planish::Error: that is a broken claim.
Claims check_claims(const RandomModel& random, const QuantizationCase& quantization);

}  // namespace planish::test
