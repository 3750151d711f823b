#include "quantize/reduce_quantized.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "planish/graph/graph_index.h"
#include "quantize/pair_sums.h"
#include "quantize/quantized_weights.h"

namespace planish::quantize_detail {
namespace {

constexpr std::int32_t kLargestU8 = 255;

template <typename T, typename Change>
Tensor changed(const Tensor& tensor, const Change& change) {
  const auto values = tensor.values<T>();
  std::vector<T> result(values.begin(), values.end());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = change(result[i], i);
  return Tensor::of(tensor.dims(), result);
}

class Reducer {
 public:
  explicit Reducer(Model& model)
      : graph_(model.graph), names_(model.graph), weights_(find_quantized_weights(model.graph)) {
    for (const Initializer& initializer : graph_.initializers) {
      constants_.emplace(initializer.name, initializer.value);
    }
  }

  std::vector<RangeReduction> run() {
    std::vector<std::string> integers;  // names change while weights are rewritten
    for (const QuantizedWeight& weight : weights_) {
      find_ratios(weight);
      integers.push_back(name_at(weight.integers));
    }
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      const auto ratios = ratios_.find(integers[i]);
      if (ratios != ratios_.end() && std::ranges::any_of(ratios->second, is_raised))
        rewrite(weights_[i], integers[i], ratios->second);
    }
    add_constants();
    return std::move(reductions_);
  }

 private:
  static bool is_raised(float ratio) { return ratio > 1.0F; }

  [[nodiscard]] std::string& name_at(const InputPlace& place) {
    return graph_.nodes[place.node].inputs[place.input];
  }

  /// The most that any reader of the constant asks for, by scale.
  void find_ratios(const QuantizedWeight& weight) {
    const Tensor& integers = constants_.at(name_at(weight.integers));
    const std::size_t scales = constants_.at(name_at(weight.scale)).element_count();
    const auto layout = sum_layout(graph_.nodes[weight.node], integers.dims());
    if (!layout || scales == 0 || layout->sums % scales != 0 || !has_scale_per_sum(weight, *layout))
      return;
    const auto [found, is_new] =
        ratios_.try_emplace(name_at(weight.integers), std::vector<float>(scales, 1.0F));
    std::vector<float>& ratios = found->second;
    if (ratios.size() != scales) return;  // another reader has other scales
    std::vector<float> values;
    for (const std::int8_t value : integers.values<std::int8_t>()) values.push_back(value);
    for (std::size_t sum = 0; sum < layout->sums; ++sum) {
      float& ratio = ratios[sum / (layout->sums / scales)];
      const auto pairs = overflowing_pairs(values, *layout, sum, ratio, kLargestU8);
      if (!pairs.empty()) ratio = scale_without_overflow(pairs, ratio, kLargestU8);
    }
    if (is_new) report(weight, ratios);
  }

  /// Scales of a DequantizeLinear lie along its axis, which has to be that of the outputs.
  [[nodiscard]] bool has_scale_per_sum(const QuantizedWeight& weight, const SumLayout& layout) {
    const Node& reader = graph_.nodes[weight.integers.node];
    const Tensor& scales = constants_.at(name_at(weight.scale));
    if (reader.op_type != "DequantizeLinear" || scales.element_count() == 1) return true;
    const auto rank = static_cast<std::int64_t>(constants_.at(name_at(weight.integers)).rank());
    const std::int64_t axis = reader.int_attribute("axis", 1);
    const std::int64_t output_axis = layout.sum_stride == 1 ? rank - 1 : 0;
    return scales.rank() == 1 && (axis < 0 ? axis + rank : axis) == output_axis &&
           scales.element_count() == layout.sums;
  }

