#include "quantize/name_clashes.h"

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "planish/graph/graph_index.h"
#include "quantize/gemm_split.h"
#include "quantize/planners.h"

namespace planish::quantize_detail {
namespace {

/// How names go on that quantization derives from others (names.h, gemm_split.cc,
/// apply_dynamic.cc).
constexpr std::array<std::string_view, 9> kContinuations{"_scale",
                                                         "_zero_point",
                                                         "_quant",
                                                         "quant",
                                                         "_QuantizeLinear",
                                                         "_DequantizeLinear",
                                                         "_output_quantized",
                                                         "_bias_",
                                                         "_MatMul"};

using Rename = std::function<void(std::string&)>;

/// The end of the model's own names while new ones are derived from them, which end otherwise.
constexpr char kOwn = '\x1f';

/// The names of transposed constants of a dynamic plan, by what they will be called in the marked
/// model: there "<constant>_Transposed" is always free.
std::unordered_map<std::string, std::string> marked_transposed(const QuantizationPlan& plan,
                                                               const Model& model,
                                                               const Rename& mark) {
  std::unordered_map<std::string, std::string> names;
  if (plan.config.mode != QuantizationMode::kDynamic) return names;
  for (const auto& [constant, transposed] : split_for(plan, model).transposed) {
    std::string own = constant;
    mark(own);
    names.emplace(transposed, transposed_name(own));
  }
  return names;
}

QuantizationPlan marked(QuantizationPlan plan, const Rename& mark) {
  const auto mark_if_any = [&](std::string& name) {
    if (!name.empty()) mark(name);
  };
  for (TensorPlan& tensor : plan.tensors) {
    mark_if_any(tensor.tensor);
    mark_if_any(tensor.shares);
    if (tensor.clamp) mark_if_any(tensor.clamp->of);
  }
  for (BiasPlan& bias : plan.biases) {
    mark_if_any(bias.bias);
    mark_if_any(bias.copy);
  }
  for (CorrectedConstant& constant : plan.corrected) mark_if_any(constant.name);
  return plan;
}

void number_equal_node_names(Graph& graph) {
  NameScope names(graph);
  std::unordered_set<std::string> seen;
  for_each_graph(graph, [&](Graph& inner) {
    for (Node& node : inner.nodes) {
      if (!node.name.empty() && !seen.insert(node.name).second) node.name = names.fresh(node.name);
    }
  });
}

}  // namespace

bool may_clash(const Graph& graph) {
  std::unordered_set<std::string_view> names;
  for_each_graph(graph, [&](const Graph& inner) {
    for (const ValueInfo& input : inner.inputs) names.insert(input.name);
    for (const Initializer& initializer : inner.initializers) names.insert(initializer.name);
    for (const Node& node : inner.nodes) {
      names.insert(node.name);
      names.insert(node.outputs.begin(), node.outputs.end());
    }
  });
  for (const std::string_view name : names) {
    for (const std::string_view continuation : kContinuations) {
      const std::size_t at = name.rfind(continuation);
      if (at != std::string_view::npos && at > 0 && names.contains(name.substr(0, at))) return true;
    }
  }
  return false;
}

Model apply_without_clashes(const QuantizationPlan& plan, const Model& model, Apply apply) {
  const Rename mark = [](std::string& name) { name += kOwn; };
  Model own = model;
  for_each_value_name(own.graph, mark);
  const auto transposed = marked_transposed(plan, model, mark);
  const Rename mark_planned = [&](std::string& name) {
    const auto found = transposed.find(name);
    if (found == transposed.end()) return mark(name);
    name = found->second;
  };
  Model quantized = apply(marked(plan, mark_planned), own);

  std::unordered_set<std::string> taken;
  for_each_value_name(own.graph, [&](std::string& name) { taken.insert(name); });
  std::unordered_map<std::string, std::string> final_names;
  NameScope names(model.graph);
  for_each_value_name(quantized.graph, [&](std::string& name) {
    const auto [found, is_new] = final_names.try_emplace(name);
    if (is_new) {
      std::string plain = name;
      std::erase(plain, kOwn);
      found->second = taken.contains(name) ? std::move(plain) : names.fresh(plain);
    }
    name = found->second;
  });
  for (Node& node : quantized.graph.nodes) std::erase(node.name, kOwn);
  number_equal_node_names(quantized.graph);
  return quantized;
}

}  // namespace planish::quantize_detail
