// What scales and shifts the input of a convolution goes into its weights: conv(W, s x + b) is
// conv(s W, x) + (sum of W) b. Normalizations of images, and learnable affine blocks, stand there.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "optimize/linear.h"
#include "optimize/rewrite.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

/// A Conv with constant weights [M, C/group, k...] and, if it has one, a constant bias [M].
struct Convolution {
  std::size_t node = 0;
  const Tensor* weight = nullptr;
  const Tensor* bias = nullptr;  // null: none
  std::size_t group = 1;
  bool is_padded = false;

  [[nodiscard]] std::size_t rank() const { return weight->rank(); }
  [[nodiscard]] std::size_t outputs() const { return static_cast<std::size_t>(weight->dims()[0]); }
  [[nodiscard]] std::size_t inputs() const {
    return static_cast<std::size_t>(weight->dims()[1]) * group;
  }
};

const Tensor* float_constant(const GraphIndex& index, const std::string& value) {
  const Initializer* constant = index.constant(value);
  if (constant == nullptr || constant->value.dtype() != DType::kFloat32) return nullptr;
  return &constant->value;
}

std::optional<Convolution> convolution_at(const Graph& graph, const GraphIndex& index,
                                          std::size_t i) {
  const Node& node = graph.nodes[i];
  if (!node.is("Conv") || !index.has_single_use(node.input(0))) return std::nullopt;
  Convolution conv{.node = i, .weight = float_constant(index, node.input(1))};
  const std::int64_t group = node.int_attribute("group", 1);
  if (conv.weight == nullptr || conv.weight->rank() < 3 || conv.weight->element_count() == 0 ||
      group < 1 || conv.weight->dims()[0] % group != 0) {
    return std::nullopt;
  }
  conv.group = static_cast<std::size_t>(group);
  if (!node.input(2).empty()) {
    conv.bias = float_constant(index, node.input(2));
    if (conv.bias == nullptr || conv.bias->element_count() != conv.outputs()) return std::nullopt;
  }
  const auto pads = node.ints_attribute("pads");
  const std::string auto_pad = node.string_attribute("auto_pad", "NOTSET");
  conv.is_padded = (auto_pad != "NOTSET" && auto_pad != "VALID") ||
                   std::ranges::any_of(pads, [](std::int64_t pad) { return pad != 0; });
  return conv;
}

/// `node` as scale * data + shift, one shift per channel: [C].
struct InputAffine {
  std::string data = {};
  double scale = 1;
  std::vector<double> shift = {};  // empty: none
};

bool all_finite(const std::vector<double>& values) {
  return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
}

/// Whether data of `value` has the dimensions that the convolution reads: a constant may also
/// broadcast the data, which then is not what the weights would be applied to.
bool has_dims(const GraphIndex& index, const std::string& value, const Convolution& conv) {
  const auto shape = rewrite::shape_of(index, value);
  return shape && shape->size() == conv.rank() &&
         (*shape)[1].number() == static_cast<std::int64_t>(conv.inputs());
}

std::optional<InputAffine> affine_that_makes(const Graph& graph, const GraphIndex& index,
                                             const std::string& value, const Convolution& conv) {
  const auto producer = index.producer(value);
  if (!producer || !index.has_single_use(value)) return std::nullopt;
  const Node& node = graph.nodes[*producer];
  const bool commutes = node.is("Add") || node.is("Mul");
  if (!commutes && !node.is("Sub") && !node.is("Div")) return std::nullopt;
  const std::size_t data = commutes && index.constant(node.input(0)) != nullptr ? 1 : 0;
  if (node.inputs.size() != 2 || !has_dims(index, node.input(data), conv)) return std::nullopt;
  auto constant =
      rewrite::constant_by_channel(index, node.input(1 - data), conv.rank(), conv.inputs());
  if (!constant || !all_finite(*constant)) return std::nullopt;
  InputAffine affine{.data = node.input(data)};
  if (node.is("Add") || node.is("Sub")) {
    const double sign = node.is("Add") ? 1 : -1;
    for (double& shift : *constant) shift *= sign;
    affine.shift = std::move(*constant);
    return affine;
  }
  // Scales that differ would move the ranges of the weights apart, and cost an INT8 weight bits.
  const double scale = constant->front();
  if (std::ranges::any_of(*constant, [&](double other) { return other != scale; }) || scale == 0)
    return std::nullopt;
  affine.scale = node.is("Mul") ? scale : 1 / scale;
  return affine;
}

