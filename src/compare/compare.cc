#include "planish/compare/compare.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "compare/summary.h"
#include "planish/base/error.h"
#include "planish/dataset/process_samples.h"

namespace planish {
namespace {

using Outputs = std::vector<Tensor>;

std::vector<std::string> output_names(const Session& session) {
  std::vector<std::string> names;
  for (const TensorSpec& output : session.signature().outputs) names.push_back(output.name);
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "'" : ", '") + name + "'";
  return text.empty() ? "none" : text;
}

/// Where the outputs of `names` are among `candidate`'s, whose order may differ.
std::vector<std::size_t> positions_in(const Session& candidate,
                                      const std::vector<std::string>& names) {
  const std::vector<std::string> found = output_names(candidate);
  std::vector<std::size_t> positions;
  for (const std::string& name : names) {
    const auto place = std::find(found.begin(), found.end(), name);
    if (place == found.end() || found.size() != names.size()) {
      throw Error(ErrorCode::kInvalidArgument, "the candidate's outputs are " + joined(found) +
                                                   "; the reference's are " + joined(names));
    }
    positions.push_back(static_cast<std::size_t>(place - found.begin()));
  }
  return positions;
}

std::size_t bytes_of(const Outputs& outputs) {
  std::size_t bytes = 0;
  for (const Tensor& output : outputs) bytes += output.bytes().size();
  return bytes;
}

/// The reference's outputs, sample by sample, as far as they fit.
class KeptOutputs {
 public:
  KeptOutputs(std::size_t samples, std::size_t max_bytes) : kept_(samples), left_(max_bytes) {}

  std::optional<Outputs> find(std::size_t sample) const {
    const std::lock_guard lock(mutex_);
    return kept_[sample];
  }
  void keep(std::size_t sample, const Outputs& outputs) {
    const std::size_t bytes = bytes_of(outputs);
    const std::lock_guard lock(mutex_);
    if (bytes > left_) return;
    left_ -= bytes;
    kept_[sample] = outputs;
  }

 private:
  mutable std::mutex mutex_;  // guards kept_ and left_
  std::vector<std::optional<Outputs>> kept_;
  std::size_t left_;
};

}  // namespace

struct Comparison::State {
  State(Session& reference_session, const Dataset& samples, const Labels* known_labels,
        CompareConfig compare_config)
      : reference(reference_session),
        data(samples),
        labels(known_labels),
        config(std::move(compare_config)),
        names(output_names(reference)),
        kept(data.size(), config.max_kept_bytes) {
    if (names.empty()) throw Error(ErrorCode::kInvalidArgument, "a model without outputs");
    if (config.output.empty()) return;
    const auto place = std::find(names.begin(), names.end(), config.output);
    if (place == names.end()) {
      throw Error(
          ErrorCode::kInvalidArgument,
          "output '" + config.output + "' to judge by; the model's outputs are " + joined(names));
    }
    judged = static_cast<std::size_t>(place - names.begin());
  }

  Outputs reference_outputs(std::size_t i, const Sample& sample, const std::stop_token& stop) {
    if (auto outputs = kept.find(i)) return *std::move(outputs);
    Outputs outputs = reference.run_until(sample.inputs, stop);
    kept.keep(i, outputs);
    return outputs;
  }

  [[nodiscard]] Difference compare_output(std::size_t output, const Tensor& expected,
                                          const Tensor& found) const {
    return in_context("output '" + names[output] + "'", [&] {
      const Difference sums = difference(expected, found);
      if (sums.reference_is_finite) return sums;
      throw Error(ErrorCode::kInvalidArgument,
                  "the reference model gives NaN or an infinity; expected finite values. Look at "
                  "the sample and its preprocessing first, then at the model");
    });
  }

  [[nodiscard]] bool judges_classes(const Tensor& output) const {
    const bool fits = has_classes(output.dims());
    if (config.meaning == OutputMeaning::kClasses && !fits) {
      throw Error(ErrorCode::kInvalidArgument, "output '" + names[judged] + "' has shape " +
                                                   to_string(output.dims()) +
                                                   "; expected [N, classes]");
    }
    return fits && config.meaning != OutputMeaning::kValues && row_of(output.dtype()).is_float;
  }

  [[nodiscard]] SampleDifference compare_sample(const std::string& name, const Outputs& expected,
                                                const Outputs& found,
                                                const std::vector<std::size_t>& positions) const {
    SampleDifference sample{.name = name};
    for (std::size_t i = 0; i < names.size(); ++i) {
      sample.outputs.push_back(compare_output(i, expected[i], found[positions[i]]));
    }
    if (judges_classes(expected[judged])) {
      sample.classes = compare_classes(expected[judged], found[positions[judged]], config.k,
                                       labels ? labels->find(name) : std::nullopt);
      if (!sample.outputs[judged].candidate_is_finite) {
        sample.classes->top1_agreement = 0.0;
        sample.classes->topk_agreement = 0.0;
        sample.classes->candidate_top1 = kNoClass;
      }
    }
    return sample;
  }

  Session& reference;
  const Dataset& data;
  const Labels* labels;
  CompareConfig config;
  std::vector<std::string> names;  // of the reference's outputs
  std::size_t judged = 0;          // index into names
  KeptOutputs kept;
};

Comparison::Comparison(Session& reference, const Dataset& data, const Labels* labels,
                       CompareConfig config)
    : state_(std::make_unique<State>(reference, data, labels, std::move(config))) {}

Comparison::~Comparison() = default;

AccuracyReport Comparison::compare(Session& candidate, const ProgressSink& progress,
                                   std::stop_token stop) {
  State& state = *state_;
  const std::vector<std::size_t> positions = positions_in(candidate, state.names);
  std::vector<SampleDifference> samples;
  const auto work = [&](std::size_t i, const Sample& sample) -> Completion {
    const Outputs expected = state.reference_outputs(i, sample, stop);
    const Outputs found = candidate.run_until(sample.inputs, stop);
    return [&samples, compared = state.compare_sample(sample.name, expected, found, positions)] {
      samples.push_back(compared);
    };
  };
  const ProcessConfig process{
      .threads = static_cast<std::size_t>(std::max(state.config.threads, 1)),
      .on_bad_sample = state.config.on_bad_sample,
      .stage = "compare",
      .progress = progress};
  std::vector<BadSample> bad = process_samples(state.data, process, work, stop);
  AccuracyReport report = summarize(samples, state.names, state.judged, state.config);
  report.bad_samples = std::move(bad);
  return report;
}

AccuracyReport compare(Session& reference, Session& candidate, const Dataset& data,
                       const Labels* labels, const CompareConfig& config,
                       const ProgressSink& progress, std::stop_token stop) {
  return Comparison(reference, data, labels, config).compare(candidate, progress, std::move(stop));
}

}  // namespace planish
