// Ranges of activations, held to what the activations hold on the data.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "diagnose/samples.h"
#include "diagnose/subjects.h"
#include "planish/base/error.h"
#include "planish/calibrate/calibrate.h"
#include "planish/dataset/process_samples.h"
#include "planish/graph/graph_index.h"
#include "planish/prepare/prepare.h"
#include "planish/quantize/plan.h"
#include "planish/remedy/channel_statistics.h"
#include "planish/runtime/observed_session.h"

namespace planish::diagnose_detail {
namespace {

constexpr double kRangeShare = 0.1;            // of the budget
constexpr std::size_t kMostRangeSamples = 64;  // ranges converge long before
constexpr std::size_t kChannelSamples = 16;

using Ranges = std::map<std::string, TensorRange, std::less<>>;

/// What the integers of each QuantizeLinear with constant parameters reach, by the value it reads.
Ranges ranges_held_by(const Graph& graph) {
  const GraphIndex index(graph);
  Ranges ranges;
  for (const Node& node : graph.nodes) {
    if (node.op_type != "QuantizeLinear") continue;
    const Initializer* scale = index.constant(node.input(1));
    const Initializer* zero = index.constant(node.input(2));
    if (scale == nullptr || scale->value.element_count() != 1 ||
        !row_of(scale->value.dtype()).is_float)
      continue;
    const DType dtype = zero == nullptr ? DType::kUInt8 : zero->value.dtype();
    if (dtype != DType::kUInt8 && dtype != DType::kInt8 && dtype != DType::kUInt16 &&
        dtype != DType::kInt16)
      continue;
    const float s = scale->value.to_floats().front();
    const auto z = static_cast<float>(zero == nullptr ? 0 : zero->value.to_ints().front());
    const IntegerLimits limits = integer_limits(dtype);
    ranges.emplace(node.input(0), TensorRange{s * (static_cast<float>(limits.min) - z),
                                              s * (static_cast<float>(limits.max) - z)});
  }
  return ranges;
}

/// Where the values of `ranges` are to be seen in `model`: behind a Relu or Clip that alone reads
/// the value, as ranges that leave out what it cuts off are right.
std::map<std::string, std::string> places_in(const Model& model, const Ranges& ranges) {
  const GraphIndex index(model.graph);
  const ValueTypes types = declared_value_types(model);
  std::map<std::string, std::string> places;
  for (const auto& [name, range] : ranges) {
    const auto type = types.find(name);
    const TensorType* tensor = type == types.end() ? nullptr : type->second.tensor();
    if (tensor == nullptr || tensor->dtype != DType::kFloat32 || index.constant(name) != nullptr)
      continue;
    const auto uses = index.uses(name);
    const bool is_read_by_one = index.has_single_use(name) && !uses.empty();
    const Node* reader = is_read_by_one ? &model.graph.nodes[uses.front().node] : nullptr;
    // The range of HardSigmoid's input ends where its output does.
    if (std::ranges::any_of(uses, [&](const Use& use) {
          return model.graph.nodes[use.node].op_type == "HardSigmoid";
        }))
      continue;
    const bool is_clamped = reader != nullptr && (reader->is("Relu") || reader->is("Clip"));
    // That value may have a range of its own; then this one adds nothing.
    if (is_clamped && ranges.contains(reader->output(0))) continue;
    places.emplace(name, is_clamped ? reader->output(0) : name);
  }
  return places;
}

/// A float model whose values have the names of the ranges: prepared, as planish quantizes it, or
/// as it is, as others do.
struct Named {
  Model model = {};
  std::map<std::string, std::string> places = {};
};

Named named_model(const Subjects& subjects, const Ranges& ranges) {
  PrepareConfig unverified;
  unverified.verify = Verify::kOff;
  Named prepared{prepare(subjects.fp32, unverified).model, {}};
  prepared.places = places_in(prepared.model, ranges);
  if (prepared.places.size() == ranges.size()) return prepared;
  Named raw{subjects.fp32, {}};
  write_value_types(raw.model);
  raw.places = places_in(raw.model, ranges);
  return raw.places.size() > prepared.places.size() ? std::move(raw) : std::move(prepared);
}

/// Ranges by calibration on `config.calibration_data`.
Ranges calibrated_ranges(const Subjects& subjects, const Facts& facts, std::stop_token stop) {
  PrepareConfig unverified;
  unverified.verify = Verify::kOff;
  const Model model = prepare(subjects.fp32, unverified).model;
  const SpreadDataset samples(*subjects.calibration_data, kMostRangeSamples);
  CalibrateConfig config;
  config.on_bad_sample = facts.config.on_bad_sample;
  const auto targets = calibration_targets(model, QuantizationConfig{});
  return calibrate(model, samples, targets, config, {}, std::move(stop)).table.ranges;
}

struct Sums {
  double signal = 0.0;
  double noise = 0.0;
  std::uint64_t elements = 0;
  std::uint64_t clipped = 0;
  float min = std::numeric_limits<float>::infinity();
  float max = -std::numeric_limits<float>::infinity();
};

Sums sums_of(std::span<const float> values, const TensorRange& range) {
  Sums sums;
  sums.elements = values.size();
  for (const float value : values) {
    const float lost = value - std::clamp(value, range.min, range.max);
    sums.signal += static_cast<double>(value) * value;
    sums.noise += static_cast<double>(lost) * lost;
    sums.clipped += lost != 0.0F ? 1 : 0;
    sums.min = std::min(sums.min, value);
    sums.max = std::max(sums.max, value);
  }
  return sums;
}

void add(Sums& to, const Sums& part) {
  to.signal += part.signal;
  to.noise += part.noise;
  to.elements += part.elements;
  to.clipped += part.clipped;
  to.min = std::min(to.min, part.min);
  to.max = std::max(to.max, part.max);
}

std::vector<RangeFit> fit(const Named& named, const Ranges& ranges, const Dataset& data,
                          const Facts& facts, const std::stop_token& stop) {
  std::vector<std::string> names;
  std::vector<std::string> values;
  for (const auto& [name, value] : named.places) {
    names.push_back(name);
    values.push_back(value);
  }
  const auto session = open_observed_session(named.model, values);
  std::vector<Sums> totals(names.size());
  const ProcessConfig process{.threads = static_cast<std::size_t>(usable_cores()),
                              .on_bad_sample = facts.config.on_bad_sample,
                              .stage = "ranges"};
  process_samples(
      data, process,
      [&](std::size_t, const Sample& sample) -> Completion {
        std::vector<Sums> parts(names.size());
        session->run(sample.inputs, [&](std::size_t value, std::span<const float> elements) {
          parts[value] = sums_of(elements, ranges.find(names[value])->second);
        });
        return [&totals, parts = std::move(parts)] {
          for (std::size_t i = 0; i < parts.size(); ++i) add(totals[i], parts[i]);
        };
      },
      stop);
  std::vector<RangeFit> fits;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Sums& sums = totals[i];
    if (sums.elements == 0) continue;
    fits.push_back(
        {.tensor = names[i],
         .range = ranges.find(names[i])->second,
         .observed = {sums.min, sums.max},
         .clipped_share = static_cast<double>(sums.clipped) / static_cast<double>(sums.elements),
         .clipping_db = sqnr_db(sums.signal, sums.noise)});
  }
  return fits;
}

/// Channels of the activations that matrix operators read as integers.
std::vector<ChannelsOfValue> channels_in(const Named& named) {
  const Model& model = named.model;
  std::vector<ChannelsOfValue> channels;
  const ValueTypes types = declared_value_types(model);
  for (const Node& node : model.graph.nodes) {
    const std::string& value = node.input(0);
    const auto type = types.find(value);
    const TensorType* tensor = type == types.end() ? nullptr : type->second.tensor();
    if (tensor == nullptr || !tensor->shape || tensor->shape->size() < 2) continue;
    const bool is_quantized =
        std::ranges::any_of(named.places, [&](const auto& place) { return place.second == value; });
    if (!(node.is("Conv") || node.is("Gemm") || node.is("MatMul")) || !is_quantized) continue;
    if (std::ranges::find(channels, value, &ChannelsOfValue::name) != channels.end()) continue;
    channels.push_back({value, node.is("Conv") ? 1 : tensor->shape->size() - 1});
  }
  return channels;
}

std::vector<ChannelSpread> spreads(const Named& named, const Dataset& data, const Facts& facts,
                                   const std::stop_token& stop) {
  const auto channels = channels_in(named);
  if (channels.empty()) return {};
  const auto statistics = observe_channels(named.model, data, channels,
                                           {.on_bad_sample = facts.config.on_bad_sample}, {}, stop);
  std::vector<ChannelSpread> result;
  for (std::size_t i = 0; i < channels.size(); ++i) {
    std::vector<float> widths;
    for (std::size_t c = 0; c < statistics[i].min.size(); ++c) {
      const float width = std::max(std::abs(statistics[i].min[c]), std::abs(statistics[i].max[c]));
      if (width > 0.0F) widths.push_back(width);  // a dead channel needs no integers
    }
    if (widths.size() < 2) continue;
    std::ranges::sort(widths);
    result.push_back({channels[i].name, widths.size(), widths[widths.size() / 2], widths.back()});
  }
  return result;
}

/// Mean and deviation of each channel of the first float input of rank 4 (axis 1 or, when that is
/// not 1 or 3 wide, the last), over all samples.
std::vector<ChannelMoments> input_moments(const Dataset& data) {
  std::vector<double> sum;
  std::vector<double> square;
  double count = 0.0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    const Sample sample = data.read(i);
    for (const NamedTensor& input : sample.inputs) {
      const auto& dims = input.value.dims();
      if (dims.size() != 4 || !row_of(input.value.dtype()).is_float) continue;
      const std::size_t axis = dims[1] == 1 || dims[1] == 3 ? 1 : 3;
      const auto channels = static_cast<std::size_t>(dims[axis]);
      const std::size_t inner = axis == 1 ? static_cast<std::size_t>(dims[2] * dims[3]) : 1;
      sum.resize(channels);
      square.resize(channels);
      const std::vector<float> values = input.value.to_floats();
      for (std::size_t k = 0; k < values.size(); ++k) {
        const std::size_t c = k / inner % channels;
        sum[c] += values[k];
        square[c] += static_cast<double>(values[k]) * values[k];
      }
      count += static_cast<double>(values.size()) / static_cast<double>(channels);
      break;
    }
  }
  std::vector<ChannelMoments> moments;
  for (std::size_t c = 0; c < sum.size(); ++c) {
    const double mean = sum[c] / count;
    moments.push_back({mean, std::sqrt(std::max(0.0, square[c] / count - mean * mean))});
  }
  return moments;
}

}  // namespace

