// Sums of pairs of 8-bit products, which x86 without VNNI adds in 16 bits that saturate: which
// weights are neighbours, and what their sum may be.
//
// VPMADDUBSW multiplies unsigned activations a by signed weights w and adds neighbours:
//   clamp(a[2j] * w[2j] + a[2j+1] * w[2j+1], -32768, 32767)
// Neighbours are products 2j and 2j + 1 of one output, in the order in which the kernel walks the
// products. With 0 <= a <= A, nothing is clamped when
//   -32768 <= A * (w[2j] + w[2j+1]) <= 32767
// which is |w[2j] + w[2j+1]| <= 128 for A = 255. A pair of opposite signs always fits: A * 128
// does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "planish/graph/model.h"
#include "planish/quantize/params.h"
#include "planish/quantize/plan.h"

namespace planish {

/// The elements of a weight in the order in which the kernel sums their products. Element k of sum
/// r lies at offset(r, k).
struct SumLayout {
  std::size_t sums = 0;    // outputs, each of which is a sum over `length` products
  std::size_t length = 0;  // K
  std::size_t sums_per_block = 1, block_stride = 0, sum_stride = 0;
  std::size_t inner = 1, outer_stride = 0, inner_stride = 0;  // k = outer * inner + k mod inner

  [[nodiscard]] std::size_t offset(std::size_t sum, std::size_t k) const {
    return sum / sums_per_block * block_stride + sum % sums_per_block * sum_stride +
           k / inner * outer_stride + k % inner * inner_stride;
  }
};

/// How MLAS sums the products of `node` (Conv, Gemm, MatMul, Attention, LSTM or an integer form of
/// them) over a weight of `dims`; nothing for operators that it does not multiply in pairs, among
/// them depthwise convolutions.
///   Conv       [M, C/group, k...]: positions of the kernel outside, channels inside
///   MatMul     [..., K, N], Gemm [K, N] or, transB, [N, K]: rows of the matrix
///   LSTM       [directions, 4H, I]: the last axis
/// Source: qlinearconv.cc (ReorderFilter), convsym.cpp, qgemm_kernel_avx2.cpp,
/// QgemmU8X8KernelAvx2.S of ONNX Runtime 1.32; tests/unit/quantize/pair_sums_test.cc compares with
/// the kernels.
std::optional<SumLayout> sum_layout(const Node& node, std::span<const std::int64_t> dims);

/// The largest u8 integer that the calibrated values of a tensor become: `data` is its plan, or
/// that of the tensor whose parameters it shares. 255 without a range, and for null.
std::int32_t largest_integer(const TensorPlan* data);

/// What w[2j] + w[2j+1] may be under activations of 0 to `largest` (above 0).
IntegerLimits pair_limits(std::int32_t largest);

}  // namespace planish
