// The FP32 model under other preprocessings: channel order, scale and normalization.
//
// With labels the score is accuracy. Without, agreement or confidence would be no evidence: a
// network is as sure of itself on wrong inputs. What the model itself knows of its training data
// are the running statistics of its BatchNormalization layers: the score is how far the statistics
// of what enters the first ones are from them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "diagnose/samples.h"
#include "diagnose/subjects.h"
#include "planish/base/error.h"
#include "planish/base/parallel.h"
#include "planish/compare/compare.h"
#include "planish/dataset/process_samples.h"
#include "planish/graph/graph_index.h"
#include "planish/remedy/channel_statistics.h"
#include "planish/runtime/observed_session.h"

namespace planish::diagnose_detail {
namespace {

constexpr double kTrialShare = 0.3;  // of the budget, for all trials
constexpr std::size_t kMostTrialSamples =
    512;  // of one trial: a change of 5 points is beyond chance
constexpr std::size_t kFewestSamples = 16;
constexpr std::size_t kLayers = 2;  // of BatchNormalization: deeper ones see the first ones' errors

struct Normalization {
  const char* what;
  double scale;
  std::array<double, 3> mean;  // red, green, blue
  std::array<double, 3> deviation;
};

// What networks of images are trained with.
constexpr std::array kNormalizations{
    Normalization{"pixels of 0 to 255", 1.0, {0, 0, 0}, {1, 1, 1}},
    Normalization{"pixels of 0 to 1", 1.0 / 255, {0, 0, 0}, {1, 1, 1}},
    Normalization{"pixels of -1 to 1", 1.0 / 255, {.5, .5, .5}, {.5, .5, .5}},
    Normalization{
        "ImageNet's mean and deviation", 1.0 / 255, {.485, .456, .406}, {.229, .224, .225}},
    Normalization{
        "CIFAR-10's mean and deviation", 1.0 / 255, {.4914, .4822, .4465}, {.2470, .2435, .2616}},
    Normalization{
        "ImageNet's mean of BGR pixels (Caffe)", 1.0, {123.68, 116.779, 103.939}, {1, 1, 1}},
};

/// value = a * pixel + b, of each channel, red first: two specs that agree in it are the same.
struct Affine {
  std::array<double, 3> a = {};
  std::array<double, 3> b = {};
};

/// Channels of `spec` in the order red, green, blue.
std::array<std::size_t, 3> rgb_places(PreprocessSpec::Color color) {
  return color == PreprocessSpec::Color::kBgr ? std::array<std::size_t, 3>{2, 1, 0}
                                              : std::array<std::size_t, 3>{0, 1, 2};
}

Affine affine_of(const PreprocessSpec& spec) {
  Affine affine;
  const auto places = rgb_places(spec.color);
  for (std::size_t c = 0; c < 3; ++c) {
    const double deviation = spec.std.empty() ? 1.0 : spec.std[places[c]];
    const double mean = spec.mean.empty() ? 0.0 : spec.mean[places[c]];
    affine.a[c] = spec.scale / deviation;
    affine.b[c] = -mean / deviation;
  }
  return affine;
}

/// Within 1 % of a channel's contrast over all of a pixel's values: no model tells them apart.
bool is_same(const PreprocessSpec& one, const PreprocessSpec& other) {
  if (one.color != other.color) return false;
  const Affine x = affine_of(one);
  const Affine y = affine_of(other);
  for (std::size_t c = 0; c < 3; ++c) {
    const double range = 255.0 * std::max(std::abs(x.a[c]), std::abs(y.a[c]));
    const double at_0 = std::abs(x.b[c] - y.b[c]);
    const double at_255 = std::abs(255.0 * (x.a[c] - y.a[c]) + x.b[c] - y.b[c]);
    if (std::max(at_0, at_255) > 0.01 * range) return false;
  }
  return true;
}

PreprocessSpec with(const PreprocessSpec& given, const Normalization& normalization,
                    PreprocessSpec::Color color) {
  PreprocessSpec spec = given;
  spec.color = color;
  spec.scale = normalization.scale;
  spec.mean.assign(3, 0.0);
  spec.std.assign(3, 1.0);
  const auto places = rgb_places(color);
  for (std::size_t c = 0; c < 3; ++c) {
    spec.mean[places[c]] = normalization.mean[c];
    spec.std[places[c]] = normalization.deviation[c];
  }
  if (spec.mean == std::vector<double>(3, 0.0)) spec.mean.clear();
  if (spec.std == std::vector<double>(3, 1.0)) spec.std.clear();
  return spec;
}

/// The same numbers with red and blue exchanged.
PreprocessSpec exchanged(const PreprocessSpec& given) {
  PreprocessSpec spec = given;
  spec.color = given.color == PreprocessSpec::Color::kBgr ? PreprocessSpec::Color::kRgb
                                                          : PreprocessSpec::Color::kBgr;
  std::ranges::reverse(spec.mean);
  std::ranges::reverse(spec.std);
  return spec;
}

std::string_view name_of_color(PreprocessSpec::Color color) {
  return color == PreprocessSpec::Color::kBgr ? "BGR" : "RGB";
}

struct Trial {
  PreprocessSpec spec = {};
  std::string what = {};
};

std::vector<Trial> trials_beside(const PreprocessSpec& given) {
  std::vector<Trial> trials{{given, "as given"}};
  const auto add = [&](PreprocessSpec spec, std::string what) {
    const bool is_new =
        std::ranges::none_of(trials, [&](const Trial& trial) { return is_same(trial.spec, spec); });
    if (is_new) trials.push_back({std::move(spec), std::move(what)});
  };
  const PreprocessSpec other = exchanged(given);
  add(other,
      fmt::format("{} in place of {}", name_of_color(other.color), name_of_color(given.color)));
  for (const Normalization& normalization : kNormalizations) {
    for (const auto color : {given.color, other.color}) {
      add(with(given, normalization, color),
          fmt::format("{}, {}", normalization.what, name_of_color(color)));
    }
  }
  return trials;
}

/// Normalizations whose input and statistics are known, the first ones.
struct Normalizer {
  ChannelsOfValue input = {};
  std::vector<float> mean = {};
  std::vector<float> variance = {};
};

std::vector<Normalizer> first_normalizers(const Graph& graph) {
  const GraphIndex index(graph);
  std::vector<Normalizer> found;
  for (const Node& node : graph.nodes) {
    if (!node.is("BatchNormalization") || found.size() == kLayers) continue;
    const Initializer* mean = index.constant(node.input(3));
    const Initializer* variance = index.constant(node.input(4));
    if (mean == nullptr || variance == nullptr || mean->value.dtype() != DType::kFloat32) continue;
    Normalizer& normalizer = found.emplace_back();
    normalizer.input = {node.input(0), 1};
    normalizer.mean = mean->value.to_floats();
    normalizer.variance = variance->value.to_floats();
  }
  return found;
}

struct ChannelSums {
  std::vector<double> sum = {};
  std::vector<double> square = {};
  double count = 0.0;  // elements of one channel

