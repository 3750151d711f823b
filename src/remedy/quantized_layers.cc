#include "remedy/quantized_layers.h"

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"
#include "remedy/layer_rows.h"

namespace planish::remedy {
namespace {

/// The tensor whose parameters `tensor` has; null when it is not quantized.
const TensorPlan* root_of(const QuantizationPlan& plan, std::string_view tensor) {
  const TensorPlan* found = plan.find(tensor);
  while (found != nullptr && !found->shares.empty()) found = plan.find(found->shares);
  return found;
}

bool is_bias(const GraphIndex& index, const std::string& name, std::size_t outputs) {
  const Initializer* constant = index.constant(name);
  return constant != nullptr && constant->value.dtype() == DType::kFloat32 &&
         constant->value.element_count() == outputs && index.has_single_use(name);
}

/// The constant that an Add puts on a MatMul, when it stays float.
std::string bias_of_matmul(const QuantizationPlan& plan, const Graph& graph,
                           const GraphIndex& index, const Node& matmul, std::size_t outputs) {
  if (!index.has_single_use(matmul.output(0))) return {};
  const Node& add = graph.nodes[index.uses(matmul.output(0)).front().node];
  if (!add.is("Add")) return {};
  const std::string& other = add.input(add.input(0) == matmul.output(0) ? 1 : 0);
  if (!is_bias(index, other, outputs) || plan.find(other) != nullptr) return {};
  const Tensor& value = index.constant(other)->value;
  const bool along_last =
      value.rank() > 0 && value.dims().back() == static_cast<std::int64_t>(outputs);
  return along_last ? other : std::string();
}

}  // namespace

std::vector<QuantizedLayer> quantized_layers(const QuantizationPlan& plan, const Model& model) {
  const Graph& graph = model.graph;
  const GraphIndex index(graph);
  std::vector<QuantizedLayer> layers;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (plan.nodes[i].action != NodeAction::kQuantize) continue;
    const Node& node = graph.nodes[i];
    const auto shape = LayerShape::of(node, index);
    if (!shape) continue;
    QuantizedLayer layer{.node = i, .name = node.name, .weight = shape->weight()};
    const TensorPlan* weight = plan.find(layer.weight.name);
    if (weight == nullptr || weight->role != TensorRole::kWeight || weight->params.empty())
      continue;
    const std::size_t output_axis = layer.weight.input_channel_first ? 1 : 0;
    const bool by_output =
        weight->axis == output_axis && weight->params.size() == layer.weight.output_channels;
    if (weight->axis && !by_output) continue;
    layer.weight_plan = static_cast<std::size_t>(weight - plan.tensors.data());
    layer.owns_weight = index.has_single_use(layer.weight.name);
    const TensorPlan* input = root_of(plan, node.input(0));
    if (input != nullptr) layer.input_plan = static_cast<std::size_t>(input - plan.tensors.data());
    if (input != nullptr && input->params.size() == 1) layer.input = input->params.front();
    if (node.is("MatMul")) {
      layer.bias = bias_of_matmul(plan, graph, index, node, layer.weight.output_channels);
    } else if (is_bias(index, node.input(2), layer.weight.output_channels)) {
      layer.bias = node.input(2);
    }
    if (node.is("Gemm")) {
      layer.alpha = node.float_attribute("alpha", 1.0F);
      layer.beta = node.float_attribute("beta", 1.0F);
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::vector<QuantizedLayer> layers_of_statistics(const QuantizationPlan& plan, const Model& model,
                                                 std::size_t count) {
  auto layers = quantized_layers(plan, model);
  if (layers.size() == count) return layers;
  throw Error(ErrorCode::kInvalidArgument, "statistics of " + std::to_string(count) +
                                               " layers; expected one for each of the plan's " +
                                               std::to_string(layers.size()) + " quantized layers");
}

void require_second_moments(const QuantizedLayer& layer, const LayerStatistics& statistics) {
  const std::size_t terms = layer.weight.terms();
  if (statistics.second_moment.size() == layer.weight.groups * terms * terms) return;
  throw Error(ErrorCode::kInvalidArgument,
              "statistics without second moments of '" + layer.name + "'");
}

bool is_mean_corrected(const QuantizedLayer& layer, MeanError mean_error) {
  return mean_error == MeanError::kCorrected && !layer.bias.empty() && layer.beta != 0.0;
}

std::vector<float> dequantized_weight(const QuantizationPlan& plan, const QuantizedLayer& layer,
                                      const Tensor& weight) {
  const TensorPlan& tensor = plan.tensors[layer.weight_plan];
  const Tensor integers = tensor.integers ? *tensor.integers
                          : tensor.axis ? quantize_per_channel(weight, tensor.params, *tensor.axis)
                                        : quantize(weight, tensor.params.front());
  const std::vector<std::int64_t> values = integers.to_ints();
  std::vector<float> result(values.size());
  const std::size_t terms = layer.weight.terms();
  for (std::size_t e = 0; e < values.size(); ++e) {
    const std::size_t output = layer.weight.output_of(e);
    const QuantizationParams& params = layer.params(plan, output);
    result[output * terms + layer.weight.term_of(e)] =
        params.scale * static_cast<float>(values[e] - params.zero_point);
  }
  return result;
}

std::vector<float> weight_by_output(const LayerWeight& layer, const Tensor& weight) {
  const auto values = weight.values<float>();
  std::vector<float> result(values.size());
  for (std::size_t e = 0; e < values.size(); ++e) {
    result[layer.output_of(e) * layer.terms() + layer.term_of(e)] = values[e];
  }
  return result;
}

}  // namespace planish::remedy
