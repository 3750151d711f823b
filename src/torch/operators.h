// The table of operators that can be imported. See HACKING.md for how one is added.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "torch/call.h"

namespace planish::torch {

/// Lowers one call. @throws Error(kUnsupported) saying which use of the operator cannot be lowered.
using Builder = void (*)(Call&);

/// Whether a result may be a view of an argument's storage: then an in-place operator on one of
/// them changes the other.
enum class Aliasing { kFresh, kView };

struct OperatorRow {
  std::string_view overload = {};    // "aten.conv2d.default"
  std::string_view lowered_to = {};  // for people: "Conv"
  Builder build = nullptr;
  Aliasing aliasing = Aliasing::kFresh;
};

/// In alphabetical order of overloads.
std::span<const OperatorRow> operator_rows();

/// The row of a node's target ("torch.ops.aten.relu_.default"); null when there is none. In-place
/// operators without a row of their own have that of their functional form.
const OperatorRow* find_operator(std::string_view target);

/// "aten.relu_.default" of "torch.ops.aten.relu_.default"; other targets as they are.
std::string_view overload_of(std::string_view target);
/// Whether the target changes its first argument: "torch.ops.aten.relu_.default".
bool is_in_place(std::string_view target);

}  // namespace planish::torch
