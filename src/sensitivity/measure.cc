// The measurements of an analysis.
#include <algorithm>
#include <mutex>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/parallel.h"
#include "sensitivity/analysis.h"
#include "sensitivity/effect.h"
#include "sensitivity/layer_times.h"

namespace planish::sensitivity_detail {

void Analysis::run_references() {
  const std::vector<std::string> outputs{report_.output};
  const std::size_t count = reference_.samples.size();
  const auto run_all = [&](const ShownModel& shown, double* run_seconds, double* open_seconds) {
    const auto opening = std::chrono::steady_clock::now();
    const auto session = open_single(shown.model);
    if (open_seconds != nullptr) *open_seconds = seconds_since(opening);
    std::vector<Tensor> results(count);
    std::vector<double> seconds(count);
    parallel_for(
        count, threads_,
        [&](std::size_t i) {
          const auto start = std::chrono::steady_clock::now();
          SampleValues made = run_on(*session, inputs_of(reference_.samples[i]), stop_);
          seconds[i] = seconds_since(start);
          results[i] = std::move(made.at(shown.shown_as.at(report_.output)));
        },
        stop_);
    if (run_seconds != nullptr) *run_seconds = *std::ranges::min_element(seconds);
    return results;
  };
  reference_.outputs =
      run_all(show_float(model_, outputs), &reference_.run_seconds, &reference_.open_seconds);
  ShownModel quantized{.model = with_outputs(apply(plan_, model_), outputs)};
  quantized.shown_as.emplace(report_.output, report_.output);
  const std::vector<Tensor> found = run_all(quantized, nullptr, nullptr);
  EffectSum float_sum;
  EffectSum sum;
  for (std::size_t i = 0; i < count; ++i) {
    float_sum.add(reference_.outputs[i], reference_.outputs[i], reference_.labels[i]);
    sum.add(reference_.outputs[i], found[i], reference_.labels[i]);
  }
  report_.fp32_top1 = float_sum.effect().top1;
  report_.int8 = sum.effect();
}

void Analysis::measure_window(const std::vector<std::size_t>& window, PartialResults& partial) {
  std::vector<std::string> values;
  for (const std::size_t i : window) {
    values.insert(values.end(), subjects_[i].cuts.begin(), subjects_[i].cuts.end());
    values.push_back(subjects_[i].output);
  }
  const std::span<const Sample> samples = reference_.samples;
  const auto floats = values_of(show_float(model_, values), samples, threads_, stop_);
  const auto integers = values_of(show_quantized(model_, plan_, values), samples, threads_, stop_);
  std::mutex mutex;  // guards done and the progress sink
  std::size_t done = 0;
  parallel_for(
      window.size(), threads_,
      [&](std::size_t at) {
        Subject& subject = subjects_[window[at]];
        NoiseSum accumulated;
        bool is_there = true;
        for (std::size_t s = 0; s < samples.size() && is_there; ++s) {
          is_there = integers[s].contains(subject.output);
          if (is_there)
            accumulated.add(floats[s].at(subject.output), integers[s].at(subject.output));
        }
        if (is_there) subject.result.accumulated_noise = accumulated.relative();
        try {
          measure_only_int8(subject, floats);
          if (config_.only_fp32) measure_only_fp32(subject, integers);
        } catch (const Error& error) {
          if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kInternal) throw;
          subject.result.not_measured_because = error.what();
        }
        partial.keep(subject.result);
        const std::lock_guard lock(mutex);
        ++done;
        if (progress_) {
          const auto before = static_cast<std::size_t>(window.front());
          progress_(ProgressEvent{"sensitivity", before + done, subjects_.size()});
        }
      },
      stop_);
}

void Analysis::measure_only_int8(Subject& subject, const std::vector<SampleValues>& floats) const {
  const QuantizationPlan only = plan_only(plan_, model_, table_, subject.names);
  Model quantized = apply(only, model_);
  QuantizedValues values(quantized);
  const auto own = values.view(subject.output, makes_integers(only, subject.output_maker));
  std::vector<std::string> outputs;
  if (subject.reaches_output) outputs.push_back(report_.output);
  if (own) outputs.push_back(*own);
  if (outputs.empty()) return;
  const auto session = open_single(cut_at(quantized, subject.cuts, types_, outputs));
  EffectSum effect;
  NoiseSum local;
  for (std::size_t s = 0; s < floats.size(); ++s) {
    const SampleValues made = run_on(*session, floats[s], stop_);
    const Tensor& reference = reference_.outputs[s];
    effect.add(reference, subject.reaches_output ? made.at(report_.output) : reference,
               reference_.labels[s]);
    if (own) local.add(floats[s].at(subject.output), made.at(*own));
  }
  subject.result.only_int8 = effect.effect();
  if (own) subject.result.local_noise = local.relative();
}

void Analysis::measure_only_fp32(Subject& subject,
                                 const std::vector<SampleValues>& integers) const {
  if (!subject.reaches_output) {
    subject.result.only_fp32 = report_.int8;
    return;
  }
  Model quantized = apply(plan_without(plan_, model_, table_, subject.names), model_);
  const QuantizedValues values(quantized);
  const bool can_be_cut = std::ranges::all_of(subject.cuts, [&](const std::string& cut) {
    return values.has(cut) && integers.front().contains(cut);
  });
  const std::vector<std::string> none;
  const std::vector<std::string> outputs{report_.output};
  const auto session =
      open_single(cut_at(quantized, can_be_cut ? subject.cuts : none, types_, outputs));
  EffectSum effect;
  for (std::size_t s = 0; s < integers.size(); ++s) {
    const SampleValues made = run_on(*session, integers[s], stop_);
    effect.add(reference_.outputs[s], made.at(report_.output), reference_.labels[s]);
  }
  subject.result.only_fp32 = effect.effect();
}

void Analysis::profile() {
  throw_if_stopped(stop_);
  std::vector<PrecisionLayer> layers;
  for (const Subject& subject : subjects_) layers.push_back(subject.result.layer);
  const auto shares_of = [&](const Model& model, double& milliseconds) {
    const auto times = profile_nodes(model, reference_.samples.front().inputs,
                                     {.session = {.threads = 1}, .runs = 5});
    std::chrono::nanoseconds all{};
    for (const NodeTime& time : times) all += time.median;
    milliseconds = std::chrono::duration<double, std::milli>(all).count();
    return time_shares(layers, model_.graph, times);
  };
  const std::vector<double> fp32 = shares_of(model_, report_.fp32_ms);
  throw_if_stopped(stop_);
  const std::vector<double> int8 = shares_of(apply(plan_, model_), report_.int8_ms);
  for (std::size_t i = 0; i < subjects_.size(); ++i) {
    subjects_[i].result.fp32_time_share = fp32[i];
    subjects_[i].result.int8_time_share = int8[i];
  }
}

}  // namespace planish::sensitivity_detail
