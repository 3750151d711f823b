#include "torch/module_paths.h"

#include "torch/operators.h"

namespace planish::torch {
namespace {

/// "add" of "torch.ops.aten.add_.Tensor".
std::string base_name(const std::string& target) {
  std::string name(overload_of(target));
  name = name.substr(0, name.rfind('.'));
  name = name.substr(name.rfind('.') + 1);
  while (!name.empty() && name.back() == '_') name.pop_back();
  while (!name.empty() && name.front() == '_') name.erase(0, 1);
  return name;
}

}  // namespace

void ModulePaths::add(const FxGraph& graph) {
  for (const FxNode& node : graph.nodes) ++nodes_[node.module_path];
}

std::string ModulePaths::name_of(const FxNode& node) const {
  const std::string name = base_name(node.target);
  if (node.module_path.empty()) return name;
  const auto found = nodes_.find(node.module_path);
  const bool alone = found != nodes_.end() && found->second == 1;
  return alone ? node.module_path : node.module_path + "." + name;
}

}  // namespace planish::torch