/// The weights and the bias of conv(W, scale * x + shift) as a convolution of x.
struct Folded {
  std::vector<float> weight = {};
  std::vector<float> bias = {};
};
std::optional<Folded> folded(const Convolution& conv, const InputAffine& affine) {
  const auto weight = conv.weight->values<float>();
  const std::size_t per_output = weight.size() / conv.outputs();
  const auto per_group = static_cast<std::size_t>(conv.weight->dims()[1]);
  const std::size_t inner = per_output / per_group;
  Folded result;
  for (const float w : weight)
    result.weight.push_back(static_cast<float>(affine.scale * static_cast<double>(w)));
  for (std::size_t o = 0; o < conv.outputs() && !affine.shift.empty(); ++o) {
    const std::size_t first_input = o / (conv.outputs() / conv.group) * per_group;
    double sum = conv.bias == nullptr ? 0 : conv.bias->values<float>()[o];
    for (std::size_t k = 0; k < per_output; ++k) {
      sum +=
          affine.shift[first_input + k / inner] * static_cast<double>(weight[o * per_output + k]);
    }
    result.bias.push_back(static_cast<float>(sum));
  }
  const auto finite = [](float value) { return std::isfinite(value); };
  if (!std::ranges::all_of(result.weight, finite) || !std::ranges::all_of(result.bias, finite))
    return std::nullopt;
  return result;
}

/// One change of a graph: the convolution takes `affine` in. Where a shift cannot go through the
/// padding, only the scale before it does, and the shift is divided by that.
struct Change {
  Convolution conv = {};
  InputAffine affine = {};
  std::optional<std::size_t> kept_shift = {};  // the node that stays, between data and conv
  std::vector<double> shift = {};              // its constant then
};

std::optional<Change> change_at(const Graph& graph, const GraphIndex& index, std::size_t i) {
  const auto conv = convolution_at(graph, index, i);
  if (!conv) return std::nullopt;
  const std::string& input = graph.nodes[i].input(0);
  auto affine = affine_that_makes(graph, index, input, *conv);
  if (!affine) return std::nullopt;
  if (affine->shift.empty() || !conv->is_padded) return Change{*conv, std::move(*affine), {}, {}};
  auto before = affine_that_makes(graph, index, affine->data, *conv);
  if (!before || !before->shift.empty()) return std::nullopt;
  Change change{*conv, std::move(*before), index.producer(input), std::move(affine->shift)};
  for (double& shift : change.shift) shift /= change.affine.scale;
  if (!all_finite(change.shift)) return std::nullopt;
  return change;
}

bool apply(const Change& change, Graph& graph, const GraphIndex& index, NameScope& names) {
  const auto parts = folded(change.conv, change.affine);
  if (!parts) return false;
  Node& conv = graph.nodes[change.conv.node];
  const auto outputs = static_cast<std::int64_t>(change.conv.outputs());
  conv.inputs[1] =
      rewrite::replace_constant(graph, index, names, conv.input(1),
                                Tensor::of<float>(change.conv.weight->dims(), parts->weight));
  if (!parts->bias.empty()) {
    Tensor bias = Tensor::of<float>({outputs}, parts->bias);
    conv.inputs.resize(3);
    conv.inputs[2] =
        conv.inputs[2].empty()
            ? rewrite::add_initializer(graph, names, conv.input(1) + "_bias", std::move(bias))
            : rewrite::replace_constant(graph, index, names, conv.inputs[2], std::move(bias));
  }
  if (!change.kept_shift) {
    conv.inputs[0] = change.affine.data;
    return true;
  }
  Node& shift = graph.nodes[*change.kept_shift];
  std::vector<float> values(change.shift.begin(), change.shift.end());
  const bool is_uniform =
      std::ranges::all_of(values, [&](float value) { return value == values.front(); });
  if (is_uniform) values.resize(1);
  std::vector<std::int64_t> dims(is_uniform ? 1 : change.conv.rank() - 1, 1);
  dims.front() = static_cast<std::int64_t>(values.size());  // [1], or [C, 1...]
  shift.op_type = "Add";
  shift.inputs = {change.affine.data,
                  rewrite::add_initializer(graph, names, conv.input(1) + "_shift",
                                           Tensor::of<float>(dims, values))};
  return true;
}

}  // namespace

PassReport fold_input_scales(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "input-scales"};
  for (bool changed = true; changed;) {
    changed = false;
    const Graph before = model.graph;  // copies share the weights
    const GraphIndex index(before);
    NameScope names(model.graph);
    for (std::size_t i = 0; i < before.nodes.size(); ++i) {
      // Each change is about a convolution and what only it reads: they do not touch one another.
      const auto change = change_at(before, index, i);
      if (!change || !apply(*change, model.graph, index, names)) continue;
      rewrite::record(report, "the input of " + rewrite::label(before.nodes[i]));
      changed = true;
    }
    if (changed) remove_unused(model.graph);
  }
  return report;
}

}  // namespace planish
