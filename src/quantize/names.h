// The names that quantization gives: those of ONNX Runtime's quantizer, so that tools which know
// them find their way.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"

namespace planish::quantize_detail {

inline std::string scale_name(const std::string& tensor) { return tensor + "_scale"; }
inline std::string zero_point_name(const std::string& tensor) { return tensor + "_zero_point"; }
inline std::string quantized_name(const std::string& tensor) { return tensor + "_quantized"; }
/// Nodes that quantize and dequantize `tensor`.
inline std::string q_node_name(const std::string& tensor) { return tensor + "_QuantizeLinear"; }
inline std::string dq_node_name(const std::string& tensor) { return tensor + "_DequantizeLinear"; }
/// What these nodes write; and what the first reads when `tensor` is a graph output.
inline std::string q_output_name(const std::string& tensor) {
  return q_node_name(tensor) + "_Output";
}
inline std::string dq_output_name(const std::string& tensor) {
  return dq_node_name(tensor) + "_Output";
}
inline std::string q_input_name(const std::string& tensor) {
  return q_node_name(tensor) + "_Input";
}
/// The second pair behind a converted tensor has these names of "X_convert", and the first pair's
/// parameters with "_convert" behind them.
inline std::string convert_name(const std::string& name) { return name + "_convert"; }
/// The integer operator in place of the node `name`; unnamed nodes stay unnamed.
inline std::string quantized_node_name(const std::string& name) {
  return name.empty() ? "" : name + "_quant";
}

/// Names copies of initializers: "bias" + one more than the largest number that follows "bias" in
/// any initializer's name, from 0 (and "_1" more where another value has that name).
class Namer {
 public:
  explicit Namer(const Graph& graph);
  std::string copy_of(const std::string& initializer);

 private:
  std::unordered_set<std::string> initializers_;
  NameScope taken_;
};

}  // namespace planish::quantize_detail
