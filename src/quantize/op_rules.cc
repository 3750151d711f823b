#include "planish/quantize/op_rules.h"

#include <algorithm>
#include <utility>

#include "planish/base/error.h"

namespace planish {
namespace {

template <typename Enum, std::size_t N>
std::string_view name_in(const std::array<std::pair<Enum, std::string_view>, N>& rows, Enum rule) {
  for (const auto& [key, name] : rows) {
    if (key == rule) return name;
  }
  throw Error(ErrorCode::kInternal, "a rule without a name");
}

constexpr std::array kQdqNames{
    std::pair{QdqRule::kNone, std::string_view("-")},
    std::pair{QdqRule::kEveryTensor, std::string_view("every tensor")},
    std::pair{QdqRule::kWeighted, std::string_view("activation, weight, bias")},
    std::pair{QdqRule::kMatMul, std::string_view("activation, weight")},
    std::pair{QdqRule::kNormalization, std::string_view("activation, gamma, beta")},
    std::pair{QdqRule::kClamp, std::string_view("dropped if implied")},
    std::pair{QdqRule::kShares, std::string_view("shares input")},
    std::pair{QdqRule::kPad, std::string_view("shares input unless padded with a value")},
    std::pair{QdqRule::kSplit, std::string_view("shares input")},
    std::pair{QdqRule::kGather, std::string_view("shares input")},
    std::pair{QdqRule::kWhere, std::string_view("branches, output")},
    std::pair{QdqRule::kHardSigmoid, std::string_view("integers of the input, clamped")},
};
constexpr std::array kQOperatorNames{
    std::pair{QOperatorRule::kNone, std::string_view("-")},
    std::pair{QOperatorRule::kConv, std::string_view("QLinearConv")},
    std::pair{QOperatorRule::kGemm, std::string_view("QGemm")},
    std::pair{QOperatorRule::kMatMul, std::string_view("QLinearMatMul")},
    std::pair{QOperatorRule::kBinary, std::string_view("QLinear operator")},
    std::pair{QOperatorRule::kUnary, std::string_view("QLinear operator")},
    std::pair{QOperatorRule::kSoftmax, std::string_view("QLinearSoftmax")},
    std::pair{QOperatorRule::kGlobalPool, std::string_view("QLinearGlobalAveragePool")},
    std::pair{QOperatorRule::kConcat, std::string_view("QLinearConcat")},
    std::pair{QOperatorRule::kWhere, std::string_view("QLinearWhere, forced only")},
    std::pair{QOperatorRule::kClamp, std::string_view("dropped")},
    std::pair{QOperatorRule::kShares, std::string_view("on integers")},
    std::pair{QOperatorRule::kPad, std::string_view("on integers")},
    std::pair{QOperatorRule::kSplit, std::string_view("on integers")},
    std::pair{QOperatorRule::kArgMax, std::string_view("on integers")},
    std::pair{QOperatorRule::kGather, std::string_view("on integers, constant data")},
    std::pair{QOperatorRule::kEmbedLayerNorm, std::string_view("QEmbedLayerNormalization")},
    std::pair{QOperatorRule::kHardSigmoid, std::string_view("integers of the input, clamped")},
};
constexpr std::array kDynamicNames{
    std::pair{DynamicRule::kNone, std::string_view("-")},
    std::pair{DynamicRule::kMatMul, std::string_view("MatMulInteger")},
    std::pair{DynamicRule::kConv, std::string_view("ConvInteger")},
    std::pair{DynamicRule::kAttention, std::string_view("QAttention")},
    std::pair{DynamicRule::kLstm, std::string_view("DynamicQuantizeLSTM")},
    std::pair{DynamicRule::kShares, std::string_view("on integers")},
    std::pair{DynamicRule::kGather, std::string_view("on integers, constant data")},
    std::pair{DynamicRule::kEmbedLayerNorm, std::string_view("QEmbedLayerNormalization")},
};
constexpr std::array kBestNames{
    std::pair{BestUse::kLeave, std::string_view("float")},
    std::pair{BestUse::kCompute, std::string_view("always")},
    std::pair{BestUse::kFollow, std::string_view("when fed")},
    std::pair{BestUse::kMove, std::string_view("when fed and read")},
    std::pair{BestUse::kMoveInQOperator, std::string_view("when fed and read; float in QDQ")},
};

}  // namespace

const OpRule* find_op_rule(std::string_view op_type) {
  const auto* row = std::ranges::lower_bound(kOpRules, op_type, {}, &OpRule::op_type);
  return row != kOpRules.end() && row->op_type == op_type ? row : nullptr;
}

std::string_view name_of(QdqRule rule) { return name_in(kQdqNames, rule); }
std::string_view name_of(QOperatorRule rule) { return name_in(kQOperatorNames, rule); }
std::string_view name_of(DynamicRule rule) { return name_in(kDynamicNames, rule); }
std::string_view name_of(BestUse use) { return name_in(kBestNames, use); }

std::string op_rules_markdown() {
  std::string text =
      "# Operators\n\n"
      "One row per operator that planish can quantize; made from `kOpRules` in\n"
      "`include/planish/quantize/op_rules.h` (`planish ops --markdown`). *best*: what the default\n"
      "profile does in static mode on a CPU; the other columns: what the forms are, and all that\n"
      "`--profile onnxruntime-1.32` takes. The rules are explained in `quantization.md`.\n\n"
      "| operator | best | QDQ | QOperator | dynamic | since opset | channel axis | why |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const OpRule& rule : kOpRules) {
    const auto cell = [&](std::string_view value) { text += " | " + std::string(value); };
    text += "| " + std::string(rule.op_type);
    cell(name_of(rule.best));
    cell(name_of(rule.qdq));
    cell(name_of(rule.qoperator));
    cell(name_of(rule.dynamic));
    cell(rule.min_opset > 1 ? std::to_string(rule.min_opset) : "");
    cell(rule.channel_axis >= 0 ? std::to_string(rule.channel_axis) : "");
    cell(rule.why);
    text += " |\n";
  }
  return text;
}

}  // namespace planish