  /// values: [N, C, inner...].
  void add(const ObservedValue& value) {
    const auto channels = static_cast<std::size_t>(value.dims[1]);
    sum.resize(channels);
    square.resize(channels);
    std::size_t inner = 1;
    for (const std::int64_t dim : value.dims.subspan(2)) inner *= static_cast<std::size_t>(dim);
    for (std::size_t k = 0; k < value.elements.size(); ++k) {
      const double element = value.elements[k];
      sum[k / inner % channels] += element;
      square[k / inner % channels] += element * element;
    }
    count += static_cast<double>(value.elements.size()) / static_cast<double>(channels);
  }
};

/// Mean over channels of KL(N(observed) || N(running)), in nats.
double divergence(const Normalizer& layer, const ChannelSums& sums) {
  double total = 0.0;
  std::size_t channels = 0;
  for (std::size_t c = 0; c < std::min(layer.mean.size(), sums.sum.size()); ++c) {
    constexpr double kTiny =
        1e-5;  // BatchNormalization's epsilon: variances are told apart above it
    const double mean = sums.sum[c] / sums.count;
    const double variance = std::max(0.0, sums.square[c] / sums.count - mean * mean) + kTiny;
    const double running = layer.variance[c] + kTiny;
    const double shift = mean - layer.mean[c];
    total += 0.5 * (std::log(running / variance) + (variance + shift * shift) / running - 1.0);
    ++channels;
  }
  return channels == 0 ? 0.0 : total / static_cast<double>(channels);
}

/// Whether each sample's first class is its label; samples without a label are left out.
std::vector<bool> answers(Session& session, const Dataset& data, const Labels& labels,
                          const Facts& facts, const std::stop_token& stop) {
  std::vector<bool> right;
  const ProcessConfig process{.threads = static_cast<std::size_t>(usable_cores()),
                              .on_bad_sample = facts.config.on_bad_sample,
                              .stage = "preprocessing"};
  process_samples(
      data, process,
      [&](std::size_t, const Sample& sample) -> Completion {
        const auto label = labels.find(sample.name);
        if (!label) return [] {};
        const std::vector<float> scores = session.run(sample.inputs).front().to_floats();
        const auto first = std::ranges::max_element(scores) - scores.begin();
        return [&right, is_right = first == *label] { right.push_back(is_right); };
      },
      stop);
  return right;
}

double distance(ObservedSession& session, const std::vector<Normalizer>& layers,
                const Dataset& data, const std::stop_token& stop) {
  std::vector<ChannelSums> sums(layers.size());
  for (std::size_t i = 0; i < data.size(); ++i) {
    throw_if_stopped(stop);
    const DimsObserver observe = [&](const ObservedValue& value) {
      if (value.dims.size() >= 2) sums[value.index].add(value);
    };
    session.run(data.read(i).inputs, observe);
  }
  double total = 0.0;
  for (std::size_t i = 0; i < layers.size(); ++i) total += divergence(layers[i], sums[i]);
  return total / static_cast<double>(layers.size());
}

/// Why no other preprocessing can be tried; empty: it can.
std::string obstacle(const Subjects& subjects, const Facts& facts,
                     const std::vector<Normalizer>& normalizers) {
  if (!subjects.data) return "needs --data of images";
  if (!subjects.data->encoded_image(0)) return "the samples are tensors, not images";
  if (facts.batch != 1) return "the batch is fixed";
  if (channels_of(facts.config.preprocess) != 3) return "gray images have no channel order";
  if (facts.config.preprocess.dtype != DType::kFloat32)
    return "the model takes the pixels as they are";
  if (facts.config.labels || !normalizers.empty()) return {};
  return "needs --labels, or an FP32 model whose BatchNormalization is not folded (a .pt2 of "
         "torch.export has it)";
}

}  // namespace

void try_preprocessing(const Subjects& subjects, const Budget& budget, Facts& facts,
                       const std::stop_token& stop) {
  const auto normalizers = first_normalizers(subjects.fp32.graph);
  const std::string reason = obstacle(subjects, facts, normalizers);
  if (!reason.empty()) {
    facts.skipped.push_back({FindingCode::kPreprocessMismatch, reason});
    return;
  }
  const std::vector<Trial> trials = trials_beside(facts.config.preprocess);
  const double seconds = std::min(budget.left(), kTrialShare * budget.total());
  const double a_sample = static_cast<double>(trials.size()) * facts.run_seconds;
  const bool by_label = facts.config.labels.has_value();
  const int threads = by_label ? usable_cores() : 1;
  if (seconds * threads < kFewestSamples * a_sample) {
    facts.skipped.push_back(
        {FindingCode::kPreprocessMismatch,
         fmt::format("{} preprocessings on {} samples take about {:.0f} s: raise --seconds",
                     trials.size(), kFewestSamples, kFewestSamples * a_sample / threads)});
    return;
  }
  const std::size_t count = samples_within(seconds, a_sample, threads,
                                           std::min(kMostTrialSamples, subjects.data->size()));
  std::optional<Labels> labels;
  if (by_label) labels = Labels::load(*facts.config.labels);
  const auto session = by_label ? open_session(subjects.fp32) : nullptr;
  std::vector<std::string> values;
  for (const Normalizer& layer : normalizers) values.push_back(layer.input.name);
  const auto observed =
      by_label ? nullptr
               : open_observed_session(subjects.fp32, values, {}, ElementOrder::kRowMajor);
  PreprocessTrials result{.by_label = by_label};
  for (const Trial& trial : trials) {
    const DatasetConfig config{.preprocess = trial.spec,
                               .on_bad_sample = facts.config.on_bad_sample};
    const auto all = open_dataset(*facts.config.data, facts.fp32_signature, config);
    const SpreadDataset few(*all, count);
    PreprocessTrial done{.spec = trial.spec, .what = trial.what};
    if (by_label)
      done.right = answers(*session, few, *labels, facts, stop);
    else
      done.distance = distance(*observed, normalizers, few, stop);
    result.trials.push_back(std::move(done));
  }
  result.samples = by_label ? result.trials.front().right.size() : count;
  facts.preprocess_trials = std::move(result);
}

}  // namespace planish::diagnose_detail
