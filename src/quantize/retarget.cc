#include "planish/quantize/retarget.h"

#include <algorithm>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/graph/graph_index.h"
#include "quantize/reduce_quantized.h"
#include "quantize/unsigned_activations.h"

namespace planish {

bool is_quantized(const Model& model) {
  bool found = false;
  const auto is_integer = [](const Node& node) {
    const std::string& op = node.op_type;
    return op == "QuantizeLinear" || op == "DequantizeLinear" || op == "DynamicQuantizeLinear" ||
           op == "ConvInteger" || op.starts_with("MatMulInteger") || op.starts_with("QLinear") ||
           op.starts_with("DynamicQuantize") || op == "QGemm" || op == "QAttention";
  };
  for_each_graph(model.graph, [&](const Graph& graph) {
    found = found || std::ranges::any_of(graph.nodes, is_integer);
  });
  return found;
}

bool RetargetReport::changes_nothing() const {
  return values + constants == 0 && totals_of(reductions).reduced == 0;
}

Retargeted retarget(const Model& model, Target target) {
  if (!is_quantized(model)) {
    throw Error(ErrorCode::kInvalidArgument,
                "the model has no quantized operators; expected one that is quantized already");
  }
  Retargeted result{.model = model, .report = {.target = target}};
  const TargetRow& row = row_of(target);
  if (row.activation == DType::kUInt8) {
    const auto counts = quantize_detail::make_activations_unsigned(result.model);
    result.report.values = counts.values;
    result.report.constants = counts.constants;
    result.report.conversions = counts.conversions;
  }
  if (row.u8s8_saturates)
    result.report.reductions = quantize_detail::reduce_quantized_ranges(result.model);
  return result;
}

std::string explain(const RetargetReport& report) {
  const std::string where(name_of(report.target));
  if (report.changes_nothing()) return "fits " + where + " as it is";
  std::string text;
  if (report.values > 0) {
    text = std::to_string(report.values) + " s8 activations become u8 on the same grid (" + where +
           " has no kernels for s8)";
    if (report.conversions > 0)
      text += ", " + std::to_string(report.conversions) + " conversions where s8 must stay";
  }
  if (totals_of(report.reductions).reduced > 0)
    text += (text.empty() ? "" : "; ") + explain(report.reductions, report.target);
  return text;
}

Json to_json(const RetargetReport& report) {
  return {{"target", name_of(report.target)},
          {"unsigned_activations", report.values},
          {"unsigned_constants", report.constants},
          {"conversions", report.conversions},
          {"saturation", to_json(report.reductions, report.target)}};
}

}  // namespace planish
