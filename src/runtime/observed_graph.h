// The graph edits behind observed sessions: where observing operators go.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "planish/graph/model.h"

namespace planish {

/// The observing operator: Observe(value, keep_alive) -> seen, with attribute `index` (int). See
/// observe_op.h.
inline constexpr std::string_view kObserveDomain = "planish.observe";
inline constexpr std::string_view kObserveOp = "Observe";

/// `model` with one Observe node per value; node i has index i.
/// @throws Error(kNotFound) naming a value that the main graph neither takes nor makes.
Model with_observers(const Model& model, std::span<const std::string> values);

/// Moves observers that read a value after ONNX Runtime changed its layout back (ReorderOutput) to
/// the value before, and removes the layout changes that nothing else reads. Says how many moved.
///
/// Only where the two hold the same elements: the blocked layout pads channels to a multiple of the
/// block, which is 8 or 16.
std::size_t observe_blocked_layouts(Graph& graph);

}  // namespace planish