void fit_ranges(const Subjects& subjects, const Budget& budget, Facts& facts,
                const std::stop_token& stop) {
  if (!subjects.data || facts.batch != 1) return;
  Ranges ranges;
  if (facts.config.calibration)
    ranges = load_calibration_table(*facts.config.calibration).ranges;
  else if (subjects.calibration_data)
    ranges = calibrated_ranges(subjects, facts, stop);
  else
    ranges = ranges_held_by(subjects.int8.graph);
  if (ranges.empty()) return;
  const Named named = named_model(subjects, ranges);
  if (named.places.empty()) return;
  const std::size_t most = samples_within(kRangeShare * budget.total(), 2 * facts.run_seconds,
                                          usable_cores(), kMostRangeSamples);
  const SpreadDataset samples(*subjects.data, most);
  facts.range_fits = fit(named, ranges, samples, facts, stop);
  const SpreadDataset fewer(*subjects.data, std::min(most, kChannelSamples));
  facts.channel_spreads = spreads(named, fewer, facts, stop);
  if (subjects.calibration_data) {
    facts.input_moments = input_moments(samples);
    facts.calibration_moments =
        input_moments(SpreadDataset(*subjects.calibration_data, kMostRangeSamples));
  }
}

}  // namespace planish::diagnose_detail
