// What is written into a view is written into what it is a view of. One function per family of
// operators that share storage with their argument.
#pragma once

#include <cstddef>
#include <string>

#include "torch/call.h"

namespace planish::torch::ops {

// Each takes the call that made the view, what its result number `result` shall hold from now on,
// and gives the name of what its argument then holds. @throws Error(kUnsupported).
std::string write_same(Call& call, const Value& written, std::size_t result);      // alias, to …
std::string write_reshaped(Call& call, const Value& written, std::size_t result);  // view …
std::string write_transposed(Call& call, const Value& written, std::size_t result);  // permute …
std::string write_selected(Call& call, const Value& written, std::size_t result);    // select
std::string write_sliced(Call& call, const Value& written, std::size_t result);   // slice, narrow
std::string write_part(Call& call, const Value& written, std::size_t result);     // split …
std::string write_nowhere(Call& call, const Value& written, std::size_t result);  // expand …

}  // namespace planish::torch::ops
