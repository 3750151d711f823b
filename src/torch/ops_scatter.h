// Elements written at positions.
#pragma once

#include "torch/call.h"

namespace planish::torch::ops {

void gather(Call& call);
void scatter(Call& call);  // scatter.src, scatter.value and their reductions
void scatter_add(Call& call);
void scatter_reduce(Call& call);
void select_scatter(Call& call);
void slice_scatter(Call& call);
void index_add(Call& call);
void index_copy(Call& call);
void index_fill(Call& call);

/// `base` with the rows `start`, `start + step` … along `axis` replaced by those of `rows`, which
/// has the same axes.
std::string with_rows(Call& call, const Value& base, const Value& rows, std::int64_t axis,
                      const SymExpr& start, std::int64_t step);

/// The first row of a slice that begins at `start`, which may count from the end.
SymExpr first_row(const SymExpr& start, const SymExpr& size);

}  // namespace planish::torch::ops
