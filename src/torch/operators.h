// The table of operators that can be imported. See HACKING.md for how one is added.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "torch/call.h"

namespace planish::torch {

/// Lowers one call. @throws Error(kUnsupported) saying which use of the operator cannot be lowered.
using Builder = void (*)(Call&);

/// What the first argument holds once result number `result`, a view of it, is changed to `written`.
/// @throws Error(kUnsupported).
using WriteBack = std::string (*)(Call&, const Value& written, std::size_t result);

struct OperatorRow {
  std::string_view overload = {};    // "aten.conv2d.default"
  std::string_view lowered_to = {};  // for people: "Conv"
  Builder build = nullptr;
  // Of operators whose results may share storage with the first argument; null for others.
  WriteBack write_back = nullptr;
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
