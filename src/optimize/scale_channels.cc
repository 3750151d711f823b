#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "optimize/constant_operand.h"
#include "optimize/rewrite.h"
#include "planish/base/error.h"
#include "planish/graph/graph_index.h"
#include "planish/optimize/layer_weight.h"
#include "planish/optimize/tied_channels.h"

namespace planish {

namespace {

void require_valid(const TiedChannels& set, std::span<const double> factors) {
  bool valid = factors.size() == set.channels;
  for (const double factor : factors) valid = valid && std::isfinite(factor) && factor > 0.0;
  if (valid) return;
  throw Error(ErrorCode::kInvalidArgument,
              std::to_string(factors.size()) + " channel factors; expected " +
                  std::to_string(set.channels) + " finite numbers above 0");
}

class Scaler {
 public:
  Scaler(Graph& graph, const TiedChannels& set, std::span<const double> factors)
      : graph_(graph), names_(graph), set_(set), factors_(factors) {}

  void run() {
    for (const std::size_t i : set_.producers) scale_producer(i);
    for (const std::size_t i : set_.addends) scale_addend(i);
    for (const std::size_t i : set_.consumers) scale_consumer(i);
  }

 private:
  /// Multiplies element e of input k of `node` by gain(e).
  void scale_constant(Node& node, std::size_t k, const std::function<double(std::size_t)>& gain) {
    const GraphIndex index(graph_);
    const std::string name = node.inputs[k];
    const Tensor& old = index.constant(name)->value;
    std::vector<float> scaled(old.values<float>().begin(), old.values<float>().end());
    for (std::size_t e = 0; e < scaled.size(); ++e) {
      scaled[e] = static_cast<float>(static_cast<double>(scaled[e]) * gain(e));
      if (std::isfinite(scaled[e])) continue;
      throw Error(ErrorCode::kInvalidArgument, "'" + name + "' times a factor per channel of " +
                                                   std::to_string(gain(e)) +
                                                   " does not fit in float32");
    }
    Tensor value = Tensor::of<float>(old.dims(), scaled);
    if (index.has_single_use(name)) {
      std::ranges::find(graph_.initializers, name, &Initializer::name)->value = std::move(value);
    } else {
      node.inputs[k] = rewrite::add_initializer(graph_, names_, name + "_scaled", std::move(value));
    }
  }

  void divide_operand(Node& node, std::size_t k, const ConstantOperand& operand) {
    scale_constant(node, k, [&](std::size_t e) { return 1.0 / factors_[operand.channel_of(e)]; });
  }

  void scale_producer(std::size_t i) {
    Node& node = graph_.nodes[i];
    const ConstantOperand per_channel{.channels = set_.channels};
    if (node.is("LayerNormalization")) {
      divide_operand(node, 1, per_channel);
      if (!node.input(2).empty()) divide_operand(node, 2, per_channel);
      return;
    }
    if (node.is("Mul")) {
      const std::size_t k = GraphIndex(graph_).constant(node.input(1)) != nullptr ? 1 : 0;
      return divide_operand(node, k, per_channel);  // one axis of it is not 1
    }
    const LayerWeight layer = *layer_weight_of(node, GraphIndex(graph_));
    scale_constant(node, 1, [&](std::size_t e) { return 1.0 / factors_[layer.output_of(e)]; });
    if (!node.is("MatMul") && !node.input(2).empty()) divide_operand(node, 2, per_channel);
  }

  void scale_addend(std::size_t i) {
    Node& node = graph_.nodes[i];
    const GraphIndex index(graph_);
    const std::size_t k = index.constant(node.input(1)) != nullptr ? 1 : 0;
    const auto shape = rewrite::shape_of(index, node.input(1 - k));
    const auto member =
        std::ranges::find(set_.values, node.input(1 - k), &TiedChannels::Value::name);
    divide_operand(
        node, k,
        *constant_operand(index, node.input(k), shape->size(), member->axis, set_.channels));
  }

  void scale_consumer(std::size_t i) {
    Node& node = graph_.nodes[i];
    const LayerWeight layer = *layer_weight_of(node, GraphIndex(graph_));
    scale_constant(node, 1, [&](std::size_t e) {
      return factors_[layer.input_channel(layer.output_of(e), layer.term_of(e))];
    });
  }

  Graph& graph_;
  NameScope names_;
  const TiedChannels& set_;
  std::span<const double> factors_;
};

}  // namespace

void scale_channels(Graph& graph, const TiedChannels& set, std::span<const double> factors) {
  require_valid(set, factors);
  Graph scaled = graph;  // copies share the weights
  Scaler(scaled, set, factors).run();
  graph = std::move(scaled);
}

}  // namespace planish
