#include "torch/ops_indexing.h"

#include "planish/base/error.h"
#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

struct Index {
  std::int64_t axis = 0;
  Value positions;
};

std::vector<Index> indices_of(const Call& call, const Value& self) {
  std::vector<Index> indices;
  std::int64_t axis = 0;
  for (auto& positions : call.optional_tensors("indices")) {
    if (positions) {
      if (positions->dtype == DType::kBool || positions->dtype == DType::kUInt8)
        call.unsupported("it chooses by a mask, so the result's size depends on the data");
      indices.push_back({axis, std::move(*positions)});
    }
    ++axis;
  }
  if (indices.empty() || axis > self.rank())
    throw Error(ErrorCode::kCorrupt, "no positions, or more than the tensor has axes");
  return indices;
}

/// The common shape of tensors of positions; axes of size 1 are spread.
SymShape broadcast(const std::vector<Index>& indices) {
  SymShape shape;
  for (const Index& index : indices) {
    const SymShape& other = index.positions.shape;
    if (other.size() > shape.size()) shape.insert(shape.begin(), other.size() - shape.size(), 1);
    for (std::size_t i = 0; i < other.size(); ++i) {
      SymExpr& size = shape[shape.size() - other.size() + i];
      if (size.integer() == 1) size = other[i];
    }
  }
  return shape;
}

/// int64 [positions…, N]: the N positions of each element to take.
std::string tuples_of(Call& call, const std::vector<Index>& indices, const SymShape& shape) {
  std::vector<std::string> columns;
  for (const Index& index : indices) {
    const Value& positions = index.positions;
    std::string column = call.cast(positions.name, positions.dtype, DType::kInt64);
    if (positions.shape != shape)
      column = call.emit("Expand", {column, call.symbols().vector_of(shape)});
    columns.push_back(unsqueeze(call, column, {static_cast<std::int64_t>(shape.size())}));
  }
  return call.emit("Concat", columns, {{"axis", static_cast<std::int64_t>(shape.size())}});
}

void index_several(Call& call, const Value& self, const std::vector<Index>& indices) {
  // The chosen axes to the front, where GatherND wants them.
  std::vector<std::int64_t> perm;
  for (const Index& index : indices) perm.push_back(index.axis);
  const auto chosen = static_cast<std::int64_t>(perm.size());
  for (std::int64_t axis = 0; axis < self.rank(); ++axis) {
    if (std::ranges::find(indices, axis, &Index::axis) == indices.end()) perm.push_back(axis);
  }
  const SymShape shape = broadcast(indices);
  const std::string gathered =
      call.emit("GatherND", {transpose(call, self.name, perm), tuples_of(call, indices, shape)});
  // The positions' axes stand where the chosen axes were, or in front when those were apart.
  const bool adjacent = indices.back().axis - indices.front().axis == chosen - 1;
  const std::int64_t front = adjacent ? indices.front().axis : 0;
  const auto block = static_cast<std::int64_t>(shape.size());
  std::vector<std::int64_t> back;
  for (std::int64_t axis = 0; axis < front; ++axis) back.push_back(block + axis);
  for (std::int64_t axis = 0; axis < block; ++axis) back.push_back(axis);
  for (std::int64_t axis = front; axis < self.rank() - chosen; ++axis) back.push_back(block + axis);
  call.give(transpose(call, gathered, back));
}

}  // namespace

void embedding(Call& call) {
  call.give(call.emit("Gather", {call.tensor("weight").name, call.tensor("indices").name}));
}

void index_select(Call& call) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  call.give(call.emit("Gather", {self.name, call.tensor("index").name}, {{"axis", axis}}));
}

void index(Call& call) {
  const Value self = call.tensor("self");
  const std::vector<Index> indices = indices_of(call, self);
  if (indices.size() > 1) return index_several(call, self, indices);
  const Index& only = indices.front();
  const DType dtype = only.positions.dtype;
  const bool fits = dtype == DType::kInt32 || dtype == DType::kInt64;
  const std::string positions = call.cast(only.positions.name, dtype, fits ? dtype : DType::kInt64);
  call.give(call.emit("Gather", {self.name, positions}, {{"axis", only.axis}}));
}

}  // namespace planish::torch::ops
