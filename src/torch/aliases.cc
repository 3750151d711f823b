#include "torch/aliases.h"

#include <algorithm>
#include <utility>

#include "torch/operators.h"

namespace planish::torch {
namespace {

const TensorMeta* meta_of(const FxGraph& graph, const std::string& name) {
  const auto found = graph.tensor_values.find(name);
  return found == graph.tensor_values.end() ? nullptr : &found->second;
}

/// Rows one behind the other, without gaps. Axes of size 1 may have any stride. Nothing when
/// expressions differ that may be equal.
std::optional<bool> is_contiguous(const TensorMeta& meta) {
  SymExpr expected = 1;
  for (std::size_t i = meta.sizes.size(); i-- > 0;) {
    if (meta.sizes[i].integer() == 1) continue;
    const SymExpr& stride = meta.strides.at(i);
    if (!(stride == expected)) {
      if (stride.integer() && expected.integer()) return false;
      return std::nullopt;
    }
    expected = expected * meta.sizes[i];
  }
  return true;
}

bool asks_for_copy(const FxNode& node) {
  return std::ranges::any_of(node.inputs, [](const NamedArgument& input) {
    const auto* const flag = std::get_if<bool>(&input.value);
    return input.name == "copy" && flag != nullptr && *flag;
  });
}

}  // namespace

Sharing sharing_of(const FxNode& node, const std::string& argument, const std::string& result,
                   const FxGraph& graph) {
  const TensorMeta* const from = meta_of(graph, argument);
  const TensorMeta* const to = meta_of(graph, result);
  if (from == nullptr || to == nullptr) return Sharing::kUnknown;
  if (from->dtype != to->dtype || asks_for_copy(node)) return Sharing::kCopied;
  const std::string_view name = overload_of(node.target);
  const auto is = [&](std::string_view operation) { return name.starts_with(operation); };
  const bool reshapes = is("aten.reshape") || is("aten.flatten.");
  if (!reshapes && !is("aten.contiguous.")) return Sharing::kShared;
  const auto contiguous = is_contiguous(*from);
  if (contiguous == true) return Sharing::kShared;
  return reshapes || !contiguous ? Sharing::kUnknown : Sharing::kCopied;
}

void Aliases::add(const std::string& view, Link link) {
  views_[link.of].push_back(view);
  links_.insert_or_assign(view, std::move(link));
}

const Aliases::Link* Aliases::link_of(const std::string& name) const {
  const auto found = links_.find(name);
  return found == links_.end() ? nullptr : &found->second;
}

std::vector<std::string> Aliases::views_of(const std::string& name) const {
  std::vector<std::string> found{name};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto views = views_.find(found[i]);
    if (views != views_.end())
      found.insert(found.end(), views->second.begin(), views->second.end());
  }
  found.erase(found.begin());
  return found;
}

}  // namespace planish::torch
