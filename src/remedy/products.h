// The one matrix product that the remedies need.
#pragma once

#include <cstddef>
#include <span>

namespace planish::remedy {

/// Which columns of each row of C are computed.
enum class Part {
  kAll,
  kUpper,  // those on and behind the diagonal, and some before: of a symmetric C
};

/// C[m, n] += transpose(A[k, m]) B[k, n], row-major float32. Sums run over k in order, so the
/// result does not depend on who computes what.
void add_transposed_product(std::span<const float> a, std::span<const float> b, std::size_t k,
                            std::size_t m, std::size_t n, std::span<float> c,
                            Part part = Part::kAll);

/// Copies the upper triangle of C[n, n] to the lower one.
void mirror_upper(std::span<float> c, std::size_t n);

}  // namespace planish::remedy
