#include "planish/remedy/bias_correction.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/graph/graph_index.h"
#include "remedy/quantized_layers.h"

namespace planish {
namespace {

using remedy::QuantizedLayer;

class BiasGiver {
 public:
  explicit BiasGiver(Model model) : model_(std::move(model)), names_(model_.graph) {}

  Model run() {
    const Graph before = model_.graph;  // copies share the weights
    const GraphIndex index(before);
    for (std::size_t i = 0; i < before.nodes.size(); ++i) {
      const Node& node = before.nodes[i];
      if (node.is("Add")) {
        for (std::size_t k = 0; k < 2; ++k) own(i, k, index);
      }
      if (!node.is("Conv") && !node.is("Gemm")) continue;
      const auto layer = layer_weight_of(node, index);
      if (!layer) continue;
      if (node.input(2).empty()) {
        add_zeros(i, layer->output_channels);
      } else {
        own(i, 2, index);
      }
    }
    return std::move(model_);
  }

 private:
  void add_zeros(std::size_t i, std::size_t count) {
    Node& node = model_.graph.nodes[i];
    node.inputs.resize(3);
    node.inputs[2] =
        add(node.inputs[1] + "_bias",
            Tensor::of<float>({static_cast<std::int64_t>(count)}, std::vector<float>(count, 0.0F)));
  }

  /// A copy of a constant that others read as well.
  void own(std::size_t i, std::size_t k, const GraphIndex& index) {
    Node& node = model_.graph.nodes[i];
    if (k >= node.inputs.size()) return;
    const Initializer* constant = index.constant(node.inputs[k]);
    if (constant == nullptr || constant->value.dtype() != DType::kFloat32 ||
        index.has_single_use(constant->name)) {
      return;
    }
    node.inputs[k] = add(constant->name + "_of_" + node.output(0), constant->value);
  }

  std::string add(const std::string& wish, Tensor value) {
    Initializer added;
    added.name = names_.fresh(wish);
    added.value = std::move(value);
    model_.graph.initializers.push_back(std::move(added));
    return model_.graph.initializers.back().name;
  }

  Model model_;
  NameScope names_;
};

/// The largest bias that the int32 of this layer can hold, by output channel; infinite when the
/// bias stays float.
std::vector<double> bias_limits(const QuantizationPlan& plan, const QuantizedLayer& layer) {
  std::vector<double> limits(layer.weight.output_channels, std::numeric_limits<double>::infinity());
  const auto bias = std::ranges::find(plan.biases, layer.node, &BiasPlan::node);
  if (bias == plan.biases.end() || bias->scales.empty()) return limits;
  for (std::size_t m = 0; m < limits.size(); ++m) {
    const double scale = bias->scales[bias->scales.size() == 1 ? 0 : m];
    limits[m] = scale * std::numeric_limits<std::int32_t>::max();
  }
  return limits;
}

/// E[W x] - E[W' x'] by output channel.
std::vector<double> mean_errors(const LayerWeight& layer, std::span<const float> weight,
                                std::span<const float> quantized, const LayerStatistics& seen) {
  std::vector<double> errors(layer.output_channels, 0.0);
  const std::size_t terms = layer.terms();
  for (std::size_t m = 0; m < errors.size(); ++m) {
    const std::size_t group = m / (layer.output_channels / layer.groups);
    for (std::size_t k = 0; k < terms; ++k) {
      errors[m] +=
          static_cast<double>(weight[m * terms + k]) * seen.mean[group * terms + k] -
          static_cast<double>(quantized[m * terms + k]) * seen.quantized_mean[group * terms + k];
    }
  }
  return errors;
}

}  // namespace

Model with_own_biases(const Model& model) { return BiasGiver(model).run(); }

BiasCorrectionReport correct_biases(QuantizationPlan& plan, const Model& model,
                                    std::span<const LayerStatistics> statistics) {
  const auto layers = remedy::layers_of_statistics(plan, model, statistics.size());
  const GraphIndex index(model.graph);
  BiasCorrectionReport report;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const QuantizedLayer& layer = layers[i];
    if (layer.bias.empty() || layer.beta == 0.0) {
      report.without_bias.push_back(layer.name);
      continue;
    }
    if (statistics[i].rows == 0) continue;
    const Tensor& weight = index.constant(layer.weight.name)->value;
    const std::vector<double> errors =
        mean_errors(layer.weight, remedy::weight_by_output(layer.weight, weight),
                    remedy::dequantized_weight(plan, layer, weight), statistics[i]);
    const std::vector<double> limits = bias_limits(plan, layer);
    const Tensor& old = index.constant(layer.bias)->value;
    std::vector<float> bias(old.values<float>().begin(), old.values<float>().end());
    CorrectedBias corrected{.node = layer.name};
    for (std::size_t m = 0; m < bias.size(); ++m) {
      const double shift = errors[m] * layer.alpha / layer.beta;
      const double value = static_cast<double>(bias[m]) + shift;
      if (!(std::abs(value) < limits[m])) continue;  // its int32 could not hold it
      bias[m] = static_cast<float>(value);
      corrected.largest_shift = std::max(corrected.largest_shift, std::abs(shift));
    }
    std::erase_if(plan.corrected, [&](const CorrectedConstant& c) { return c.name == layer.bias; });
    plan.corrected.push_back({layer.bias, Tensor::of<float>(old.dims(), bias)});
    report.layers.push_back(std::move(corrected));
  }
  return report;
}

Json to_json(const BiasCorrectionReport& report) {
  Json layers = Json::array();
  for (const CorrectedBias& layer : report.layers) {
    layers.push_back(Json{{"node", layer.node}, {"largest_shift", layer.largest_shift}});
  }
  Json json;
  json["layers"] = std::move(layers);
  json["without_bias"] = report.without_bias;
  return json;
}

}  // namespace planish
