#include "quantize/reduce_ranges.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>

#include "quantize/pair_sums.h"
#include "quantize/weights.h"

namespace planish::quantize_detail {
namespace {

class RangeReducer {
 public:
  RangeReducer(const Graph& graph, const QuantizationConfig& config,
               std::vector<TensorPlan>& tensors)
      : config_(config), tensors_(tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) plans_.emplace(tensors[i].tensor, i);
    for (const Initializer& initializer : graph.initializers) {
      constants_.emplace(initializer.name, &initializer.value);
    }
  }

  void visit(const Node& node) {
    reduce(node, node.input(1));
    if (node.op_type == "LSTM") reduce(node, node.input(2));
  }

  void rescale(const Node& node, BiasPlan& bias) const {
    const auto old = old_scales_.find(node.input(1));
    if (old == old_scales_.end() || bias.scales.empty()) return;
    const TensorPlan& weight = *plan_of(node.input(1));
    const std::vector<float> now = scales_of(weight);
    if (now == old->second) return;
    const TensorPlan* input = root_of(node.input(0));
    if (input != nullptr && input->params.size() == 1) {
      const float beta = bias.zeroed ? 1.0F : node.float_attribute("beta", 1.0F);
      bias.scales = bias_scales(input->params.front().scale, weight, beta, bias.scale_dtype);
      return;
    }
    // Integers that the model itself had: their scale is in no plan, the ratio is the same.
    for (std::size_t i = 0; i < bias.scales.size(); ++i) bias.scales[i] *= now[i] / old->second[i];
  }

  [[nodiscard]] std::vector<RangeReduction> take() {
    for (RangeReduction& weight : weights_) {
      const std::vector<float>& old = old_scales_.at(weight.weight);
      const std::vector<float> now = scales_of(*plan_of(weight.weight));
      for (std::size_t i = 0; i < now.size(); ++i) {
        if (now[i] != old[i]) ++weight.reduced;
        weight.largest_ratio = std::max(weight.largest_ratio, now[i] / old[i]);
      }
    }
    return std::move(weights_);
  }

 private:
  [[nodiscard]] static std::vector<float> scales_of(const TensorPlan& plan) {
    std::vector<float> scales;
    for (const QuantizationParams& params : plan.params) scales.push_back(params.scale);
    return scales;
  }

  [[nodiscard]] const TensorPlan* plan_of(const std::string& tensor) const {
    const auto found = plans_.find(tensor);
    return found == plans_.end() ? nullptr : &tensors_[found->second];
  }

  [[nodiscard]] const TensorPlan* root_of(const std::string& tensor) const {
    const TensorPlan* plan = plan_of(tensor);
    while (plan != nullptr && !plan->shares.empty()) plan = plan_of(plan->shares);
    return plan;
  }

  void reduce(const Node& node, const std::string& name) {
    const auto found = plans_.find(name);
    const auto constant = constants_.find(name);
    if (found == plans_.end() || constant == constants_.end()) return;
    TensorPlan& plan = tensors_[found->second];
    const TensorPlan* data = root_of(node.input(0));
    const bool is_centred = std::ranges::all_of(
        plan.params, [](const QuantizationParams& params) { return params.zero_point == 0; });
    const bool is_u8s8 = plan.role == TensorRole::kWeight && plan.dtype == DType::kInt8 &&
                         is_centred && (data == nullptr || data->dtype == DType::kUInt8);
    const std::vector<std::int64_t>& dims = constant->second->dims();
    const auto layout = is_u8s8 ? sum_layout(node, dims) : std::nullopt;
    if (!layout || !has_scale_per_sum(plan, *layout, dims.size()) || is_set_by_user(name)) return;
    const std::int32_t largest = largest_integer(data);
    if (old_scales_.try_emplace(name, scales_of(plan)).second) {
      weights_.push_back({.node = node.name,
                          .op_type = node.op_type,
                          .weight = name,
                          .channels = plan.params.size()});
    }
    raise_scales(constant->second->to_floats(), *layout, largest, plan);
  }

  [[nodiscard]] bool is_set_by_user(const std::string& weight) const {
    const auto set = config_.tensor_overrides.find(weight);
    return set != config_.tensor_overrides.end() &&
           std::ranges::any_of(set->second.params,
                               [](const ParamsOverride& one) { return one.scale.has_value(); });
  }

  /// Scales along another axis than that of the outputs are no kernel's.
  static bool has_scale_per_sum(const TensorPlan& plan, const SumLayout& layout, std::size_t rank) {
    const std::size_t output_axis = layout.sum_stride == 1 ? rank - 1 : 0;
    return !plan.params.empty() && layout.sums % plan.params.size() == 0 &&
           (!plan.axis || *plan.axis == output_axis);
  }

  static void raise_scales(std::span<const float> values, const SumLayout& layout,
                           std::int32_t largest, TensorPlan& plan) {
    const std::size_t sums_per_scale = layout.sums / plan.params.size();
    for (std::size_t sum = 0; sum < layout.sums; ++sum) {
      float& scale = plan.params[sum / sums_per_scale].scale;
      const auto pairs = overflowing_pairs(values, layout, sum, scale, largest);
      if (!pairs.empty()) {
        scale = scale_without_overflow(pairs, scale, largest, plan.scale_dtype);
      }
    }
  }

  const QuantizationConfig& config_;
  std::vector<TensorPlan>& tensors_;
  std::unordered_map<std::string, std::size_t> plans_;
  std::unordered_map<std::string, const Tensor*> constants_;
  std::unordered_map<std::string, std::vector<float>> old_scales_;  // of the weights visited
  std::vector<RangeReduction> weights_;
};

}  // namespace

std::vector<RangeReduction> reduce_ranges(const Graph& graph,
                                          std::span<const NodeDecision> decisions,
                                          const QuantizationConfig& config,
                                          std::vector<TensorPlan>& tensors,
                                          std::vector<BiasPlan>& biases) {
  if (config.profile != QuantizationProfile::kBest || !row_of(config.target).u8s8_saturates)
    return {};
  RangeReducer reducer(graph, config, tensors);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (decisions[i].action == NodeAction::kQuantize) reducer.visit(graph.nodes[i]);
  }
  for (BiasPlan& bias : biases) reducer.rescale(graph.nodes[bias.node], bias);
  return reducer.take();
}

}  // namespace planish::quantize_detail
