// The values of one graph while it is lowered: the program's, or one inside it.
#pragma once

#include <set>
#include <string>
#include <unordered_map>

#include "planish/torch/import.h"
#include "torch/aliases.h"
#include "torch/call.h"

namespace planish::torch {

class GraphScope : public Scope {
 public:
  /// `graph` must outlive this.
  GraphScope(const FxGraph& graph, HalfPolicy half) : graph_(graph), half_(half) {}

  [[nodiscard]] Value tensor(const std::string& name) const override;
  [[nodiscard]] Value declared(const std::string& name) const override;
  [[nodiscard]] SymExpr size(const std::string& name) const override;
  [[nodiscard]] DType lowered(DType dtype) const override;

  void set(const std::string& name, Value value);
  /// From now on `name` has no value that is known: asking for it throws Error(kUnsupported, why).
  void spoil(const std::string& name, std::string why);
  [[nodiscard]] bool is_spoiled(const std::string& name) const { return spoiled_.contains(name); }
  /// A value of the graph around this one: it must not be changed here.
  void borrow(const std::string& name) { borrowed_.insert(name); }
  [[nodiscard]] bool is_borrowed(const std::string& name) const { return borrowed_.contains(name); }

  [[nodiscard]] Aliases& aliases() { return aliases_; }
  [[nodiscard]] const FxGraph& graph() const { return graph_; }

 private:
  const FxGraph& graph_;
  HalfPolicy half_;
  std::unordered_map<std::string, Value> values_;
  std::unordered_map<std::string, std::string> spoiled_;  // by name: why
  std::set<std::string> borrowed_;
  Aliases aliases_;
};

}  // namespace planish::torch
