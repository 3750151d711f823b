// What scales and shifts each channel goes into the weights of the linear operator before it.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "optimize/linear.h"
#include "optimize/rewrite.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

using rewrite::ChannelAffine;
using rewrite::Linear;

/// Finds what `node` does to each channel of `data`, one of its inputs, made by `linear`.
using AffineOf = std::optional<ChannelAffine> (*)(const Node& node, std::size_t data,
                                                  const Linear& linear, const GraphIndex& index,
                                                  std::int64_t opset);

/// y = gamma * (x - mean) / sqrt(var + epsilon) + beta; inputs x, gamma, beta, mean, var.
/// Refused in training, where mean and variance are those of the batch.
std::optional<ChannelAffine> batch_norm(const Node& node, std::size_t data, const Linear& linear,
                                        const GraphIndex& index, std::int64_t opset) {
  // Before opset 7 an attribute told training from inference; spatial=0 (opset < 9) normalizes each
  // position on its own; outputs after the first exist in training only.
  const bool inference = node.is("BatchNormalization") && data == 0 && opset >= 7 &&
                         node.inputs.size() == 5 && node.int_attribute("training_mode", 0) == 0 &&
                         node.int_attribute("spatial", 1) == 1 &&
                         std::all_of(node.outputs.begin() + 1, node.outputs.end(),
                                     [](const std::string& output) { return output.empty(); });
  if (!inference) return std::nullopt;
  std::vector<float> parameters[4];  // gamma, beta, mean, var
  for (std::size_t k = 0; k < 4; ++k) {
    const Initializer* constant = index.constant(node.input(k + 1));
    if (constant == nullptr || !row_of(constant->value.dtype()).is_float ||
        row_of(constant->value.dtype()).bits < 16 ||
        constant->value.element_count() != linear.channels) {
      return std::nullopt;
    }
    parameters[k] = constant->value.to_floats();
  }
  const auto& [gamma, beta, mean, var] = parameters;
  const double epsilon = node.float_attribute("epsilon", 1e-5F);
  ChannelAffine f;
  for (std::size_t c = 0; c < linear.channels; ++c) {
    const double scale = gamma[c] / std::sqrt(static_cast<double>(var[c]) + epsilon);
    f.scale.push_back(scale);
    f.shift.push_back(beta[c] - mean[c] * scale);
    if (!std::isfinite(f.scale.back()) || !std::isfinite(f.shift.back())) return std::nullopt;
  }
  return f;
}

/// Mul, Div, Add and Sub of x and a constant c.
std::optional<ChannelAffine> arithmetic(const Node& node, std::size_t data, const Linear& linear,
                                        const GraphIndex& index, std::int64_t opset) {
  if (node.inputs.size() != 2 || !node.domain.empty() || opset < 7) return std::nullopt;
  const auto c =
      rewrite::constant_by_channel(index, node.input(1 - data), linear.rank, linear.channels);
  if (!c) return std::nullopt;
  const std::vector<double> ones(linear.channels, 1.0);
  const std::vector<double> zeros(linear.channels, 0.0);
  const auto each = [&](double (*f)(double)) {
    std::vector<double> result(c->size());
    std::ranges::transform(*c, result.begin(), f);
    return result;
  };
  const auto negated = [&] { return each([](double x) { return -x; }); };
  const bool all_finite = std::ranges::all_of(*c, [](double x) { return std::isfinite(x); });
  if (!all_finite) return std::nullopt;
  if (node.op_type == "Mul") return ChannelAffine{*c, zeros};
  if (node.op_type == "Add") return ChannelAffine{ones, *c};
  if (node.op_type == "Sub" && data == 0) return ChannelAffine{ones, negated()};
  if (node.op_type == "Sub") return ChannelAffine{each([](double) { return -1.0; }), *c};
  const bool divides = std::ranges::none_of(*c, [](double x) { return x == 0; });
  if (node.op_type == "Div" && data == 0 && divides) {
    return ChannelAffine{each([](double x) { return 1 / x; }), zeros};
  }
  return std::nullopt;
}

/// The bias of a MatMul is the Add after it: there is nothing simpler to make of the two.
bool is_bias_of_matmul(const Graph& graph, const Linear& linear, const Node& node) {
  return graph.nodes[linear.node].is("MatMul") && !linear.add &&
         (node.op_type == "Add" || node.op_type == "Sub");
}

/// One sweep over the graph; says whether another one may find more.
bool sweep(Graph& graph, std::int64_t opset, AffineOf affine_of, PassReport& report) {
  const Graph before = graph;  // copies share the weights
  const GraphIndex index(before);
  NameScope names(graph);
  std::vector<bool> doomed(graph.nodes.size(), false);
  std::vector<bool> touched(graph.nodes.size(), false);
  bool changed = false;
  for (std::size_t i = 0; i < before.nodes.size(); ++i) {
    const Node& node = before.nodes[i];
    if (node.output(0).empty()) continue;
    for (std::size_t data = 0; data < std::min<std::size_t>(node.inputs.size(), 2); ++data) {
      const auto linear = rewrite::linear_that_makes(before, index, node.input(data));
      // What this sweep touched waits for the next: the index is of before.
      if (!linear || touched[linear->node] || (linear->add && touched[*linear->add])) continue;
      const auto f = affine_of(node, data, *linear, index, opset);
      if (!f || is_bias_of_matmul(before, *linear, node)) continue;
      const auto erase = rewrite::absorb(graph, index, names, *linear, i, *f);
      if (!erase) continue;
      doomed[i] = *erase;
      touched[i] = touched[linear->node] = true;
      if (linear->add) touched[*linear->add] = true;
      changed = true;
      rewrite::record(report,
                      rewrite::label(node) + " into " + rewrite::label(before.nodes[linear->node]));
      break;
    }
  }
  rewrite::erase_nodes(graph, doomed);
  return changed;
}

}  // namespace

PassReport fold_batch_norms(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "batch-norms"};
  while (sweep(model.graph, model.opset(), batch_norm, report)) {
  }
  return report;
}

PassReport fold_scales(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "scales"};
  while (sweep(model.graph, model.opset(), arithmetic, report)) {
  }
  return report;
}

}  // namespace planish
