// Conv, ConvTranspose, Gemm and MatMul as what they have in common: y = W x + b per output channel.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"

namespace planish::rewrite {

/// Where output channels lie in a weight of dims [outer, channels_per_group, inner]: element
/// (o, j, i) belongs to channel (o / outer_per_group) * channels_per_group + j.
struct WeightLayout {
  std::size_t outer_per_group = 1;
  std::size_t channels_per_group = 1;
  std::size_t inner = 1;

  [[nodiscard]] std::size_t channel_of(std::size_t element) const {
    const std::size_t row = element / inner;
    const std::size_t outer = row / channels_per_group;
    return outer / outer_per_group * channels_per_group + row % channels_per_group;
  }
};

/// A linear operator with constant float32 weights, and the constant bias that it has.
struct Linear {
  std::size_t node = 0;
  std::size_t channels = 0;
  std::size_t rank = 0;     // of its output; channels are axis 1
  std::string weight = {};  // the initializer; input 1 of the node
  WeightLayout layout = {};
  std::vector<double> bias = {};        // [channels], with Gemm's beta in it
  std::optional<std::size_t> add = {};  // MatMul's bias is the constant of this Add
};

/// y = scale * x + shift, by channel: [channels] each.
struct ChannelAffine {
  std::vector<double> scale = {};
  std::vector<double> shift = {};
};

/// The linear operator that makes `value`, when nothing else reads `value`.
std::optional<Linear> linear_that_makes(const Graph& graph, const GraphIndex& index,
                                        const std::string& value);

/// The constant `value` by channel, when it broadcasts to axis 1 alone of a tensor of `rank` with
/// `channels` channels.
std::optional<std::vector<double>> constant_by_channel(const GraphIndex& index,
                                                       const std::string& value, std::size_t rank,
                                                       std::size_t channels);

/// A constant in place of initializer `old`: under its name when nobody else reads that, else under
/// a new one. Returns the name. `index` is of `graph`, or of what it was before.
std::string replace_constant(Graph& graph, const GraphIndex& index, NameScope& names,
                             const std::string& old, Tensor value);

/// Puts what node `affine` computes, y = f(linear(x)), into the weights and the bias of `linear`,
/// in float64, rounded once. Afterwards `linear` makes the output of `affine`; only a MatMul
/// without bias needs `affine` to become its Add. Says whether `affine` is to be erased. Nothing,
/// and nothing is changed, when a number does not fit in float32.
std::optional<bool> absorb(Graph& graph, const GraphIndex& index, NameScope& names,
                           const Linear& linear, std::size_t affine, const ChannelAffine& f);

}  // namespace planish::rewrite
