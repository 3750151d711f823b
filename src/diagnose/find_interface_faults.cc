#include <fmt/format.h>

#include <algorithm>

#include "diagnose/commands.h"
#include "diagnose/facts.h"

namespace planish::diagnose_detail {
namespace {

const TensorSpec* find_spec(const std::vector<TensorSpec>& specs, const std::string& name) {
  const auto found = std::ranges::find(specs, name, &TensorSpec::name);
  return found == specs.end() ? nullptr : &*found;
}

/// Whether dimension `i` takes less, or another size, in the INT8 model. Of outputs only the first
/// is compared: the sizes of others are known to one of two models only by chance.
bool dimension_differs(const Dim& fp32, const Dim& int8) {
  return int8.number() && fp32.number() != int8.number();
}

std::string shape_difference(const TensorSpec& fp32, const TensorSpec& int8, bool is_input) {
  if (fp32.shape.empty() || int8.shape.empty()) return {};  // scalars, and ranks not known
  bool differs = fp32.shape.size() != int8.shape.size();
  const std::size_t compared = is_input ? fp32.shape.size() : 1;
  for (std::size_t i = 0; !differs && i < compared; ++i)
    differs = dimension_differs(fp32.shape[i], int8.shape[i]);
  if (!differs) return {};
  return fmt::format("'{}' is {} in the FP32 model and {} in the INT8 model", fp32.name,
                     to_string(fp32.shape), to_string(int8.shape));
}

void compare_specs(const std::vector<TensorSpec>& fp32, const std::vector<TensorSpec>& int8,
                   bool is_input, std::vector<std::string>& differences) {
  const std::string what = is_input ? "input" : "output";
  for (const TensorSpec& spec : fp32) {
    const TensorSpec* other = find_spec(int8, spec.name);
    if (other == nullptr) {
      differences.push_back(fmt::format("{} '{}' is gone", what, spec.name));
    } else if (other->dtype != spec.dtype) {
      differences.push_back(fmt::format("{} '{}' is {} in the FP32 model and {} in the INT8 model",
                                        what, spec.name, name_of(spec.dtype),
                                        name_of(other->dtype)));
    } else if (const auto shape = shape_difference(spec, *other, is_input); !shape.empty()) {
      differences.push_back(fmt::format("{} {}", what, shape));
    }
  }
  for (const TensorSpec& spec : int8) {
    if (find_spec(fp32, spec.name) == nullptr)
      differences.push_back(fmt::format("{} '{}' is new", what, spec.name));
  }
}

void find_different_signature(const Facts& facts, Judgement& judgement) {
  if (!facts.int8_signature) return;
  std::vector<std::string> differences;
  compare_specs(facts.fp32_signature.inputs, facts.int8_signature->inputs, true, differences);
  compare_specs(facts.fp32_signature.outputs, facts.int8_signature->outputs, false, differences);
  if (differences.empty()) return;
  Finding finding{.code = FindingCode::kSignatureDiffers};
  for (const std::string& difference : differences)
    finding.evidence += (finding.evidence.empty() ? "" : "; ") + difference;
  finding.numbers = {{"differences", static_cast<double>(differences.size())}};
  finding.remedy = "make the INT8 model from this FP32 model: planish keeps its signature";
  finding.commands = {quantize_command(facts)};
  judgement.findings.push_back(std::move(finding));
}

void find_refusal(const Facts& facts, Judgement& judgement) {
  if (facts.int8_refused.empty()) return;
  judgement.findings.push_back(
      {.code = FindingCode::kDoesNotRun,
       .evidence = (facts.int8_signature ? "it loads, but does not run: " : "it does not load: ") +
                   facts.int8_refused,
       .remedy = "quantize with the types that the kernels of the CPU take; planish tries every "
                 "model before it writes it",
       .commands = {quantize_command(facts)}});
}

void find_batch_faults(const Facts& facts, Judgement& judgement) {
  constexpr const char* kExportAgain =
      "export the FP32 model again with an open batch (torch.export: dynamic_shapes={'x': {0: "
      "torch.export.Dim('batch')}} and an example of batch 2; torch.onnx.export: dynamic_axes or "
      "dynamic_shapes), then quantize that";
  if (facts.batch_probe) {
    const BatchProbe& probe = *facts.batch_probe;
    if (probe.refused.empty() && probe.mismatch.empty()) return;
    judgement.findings.push_back({.code = FindingCode::kBatchSpecialized,
                                  .evidence = probe.refused.empty()
                                                  ? probe.mismatch
                                                  : "a batch of 2 is refused: " + probe.refused,
                                  .numbers = {{"batch", 2}},
                                  .remedy = kExportAgain});
    return;
  }
  std::string inputs;
  for (const TensorSpec& input : facts.fp32_signature.inputs) {
    if (input.shape.empty() || !input.shape.front().number()) return;
    inputs +=
        fmt::format("{}'{}' is {}", inputs.empty() ? "" : ", ", input.name, to_string(input.shape));
  }
  if (inputs.empty()) return;
  judgement.findings.push_back(
      {.code = FindingCode::kFixedBatch,
       .evidence = "input " + inputs +
                   (facts.batch == facts.config.batch
                        ? std::string()
                        : fmt::format("; measured with {}, not the {} asked for", facts.batch,
                                      facts.config.batch)),
       .numbers = {{"batch", static_cast<double>(facts.batch)}},
       .remedy = kExportAgain});
}

}  // namespace

void find_interface_faults(const Facts& facts, Judgement& judgement) {
  find_refusal(facts, judgement);
  find_different_signature(facts, judgement);
  find_batch_faults(facts, judgement);
  if (facts.is_quantized) return;
  judgement.findings.push_back(
      {.code = FindingCode::kNotQuantized,
       .evidence = fmt::format("{} matrix operators, none of integers", facts.layers.size()),
       .numbers = {{"matrix_operators", static_cast<double>(facts.layers.size())}},
       .remedy = "quantize it",
       .commands = {quantize_command(facts)}});
}

}  // namespace planish::diagnose_detail
