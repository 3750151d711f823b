#include "host/peak_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace planish::host {
namespace {

// Enough independent sums to hide the latency of a multiplication (4 cycles, two a cycle), and few
// enough for sixteen registers.
constexpr std::uint64_t kSums = 10;

// `x` may hold anything from here on, as far as the compiler knows: without it, it would take the
// products, which never change, out of the loop. No instruction comes of it.
#define PLANISH_OPAQUE_X(x) asm volatile("" : "+x"(x))
#define PLANISH_OPAQUE_V(x) asm volatile("" : "+v"(x))
#define PLANISH_OPAQUE_W(x) asm volatile("" : "+w"(x))

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) std::uint64_t fp32_avx2(std::uint64_t rounds) {
  __m256 sums[kSums];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  __m256 a = _mm256_set1_ps(0.5F);
  const __m256 b = _mm256_set1_ps(0.25F);
  for (std::uint64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 10
    for (std::uint64_t k = 0; k < kSums; ++k) sums[k] = _mm256_fmadd_ps(a, b, sums[k]);
    PLANISH_OPAQUE_X(a);
  }
  __m256 all = sums[0];
  for (std::uint64_t k = 1; k < kSums; ++k) all = _mm256_add_ps(all, sums[k]);
  return static_cast<std::uint64_t>(_mm256_cvtss_f32(all));
}

// As ONNX Runtime's kernels do it: products of pairs in 16 bits, pairs of those in 32, and the sum.
// Only the sum waits for the one before, and for one cycle: few are enough, and all stay in
// registers.
constexpr std::uint64_t kSumsOfInt8 = 4;

__attribute__((target("avx2"))) std::uint64_t int8_avx2(std::uint64_t rounds) {
  __m256i s0 = _mm256_setzero_si256();
  __m256i s1 = s0;
  __m256i s2 = s0;
  __m256i s3 = s0;
  __m256i a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(-2);
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::uint64_t i = 0; i < rounds; ++i) {
    for (__m256i* sum : {&s0, &s1, &s2, &s3}) {
      const __m256i quads = _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones);
      *sum = _mm256_add_epi32(*sum, quads);
      PLANISH_OPAQUE_X(a);
    }
  }
  const __m256i all = _mm256_add_epi32(_mm256_add_epi32(s0, s1), _mm256_add_epi32(s2, s3));
  return static_cast<std::uint64_t>(_mm256_extract_epi32(all, 0));
}

