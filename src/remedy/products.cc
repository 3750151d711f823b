#include "remedy/products.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace planish::remedy {
namespace {

// A tile of C lives in registers: kRows rows of two vectors. 12 of AVX2's 16 registers.
constexpr std::size_t kRows = 6;

template <int Lanes>
constexpr std::size_t kColumns = 2 * Lanes;

/// Column panels of `columns` adjacent columns, row after row; the last is filled up with zeros.
std::vector<float> packed(std::span<const float> matrix, std::size_t rows, std::size_t columns,
                          std::size_t width) {
  const std::size_t panels = (columns + width - 1) / width;
  std::vector<float> result(panels * rows * width, 0.0F);
  for (std::size_t p = 0; p < panels; ++p) {
    const std::size_t count = std::min(width, columns - p * width);
    for (std::size_t r = 0; r < rows; ++r) {
      std::memcpy(&result[(p * rows + r) * width], &matrix[r * columns + p * width],
                  count * sizeof(float));
    }
  }
  return result;
}

template <int Lanes>
[[gnu::always_inline]] inline void multiply_tile(const float* a, const float* b, std::size_t k,
                                                 float* tile) {
  using Floats [[gnu::vector_size(Lanes * sizeof(float))]] = float;
  Floats left[kRows] = {};  // std::array would lose the vector attribute
  Floats right[kRows] = {};
  for (std::size_t p = 0; p < k; ++p) {
    Floats b0;
    Floats b1;
    std::memcpy(&b0, b + p * kColumns<Lanes>, sizeof(b0));
    std::memcpy(&b1, b + p * kColumns<Lanes> + Lanes, sizeof(b1));
    for (std::size_t i = 0; i < kRows; ++i) {
      const float x = a[p * kRows + i];
      left[i] += x * b0;
      right[i] += x * b1;
    }
  }
  for (std::size_t i = 0; i < kRows; ++i) {
    std::memcpy(tile + i * kColumns<Lanes>, &left[i], sizeof(Floats));
    std::memcpy(tile + i * kColumns<Lanes> + Lanes, &right[i], sizeof(Floats));
  }
}

template <int Lanes>
[[gnu::always_inline]] inline void multiply(std::span<const float> a, std::span<const float> b,
                                            std::size_t k, std::size_t m, std::size_t n,
                                            std::span<float> c, Part part) {
  constexpr std::size_t kWidth = kColumns<Lanes>;
  const std::vector<float> a_panels = packed(a, k, m, kRows);
  const std::vector<float> b_panels = packed(b, k, n, kWidth);
  std::array<float, kRows * kWidth> tile;
  for (std::size_t j = 0; j < n; j += kWidth) {
    for (std::size_t i = 0; i < m; i += kRows) {
      if (part == Part::kUpper && i >= j + kWidth) break;
      multiply_tile<Lanes>(&a_panels[i * k], &b_panels[j * k], k, tile.data());
      const std::size_t rows = std::min(kRows, m - i);
      const std::size_t columns = std::min(kWidth, n - j);
      for (std::size_t r = 0; r < rows; ++r) {
        float* out = &c[(i + r) * n + j];
        for (std::size_t q = 0; q < columns; ++q) out[q] += tile[r * kWidth + q];
      }
    }
  }
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void multiply_avx2(std::span<const float> a, std::span<const float> b,
                                               std::size_t k, std::size_t m, std::size_t n,
                                               std::span<float> c, Part part) {
  multiply<8>(a, b, k, m, n, c, part);
}
#endif

}  // namespace

void add_transposed_product(std::span<const float> a, std::span<const float> b, std::size_t k,
                            std::size_t m, std::size_t n, std::span<float> c, Part part) {
  if (k == 0 || m == 0 || n == 0) return;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return multiply_avx2(a, b, k, m, n, c, part);
#endif
  multiply<4>(a, b, k, m, n, c, part);
}

void mirror_upper(std::span<float> c, std::size_t n) {
  for (std::size_t i = 1; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) c[i * n + j] = c[j * n + i];
  }
}

}  // namespace planish::remedy
