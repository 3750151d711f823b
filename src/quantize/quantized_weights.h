// The weights of a model that is quantized already, in any format, with what depends on their
// scales.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "planish/graph/model.h"

namespace planish::quantize_detail {

/// nodes[node].inputs[input].
struct InputPlace {
  std::size_t node = 0;
  std::size_t input = 0;
};

/// An s8 constant that a matrix operator multiplies with u8 activations. All parts are constants,
/// its zero point is 0, its scales are float32.
struct QuantizedWeight {
  std::size_t node = 0;  // the operator that multiplies
  InputPlace integers =
      {};                 // of an integer operator, or of the DequantizeLinear before a float one
  InputPlace scale = {};  // one, or one per output
  std::optional<InputPlace> bias = {};        // int32 of scale input * weight
  std::optional<InputPlace> bias_scale = {};  // where it is written down (QDQ)
};

std::vector<QuantizedWeight> find_quantized_weights(const Graph& graph);

}  // namespace planish::quantize_detail
