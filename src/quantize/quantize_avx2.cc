// quantize_one() of params.cc on eight elements at a time. Compilers do not make vectors of it:
// they follow each clamp as a branch.
#include "quantize/quantize_avx2.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace planish::quantize_detail {

#if defined(__x86_64__)
namespace {

#define PLANISH_AVX2 [[gnu::target("avx2")]]

/// 32-bit integers of eight elements, not yet held to their type.
PLANISH_AVX2 inline __m256i integers_of(const float* values, __m256 scale, __m256 zero_point) {
  const __m256 far = _mm256_set1_ps(1.0e6F);  // as in quantize_one()
  const __m256 near = _mm256_set1_ps(-1.0e6F);
  __m256 steps = _mm256_div_ps(_mm256_loadu_ps(values), scale);
  steps = _mm256_min_ps(_mm256_max_ps(steps, near), far);
  steps = _mm256_round_ps(steps, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return _mm256_cvtps_epi32(_mm256_add_ps(steps, zero_point));
}

/// Packs saturate, to 16 bits and then to 8; they work within halves of a register, which the
/// permutation mends.
template <typename T>
PLANISH_AVX2 inline void store(__m256i a, __m256i b, __m256i c, __m256i d, T* out) {
  const __m256i ab = _mm256_packs_epi32(a, b);
  const __m256i cd = _mm256_packs_epi32(c, d);
  __m256i bytes;
  if constexpr (static_cast<T>(-1) < 0) {
    bytes = _mm256_packs_epi16(ab, cd);
  } else {
    bytes = _mm256_packus_epi16(ab, cd);
  }
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permutevar8x32_epi32(bytes, order));
}

template <typename T>
PLANISH_AVX2 std::size_t run(const float* values, std::size_t count, float scale, float zero_point,
                             T* out) {
  const __m256 s = _mm256_set1_ps(scale);
  const __m256 z = _mm256_set1_ps(zero_point);
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const float* x = values + i;
    store(integers_of(x, s, z), integers_of(x + 8, s, z), integers_of(x + 16, s, z),
          integers_of(x + 24, s, z), out + i);
  }
  return i;
}

template <typename T>
PLANISH_AVX2 std::size_t row(const float* values, std::size_t count, const float* scales,
                             const float* zero_points, T* out) {
  std::size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i part[4];
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t at = i + 8 * k;
      part[k] =
          integers_of(values + at, _mm256_loadu_ps(scales + at), _mm256_loadu_ps(zero_points + at));
    }
    store(part[0], part[1], part[2], part[3], out + i);
  }
  return i;
}

bool has_avx2() { return __builtin_cpu_supports("avx2") != 0; }

}  // namespace

std::size_t quantize_run_avx2(const float* values, std::size_t count, float scale, float zero_point,
                              std::int8_t* out) {
  return has_avx2() ? run(values, count, scale, zero_point, out) : 0;
}
std::size_t quantize_run_avx2(const float* values, std::size_t count, float scale, float zero_point,
                              std::uint8_t* out) {
  return has_avx2() ? run(values, count, scale, zero_point, out) : 0;
}
std::size_t quantize_row_avx2(const float* values, std::size_t count, const float* scales,
                              const float* zero_points, std::int8_t* out) {
  return has_avx2() ? row(values, count, scales, zero_points, out) : 0;
}
std::size_t quantize_row_avx2(const float* values, std::size_t count, const float* scales,
                              const float* zero_points, std::uint8_t* out) {
  return has_avx2() ? row(values, count, scales, zero_points, out) : 0;
}

#else

std::size_t quantize_run_avx2(const float*, std::size_t, float, float, std::int8_t*) { return 0; }
std::size_t quantize_run_avx2(const float*, std::size_t, float, float, std::uint8_t*) { return 0; }
std::size_t quantize_row_avx2(const float*, std::size_t, const float*, const float*, std::int8_t*) {
  return 0;
}
std::size_t quantize_row_avx2(const float*, std::size_t, const float*, const float*,
                              std::uint8_t*) {
  return 0;
}

#endif

}  // namespace planish::quantize_detail
