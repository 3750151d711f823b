#include "torch/graph_scope.h"

#include <utility>

#include "planish/base/error.h"
#include "torch/half.h"

namespace planish::torch {

Value GraphScope::tensor(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end())
    throw Error(ErrorCode::kCorrupt, "tensor '" + name + "' is used before it is made");
  const auto spoiled = spoiled_.find(name);
  if (spoiled != spoiled_.end()) throw Error(ErrorCode::kUnsupported, spoiled->second);
  if (found->second.name.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "it uses '" + name + "', a result of another operator that is not imported");
  }
  return found->second;
}

Value GraphScope::declared(const std::string& name) const {
  const auto found = graph_.tensor_values.find(name);
  if (found == graph_.tensor_values.end())
    throw Error(ErrorCode::kCorrupt, "no type is declared for tensor '" + name + "'");
  return {name, lowered(found->second.dtype), found->second.sizes};
}

SymExpr GraphScope::size(const std::string& name) const {
  const auto found = graph_.sym_values.find(name);
  if (found == graph_.sym_values.end())
    throw Error(ErrorCode::kCorrupt, "no value is declared for size '" + name + "'");
  return found->second;
}

DType GraphScope::lowered(DType dtype) const { return lowered_type(dtype, half_); }

void GraphScope::set(const std::string& name, Value value) {
  values_.insert_or_assign(name, std::move(value));
  spoiled_.erase(name);
}

void GraphScope::spoil(const std::string& name, std::string why) {
  spoiled_.insert_or_assign(name, std::move(why));
}

}  // namespace planish::torch
