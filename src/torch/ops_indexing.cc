#include "torch/ops_indexing.h"

#include "planish/base/error.h"
#include "torch/ops_common.h"

namespace planish::torch::ops {
namespace {

struct Index {
  std::int64_t axis = 0;
  Value positions;
};

/// A mask stands for as many axes as it has.
bool is_mask(const Value& positions) {
  return positions.dtype == DType::kBool || positions.dtype == DType::kUInt8;
}

std::vector<Index> indices_of(const Call& call, const Value& self) {
  std::vector<Index> indices;
  std::int64_t axis = 0;
  for (auto& positions : call.optional_tensors("indices")) {
    const bool mask = positions && is_mask(*positions);
    axis += mask ? positions->rank() - 1 : 0;
    if (positions) indices.push_back({axis, std::move(*positions)});
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

/// The chosen axes to the front, where GatherND and ScatterND want them.
std::vector<std::int64_t> chosen_to_front(const Value& self, const std::vector<Index>& indices) {
  std::vector<std::int64_t> perm;
  for (const Index& index : indices) perm.push_back(index.axis);
  for (std::int64_t axis = 0; axis < self.rank(); ++axis) {
    if (std::ranges::find(indices, axis, &Index::axis) == indices.end()) perm.push_back(axis);
  }
  return perm;
}

/// From [positions…, other axes…] to where the positions' axes stand in torch: where the chosen
/// axes were, or in front when those were apart.
std::vector<std::int64_t> block_to_place(const Value& self, const std::vector<Index>& indices,
                                         std::int64_t block) {
  const auto chosen = static_cast<std::int64_t>(indices.size());
  const bool adjacent = indices.back().axis - indices.front().axis == chosen - 1;
  const std::int64_t front = adjacent ? indices.front().axis : 0;
  std::vector<std::int64_t> perm;
  for (std::int64_t axis = 0; axis < front; ++axis) perm.push_back(block + axis);
  for (std::int64_t axis = 0; axis < block; ++axis) perm.push_back(axis);
  for (std::int64_t axis = front; axis < self.rank() - chosen; ++axis) perm.push_back(block + axis);
  return perm;
}

std::vector<std::int64_t> inverse(const std::vector<std::int64_t>& perm) {
  std::vector<std::int64_t> back(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i)
    back.at(static_cast<std::size_t>(perm[i])) = static_cast<std::int64_t>(i);
  return back;
}

/// int64 [N, rank]: where the mask is true.
std::string true_positions(Call& call, const Value& mask) {
  const std::string flags = call.cast(mask.name, mask.dtype, DType::kBool);
  return call.emit("Transpose", {call.emit("NonZero", {flags})},
                   {{"perm", std::vector<std::int64_t>{1, 0}}});
}

/// x[mask] = value: a choice for each element.
void put_by_mask(Call& call, const Value& self, const Index& only) {
  const Value values = call.tensor("values");
  const bool one =
      std::ranges::all_of(values.shape, [](const SymExpr& n) { return n.integer() == 1; });
  if (only.axis != only.positions.rank() - 1) call.unsupported("a mask behind other axes");
  if (call.flag("accumulate", false)) call.unsupported("it adds where a mask is true");
  if (!one) {
    const std::string result =
        call.emit("ScatterND", {self.name, true_positions(call, only.positions),
                                call.cast(values.name, values.dtype, self.dtype)});
    return call.give(result);
  }
  std::string mask = call.cast(only.positions.name, only.positions.dtype, DType::kBool);
  std::vector<std::int64_t> behind;
  for (std::int64_t axis = only.positions.rank(); axis < self.rank(); ++axis)
    behind.push_back(axis);
  if (!behind.empty()) mask = unsqueeze(call, mask, behind);
  const std::string value = reshape(call, values, {});
  const DType dtype = self.dtype == DType::kBool ? DType::kUInt8 : self.dtype;
  call.give(call.emit("Where", {mask, call.cast(value, values.dtype, dtype),
                                call.cast(self.name, self.dtype, dtype)}),
            dtype);
}

void index_several(Call& call, const Value& self, const std::vector<Index>& indices) {
  const SymShape shape = broadcast(indices);
  const std::string chosen = transpose(call, self.name, chosen_to_front(self, indices));
  const std::string gathered = call.emit("GatherND", {chosen, tuples_of(call, indices, shape)});
  const auto block = static_cast<std::int64_t>(shape.size());
  call.give(transpose(call, gathered, block_to_place(self, indices, block)));
}

bool any_mask(const std::vector<Index>& indices) {
  return std::ranges::any_of(indices, [](const Index& index) { return is_mask(index.positions); });
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
  if (any_mask(indices)) {
    const Index& mask = indices.front();
    if (indices.size() > 1 || mask.axis != mask.positions.rank() - 1)
      call.unsupported("it chooses by a mask together with other positions");
    return call.give(call.emit("GatherND", {self.name, true_positions(call, mask.positions)}));
  }
  if (indices.size() > 1) return index_several(call, self, indices);
  const Index& only = indices.front();
  const DType dtype = only.positions.dtype;
  const bool fits = dtype == DType::kInt32 || dtype == DType::kInt64;
  const std::string positions = call.cast(only.positions.name, dtype, fits ? dtype : DType::kInt64);
  call.give(call.emit("Gather", {self.name, positions}, {{"axis", only.axis}}));
}

void index_put(Call& call) {
  const Value self = call.tensor("self");
  const std::vector<Index> indices = indices_of(call, self);
  if (any_mask(indices)) {
    if (indices.size() > 1) call.unsupported("it writes by a mask together with other positions");
    return put_by_mask(call, self, indices.front());
  }
  const SymShape shape = broadcast(indices);
  const auto block = static_cast<std::int64_t>(shape.size());
  const std::vector<std::int64_t> to_front = chosen_to_front(self, indices);
  const std::vector<std::int64_t> to_place = block_to_place(self, indices, block);
  // What x[i, :, j] would give has this shape; the values are spread to it.
  SymShape found = shape;
  for (std::size_t i = indices.size(); i < to_front.size(); ++i)
    found.push_back(self.shape.at(static_cast<std::size_t>(to_front[i])));
  SymShape place;
  for (const std::int64_t axis : to_place)
    place.push_back(found.at(static_cast<std::size_t>(axis)));
  const Value values = call.tensor("values");
  std::string updates = call.cast(values.name, values.dtype, self.dtype);
  if (values.shape != place)
    updates = call.emit("Expand", {updates, call.symbols().vector_of(place)});
  const std::string reduction = call.flag("accumulate", false) ? "add" : "none";
  const std::string written =
      call.emit("ScatterND",
                {transpose(call, self.name, to_front), tuples_of(call, indices, shape),
                 transpose(call, updates, inverse(to_place))},
                {{"reduction", reduction}});
  call.give(transpose(call, written, inverse(to_front)));
}

/// [N, rank], in the order of rows.
void nonzero(Call& call) {
  const Value self = call.tensor("self");
  if (self.rank() == 0) call.unsupported("of a scalar");
  const std::string positions = call.emit("NonZero", {self.name});
  call.give(transpose(call, positions, {1, 0}));
}

}  // namespace planish::torch::ops
