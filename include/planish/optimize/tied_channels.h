// Where a factor per channel can be moved from the layers that make a value into those that read
// it: the graph side of cross-layer equalization and SmoothQuant.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "planish/graph/model.h"

namespace planish {

/// Values whose channels are tied together: between them are only operators that let a positive
/// factor per channel through, f(s x) = s f(x), as Relu, pooling and the Add of a residual do.
///
/// Dividing the weights' rows and biases of all `producers` by s, and multiplying the weights'
/// columns of all `consumers` by s, divides every value of the set by s and changes nothing else.
/// With a Clip inside, this holds for values that neither reach its bounds before nor after.
struct TiedChannels {
  struct Value {
    std::string name = {};
    std::size_t axis = 0;       // of the channels
    bool only_clamped = false;  // nothing but one Relu or Clip reads it
  };
  struct Clamp {
    std::size_t node = 0;  // a Clip, input 0 of which is a value of the set
    float low = 0.0F;      // <= 0; -infinity when there is none
    float high = 0.0F;     // >= 0; infinity when there is none
  };

  std::size_t channels = 0;
  std::vector<Value> values = {};           // in graph order
  std::vector<std::size_t> producers = {};  // nodes: Conv, Gemm, MatMul, LayerNormalization
  std::vector<std::size_t> consumers = {};  // nodes: Conv, Gemm, MatMul, by their input 0
  std::vector<std::size_t> addends = {};    // Add or Sub with a constant per channel
  std::vector<Clamp> clamps = {};
};

/// All sets of `graph` that have a producer and a consumer, in graph order. Types are read from
/// graph.values (as `prepare` writes them); a value of unknown rank is in no set.
std::vector<TiedChannels> find_tied_channels(const Graph& graph, std::int64_t opset);

/// Divides the values of `set` by `factors`, one per channel, in float64 and rounded once.
///
/// Nodes keep their places and names, so that other sets stay valid; a constant that nodes outside
/// of the set read as well is copied for those inside.
/// @throws Error(kInvalidArgument) when `factors` are not set.channels finite numbers above 0, or a
///   weight does not fit in float32 afterwards.
void scale_channels(Graph& graph, const TiedChannels& set, std::span<const double> factors);

}  // namespace planish
