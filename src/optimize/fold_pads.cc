// An explicit Pad with zeros becomes the padding of the Conv or AveragePool after it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

// Padding beyond this is not a padding but a mistake, and sums of it might overflow.
constexpr std::int64_t kMaxPad = std::int64_t{1} << 20;

bool is_zero_pad(const Node& pad, const GraphIndex& index) {
  if (!pad.is("Pad") || pad.string_attribute("mode", "constant") != "constant") return false;
  if (pad.input(2).empty()) return pad.float_attribute("value", 0.0F) == 0;
  const Initializer* value = index.constant(pad.input(2));
  if (value == nullptr || value->value.element_count() != 1 ||
      !row_of(value->value.dtype()).is_float || row_of(value->value.dtype()).bits < 16) {
    return false;
  }
  return value->value.to_floats()[0] == 0;
}

/// Pads of every axis, [begin of each, end of each]: `given` covers `axes` only, when there are
/// any.
std::optional<std::vector<std::int64_t>> spread(const std::vector<std::int64_t>& given,
                                                const std::vector<std::int64_t>& axes,
                                                std::size_t rank) {
  if (given.size() != 2 * axes.size()) return std::nullopt;
  std::vector<std::int64_t> pads(2 * rank, 0);
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const auto axis = rewrite::normalized_axis(axes[k], rank);
    if (!axis) return std::nullopt;
    pads[*axis] = given[k];
    pads[rank + *axis] = given[axes.size() + k];
  }
  return pads;
}

/// Pads of the spatial axes, [begin…, end…], when `pad` pads nothing else and cuts nothing off.
std::optional<std::vector<std::int64_t>> spatial_pads(const Node& pad, const GraphIndex& index,
                                                      std::int64_t opset, std::size_t rank) {
  auto pads = opset < 11 ? std::optional(pad.ints_attribute("pads"))
                         : rewrite::constant_ints(index, pad.input(1));
  if (pads && !pad.input(3).empty()) {  // axes, since opset 18
    const auto axes = rewrite::constant_ints(index, pad.input(3));
    pads = axes ? spread(*pads, *axes, rank) : std::nullopt;
  }
  if (!pads || pads->size() != 2 * rank) return std::nullopt;
  std::vector<std::int64_t> spatial;
  for (std::size_t k = 0; k < pads->size(); ++k) {
    const std::int64_t amount = (*pads)[k];
    const bool is_spatial = k % rank >= 2;
    if (amount < 0 || amount > kMaxPad || (!is_spatial && amount != 0)) return std::nullopt;
    if (is_spatial) spatial.push_back(amount);
  }
  return spatial;
}

/// The rank of the data that `node` reads, when it is a Conv or a pool that padding fits.
///
/// A MaxPool pads with minus infinity. An AveragePool counts the zeros that it is given as
/// elements: its own padding does so only with count_include_pad.
std::optional<std::size_t> rank_of_padded(const Node& node, const GraphIndex& index) {
  const std::string auto_pad = node.string_attribute("auto_pad", "NOTSET");
  if (auto_pad != "NOTSET" && auto_pad != "VALID") return std::nullopt;
  if (node.is("Conv")) {
    const auto weight = rewrite::shape_of(index, node.input(1));
    return weight && weight->size() > 2 ? std::optional(weight->size()) : std::nullopt;
  }
  if (!node.is("AveragePool") || node.int_attribute("ceil_mode", 0) != 0) return std::nullopt;
  const auto own = node.ints_attribute("pads");
  const bool pads_itself = std::ranges::any_of(own, [](std::int64_t pad) { return pad != 0; });
  if (pads_itself && node.int_attribute("count_include_pad", 0) == 0) return std::nullopt;
  return node.ints_attribute("kernel_shape").size() + 2;
}

/// Whether every window of a pool holds at least one element of the data: ONNX Runtime refuses
/// padding as large as the kernel.
bool pool_takes(const Node& node, const std::vector<std::int64_t>& pads) {
  if (node.is("Conv")) return true;
  const auto kernel = node.ints_attribute("kernel_shape");
  for (std::size_t k = 0; k < pads.size(); ++k) {
    if (pads[k] >= kernel[k % kernel.size()]) return false;
  }
  return true;
}

bool fold_into(Node& node, const Graph& graph, const GraphIndex& index, std::int64_t opset) {
  const auto producer = index.producer(node.input(0));
  if (!producer || !is_zero_pad(graph.nodes[*producer], index)) return false;
  const auto rank = rank_of_padded(node, index);
  if (!rank || *rank < 3) return false;
  const Node& pad = graph.nodes[*producer];
  auto pads = spatial_pads(pad, index, opset, *rank);
  if (!pads) return false;
  const auto own = node.ints_attribute("pads", std::vector<std::int64_t>(pads->size(), 0));
  const bool in_bounds = own.size() == pads->size() && std::ranges::all_of(own, [](auto amount) {
                           return amount >= 0 && amount <= kMaxPad;
                         });
  if (!in_bounds) return false;
  for (std::size_t k = 0; k < own.size(); ++k) (*pads)[k] += own[k];
  if (!pool_takes(node, *pads)) return false;
  node.remove_attribute("auto_pad");
  node.set_attribute("pads", std::move(*pads));
  if (node.is("AveragePool")) node.set_attribute("count_include_pad", std::int64_t{1});
  node.inputs[0] = pad.input(0);
  return true;
}

}  // namespace

PassReport fold_pads(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "pads"};
  for (bool changed = true; changed;) {  // again, for a Pad of a Pad
    changed = false;
    const Graph before = model.graph;  // copies share the weights
    const GraphIndex index(before);
    for (Node& node : model.graph.nodes) {
      if (!fold_into(node, before, index, model.opset())) continue;
      rewrite::record(report, "Pad into " + rewrite::label(node));
      changed = true;
    }
  }
  return report;
}

}  // namespace planish
