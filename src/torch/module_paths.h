// What nodes are called: after the PyTorch module that they come from.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "torch/exported_program.h"

namespace planish::torch {

class ModulePaths {
 public:
  explicit ModulePaths(const FxGraph& graph) { add(graph); }
  /// The nodes of a graph inside the first one.
  void add(const FxGraph& graph);

  /// "layer1.0.conv1" for the only operator of that module; "layer1.0.add" where a module has
  /// several of its own. Not unique.
  [[nodiscard]] std::string name_of(const FxNode& node) const;

 private:
  std::unordered_map<std::string, std::size_t> nodes_;  // by module path
};

}  // namespace planish::torch
