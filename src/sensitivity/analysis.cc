// What is to be measured, on which samples, in which groups, and what it costs.
#include "sensitivity/analysis.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/hash.h"
#include "planish/base/json.h"
#include "planish/base/version.h"
#include "planish/host/host.h"
#include "planish/inspect/inspect.h"
#include "planish/onnx/onnx.h"

namespace planish::sensitivity_detail {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Analysis::Analysis(const Model& model, const CalibrationTable& table, const QuantizationPlan& plan,
                   const Dataset& data, const Labels* labels, const SensitivityConfig& config,
                   const ProgressSink& progress, std::stop_token stop)
    : model_(model),
      table_(table),
      plan_(plan),
      data_(data),
      labels_(labels),
      config_(config),
      progress_(progress),
      stop_(std::move(stop)),
      threads_(threads_or_usable(config.threads)),
      index_(model.graph),
      types_(declared_value_types(model)) {}

SensitivityReport Analysis::run() {
  choose_output();
  find_subjects();
  report_.model_sha256 = digest_of(model_);
  read_samples();
  PartialResults partial(config_.partial_results, config_.partial_results ? key() : "");
  const std::vector<std::size_t> pending = take_known(partial);
  run_references();
  const auto windows = plan_windows(pending);
  state_cost(pending, windows.size());
  for (const auto& window : windows) measure_window(window, partial);
  if (config_.profile) profile();
  report_.seconds = seconds_since(start_);
  for (Subject& subject : subjects_) report_.layers.push_back(std::move(subject.result));
  return std::move(report_);
}

void Analysis::choose_output() {
  if (plan_.config.mode == QuantizationMode::kStatic &&
      plan_.config.format != QuantizationFormat::kQdq) {
    throw Error(ErrorCode::kInvalidArgument, "a plan of format " +
                                                 std::string(name_of(plan_.config.format)) +
                                                 "; expected qdq, whose values have names");
  }
  const auto& outputs = model_.graph.outputs;
  if (outputs.empty()) throw Error(ErrorCode::kInvalidArgument, "a model without outputs");
  report_.output = config_.output.empty() ? outputs.front().name : config_.output;
  if (std::ranges::find(outputs, report_.output, &ValueInfo::name) == outputs.end()) {
    throw Error(ErrorCode::kInvalidArgument,
                "no output '" + report_.output + "'; the first is '" + outputs.front().name + "'");
  }
}

void Analysis::find_subjects() {
  const std::vector<std::uint64_t> work = work_by_node(model_, sample_dims());
  for (PrecisionLayer& layer : precision_layers(plan_, model_))
    subjects_.push_back(subject_of(std::move(layer), work));
}

/// Of the first sample that can be read.
DimSizes Analysis::sample_dims() const {
  for (std::size_t i = 0; i < data_.size(); ++i) {
    if (const std::optional<Sample> sample = read_sample(i)) return dims_of(model_, sample->inputs);
  }
  return {};
}

Subject Analysis::subject_of(PrecisionLayer layer, const std::vector<std::uint64_t>& work) {
  const auto share = [&](const std::vector<std::size_t>& nodes) {
    const auto total = static_cast<double>(std::accumulate(work.begin(), work.end(), 0ULL));
    double sum = 0.0;
    for (const std::size_t node : nodes) sum += static_cast<double>(work[node]);
    return total > 0.0 ? sum / total : 0.0;
  };
  Subject subject;
  for (const std::size_t node : layer.nodes) subject.names.push_back(model_.graph.nodes[node].name);
  subject.output_maker = layer.nodes.back();
  subject.output = model_.graph.nodes[subject.output_maker].output(0);
  Suffix suffix = suffix_of(model_.graph, index_, layer.nodes, report_.output);
  subject.reaches_output = !suffix.nodes.empty();
  const bool can_be_cut = std::ranges::all_of(suffix.cuts, [&](const std::string& cut) {
    const auto type = types_.find(cut);
    return type != types_.end() && type->second.tensor() != nullptr;
  });
  if (can_be_cut) {
    subject.cuts = std::move(suffix.cuts);
    subject.cost = share(suffix.nodes);
  }
  LayerSensitivity& result = subject.result;
  result.mac_share = share(layer.nodes);
  result.input = activation(model_.graph.nodes[layer.nodes.front()].input(0));
  result.output = activation(subject.output);
  const auto reduced = std::ranges::find(plan_.reductions, layer.name, &RangeReduction::node);
  if (reduced != plan_.reductions.end() && reduced->reduced > 0) result.saturation = *reduced;
  result.layer = std::move(layer);
  return subject;
}

std::optional<LayerActivation> Analysis::activation(const std::string& tensor) const {
  const TensorPlan* planned = plan_.find(tensor);
  while (planned != nullptr && !planned->shares.empty()) planned = plan_.find(planned->shares);
  if (planned == nullptr || planned->role != TensorRole::kActivation || planned->params.size() != 1)
    return std::nullopt;
  const QuantizationParams& params = planned->params.front();
  const IntegerLimits limits = integer_limits(params.dtype);
  LayerActivation activation{.tensor = planned->tensor};
  activation.range.min = params.scale * static_cast<float>(limits.min - params.zero_point);
  activation.range.max = params.scale * static_cast<float>(limits.max - params.zero_point);
  if (const auto seen = table_.observations.find(planned->tensor);
      seen != table_.observations.end())
    activation.seen = seen->second;
  return activation;
}

/// What one sample costs, with one pass for the values that layers share.
double Analysis::runs_per_sample() const {
  double runs = 4.0;  // both models, for the output and for shared values
  for (const Subject& subject : subjects_)
    runs += subject.reaches_output ? subject.cost * (config_.only_fp32 ? 2.0 : 1.0) : 0.0;
  return runs;
}

/// Nothing for a sample that cannot be read and shall be left out.
std::optional<Sample> Analysis::read_sample(std::size_t i) const {
  try {
    return data_.read(i);
  } catch (const Error& error) {
    const bool is_about_the_sample =
        error.code() != ErrorCode::kCancelled && error.code() != ErrorCode::kInternal;
    if (config_.on_bad_sample == OnBadSample::kFail || !is_about_the_sample) throw;
    return std::nullopt;
  }
}

std::size_t Analysis::sample_count() const {
  std::size_t count = std::min(std::max<std::size_t>(config_.samples, 1), data_.size());
  if (config_.max_inferences <= 0.0) return count;
  const auto affordable = [&](double inferences) {
    return static_cast<std::size_t>(std::floor(inferences / runs_per_sample()));
  };
  // The noise of one sample says little of the next, so a few are worth half as much again.
  const std::size_t least = std::min(config_.min_samples, affordable(1.5 * config_.max_inferences));
  return std::min(count, std::max({affordable(config_.max_inferences), least, std::size_t{1}}));
}

void Analysis::read_samples() {
  const std::size_t count = sample_count();
  for (std::size_t i = 0; i < count; ++i) {
    // Spread over the data set: neighbours are often alike.
    std::optional<Sample> sample = read_sample(i * data_.size() / count);
    if (!sample) continue;
    reference_.labels.push_back(labels_ != nullptr ? labels_->find(sample->name) : std::nullopt);
    reference_.samples.push_back(*std::move(sample));
  }
  if (reference_.samples.empty())
    throw Error(ErrorCode::kInvalidArgument, "no samples; expected one or more");
  report_.samples = reference_.samples.size();
  report_.labelled_samples = static_cast<std::size_t>(std::ranges::count_if(
      reference_.labels, [](const auto& label) { return label.has_value(); }));
}

std::string Analysis::key() const {
  Sha256 hash;
  hash.update(kVersion).update(report_.model_sha256).update(to_text(to_json(plan_)));
  hash.update(data_.digest()).update(report_.output).update(config_.only_fp32 ? "both" : "int8");
  for (std::size_t i = 0; i < reference_.samples.size(); ++i) {
    const auto label = reference_.labels[i];
    hash.update(reference_.samples[i].name).update(label ? std::to_string(*label) : "-");
  }
  return hash.hex();
}

std::vector<std::size_t> Analysis::take_known(PartialResults& partial) {
  std::vector<std::size_t> pending;
  for (std::size_t i = 0; i < subjects_.size(); ++i) {
    if (!partial.find(subjects_[i].result)) pending.push_back(i);
  }
  report_.resumed = subjects_.size() - pending.size();
  return pending;
}

/// Groups of neighbouring layers whose shared values, of all samples and both models, fit into
/// memory. A layer whose values do not is measured on the whole model.
std::vector<std::vector<std::size_t>> Analysis::plan_windows(
    const std::vector<std::size_t>& pending) {
  if (pending.empty()) return {};
  std::vector<std::string> values;
  for (const std::size_t i : pending) {
    values.insert(values.end(), subjects_[i].cuts.begin(), subjects_[i].cuts.end());
    values.push_back(subjects_[i].output);
  }
  const auto first =
      values_of(show_float(model_, values), std::span(reference_.samples).first(1), 1, stop_);
  const auto bytes_of = [&](const std::string& value) {
    const std::size_t models = config_.only_fp32 ? 2 : 1;
    return first[0].at(value).bytes().size() * reference_.samples.size() * models;
  };
  std::vector<std::vector<std::size_t>> windows;
  std::set<std::string> held;
  std::size_t bytes = 0;
  for (const std::size_t i : pending) {
    Subject& subject = subjects_[i];
    std::set<std::string> needed(subject.cuts.begin(), subject.cuts.end());
    needed.insert(subject.output);
    std::size_t own = 0;
    for (const std::string& value : needed) own += bytes_of(value);
    if (own > config_.max_bytes) {
      subject.cuts.clear();
      subject.cost = 1.0;
      needed = {subject.output};
    }
    std::size_t more = 0;
    for (const std::string& value : needed) more += held.contains(value) ? 0 : bytes_of(value);
    if (windows.empty() || bytes + more > config_.max_bytes) {
      windows.emplace_back();
      held.clear();
      bytes = 0;
      more = 0;
      for (const std::string& value : needed) more += bytes_of(value);
    }
    windows.back().push_back(i);
    held.insert(needed.begin(), needed.end());
    bytes += more;
  }
  return windows;
}

void Analysis::state_cost(const std::vector<std::size_t>& pending, std::size_t passes) {
  SensitivityCost& cost = report_.cost;
  cost.layers = pending.size();
  cost.samples = reference_.samples.size();
  cost.passes = passes;
  const auto samples = static_cast<double>(cost.samples);
  const double variants = config_.only_fp32 ? 2.0 : 1.0;
  double parts = 0.0;
  for (const std::size_t i : pending)
    parts += subjects_[i].reaches_output ? subjects_[i].cost * variants : 0.0;
  cost.inferences = samples * (2.0 + 2.0 * static_cast<double>(passes) + parts);
  const double sessions = 2.0 + 2.0 * static_cast<double>(passes) + parts;
  cost.seconds =
      (cost.inferences * reference_.run_seconds + sessions * reference_.open_seconds) /
      static_cast<double>(std::min<std::size_t>(threads_, std::max<std::size_t>(1, cost.samples)));
  if (config_.on_cost) config_.on_cost(cost);
}

}  // namespace planish::sensitivity_detail
