#include "preprocess/convolve_avx2.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

namespace planish::detail {
namespace {

// By function, not by compiler option: the rest of the library runs on any x86-64.
#define PLANISH_AVX2 __attribute__((target("avx2")))

/// Bytes of two pixels at `a` and `b`, as 32-bit integers: R G B and the byte behind, twice.
PLANISH_AVX2 inline __m256i load_two_pixels(const std::uint8_t* a, const std::uint8_t* b) {
  std::int32_t low = 0;
  std::int32_t high = 0;
  std::memcpy(&low, a, sizeof low);
  std::memcpy(&high, b, sizeof high);
  return _mm256_cvtepu8_epi32(_mm_insert_epi32(_mm_cvtsi32_si128(low), high, 1));
}

PLANISH_AVX2 inline void store_pixel(std::int32_t bytes, std::uint8_t* out) {
  std::memcpy(out, &bytes, 3);
}

}  // namespace

bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

// The number of taps varies from pixel to pixel, so one row at a time would wait for mispredicted
// branches more than for multiplications: four rows share each run through the taps.
PLANISH_AVX2 void convolve_rgb_rows_avx2(const FilterTaps& taps, Rows<const std::uint8_t> input,
                                         Rows<std::uint8_t> output) {
  const __m256i half = _mm256_set1_epi32(1 << (kTapBits - 1));
  for (std::size_t i = 0; i < taps.spans.size(); ++i) {
    const std::uint8_t* pixel = input.data + taps.spans[i].first * 3;
    __m256i rows01 = half;
    __m256i rows23 = half;
    for (const std::int32_t tap : taps.of(i)) {
      const __m256i weight = _mm256_set1_epi32(tap);
      const std::uint8_t* lower = pixel + 2 * input.stride;
      const __m256i pixels01 = load_two_pixels(pixel, pixel + input.stride);
      const __m256i pixels23 = load_two_pixels(lower, lower + input.stride);
      rows01 = _mm256_add_epi32(rows01, _mm256_mullo_epi32(pixels01, weight));
      rows23 = _mm256_add_epi32(rows23, _mm256_mullo_epi32(pixels23, weight));
      pixel += 3;
    }
    // Saturating packs clamp to [0, 255]. Each 128-bit half then holds rows 0 2 0 2 or 1 3 1 3.
    const __m256i words = _mm256_packs_epi32(_mm256_srai_epi32(rows01, kTapBits),
                                             _mm256_srai_epi32(rows23, kTapBits));
    const __m256i bytes = _mm256_packus_epi16(words, words);
    std::uint8_t* out = output.data + i * 3;
    store_pixel(_mm256_extract_epi32(bytes, 0), out);
    store_pixel(_mm256_extract_epi32(bytes, 4), out + output.stride);
    store_pixel(_mm256_extract_epi32(bytes, 1), out + 2 * output.stride);
    store_pixel(_mm256_extract_epi32(bytes, 5), out + 3 * output.stride);
  }
}

PLANISH_AVX2 std::size_t weighted_sum_of_rows_avx2(Rows<const std::uint8_t> rows,
                                                   std::span<const std::int32_t> taps,
                                                   std::span<std::uint8_t> out) {
  constexpr std::size_t kBlock = 32;
  const __m256i half = _mm256_set1_epi32(1 << (kTapBits - 1));
  std::size_t i = 0;
  for (; i + kBlock <= out.size(); i += kBlock) {
    __m256i sums[4] = {half, half, half, half};
    const std::uint8_t* row = rows.data + i;
    for (const std::int32_t tap : taps) {
      const __m256i weight = _mm256_set1_epi32(tap);
      for (std::size_t k = 0; k < 4; ++k) {
        const auto* bytes = reinterpret_cast<const __m128i*>(row + 8 * k);
        const __m256i pixels = _mm256_cvtepu8_epi32(_mm_loadl_epi64(bytes));
        sums[k] = _mm256_add_epi32(sums[k], _mm256_mullo_epi32(pixels, weight));
      }
      row += rows.stride;
    }
    for (__m256i& sum : sums) sum = _mm256_srai_epi32(sum, kTapBits);
    // Packs work on 128-bit halves; the permutation puts groups of four bytes in order again.
    const __m256i mixed = _mm256_packus_epi16(_mm256_packs_epi32(sums[0], sums[1]),
                                              _mm256_packs_epi32(sums[2], sums[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.data() + i),
                        _mm256_permutevar8x32_epi32(mixed, order));
  }
  return i;
}

}  // namespace planish::detail

#else

namespace planish::detail {

bool has_avx2() { return false; }
void convolve_rgb_rows_avx2(const FilterTaps&, Rows<const std::uint8_t>, Rows<std::uint8_t>) {}
std::size_t weighted_sum_of_rows_avx2(Rows<const std::uint8_t>, std::span<const std::int32_t>,
                                      std::span<std::uint8_t>) {
  return 0;
}

}  // namespace planish::detail

#endif
