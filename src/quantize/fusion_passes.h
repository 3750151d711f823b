// The passes of ONNX Runtime 1.32 that move, make or drop Q/DQ nodes, each as one function. They
// say whether they changed something.
#pragma once

#include "quantize/fusion_graph.h"

namespace planish::quantize_detail {

/// Identity, inference Dropout and Expand to the same shape go, a Pad goes into the Conv and a
/// Transpose into the Gemm behind it (identity_elimination.cc, dropout_elimination.cc,
/// expand_elimination.cc, pad_fusion.cc, gemm_transpose_fusion.cc).
bool remove_identities(FusionGraph& graph);
/// Q, DQ, Q, DQ becomes Q, DQ over what both ranges hold (double_qdq_pairs_remover.cc).
bool reduce_double_pairs(FusionGraph& graph);
/// Equal nodes become one, DequantizeLinear excepted (common_subexpression_elimination.cc).
bool merge_equal_nodes(FusionGraph& graph);
/// Nodes on constants become constants; of DequantizeLinear only those whose reader is quantized
/// again (constant_folding.cc).
bool fold_constant_nodes(FusionGraph& graph);
/// MatMul and Add become Gemm (matmul_add_fusion.cc).
bool fuse_matmul_add(FusionGraph& graph);
/// Q/DQ pairs are put on the other side of operators that move elements (qdq_propagation.cc).
bool propagate_pairs(FusionGraph& graph);
/// Float weights and biases between quantized tensors are quantized (weight_bias_quantization.cc).
bool quantize_weights_and_biases(FusionGraph& graph);
/// A float scalar branch of Where gets a DequantizeLinear (where_dummy_dq.cc).
bool dequantize_where_scalars(FusionGraph& graph);
/// Each reader gets a DequantizeLinear of its own (ensure_unique_dq_for_node_unit.cc).
bool give_each_reader_its_dequantize(FusionGraph& graph);
/// DQ and Q of the same parameters that follow one another go, and a Transpose behind a
/// DequantizeLinear is quantized again (FixQDQNodeUnits of onnx_transpose_optimization.cc).
bool mend_transposes(FusionGraph& graph);

/// A Relu or Clip goes when the QuantizeLinear behind it cuts as much (relu_quantizelinear.cc,
/// clip_quantizelinear.cc).
bool drop_implied_clamps(FusionGraph& graph);
/// int8 pairs become uint8 pairs (qdq_s8_to_u8.cc).
bool make_pairs_unsigned(FusionGraph& graph);
/// Operators and the pairs around them become integer operators
/// (selectors_actions/qdq_selector_action_transformer.cc).
bool fuse_pairs(FusionGraph& graph, const FusionConfig& config);
/// DQ and Q of the same parameters that follow one another go, but where several nodes read the Q
/// (qdq_final_cleanup.cc).
bool drop_returning_pairs(FusionGraph& graph);

/// Whether the Relu or Clip `clamp` cuts nothing that the integers of the QuantizeLinear `quantize`
/// could hold (IsClipMadeRedundantByQ of qdq_util.cc).
bool is_clamp_implied(const FusionGraph& graph, std::size_t clamp, std::size_t quantize);

/// Whether both have constant scalar parameters with a zero point, and the same
/// (IsQDQPairSupported of qdq_util.cc).
bool have_equal_params(const FusionGraph& graph, std::size_t a, std::size_t b);

/// Whether the scales of a bias are those of input times weight, to within a hundredth and 10^-6 as
/// ONNX Runtime 1.32 compares them (measured), and its zero points 0. Arguments: DequantizeLinear
/// nodes. What is not known is computed by ONNX Runtime itself, so it fits.
bool bias_scale_fits(const FusionGraph& graph, std::size_t input_dq, std::size_t weight_dq,
                     std::size_t bias_dq);

/// How many nodes read the constant `name`, or one that ONNX Runtime shares with it: few elements
/// of the same type, shape and content (constant_sharing.cc).
std::size_t shared_readers(const FusionGraph& graph, const std::string& name);

}  // namespace planish::quantize_detail
