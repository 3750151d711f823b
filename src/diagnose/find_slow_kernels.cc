#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "diagnose/commands.h"
#include "diagnose/facts.h"

namespace planish::diagnose_detail {
namespace {

/// Left-overs that take less of the time are not worth a warning.
constexpr double kWorthwhileShare = 0.02;

/// Latency of INT8 now, and with the remedy, by turns that ran side by side; nothing when it was
/// not measured or is no gain.
std::optional<Gain> measured_gain(const Facts& facts, std::optional<BenchResult> Speed::*remedy) {
  if (!facts.speed || !((*facts.speed).*remedy)) return std::nullopt;
  const BenchResult& now = facts.speed->int8;
  const RatioEstimate ratio = speed_up(now, *((*facts.speed).*remedy));
  if (ratio.low <= 1.0) return std::nullopt;
  return Gain{"latency_ms", now.latency_ms.p50, now.latency_ms.p50 / ratio.median, true};
}

/// Share of the INT8 model's time that operators of these types take; nothing: not measured.
std::optional<double> share_of_time(const Facts& facts, std::initializer_list<const char*> ops) {
  if (!facts.lint || !facts.lint->time) return std::nullopt;
  double share = 0.0;
  for (const OperatorTime& op : facts.lint->operators) {
    if (std::ranges::find(ops, op.op_type) != ops.end()) share += op.share;
  }
  return share;
}

std::string of_the_time(const std::optional<double>& share) {
  return share ? fmt::format(", {:.0f} % of the time of its nodes", 100 * *share) : std::string();
}

template <typename Wanted>
std::vector<const Int8Layer*> layers_that(const Facts& facts, Wanted wanted) {
  std::vector<const Int8Layer*> layers;
  for (const Int8Layer& layer : facts.layers) {
    if (wanted(layer)) layers.push_back(&layer);
  }
  return layers;
}

std::vector<std::string> names_of(const std::vector<const Int8Layer*>& layers) {
  std::vector<std::string> names;
  for (const Int8Layer* layer : layers) names.push_back(layer->node);
  return names;
}

void find_dynamic_convolutions(const Facts& facts, Judgement& judgement) {
  const auto layers =
      layers_that(facts, [](const Int8Layer& layer) { return layer.op_type == "ConvInteger"; });
  if (layers.empty()) return;
  const auto share =
      share_of_time(facts, {"ConvInteger", "DynamicQuantizeLinear", "Cast", "Mul", "Add"});
  Finding finding{.code = FindingCode::kDynamicConvolution,
                  .evidence = fmt::format("{} ConvInteger{}", layers.size(),
                                          share ? " with what scales them" : "") +
                              of_the_time(share),
                  .numbers = {{"convinteger_nodes", static_cast<double>(layers.size())}},
                  .places = names_of(layers),
                  .remedy = "quantize statically: the ranges come from samples, before",
                  .commands = {quantize_command(facts)},
                  .gain = measured_gain(facts, &Speed::remade)};
  if (share) finding.numbers.push_back({"time_share", *share});
  judgement.findings.push_back(std::move(finding));
}

void find_signed_activations(const Facts& facts, Judgement& judgement) {
  if (!facts.fitted || facts.fitted->report.values == 0) return;
  const std::size_t values = facts.fitted->report.values;
  judgement.findings.push_back(
      {.code = FindingCode::kSignedActivations,
       .evidence = fmt::format("{} activations are int8; {} has kernels for {}", values,
                               name_of(facts.target), row_of(facts.target).kernels),
       .numbers = {{"int8_activations", static_cast<double>(values)}},
       .remedy =
           "rewrite them as uint8 on the same grid: neither data nor the FP32 model is needed",
       .commands = {fit_command(facts)},
       .gain = measured_gain(facts, &Speed::fitted)});
}

bool is_integer(const Int8Layer& layer) {
  return layer.form == LayerForm::kStatic || layer.form == LayerForm::kDynamic;
}

void find_unsigned_weights(const Facts& facts, Judgement& judgement) {
  if (row_of(facts.target).activation != DType::kUInt8) return;  // Arm has kernels for both
  const auto layers = layers_that(facts, [](const Int8Layer& layer) {
    // ConvInteger takes no other, and has a finding of its own.
    return is_integer(layer) && layer.op_type != "ConvInteger" && layer.weight &&
           layer.weight->dtype() == DType::kUInt8;
  });
  if (layers.empty()) return;
  judgement.findings.push_back(
      {.code = FindingCode::kUnsignedWeights,
       .evidence = fmt::format("{} of {} matrix operators have uint8 weights", layers.size(),
                               facts.layers.size()),
       .numbers = {{"uint8_weights", static_cast<double>(layers.size())}},
       .places = names_of(layers),
       .remedy = "quantize with int8 weights, per channel",
       .commands = {quantize_command(facts)},
       .gain = measured_gain(facts, &Speed::remade)});
}

void find_weights_without_activations(const Facts& facts, Judgement& judgement) {
  const auto layers = layers_that(
      facts, [](const Int8Layer& layer) { return layer.form == LayerForm::kWeightOnly; });
  if (layers.empty()) return;
  const auto share = share_of_time(facts, {"Conv", "FusedConv", "ConvTranspose", "Gemm",
                                           "FusedGemm", "MatMul", "FusedMatMul", "MatMulNBits"});
  Finding finding{
      .code = FindingCode::kWeightOnly,
      .evidence = fmt::format("{} of {} matrix operators have integer weights and float "
                              "activations; operators that multiply floats take{}",
                              layers.size(), facts.layers.size(),
                              share ? fmt::format(" {:.0f} % of the time", 100 * *share)
                                    : std::string(" all of their time")),
      .numbers = {{"weight_only_operators", static_cast<double>(layers.size())}},
      .places = names_of(layers),
      .remedy = "quantize activations too",
      .commands = {quantize_command(facts)},
      .gain = measured_gain(facts, &Speed::remade)};
  if (share) finding.numbers.push_back({"float_time_share", *share});
  judgement.findings.push_back(std::move(finding));
}

/// Findings of lint of one level, but those that have a finding of their own here.
std::vector<const MeasuredFinding*> lint_findings(const Facts& facts, LintLevel level) {
  std::vector<const MeasuredFinding*> findings;
  if (!facts.lint) return findings;
  const bool has_weight_only = std::ranges::any_of(
      facts.layers, [](const Int8Layer& layer) { return layer.form == LayerForm::kWeightOnly; });
  for (const MeasuredFinding& measured : facts.lint->findings) {
    const LintCode code = measured.finding.code;
    const bool is_its_own = code == LintCode::kSignedActivations ||
                            measured.finding.obstacle == FusionObstacle::kSigned ||
                            (code == LintCode::kConstant && has_weight_only);
    if (row_of(code).level == level && !is_its_own) findings.push_back(&measured);
  }
  return findings;
}

/// "3 float-pair, 2 no-kernel".
std::string counts_by_rule(const std::vector<const MeasuredFinding*>& findings) {
  std::map<std::string_view, std::size_t> counts;
  for (const MeasuredFinding* measured : findings) ++counts[row_of(measured->finding.code).name];
  std::string text;
  for (const auto& [name, count] : counts)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, name);
  return text;
}

std::vector<std::string> places_of(const std::vector<const MeasuredFinding*>& findings) {
  std::vector<std::string> places;
  for (const MeasuredFinding* measured : findings)
    places.push_back(measured->finding.node.empty() ? measured->finding.tensor
                                                    : measured->finding.node);
  return places;
}

void find_left_pairs(const Facts& facts, Judgement& judgement) {
  const auto left = lint_findings(facts, LintLevel::kCost);
  if (left.empty()) return;
  std::size_t pairs = 0;
  double share = 0.0;
  for (const MeasuredFinding* measured : left) {
    pairs += measured->finding.pairs.size();
    share += measured->share;
  }
  const bool is_measured = facts.lint->time.has_value();
  if (is_measured && share < kWorthwhileShare) return;
  Finding finding{
      .code = FindingCode::kQdqLeft,
      .evidence = fmt::format("{} Q/DQ nodes stay without need ({}){}", pairs, counts_by_rule(left),
                              of_the_time(is_measured ? std::optional(share) : std::nullopt)),
      .numbers = {{"qdq_nodes", static_cast<double>(pairs)}},
      .places = places_of(left),
      .remedy = "quantize so that every pair is fused; see which and why first",
      .commands = {"planish inspect --nodes " + shell_word(facts.int8_path),
                   quantize_command(facts)},
      .gain = measured_gain(facts, &Speed::remade)};
  if (is_measured) {
    finding.numbers.push_back({"time_share", share});
    if (!finding.gain && facts.speed) {
      const double now = facts.speed->int8.latency_ms.p50;
      finding.gain = Gain{"latency_ms", now, now * (1 - share), false};
    }
  }
  judgement.findings.push_back(std::move(finding));
}

void find_rewritten_pairs(const Facts& facts, Judgement& judgement) {
  const auto wrong = lint_findings(facts, LintLevel::kWrong);
  if (wrong.empty()) return;
  judgement.findings.push_back(
      {.code = FindingCode::kQdqRewritten,
       .evidence = fmt::format("{}: {}", counts_by_rule(wrong), wrong.front()->finding.reason),
       .numbers = {{"places", static_cast<double>(wrong.size())}},
       .places = places_of(wrong),
       .remedy = std::string(row_of(wrong.front()->finding.code).remedy) + "; or quantize again",
       .commands = {quantize_command(facts)}});
}

}  // namespace

void find_slow_kernels(const Facts& facts, Judgement& judgement) {
  find_dynamic_convolutions(facts, judgement);
  find_signed_activations(facts, judgement);
  find_unsigned_weights(facts, judgement);
  find_weights_without_activations(facts, judgement);
  find_left_pairs(facts, judgement);
  find_rewritten_pairs(facts, judgement);
}

}  // namespace planish::diagnose_detail
