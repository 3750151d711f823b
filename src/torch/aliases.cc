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

/// Rows one behind the other, without gaps. Axes of size 1 may have any stride. False, too, when
/// expressions differ that may be equal.
bool is_contiguous(const TensorMeta& meta) {
  SymExpr expected = 1;
  for (std::size_t i = meta.sizes.size(); i-- > 0;) {
    if (meta.sizes[i].integer() == 1) continue;
    if (!(meta.strides.at(i) == expected)) return false;
    expected = expected * meta.sizes[i];
  }
  return true;
}

bool are_known(const SymShape& sizes) {
  return std::ranges::all_of(sizes, [](const SymExpr& size) { return size.integer().has_value(); });
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
  if (is("aten.contiguous.") || is("aten.to.")) {
    // A copy in another memory format has other strides.
    if (from->strides == to->strides) return Sharing::kShared;
    return are_known(from->strides) && are_known(to->strides) ? Sharing::kCopied
                                                              : Sharing::kUnknown;
  }
  if (!is("aten.reshape") && !is("aten.flatten.")) return Sharing::kShared;
  return is_contiguous(*from) ? Sharing::kShared : Sharing::kUnknown;
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
