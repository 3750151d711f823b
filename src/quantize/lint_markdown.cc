// The tables of docs/lint.md, from the tables that the code reads.
#include "planish/quantize/qdq_lint.h"

namespace planish {
namespace {

std::string_view text_of(FusedInputs inputs) {
  switch (inputs) {
    case FusedInputs::kFirst:
      return "input 0";
    case FusedInputs::kEvery:
      return "every input";
    case FusedInputs::kWeighted:
      return "activation, weight, int32 bias";
    case FusedInputs::kBranches:
      break;
  }
  return "both branches";
}

std::string_view text_of(FusedOutputs outputs) {
  switch (outputs) {
    case FusedOutputs::kEvery:
      return "yes";
    case FusedOutputs::kOptional:
      return "no: writes floats then";
    case FusedOutputs::kNone:
      break;
  }
  return "no: writes indices";
}

std::string_view text_of(FusedParams params) {
  switch (params) {
    case FusedParams::kOwn:
      return "each its own";
    case FusedParams::kShared:
      return "the same on both sides";
    case FusedParams::kSharedOrdered:
      break;
  }
  return "the same on both sides, scale > 0";
}

}  // namespace

std::string fusion_rules_markdown() {
  std::string text =
      "| operator | becomes | DequantizeLinear before | QuantizeLinear behind needed | parameters "
      "| "
      "16 bits |\n| --- | --- | --- | --- | --- | --- |\n";
  for (const FusionRule& rule : kFusionRules) {
    text += "| " + std::string(rule.op_type) + " | ";
    text += rule.fused_as == rule.op_type ? "itself, on integers" : std::string(rule.fused_as);
    text += " | " + std::string(text_of(rule.inputs)) + " | " + std::string(text_of(rule.outputs));
    text += " | " + std::string(text_of(rule.params)) + (rule.wide ? " | yes |\n" : " | no |\n");
  }
  return text;
}

std::string lint_rules_markdown() {
  std::string text = "| code | level | what it is | what to do |\n| --- | --- | --- | --- |\n";
  for (const LintRule& rule : kLintRules) {
    text += "| `" + std::string(rule.name) + "` | " + std::string(name_of(rule.level)) + " | " +
            std::string(rule.meaning) + " | " + std::string(rule.remedy) + " |\n";
  }
  text += "\n| obstacle | the operator stays float because |\n| --- | --- |\n";
  for (auto obstacle = FusionObstacle::kNoKernel; obstacle <= FusionObstacle::kInterpolates;
       obstacle = static_cast<FusionObstacle>(static_cast<int>(obstacle) + 1)) {
    text +=
        "| `" + std::string(name_of(obstacle)) + "` | " + std::string(text_of(obstacle)) + " |\n";
  }
  return text;
}

}  // namespace planish
