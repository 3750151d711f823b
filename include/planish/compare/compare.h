// How close a model's answers are to those of the model it was made from, on the user's own
// samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/base/progress.h"
#include "planish/dataset/dataset.h"
#include "planish/runtime/session.h"

namespace planish {

/// One output of the model over all samples.
///
/// cosine = a.b / (|a| |b|) of the flattened output, or of all samples' where that is one element;
/// 1 for two zero vectors, 0 when only one is zero.
struct OutputAccuracy {
  std::string name = {};
  double cosine_mean = 1.0;  // of the per-sample cosines
  double cosine_min = 1.0;
  double sqnr_db = 0.0;  // 10 log10(sum reference^2 / sum (reference - candidate)^2), over all
                         // samples; infinite when nothing differs
  double max_abs_error = 0.0;
};

/// A sample on which the two models differ most.
struct WorstSample {
  std::string name = {};
  double cosine = 1.0;
  std::optional<std::int64_t> reference_top1 = {};
  std::optional<std::int64_t> candidate_top1 = {};
  std::optional<std::int64_t> label = {};
};

/// Scalars speak of the first output (CompareConfig::output); `outputs` of all.
struct AccuracyReport {
  std::size_t samples = 0;
  bool is_classifier = false;                 // the output is [N, classes >= 2]
  std::optional<double> top1_agreement = {};  // share of samples with the same first class
  std::optional<double> topk_agreement = {};  // mean share of the first k classes that both name
  std::size_t k = 5;
  double cosine_mean = 1.0;
  double cosine_min = 1.0;
  double sqnr_db = 0.0;
  double max_abs_error = 0.0;
  std::size_t labelled_samples = 0;
  std::optional<double> fp32_top1 = {};  // accuracy of the reference on labelled samples
  std::optional<double> int8_top1 = {};  // accuracy of the candidate on them
  std::vector<OutputAccuracy> outputs = {};
  std::vector<double> sample_cosines = {};  // one per sample, in the data set's order
  std::vector<WorstSample> worst = {};      // changed answers, then least cosine
  /// Samples for which an output of the candidate holds NaN or an infinity, and which. Such an
  /// output counts as cosine 0 and is left out of SQNR and maximum error.
  std::vector<BadSample> non_finite = {};
  std::vector<BadSample> bad_samples = {};  // left out (OnBadSample::kSkip)
};

/// What the judged output means. Agreement speaks of classes only.
enum class OutputMeaning {
  kAuto,     // classes when it is [N, classes >= 2]
  kClasses,  // a score per class
  kValues,   // anything else: an embedding, a box, a mask
};

struct CompareConfig {
  std::string output = {};  // the output that scalars speak of; empty: the first
  OutputMeaning meaning = OutputMeaning::kAuto;  // an embedding is [N, width], too: say so here
  std::size_t k = 5;                             // of top-k agreement
  std::size_t worst = 5;                         // how many of the worst samples are named
  int threads = 1;  // samples run side by side; sessions must have 1 thread each then
  OnBadSample on_bad_sample = OnBadSample::kFail;
  /// Reference outputs are kept for the next candidate while they take no more than this; beyond,
  /// the reference runs again.
  std::size_t max_kept_bytes = std::size_t{64} << 20;
};

/// Compares any number of candidates with one reference on one data set.
class Comparison {
 public:
  /// All must outlive the comparison. `labels` may be null.
  Comparison(Session& reference, const Dataset& data, const Labels* labels, CompareConfig config);
  ~Comparison();
  Comparison(const Comparison&) = delete;
  Comparison& operator=(const Comparison&) = delete;

  /// Runs all samples; the reference only where its outputs are not kept from an earlier call. The
  /// result does not depend on the number of threads.
  /// @throws Error(kInvalidArgument) when the outputs' names or shapes differ, when an output of
  ///   the reference holds NaN or an infinity (sample and output are named), or a label is no
  ///   class; Error(kUnsupported) for outputs that are no numbers; what reading and running throw;
  ///   Error(kCancelled).
  AccuracyReport compare(Session& candidate, const ProgressSink& progress = {},
                         std::stop_token stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Comparison in one call.
AccuracyReport compare(Session& reference, Session& candidate, const Dataset& data,
                       const Labels* labels, const CompareConfig& config = {},
                       const ProgressSink& progress = {}, std::stop_token stop = {});

/// What a candidate must keep.
struct AccuracyThresholds {
  double max_drop = 0.01;    // of top-1 accuracy with labels, else of top-1 agreement from 1
  double min_cosine = 0.99;  // of cosine_mean
};

/// Empty `failures`: accepted. Else one sentence per threshold that failed, with both numbers.
struct Verdict {
  std::vector<std::string> failures = {};
  [[nodiscard]] bool accepted() const { return failures.empty(); }
};

Verdict judge(const AccuracyReport& report, const AccuracyThresholds& thresholds);

Json to_json(const AccuracyReport& report);

}  // namespace planish