  void report(const QuantizedWeight& weight, const std::vector<float>& ratios) {
    const Node& node = graph_.nodes[weight.node];
    reductions_.push_back(
        {.node = node.name,
         .op_type = node.op_type,
         .weight = name_at(weight.integers),
         .channels = ratios.size(),
         .reduced = static_cast<std::size_t>(std::ranges::count_if(ratios, is_raised)),
         .largest_ratio = *std::ranges::max_element(ratios)});
  }

  void rewrite(const QuantizedWeight& weight, const std::string& integers,
               const std::vector<float>& ratios) {
    const auto layout = *sum_layout(graph_.nodes[weight.node], constants_.at(integers).dims());
    const auto ratio_of = [&](std::size_t i) { return ratios[ratios.size() == 1 ? 0 : i]; };
    replace(weight.scale, integers, [&](const Tensor& scales) {
      return changed<float>(scales, [&](float s, std::size_t i) { return s * ratio_of(i); });
    });
    if (weight.bias_scale) {
      replace(*weight.bias_scale, integers, [&](const Tensor& scales) {
        return changed<float>(scales, [&](float s, std::size_t i) { return s * ratio_of(i); });
      });
    }
    if (weight.bias) {
      replace(*weight.bias, integers, [&](const Tensor& bias) {
        return changed<std::int32_t>(bias, [&](std::int32_t b, std::size_t i) {
          return static_cast<std::int32_t>(std::nearbyint(b / double{ratio_of(i)}));
        });
      });
    }
    replace(weight.integers, integers,
            [&](const Tensor& values) { return divided(values, layout, ratios); });
  }

  static Tensor divided(const Tensor& integers, const SumLayout& layout,
                        const std::vector<float>& ratios) {
    const auto values = integers.values<std::int8_t>();
    std::vector<std::int8_t> result(values.begin(), values.end());
    for (std::size_t sum = 0; sum < layout.sums; ++sum) {
      const float ratio = ratios[sum / (layout.sums / ratios.size())];
      for (std::size_t k = 0; k < layout.length; ++k) {
        std::int8_t& value = result[layout.offset(sum, k)];
        value = static_cast<std::int8_t>(std::nearbyint(static_cast<float>(value) / ratio));
      }
    }
    return Tensor::of(integers.dims(), result);
  }

  /// The constant at `place`, as it is for the weight `weight`: others may share the old one, and
  /// several weights a DequantizeLinear.
  template <typename Make>
  void replace(const InputPlace& place, const std::string& weight, const Make& make) {
    if (!done_.emplace(place.node, place.input).second) return;
    std::string& name = name_at(place);
    const auto [known, is_new] = replaced_.try_emplace({name, weight});
    if (is_new) {
      Initializer initializer;
      initializer.name = names_.fresh(name + "_reduced");
      initializer.value = make(constants_.at(name));
      known->second = initializer.name;
      added_.push_back(std::move(initializer));
    }
    name = known->second;
  }

  void add_constants() {
    const GraphIndex index(graph_);
    std::set<std::string> old;
    for (const auto& [key, name] : replaced_) old.insert(key.first);
    std::erase_if(graph_.initializers, [&](const Initializer& initializer) {
      return old.contains(initializer.name) && index.uses(initializer.name).empty() &&
             !index.is_graph_output(initializer.name) && !index.is_graph_input(initializer.name);
    });
    std::ranges::move(added_, std::back_inserter(graph_.initializers));
  }

  Graph& graph_;
  NameScope names_;
  std::vector<QuantizedWeight> weights_;
  std::unordered_map<std::string, Tensor> constants_;
  std::unordered_map<std::string, std::vector<float>> ratios_;           // by weight
  std::map<std::pair<std::string, std::string>, std::string> replaced_;  // (constant, weight) → new
  std::set<std::pair<std::size_t, std::size_t>> done_;                   // places
  std::vector<Initializer> added_;
  std::vector<RangeReduction> reductions_;
};

}  // namespace

std::vector<RangeReduction> reduce_quantized_ranges(Model& model) { return Reducer(model).run(); }

}  // namespace planish::quantize_detail
