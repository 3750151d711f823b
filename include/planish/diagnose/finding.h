// What a diagnosis can find: every finding in one table, and what one finding carries.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"

namespace planish {

enum class Severity : std::uint8_t {
  kHint,     // a fact that explains what is measured; nothing is wrong
  kWarning,  // costs speed or accuracy
  kError,    // answers are wrong, or the model does not run
};
std::string_view name_of(Severity severity);  // "hint", "warning", "error"

/// What has to change for a finding to go.
enum class Subject : std::uint8_t { kModel, kData, kMachine };
std::string_view name_of(Subject subject);  // "model", "data", "machine"

enum class FindingCode : std::uint8_t {
  kDoesNotRun,
  kSignatureDiffers,
  kBatchSpecialized,
  kFixedBatch,
  kNotQuantized,
  kDynamicConvolution,
  kSignedActivations,
  kUnsignedWeights,
  kWeightOnly,
  kQdqLeft,
  kQdqRewritten,
  kNotFaster,
  kNoInt8Instructions,
  kBatchTooSmall,
  kBatchTooLarge,
  kThreadsAboveCores,
  kThrottled,
  kOtherLoad,
  kSpinning,
  kPreprocessingDominates,
  kSaturation,
  kWeightRangesWide,
  kActivationRangesWide,
  kLevelsDisagree,
  kCalibrationUnlikeData,
  kPreprocessMismatch,
  kAnswersDiffer,
};

struct FindingRow {
  FindingCode code = FindingCode::kDoesNotRun;
  std::string_view name = {};
  Severity severity = Severity::kWarning;
  Subject subject = Subject::kModel;
  std::string_view title = {};
  std::string_view meaning = {};  // why it happens and what it costs
};

// clang-format off
inline constexpr std::array kFindings{
    FindingRow{FindingCode::kDoesNotRun, "does-not-run", Severity::kError, Subject::kModel,
               "ONNX Runtime does not run the INT8 model",
               "an operator has no kernel for the types that it is given (int8 activations with uint8 weights, …), or the file breaks a rule of its opset"},
    FindingRow{FindingCode::kSignatureDiffers, "signature-differs", Severity::kError, Subject::kModel,
               "The INT8 model does not take or give what the FP32 model does",
               "a step between the two changed names, types or sizes of inputs or outputs, most often an open batch that became a number: clients of the one break on the other"},
    FindingRow{FindingCode::kBatchSpecialized, "batch-specialized", Severity::kError, Subject::kModel,
               "The batch is declared open, but the export baked in that of its example",
               "a Reshape, Expand or constant holds the batch of the example that the model was traced with: other batches fail, or mix samples without a word"},
    FindingRow{FindingCode::kFixedBatch, "fixed-batch", Severity::kHint, Subject::kModel,
               "The batch is a fixed number",
               "the export made the batch of its example part of the signature: requests cannot be batched"},
    FindingRow{FindingCode::kNotQuantized, "not-quantized", Severity::kWarning, Subject::kModel,
               "The INT8 model holds nothing that is quantized",
               "no operator of it quantizes, dequantizes or computes on integers: the wrong file, or a quantizer that found nothing to do"},
    FindingRow{FindingCode::kDynamicConvolution, "dynamic-conv", Severity::kWarning, Subject::kModel,
               "Convolutions are quantized dynamically",
               "ONNX Runtime has no fast ConvInteger: dynamic quantization makes networks of convolutions several times slower than FP32. Static quantization needs samples, and QLinearConv is fast"},
    FindingRow{FindingCode::kSignedActivations, "s8-activations", Severity::kWarning, Subject::kModel,
               "Activations are int8 on a CPU whose kernels take uint8",
               "the integer kernels of x86 multiply uint8 by int8; int8 activations run in a reference loop, or in floats between conversions. The zero point plus 128 is the same grid"},
    FindingRow{FindingCode::kUnsignedWeights, "u8-weights", Severity::kWarning, Subject::kModel,
               "Weights are uint8: U8U8 kernels multiply in 16 bits",
               "8-bit dot products of x86 take int8 weights; uint8 ones are widened first, which is slower, and without per-channel scales costs about half a bit"},
    FindingRow{FindingCode::kWeightOnly, "weight-only", Severity::kWarning, Subject::kModel,
               "Weights are integers, but the arithmetic is FP32",
               "no activation is quantized before these operators, so the runtime turns their weights back into floats: the file is smaller, nothing is faster"},
    FindingRow{FindingCode::kQdqLeft, "qdq-left", Severity::kWarning, Subject::kModel,
               "Q/DQ nodes are left that the runtime does not turn into integer kernels",
               "each is a pass over a tensor for nothing; `planish inspect` names every one of them and why it stays (docs/lint.md)"},
    FindingRow{FindingCode::kQdqRewritten, "qdq-rewritten", Severity::kError, Subject::kModel,
               "The runtime computes something else than the model says",
               "Q/DQ nodes in a form that its optimizer joins or reads wrongly (docs/lint.md, level wrong)"},
    FindingRow{FindingCode::kNotFaster, "not-faster", Severity::kWarning, Subject::kModel,
               "The INT8 model is not faster than FP32",
               "what quantization adds costs as much as it saves; other findings and the times by operator say where"},
    FindingRow{FindingCode::kNoInt8Instructions, "no-int8-instructions", Severity::kHint, Subject::kMachine,
               "This CPU has no 8-bit dot product",
               "INT8 is as much faster as the instructions allow (docs/targets.md): about 1.5x to 2.2x on AVX2, 2.0x to 3.5x with VNNI (Intel since Cascade Lake and Ice Lake, AMD since Zen 4)"},
    FindingRow{FindingCode::kBatchTooSmall, "batch-small", Severity::kHint, Subject::kModel,
               "A larger batch gives more throughput",
               "kernels work on too little at once; where latency allows it, requests can share a run"},
    FindingRow{FindingCode::kBatchTooLarge, "batch-large", Severity::kWarning, Subject::kModel,
               "A smaller batch gives more throughput",
               "the activations of one run no longer fit into the caches: every sample costs more, and latency is that of the whole batch"},
    FindingRow{FindingCode::kThreadsAboveCores, "threads-above-cores", Severity::kWarning, Subject::kMachine,
               "More threads than this process may use cores",
               "a run waits for threads that cannot run: the kernel stops them by the container's quota (cpu.max), or its cpuset or affinity has fewer cores"},
    FindingRow{FindingCode::kThrottled, "throttled", Severity::kWarning, Subject::kMachine,
               "The container's CPU quota stopped this process while it was measured",
               "cpu.stat counts the time in which threads were ready and not allowed to run: it is the tail of every latency"},
    FindingRow{FindingCode::kOtherLoad, "other-load", Severity::kWarning, Subject::kMachine,
               "Other work took the CPU while this was measured",
               "single latencies are those of a busy machine; ratios of turns that ran side by side hold"},
    FindingRow{FindingCode::kSpinning, "spinning", Severity::kWarning, Subject::kMachine,
               "Worker threads spin where cores are shared",
               "ONNX Runtime's threads busy-wait for the next operator; with a quota, or beside other work, they take the time that others would have worked"},
    FindingRow{FindingCode::kPreprocessingDominates, "preprocessing-dominates", Severity::kWarning, Subject::kData,
               "Reading and preprocessing take most of a request",
               "a faster model cannot speed up what is not the model: the share bounds what INT8 can give end to end"},
    FindingRow{FindingCode::kSaturation, "saturation", Severity::kWarning, Subject::kModel,
               "Integer sums can saturate on this CPU",
               "without VNNI two products are added in 16 bits that saturate without a word; the same file is right on CPUs with VNNI (docs/targets.md)"},
    FindingRow{FindingCode::kWeightRangesWide, "weight-ranges-wide", Severity::kWarning, Subject::kModel,
               "One scale serves weight channels of very different ranges",
               "the widest channel sets the step; others are left with a handful of integers. Scales per channel cost no time"},
    FindingRow{FindingCode::kActivationRangesWide, "activation-ranges-wide", Severity::kWarning, Subject::kModel,
               "A few channels set the range of an activation",
               "activations have one scale: where one channel is many times wider than the others, those get a handful of integers"},
    FindingRow{FindingCode::kLevelsDisagree, "levels-disagree", Severity::kError, Subject::kModel,
               "The answer depends on the optimization level of ONNX Runtime",
               "the graph that is served computes something else than the file says: a fault of an optimizer, or a form that it does not expect"},
    FindingRow{FindingCode::kCalibrationUnlikeData, "calibration-unlike-data", Severity::kWarning, Subject::kData,
               "The ranges do not fit the data",
               "activations were calibrated on samples, or with a preprocessing, that are not like these: values are cut off, or the integers are spent on values that never come"},
    FindingRow{FindingCode::kPreprocessMismatch, "preprocess-mismatch", Severity::kError, Subject::kData,
               "Another preprocessing fits the model better",
               "the FP32 model itself does better with another channel order, scale or normalization: it was trained with that"},
    FindingRow{FindingCode::kAnswersDiffer, "answers-differ", Severity::kError, Subject::kModel,
               "The INT8 model's answers are not those of FP32",
               "quantization lost more than the default limits of `planish compare` allow"},
};
// clang-format on

constexpr bool findings_are_in_order() {
  for (std::size_t i = 0; i < kFindings.size(); ++i) {
    if (static_cast<std::size_t>(kFindings.at(i).code) != i) return false;
  }
  return kFindings.size() == static_cast<std::size_t>(FindingCode::kAnswersDiffer) + 1;
}
static_assert(findings_are_in_order(), "kFindings: one row per FindingCode, in enum order");

constexpr const FindingRow& row_of(FindingCode code) {
  return kFindings.at(static_cast<std::size_t>(code));
}
std::optional<Severity> severity_from(std::string_view name);

/// One number that a finding rests on: {"convinteger_nodes", 9}.
struct Measurement {
  std::string name = {};  // with its unit at the end: "_ms", "_share" (in [0, 1]), "_db"
  double value = 0.0;
  friend bool operator==(const Measurement&, const Measurement&) = default;
};

/// What following the remedy changes.
struct Gain {
  std::string quantity = {};  // "latency_ms", "top1", "top1_agreement", "sqnr_db", "items_per_s"
  double now = 0.0;
  double then = 0.0;
  bool measured = true;  // false: a bound from what was measured
  friend bool operator==(const Gain&, const Gain&) = default;
};

struct Finding {
  FindingCode code = FindingCode::kDoesNotRun;
  std::string evidence = {};               // sentences with the numbers below
  std::vector<Measurement> numbers = {};   // the same for programs
  std::vector<std::string> places = {};    // names of nodes or tensors, the worst first
  std::string remedy = {};                 // one sentence
  std::vector<std::string> commands = {};  // to paste; words in capitals are to be filled in
  std::optional<Gain> gain = {};
  friend bool operator==(const Finding&, const Finding&) = default;
};

Json to_json(const Finding& finding);

/// kFindings as a Markdown table: what docs/diagnosis.md holds (a test compares).
std::string findings_markdown();

}  // namespace planish
