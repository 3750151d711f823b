#include "planish/remedy/smooth.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/graph/graph_index.h"
#include "planish/optimize/layer_weight.h"
#include "planish/optimize/tied_channels.h"
#include "remedy/set_equalizer.h"

namespace planish {
namespace {

using remedy::SetEqualizer;
using remedy::StatisticsByValue;

/// Channels that can be scaled: through what makes them, or by a Mul in front of the layers.
struct Smoothable {
  TiedChannels tied = {};
  bool folds = true;
};

/// Behind a normalization or a gain, which stay in float; equalize() takes sets between layers.
bool folds_into_float(const Graph& graph, const GraphIndex& index, const TiedChannels& set) {
  return std::ranges::any_of(set.producers, [&](std::size_t i) {
    return !layer_weight_of(graph.nodes[i], index).has_value();
  });
}

/// Inputs of matrices outside of all sets, by value: each as a set without anything to fold into.
std::vector<Smoothable> inputs_that_need_mul(const Graph& graph, const GraphIndex& index,
                                             const std::set<std::string>& in_sets) {
  std::vector<Smoothable> result;
  std::map<std::string, std::size_t> by_value;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const auto layer = layer_weight_of(node, index);
    if (!layer || node.is("Conv") || in_sets.contains(node.input(0))) continue;
    const ValueType* type = index.type(node.input(0));
    const auto* tensor = type == nullptr ? nullptr : std::get_if<TensorType>(&type->type);
    const bool is_known = tensor != nullptr && tensor->shape && !tensor->shape->empty() &&
                          index.producer(node.input(0)).has_value();
    if (!is_known) continue;
    const auto [found, is_new] = by_value.try_emplace(node.input(0), result.size());
    if (is_new) {
      result.push_back(
          {.tied = {.channels = layer->input_channels,
                    .values = {{.name = node.input(0), .axis = tensor->shape->size() - 1}}},
           .folds = false});
    }
    result[found->second].tied.consumers.push_back(i);
  }
  std::erase_if(result, [](const Smoothable& input) { return input.tied.channels < 2; });
  return result;
}

std::vector<Smoothable> smoothable(const Model& model, const SmoothConfig& config) {
  const GraphIndex index(model.graph);
  std::vector<Smoothable> result;
  std::set<std::string> in_sets;
  for (TiedChannels& set : find_tied_channels(model.graph, model.opset())) {
    for (const TiedChannels::Value& value : set.values) in_sets.insert(value.name);
    if (folds_into_float(model.graph, index, set)) result.push_back({.tied = std::move(set)});
  }
  if (config.min_gain_of_mul) {
    std::ranges::move(inputs_that_need_mul(model.graph, index, in_sets),
                      std::back_inserter(result));
  }
  return result;
}

/// A Mul to be added in front of some layers.
struct Gain {
  std::string value = {};
  std::vector<std::size_t> readers = {};  // nodes, ascending
  std::vector<double> factors = {};       // that it divides by
};

/// All at once: nodes move.
void insert_gains(Graph& graph, const std::vector<Gain>& gains) {
  NameScope names(graph);
  std::map<std::size_t, std::vector<Node>> before;  // by the node that they go before
  for (const Gain& gain : gains) {
    std::vector<float> inverse;
    for (const double factor : gain.factors) inverse.push_back(static_cast<float>(1.0 / factor));
    Initializer constant;
    constant.name = names.fresh(gain.value + "_smoothing");
    constant.value = Tensor::of<float>({static_cast<std::int64_t>(inverse.size())}, inverse);
    const std::string smoothed = names.fresh(gain.value + "_smoothed");
    if (const ValueType* type = GraphIndex(graph).type(gain.value)) {
      ValueInfo info{.name = smoothed, .type = *type};
      graph.values.push_back(std::move(info));
    }
    before[gain.readers.front()].push_back(Node{.op_type = "Mul",
                                                .inputs = {gain.value, constant.name},
                                                .outputs = {smoothed},
                                                .name = names.fresh(smoothed + "_Mul")});
    graph.initializers.push_back(std::move(constant));
    for (const std::size_t reader : gain.readers) graph.nodes[reader].inputs[0] = smoothed;
  }
  std::vector<Node> nodes;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    for (Node& node : before[i]) nodes.push_back(std::move(node));
    nodes.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(nodes);
}

class Smoother {
 public:
  Smoother(const Model& model, std::span<const ChannelStatistics> statistics,
           const QuantizationConfig& quantization, const SmoothConfig& config)
      : quantization_(quantization), config_(config), inputs_(smoothable(model, config)) {
    result_.model = model;
    std::size_t next = 0;
    for (const Smoothable& input : inputs_) {
      for (const TiedChannels::Value& value : input.tied.values) {
        if (next < statistics.size()) statistics_.insert_or_assign(value.name, statistics[next]);
        ++next;
      }
    }
    if (next == statistics.size()) return;
    throw Error(ErrorCode::kInvalidArgument,
                "statistics of " + std::to_string(statistics.size()) +
                    " values; expected those of smoothing_targets() of this model, " +
                    std::to_string(next));
  }

