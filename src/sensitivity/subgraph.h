// Parts of a model that run on their own: from a layer on, with what comes before as inputs.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"
#include "planish/runtime/value_types.h"

namespace planish::sensitivity_detail {

/// What lies between a layer and an output: all that a change of the layer can change.
struct Suffix {
  std::vector<std::size_t> nodes = {};  // in model order; empty when the output is not reached
  std::vector<std::string> cuts = {};   // values that they read and others make; sorted
};
Suffix suffix_of(const Graph& graph, const GraphIndex& index, std::span<const std::size_t> layer,
                 std::string_view output);

/// `model` with `cuts` as inputs, of the types that they have in `types`, and `outputs` as its only
/// outputs. Inputs of the model that are still read stay.
Model cut_at(const Model& model, std::span<const std::string> cuts, const ValueTypes& types,
             std::span<const std::string> outputs);

/// `model` with other outputs.
Model with_outputs(const Model& model, std::span<const std::string> outputs);

/// Where the values of a float model are in a quantized model that was made from it.
class QuantizedValues {
 public:
  /// Changes `quantized`: values that exist as integers only get a DequantizeLinear of their own,
  /// so that showing one does not keep the runtime from fusing the other.
  explicit QuantizedValues(Model& quantized);

  /// The value as readers see it: dequantized when `made_in_integers`, else as its maker left it.
  /// Nothing when the quantized model does not have it (a clamp that became one of integers).
  std::optional<std::string> view(const std::string& value, bool made_in_integers);
  /// Whether a value of that name can be fed from outside, in front of any QuantizeLinear.
  [[nodiscard]] bool has(const std::string& value) const { return made_.contains(value); }

 private:
  Model& model_;
  NameScope names_;
  std::unordered_map<std::string, std::size_t> made_;       // by value: its node, or kInput
  std::unordered_map<std::string, std::size_t> quantizer_;  // by value: the node that quantizes it
};

}  // namespace planish::sensitivity_detail
