// In-place operators as values: what is written into a tensor is seen by everything that shares its
// storage.
#pragma once

#include <string>
#include <vector>

#include "torch/graph_scope.h"
#include "torch/module_paths.h"
#include "torch/operators.h"

namespace planish::torch {

class InPlace {
 public:
  /// All must outlive this.
  InPlace(GraphScope& scope, GraphWriter& writer, Symbols& symbols, const ModulePaths& paths)
      : scope_(scope), writer_(writer), symbols_(symbols), paths_(paths) {}

  /// To be called once the results of `node`, tensors of these names, are in the scope. Remembers
  /// which of them are views; after an in-place operator, gives what shares its argument's storage
  /// new values.
  /// @throws Error(kUnsupported) when that cannot be written.
  void after_call(const FxNode& node, const OperatorRow& row,
                  const std::vector<std::string>& results);

 private:
  void write_through(const std::string& written);
  void write_back(const Aliases::Link& link, const std::string& view);
  void view_again(const Aliases::Link& link, const std::string& view);

  GraphScope& scope_;
  GraphWriter& writer_;
  Symbols& symbols_;
  const ModulePaths& paths_;
};

}  // namespace planish::torch