  Smoothed run() {
    for (const Smoothable& input : inputs_) visit(input);
    if (!gains_.empty()) insert_gains(result_.model.graph, gains_);
    return std::move(result_);
  }

 private:
  void visit(const Smoothable& input) {
    const TiedChannels& set = input.tied;
    result_.report.inputs.push_back({.value = set.values.front().name, .channels = set.channels});
    SmoothedInput& report = result_.report.inputs.back();
    const bool was_observed = std::ranges::all_of(set.values, [&](const auto& value) {
      return statistics_.at(value.name).min.size() == set.channels;
    });
    if (!was_observed) {
      report.left_because = "no sample had an element of it";
      return;
    }
    const SetEqualizer equalizer(result_.model.graph, set, statistics_, quantization_,
                                 config_.max_ratio);
    const auto best = equalizer.best_factors();
    report.noise_before = equalizer.noise(std::vector<double>(set.channels, 1.0));
    report.noise_after = report.noise_before;
    const double wanted = input.folds ? config_.min_gain : *config_.min_gain_of_mul;
    const double gained = report.noise_before - best.noise;
    if (!(gained >= wanted * report.noise_before) || report.noise_before <= 0.0) {
      report.left_because = "its channels are alike enough";
      return;
    }
    report.noise_after = best.noise;
    report.strength = best.exponent;
    report.has_mul = !input.folds;
    scale_channels(result_.model.graph, set, best.factors);
    if (!input.folds) gains_.push_back({report.value, set.consumers, best.factors});
  }

  const QuantizationConfig& quantization_;
  const SmoothConfig& config_;
  const std::vector<Smoothable> inputs_;
  StatisticsByValue statistics_;
  std::vector<Gain> gains_;
  Smoothed result_;
};

}  // namespace

std::vector<ChannelsOfValue> smoothing_targets(const Model& model, const SmoothConfig& config) {
  std::vector<ChannelsOfValue> targets;
  for (const Smoothable& input : smoothable(model, config)) {
    for (const TiedChannels::Value& value : input.tied.values)
      targets.push_back({value.name, value.axis});
  }
  return targets;
}

Smoothed smooth(const Model& model, std::span<const ChannelStatistics> statistics,
                const QuantizationConfig& quantization, const SmoothConfig& config) {
  return Smoother(model, statistics, quantization, config).run();
}

std::size_t SmoothReport::smoothed() const {
  return static_cast<std::size_t>(
      std::ranges::count(inputs, std::string_view(), &SmoothedInput::left_because));
}

std::size_t SmoothReport::muls_added() const {
  return static_cast<std::size_t>(std::ranges::count(inputs, true, &SmoothedInput::has_mul));
}

Json to_json(const SmoothReport& report) {
  Json inputs = Json::array();
  for (const SmoothedInput& input : report.inputs) {
    Json entry{{"value", input.value},
               {"channels", input.channels},
               {"noise_before", input.noise_before},
               {"noise_after", input.noise_after}};
    if (input.left_because.empty()) {
      entry["strength"] = input.strength;
      entry["mul_added"] = input.has_mul;
    } else {
      entry["left_because"] = input.left_because;
    }
    inputs.push_back(std::move(entry));
  }
  return inputs;
}

}  // namespace planish
