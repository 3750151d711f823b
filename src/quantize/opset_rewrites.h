// Nodes in the form that a newer opset wants, meaning what they meant.
#pragma once

#include <cstdint>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"

namespace planish::quantize_detail {

/// Rewrites `node` of `graph`, whose operator has another form since opset `since`, into that form;
/// what becomes an input is added to the graph's initializers under a name of `names`. False, and
/// nothing changed, where that cannot be said in the newer form: a Softmax over several axes, an
/// operator that is not known here.
bool rewrite_for_opset(Node& node, Graph& graph, std::int64_t since, NameScope& names);

}  // namespace planish::quantize_detail
