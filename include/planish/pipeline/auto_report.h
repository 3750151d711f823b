// What `auto` found: every model that was made and measured, which one is handed out, and why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/calibrate/quality.h"
#include "planish/host/host.h"
#include "planish/inspect/inspect.h"
#include "planish/pipeline/auto_config.h"
#include "planish/prepare/prepare.h"
#include "planish/quantize/plan.h"
#include "planish/runtime/node_profile.h"
#include "planish/sensitivity/sensitivity.h"

namespace planish {

enum class Precision { kInt8, kMixed, kFp32 };
enum class Method { kStatic, kDynamic, kNone };
std::string_view name_of(Precision precision);
std::string_view name_of(Method method);

/// Remedies before training again that a candidate was made with (docs/remedies.md), and what they
/// gained on the evaluation data.
struct RemediesUsed {
  std::string of = {};                    // the candidate of the same operators without them
  std::vector<std::string> applied = {};  // "equalization", "adaptive-rounding", …
  std::size_t muls_added = 0;             // by smoothing; 0: exactly the operators of `of`
  double seconds = 0.0;                   // that they took, with calibrating anew
  double sqnr_gain_db = 0.0;              // over that candidate; 0 while one was not judged
  double cosine_gain = 0.0;               // of the mean cosine
};

/// Layers that a candidate keeps in FP32 because of what INT8 loses there (docs/sensitivity.md).
struct MixedPrecision {
  std::string of = {};                   // the candidate with all of them in INT8
  std::vector<std::string> layers = {};  // names of their operators, in model order
};

/// One model that was made and measured, or the FP32 model that it is measured against.
struct CandidateReport {
  std::string name = {};  // "static-qdq-per-channel"
  Precision precision = Precision::kFp32;
  Method method = Method::kNone;
  std::string format = "none";  // qdq, qoperator, none
  std::string engine = "cpu";
  std::uint64_t bytes = 0;  // of the file and its external data
  std::string sha256 = {};  // digest_of the model
  std::optional<BenchResult> bench = {};
  RatioEstimate speed_up = {};                  // against the baseline of the same run
  std::optional<AccuracyReport> accuracy = {};  // nothing for the baseline
  std::vector<LeftNode> kept_fp32 = {};
  std::vector<RangeReduction> reductions = {};  // weights that could saturate on the target
  double quantized_mac_share = 0.0;             // of the multiply-accumulates, in [0, 1]
  std::optional<RemediesUsed> remedies = {};
  std::optional<MixedPrecision> mixed = {};
  std::optional<std::string> rejected_because = {};
};

/// What the search over layers that stay FP32 costs at most. One evaluation is one run of the model
/// on each sample that is judged by; of few samples, on kLeastEvaluation.
struct MixedSearchCost {
  static constexpr std::size_t kLeastEvaluation = 32;
  static constexpr double kMostEvaluations = 10.0;

  double evaluation_runs = 0.0;    // of one evaluation
  double analysis_runs = 0.0;      // of the FP32 model, for analyze_sensitivity
  std::size_t trials = 0;          // whole models, each judged on all samples
  double trial_runs = 0.0;         // of all trials
  double seconds_of_timing = 0.0;  // besides: speed of the trials

  /// At most kMostEvaluations, unless the analysis of very many layers alone takes more.
  [[nodiscard]] double evaluations() const {
    return evaluation_runs > 0.0 ? (analysis_runs + trial_runs) / evaluation_runs : 0.0;
  }
};

/// One model of the front: no other is faster and at least as accurate.
struct FrontPoint {
  std::string name = {};
  Precision precision = Precision::kFp32;
  double speed_up = 1.0;  // against FP32
  double p50_ms = 0.0;
  double loss = 0.0;  // of accuracy with labels, else of agreement, else of the mean cosine
  double cosine = 1.0;
  bool accepted = true;  // within the thresholds
  bool chosen = false;
};

/// What a request costs with reading, decoding and preprocessing; one interleaved run.
struct EndToEndReport {
  BenchResult fp32 = {};
  BenchResult chosen = {};
  BenchResult preprocess = {};
};

/// Something the user should know or do. Codes are those of kAdvice.
struct Advice {
  std::string code = {};
  std::string text = {};
};

/// How far a run had come when its result was made.
enum class RunState {
  kRunning,      // a better model may still be found: what on_better is told
  kInterrupted,  // it was stopped, and this is the best until then
  kComplete,     // it came to its end
};
std::string_view name_of(RunState state);

/// A quantized activation that 8 bits represent badly.
struct WorstTensor {
  std::string name = {};
  TensorRange range = {};       // that the integers hold, before the rounding of the zero point
  TensorObservation seen = {};  // on the calibration samples
};

/// Something to do next.
struct NextStep {
  std::string what = {};     // "To prove it on other samples"
  std::string command = {};  // words in capitals are to be filled in
};

struct AutoReport {
  RunState state = RunState::kComplete;
  HostReport host = {};
  Target target = Target::kAvx2;  // that the models are made for
  std::string runtime_version = {};
  std::string source_path = {};
  std::string source_sha256 = {};
  AutoConfig config = {};
  InspectReport inspection = {};
  PrepareReport preparation = {};
  std::string data_sha256 = {};
  std::size_t calibration_samples = 0;
  std::vector<BadSample> bad_samples = {};
  CandidateReport baseline = {};
  std::vector<CandidateReport> candidates = {};
  std::optional<std::size_t> chosen = {};  // index into candidates; nothing: FP32 is handed out
  std::vector<FrontPoint> front = {};      // of latency and accuracy, fastest first
  std::optional<SensitivityReport> sensitivity = {};  // when mixed precision was searched
  std::optional<MixedSearchCost> search_cost = {};    // as planned; the same
  std::size_t search_trials = 0;                      // that were made of them
  std::optional<EndToEndReport> end_to_end = {};
  std::optional<SweepReport> sweep = {};  // of FP32 and what is handed out, if that was asked for
  BenchReport bench = {};                             // machine noise of the measured run
  std::vector<OperatorTime> baseline_operators = {};  // where one FP32 inference's time goes
  std::vector<OperatorTime> chosen_operators = {};    // and one of the chosen model
  std::map<std::string, double> stage_seconds = {};   // where the time of this command went
  std::optional<CalibrationQuality> calibration_quality = {};
  std::vector<WorstTensor> worst_tensors = {};  // of the model that is handed out, the worst first
  std::map<std::string, Image> pictures = {};   // of its worst samples, by name, made small
  std::vector<Advice> advice = {};
  std::vector<NextStep> next = {};

  /// The model that is handed out: a candidate, or the baseline.
  [[nodiscard]] const CandidateReport& handed_out() const {
    return chosen ? candidates[*chosen] : baseline;
  }
};

}  // namespace planish