__attribute__((target("avx512f"))) std::uint64_t fp32_avx512(std::uint64_t rounds) {
  __m512 sums[kSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512 a = _mm512_set1_ps(0.5F);
  const __m512 b = _mm512_set1_ps(0.25F);
  for (std::uint64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 10
    for (std::uint64_t k = 0; k < kSums; ++k) sums[k] = _mm512_fmadd_ps(a, b, sums[k]);
    PLANISH_OPAQUE_V(a);
  }
  __m512 all = sums[0];
  for (std::uint64_t k = 1; k < kSums; ++k) all = _mm512_add_ps(all, sums[k]);
  alignas(64) float numbers[16];
  _mm512_store_ps(numbers, all);
  return static_cast<std::uint64_t>(numbers[0]);
}

__attribute__((target("avx512f,avx512vnni"))) std::uint64_t int8_avx512_vnni(std::uint64_t rounds) {
  __m512i sums[kSums];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  __m512i a = _mm512_set1_epi32(0x03030303);
  const __m512i b = _mm512_set1_epi32(0x02020202);
  for (std::uint64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 10
    for (std::uint64_t k = 0; k < kSums; ++k) sums[k] = _mm512_dpbusd_epi32(sums[k], a, b);
    PLANISH_OPAQUE_V(a);
  }
  __m512i all = sums[0];
  for (std::uint64_t k = 1; k < kSums; ++k) all = _mm512_add_epi32(all, sums[k]);
  alignas(64) std::uint64_t words[8];
  _mm512_store_si512(words, all);
  return words[0];
}

__attribute__((target("avx2,avxvnni"))) std::uint64_t int8_avx_vnni(std::uint64_t rounds) {
  __m256i sums[kSums];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  __m256i a = _mm256_set1_epi8(3);
  const __m256i b = _mm256_set1_epi8(2);
  for (std::uint64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 10
    for (std::uint64_t k = 0; k < kSums; ++k) sums[k] = _mm256_dpbusd_avx_epi32(sums[k], a, b);
    PLANISH_OPAQUE_X(a);
  }
  __m256i all = sums[0];
  for (std::uint64_t k = 1; k < kSums; ++k) all = _mm256_add_epi32(all, sums[k]);
  return static_cast<std::uint64_t>(_mm256_extract_epi32(all, 0));
}

constexpr PeakKernel kKernels[] = {
    {PeakKind::kInt8, "avx512_vnni", "VPDPBUSD, 512 bits", kSums * 64, int8_avx512_vnni},
    {PeakKind::kInt8, "avx_vnni", "VPDPBUSD, 256 bits", kSums * 32, int8_avx_vnni},
    {PeakKind::kInt8, "avx2", "VPMADDUBSW + VPMADDWD + VPADDD, 256 bits", kSumsOfInt8 * 32,
     int8_avx2},
    {PeakKind::kFp32, "avx512f", "VFMADD, 512 bits", kSums * 16, fp32_avx512},
    {PeakKind::kFp32, "avx2", "VFMADD, 256 bits", kSums * 8, fp32_avx2},
};

#elif defined(__aarch64__)

std::uint64_t fp32_neon(std::uint64_t rounds) {
  float32x4_t sums[kSums];
  for (float32x4_t& sum : sums) sum = vdupq_n_f32(0.0F);
  float32x4_t a = vdupq_n_f32(0.5F);
  const float32x4_t b = vdupq_n_f32(0.25F);
  for (std::uint64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 10
    for (std::uint64_t k = 0; k < kSums; ++k) sums[k] = vfmaq_f32(sums[k], a, b);
    PLANISH_OPAQUE_W(a);
  }
  float32x4_t all = sums[0];
  for (std::uint64_t k = 1; k < kSums; ++k) all = vaddq_f32(all, sums[k]);
  return static_cast<std::uint64_t>(vgetq_lane_f32(all, 0));
}

__attribute__((target("+dotprod"))) std::uint64_t int8_dotprod(std::uint64_t rounds) {
  uint32x4_t sums[kSums];
  for (uint32x4_t& sum : sums) sum = vdupq_n_u32(0);
  uint8x16_t a = vdupq_n_u8(3);
  const uint8x16_t b = vdupq_n_u8(2);
  for (std::uint64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 10
    for (std::uint64_t k = 0; k < kSums; ++k) sums[k] = vdotq_u32(sums[k], a, b);
    PLANISH_OPAQUE_W(a);
  }
  uint32x4_t all = sums[0];
  for (std::uint64_t k = 1; k < kSums; ++k) all = vaddq_u32(all, sums[k]);
  return vgetq_lane_u32(all, 0);
}

constexpr PeakKernel kKernels[] = {
    {PeakKind::kInt8, "arm_dotprod", "UDOT, 128 bits", kSums * 16, int8_dotprod},
    {PeakKind::kFp32, "", "FMLA, 128 bits", kSums * 4, fp32_neon},
};

#endif

}  // namespace

std::span<const PeakKernel> peak_kernels() {
#if defined(__x86_64__) || defined(__aarch64__)
  return kKernels;
#else
  return {};
#endif
}

std::uint64_t read_all(std::span<const std::uint64_t> words) {
  // Eight sums: one would make every addition wait for the one before.
  std::uint64_t sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= words.size(); i += 8) {
    for (std::size_t k = 0; k < 8; ++k) sums[k] += words[i + k];
  }
  for (; i < words.size(); ++i) sums[0] += words[i];
  std::uint64_t all = 0;
  for (const std::uint64_t sum : sums) all += sum;
  return all;
}

}  // namespace planish::host
