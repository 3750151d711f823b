#include "torch/ops_views.h"

#include <numeric>
#include <utility>

#include "torch/ops_common.h"
#include "torch/ops_scatter.h"

namespace planish::torch::ops {
namespace {

/// The axes of the argument, in the order of the view's.
std::vector<std::int64_t> permutation_of(const Call& call, std::int64_t rank) {
  std::vector<std::int64_t> perm(static_cast<std::size_t>(rank));
  std::iota(perm.begin(), perm.end(), std::int64_t{0});
  if (call.given("dims")) {
    perm = call.integers("dims");
    for (std::int64_t& axis : perm) axis += axis < 0 ? rank : 0;
  } else if (call.given("dim0") && rank > 0) {
    std::swap(perm.at(static_cast<std::size_t>(call.axis("dim0", rank))),
              perm.at(static_cast<std::size_t>(call.axis("dim1", rank))));
  } else if (call.node().target.find("mT") != std::string::npos) {
    std::swap(perm.at(perm.size() - 1), perm.at(perm.size() - 2));
  } else {
    std::ranges::reverse(perm);
  }
  return perm;
}

Value with_axis(Call& call, const Value& value, std::int64_t axis) {
  Value rows{unsqueeze(call, value.name, {axis}), value.dtype, value.shape};
  rows.shape.insert(rows.shape.begin() + axis, SymExpr(1));
  return rows;
}

}  // namespace

std::string write_same(Call& /*call*/, const Value& written, std::size_t /*result*/) {
  return written.name;
}

std::string write_reshaped(Call& call, const Value& written, std::size_t /*result*/) {
  return reshape(call, written, call.tensor("self").shape);
}

std::string write_transposed(Call& call, const Value& written, std::size_t /*result*/) {
  const std::vector<std::int64_t> perm = permutation_of(call, written.rank());
  std::vector<std::int64_t> back(perm.size());
  for (std::size_t i = 0; i < perm.size(); ++i)
    back.at(static_cast<std::size_t>(perm[i])) = static_cast<std::int64_t>(i);
  return transpose(call, written.name, back);
}

std::string write_selected(Call& call, const Value& written, std::size_t /*result*/) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank());
  const SymExpr& size = self.shape.at(static_cast<std::size_t>(axis));
  return with_rows(call, self, with_axis(call, written, axis), axis,
                   first_row(call.size("index"), size), 1);
}

std::string write_sliced(Call& call, const Value& written, std::size_t /*result*/) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank(), 0);
  const SymExpr& size = self.shape.at(static_cast<std::size_t>(axis));
  return with_rows(call, self, written, axis, first_row(call.size("start", SymExpr(0)), size),
                   call.integer("step", 1));
}

std::string write_part(Call& call, const Value& written, std::size_t result) {
  const Value self = call.tensor("self");
  const std::int64_t axis = call.axis("dim", self.rank(), 0);
  if (written.rank() < self.rank()) {  // unbind
    const auto index = static_cast<std::int64_t>(result);
    return with_rows(call, self, with_axis(call, written, axis), axis, index, 1);
  }
  SymExpr start = 0;
  for (std::size_t i = 0; i < result; ++i)
    start = start + call.result(i).shape.at(static_cast<std::size_t>(axis));
  return with_rows(call, self, written, axis, start, 1);
}

std::string write_nowhere(Call& call, const Value& /*written*/, std::size_t /*result*/) {
  call.unsupported("what it gives is changed in place later; write to a clone() of it");
}

}  // namespace planish::torch::ops
