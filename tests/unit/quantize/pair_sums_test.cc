// The order in which the real kernels add products, and the least scale at which none saturates.
#include "quantize/pair_sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "planish/quantize/params.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/integer_kernels.h"
#include "support/random_tensor.h"

namespace planish::quantize_detail {
namespace {

using test::Accumulation;
using test::GraphBuilder;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  template <typename T>
  std::vector<T> integers(std::size_t count, std::int64_t low, std::int64_t high) {
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(between(low, high));
    return values;
  }

 private:
  std::mt19937_64 engine_;
};

std::size_t count_of(const std::vector<std::int64_t>& dims) {
  std::size_t count = 1;
  for (const std::int64_t dim : dims) count *= static_cast<std::size_t>(dim);
  return count;
}

std::vector<Tensor> run(const GraphBuilder& builder, Tensor input) {
  const NamedTensor named{"x", std::move(input)};
  return open_session(builder.model())->run(std::span(&named, 1));
}

template <typename T>
std::vector<T> elements(const Tensor& tensor) {
  const auto values = tensor.values<T>();
  return {values.begin(), values.end()};
}

/// The weights of one sum, in the order of `layout`.
std::vector<std::int8_t> weights_of(const std::vector<std::int8_t>& weight, const SumLayout& layout,
                                    std::size_t sum) {
  std::vector<std::int8_t> ordered;
  for (std::size_t k = 0; k < layout.length; ++k) ordered.push_back(weight[layout.offset(sum, k)]);
  return ordered;
}

/// What is the same for every operator that multiplies matrices: x [M, K] by w [K, N].
struct Product {
  std::int64_t m = 1, k = 1, n = 1;
  std::int32_t x_zero = 0;
  std::vector<std::uint8_t> x = {};
  std::vector<std::int8_t> w = {};

  explicit Product(Random& random)
      : m(random.between(1, 9)),
        k(random.between(1, 120)),
        n(random.between(1, 70)),
        // 0 now and then: a matrix of one row then goes to another kernel.
        x_zero(static_cast<std::int32_t>(random.between(0, 1) * random.between(1, 255))),
        x(random.integers<std::uint8_t>(count_of({m, k}), 0, 255)),
        w(random.integers<std::int8_t>(count_of({k, n}), -128, 127)) {}

  /// Sums by the layout of `node`, row by row.
  [[nodiscard]] std::vector<std::int32_t> sums(const Node& node) const {
    const SumLayout layout = *sum_layout(node, std::vector<std::int64_t>{k, n});
    std::vector<std::int32_t> sums;
    for (std::int64_t row = 0; row < m; ++row) {
      const auto a = std::span(x).subspan(static_cast<std::size_t>(row * k), layout.length);
      for (std::size_t sum = 0; sum < layout.sums; ++sum) {
        sums.push_back(test::dot(a, x_zero, weights_of(w, layout, sum), test::accumulation_here()));
      }
    }
    return sums;
  }
};

TEST(SumLayout, IsThatOfMatMulInteger) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Product p(random);
    GraphBuilder builder;
    builder.input("x", DType::kUInt8, {p.m, p.k})
        .initializer("w", Tensor::of({p.k, p.n}, p.w))
        .initializer("xz", Tensor::scalar(static_cast<std::uint8_t>(p.x_zero)))
        .initializer("wz", Tensor::scalar<std::int8_t>(0))
        .node("MatMulInteger", {"x", "w", "xz", "wz"}, {"y"})
        .output("y", DType::kInt32, {p.m, p.n});
    const auto y = run(builder, Tensor::of({p.m, p.k}, p.x));
    EXPECT_EQ(elements<std::int32_t>(y[0]), p.sums(builder.graph().nodes[0]));
  }
}

TEST(SumLayout, IsThatOfQLinearMatMul) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Product p(random);
    // Sums of random products are about 147 * 74 * sqrt(K): the output's range holds most of them.
    const float w_scale = 1.0F / (100.0F * std::sqrt(static_cast<float>(p.k)));
    GraphBuilder builder;
    builder.input("x", DType::kUInt8, {p.m, p.k})
        .initializer("w", Tensor::of({p.k, p.n}, p.w))
        .initializer("one", Tensor::scalar(1.0F))
        .initializer("ws", Tensor::scalar(w_scale))
        .initializer("xz", Tensor::scalar(static_cast<std::uint8_t>(p.x_zero)))
        .initializer("wz", Tensor::scalar<std::int8_t>(0))
        .initializer("yz", Tensor::scalar<std::uint8_t>(128))
        .node("QLinearMatMul", {"x", "one", "xz", "w", "ws", "wz", "one", "yz"}, {"y"})
        .output("y", DType::kUInt8, {p.m, p.n});
    const auto y = run(builder, Tensor::of({p.m, p.k}, p.x));
    std::vector<std::uint8_t> expected;
    for (const std::int32_t sum : p.sums(builder.graph().nodes[0])) {
      expected.push_back(test::requantize(sum, w_scale, 128));
    }
    EXPECT_EQ(elements<std::uint8_t>(y[0]), expected);
  }
}

/// A two-dimensional convolution of one image.
struct Convolution {
  std::int64_t groups, in, out, kernel, size, pad, stride, dilation, x_zero;  // in, out: per group
  std::vector<std::uint8_t> x;  // [groups * in, size, size]
  std::vector<std::int8_t> w;   // [groups * out, in, kernel, kernel]

  Convolution(Random& random, std::int64_t groups_wanted, std::int64_t in_wanted,
              std::int64_t out_wanted)
      : groups(groups_wanted),
        in(in_wanted),
        out(out_wanted),
        kernel(random.between(1, 3)),
        size(random.between(5, 9)),
        pad(random.between(0, 1)),
        stride(random.between(1, 2)),
        dilation(random.between(1, 2)),
        x_zero(random.between(0, 255)),
        x(random.integers<std::uint8_t>(count_of({groups * in, size, size}), 0, 255)),
        w(random.integers<std::int8_t>(count_of({groups * out, in, kernel, kernel}), -127, 127)) {}

  [[nodiscard]] std::vector<std::int64_t> weight_dims() const {
    return {groups * out, in, kernel, kernel};
  }
  [[nodiscard]] std::int64_t output_size() const {
    return (size + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  }

  [[nodiscard]] std::uint8_t pixel(std::int64_t channel, std::int64_t row, std::int64_t col) const {
    if (row < 0 || row >= size || col < 0 || col >= size) return static_cast<std::uint8_t>(x_zero);
    return x[static_cast<std::size_t>((channel * size + row) * size + col)];
  }

  /// What the sums of group `group` at (y, x) of the output read: kernel positions, then channels.
  [[nodiscard]] std::vector<std::uint8_t> patch(std::int64_t group, std::int64_t y,
                                                std::int64_t xx) const {
    std::vector<std::uint8_t> values;
    for (std::int64_t i = 0; i < kernel; ++i) {
      for (std::int64_t j = 0; j < kernel; ++j) {
        for (std::int64_t c = 0; c < in; ++c) {
          values.push_back(pixel(group * in + c, y * stride - pad + i * dilation,
                                 xx * stride - pad + j * dilation));
        }
      }
    }
    return values;
  }

  [[nodiscard]] Node node() const {
    Node node;
    node.op_type = "QLinearConv";
    node.set_attribute("group", groups);
    node.set_attribute("pads", std::vector<std::int64_t>(4, pad));
    node.set_attribute("strides", std::vector<std::int64_t>(2, stride));
    node.set_attribute("dilations", std::vector<std::int64_t>(2, dilation));
    return node;
  }

  /// [groups * out, y, x], the weights ordered by `layout`.
  [[nodiscard]] std::vector<std::int32_t> sums(const SumLayout& layout,
                                               Accumulation accumulation) const {
    std::vector<std::int32_t> sums;
    for (std::int64_t m = 0; m < groups * out; ++m) {
      const auto weights = weights_of(w, layout, static_cast<std::size_t>(m));
      for (std::int64_t y = 0; y < output_size(); ++y) {
        for (std::int64_t col = 0; col < output_size(); ++col) {
          sums.push_back(test::dot(patch(m / out, y, col), static_cast<std::int32_t>(x_zero),
                                   weights, accumulation));
        }
      }
    }
    return sums;
  }

  /// The output of ONNX Runtime's kernel with output scale 1, zero point 128.
  [[nodiscard]] std::vector<std::uint8_t> run_kernel(float w_scale) const {
    GraphBuilder builder;
    builder.input("x", DType::kUInt8, {1, groups * in, size, size})
        .initializer("w", Tensor::of(weight_dims(), w))
        .initializer("one", Tensor::scalar(1.0F))
        .initializer("ws", Tensor::scalar(w_scale))
        .initializer("xz", Tensor::scalar(static_cast<std::uint8_t>(x_zero)))
        .initializer("wz", Tensor::scalar<std::int8_t>(0))
        .initializer("yz", Tensor::scalar<std::uint8_t>(128));
    Node conv = node();
    Attributes attributes;
    for (Attribute& attribute : conv.attributes) {
      attributes.emplace_back(attribute.name, std::move(attribute.value));
    }
    builder.node("QLinearConv", {"x", "one", "xz", "w", "ws", "wz", "one", "yz"}, {"y"}, attributes)
        .output("y", DType::kUInt8, {1, groups * out, output_size(), output_size()});
    const auto y = run(builder, Tensor::of({1, groups * in, size, size}, x));
    return elements<std::uint8_t>(y[0]);
  }

  using Attributes = test::Attributes;
};

std::vector<std::uint8_t> requantized(const std::vector<std::int32_t>& sums, float scale) {
  std::vector<std::uint8_t> values;
  for (const std::int32_t sum : sums) values.push_back(test::requantize(sum, scale, 128));
  return values;
}

float output_scale(const Convolution& conv) {
  return 1.0F / (100.0F * std::sqrt(static_cast<float>(conv.in * conv.kernel * conv.kernel)));
}

TEST(SumLayout, IsThatOfQLinearConv) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    // 4n channels and 8n outputs go to one kernel, others to another.
    const std::int64_t unit = random.between(0, 1) == 0 ? 1 : 8;
    const Convolution conv(random, 1, unit * random.between(1, 4), unit * random.between(2, 4));
    const auto layout = sum_layout(conv.node(), conv.weight_dims());
    ASSERT_TRUE(layout);
    const float scale = output_scale(conv);
    EXPECT_EQ(conv.run_kernel(scale),
              requantized(conv.sums(*layout, test::accumulation_here()), scale));
  }
}

TEST(SumLayout, IsThatOfGroupedQLinearConv) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const std::int64_t in = random.between(1, 4);
    const Convolution conv(random, random.between(2, 4), in, random.between(in == 1 ? 2 : 1, 4));
    const auto layout = sum_layout(conv.node(), conv.weight_dims());
    ASSERT_TRUE(layout);
    const float scale = output_scale(conv);
    EXPECT_EQ(conv.run_kernel(scale),
              requantized(conv.sums(*layout, test::accumulation_here()), scale));
  }
}

TEST(SumLayout, DepthwiseConvolutionsAddNoPairs) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    // Multiples of 16 groups go to one kernel, others to another.
    const std::int64_t unit = random.between(0, 1) == 0 ? 1 : 16;
    const Convolution conv(random, unit * random.between(1, 3), 1, 1);
    EXPECT_FALSE(sum_layout(conv.node(), conv.weight_dims()));
    Node as_if_grouped = conv.node();
    as_if_grouped.remove_attribute("group");
    const SumLayout layout{.sums = static_cast<std::size_t>(conv.groups),
                           .length = static_cast<std::size_t>(conv.kernel * conv.kernel),
                           .block_stride = static_cast<std::size_t>(conv.kernel * conv.kernel),
                           .outer_stride = 1};
    const float scale = output_scale(conv);
    EXPECT_EQ(conv.run_kernel(scale), requantized(conv.sums(layout, Accumulation::kExact), scale));
  }
}

TEST(SumLayout, KnowsTheFormsOfWeights) {
  const auto of = [](const char* op_type, std::vector<std::int64_t> dims,
                     std::int64_t transposed = 0) {
    Node node;
    node.op_type = op_type;
    node.set_attribute("transB", transposed);
    return sum_layout(node, dims);
  };
  EXPECT_EQ(of("MatMul", {2, 5, 3})->sums, 6U);
  EXPECT_EQ(of("MatMul", {2, 5, 3})->offset(4, 2),
            1U * 15 + 2 * 3 + 1);  // matrix 1, column 1, row 2
  EXPECT_EQ(of("MatMul", {5})->sums, 1U);
  EXPECT_EQ(of("Gemm", {5, 3})->offset(1, 2), 7U);
  EXPECT_EQ(of("Gemm", {3, 5}, 1)->offset(1, 2), 7U);
  EXPECT_EQ(of("LSTM", {2, 8, 3})->sums, 16U);
  EXPECT_EQ(of("LSTM", {2, 8, 3})->offset(9, 2), 29U);
  EXPECT_EQ(of("Conv", {2, 3, 5})->offset(1, 4), 15U + 1 * 5 + 1);  // position 1, channel 1
  EXPECT_FALSE(of("Add", {5, 3}));
  EXPECT_FALSE(of("MatMul", {0, 3}));
}

constexpr SumLayout kRow{.sums = 1, .length = 2, .block_stride = 2, .outer_stride = 1};

/// The integers of two weights at `scale`, as apply() makes them.
std::int32_t pair_sum(float first, float second, float scale, std::int32_t largest) {
  const std::vector<float> weights{first, second};
  const auto q = quantize_s8(weights, {scale, 0, DType::kInt8});
  return largest * q[0] + largest * q[1];
}

TEST(ScaleWithoutOverflow, IsTheLeastAtWhichThePairFits) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const float sign = random.between(0, 1) == 0 ? 1.0F : -1.0F;
    const auto weight = [&] { return sign * static_cast<float>(random.between(1, 1000)) / 977.0F; };
    const std::vector<float> weights{weight(), weight()};
    const auto largest = static_cast<std::int32_t>(random.between(1, 255));
    const float absmax = std::max(std::abs(weights[0]), std::abs(weights[1]));
    const float scale = absmax / 127.0F;
    const auto pairs = overflowing_pairs(weights, kRow, 0, scale, largest);
    const auto fits = [&](float at) {
      const std::int32_t sum = pair_sum(weights[0], weights[1], at, largest);
      return sum <= 32767 && sum >= -32768;
    };
    ASSERT_EQ(pairs.empty(), fits(scale));
    const float safe = scale_without_overflow(pairs, scale, largest);
    EXPECT_TRUE(fits(safe));
    EXPECT_GE(safe, scale);
    if (!pairs.empty()) {
      EXPECT_FALSE(fits(std::nextafter(safe, 0.0F)));
    }
    // Both integers at 64 always fit, so half the range is the most that is ever given up; what is
    // above 2 is rounding: 64.5 is the least that becomes 65.
    EXPECT_LE(safe, scale * (127.0F / 64.0F));
  }
}

TEST(ScaleWithoutOverflow, OppositeSignsAlwaysFit) {
  const std::vector<float> weights{1.0F, -1.0F};
  EXPECT_TRUE(overflowing_pairs(weights, kRow, 0, 1.0F / 127.0F, 255).empty());
}

TEST(ScaleWithoutOverflow, SmallActivationsLeaveTheFullRange) {
  const std::vector<float> weights{1.0F, 1.0F};
  EXPECT_FALSE(overflowing_pairs(weights, kRow, 0, 1.0F / 127.0F, 255).empty());
  EXPECT_TRUE(
      overflowing_pairs(weights, kRow, 0, 1.0F / 127.0F, 129).empty());  // 254 * 129 < 32768
  EXPECT_TRUE(overflowing_pairs(weights, kRow, 0, 1.0F / 127.0F, 0).empty());
}

TEST(ScaleWithoutOverflow, RoundsUpToAHalfWhereScalesAreHalves) {
  const std::vector<float> weights{1.0F, 1.0F};
  const auto pairs = overflowing_pairs(weights, kRow, 0, 1.0F / 127.0F, 255);
  const float scale = scale_without_overflow(pairs, 1.0F / 127.0F, 255, DType::kFloat16);
  EXPECT_EQ(float_from_half(half_from_float(scale)), scale);
  EXPECT_LE(pair_sum(1.0F, 1.0F, scale, 255), 32767);
}

TEST(ScaleWithoutOverflow, SeesOnlyThePairsThatTheKernelForms) {
  // Large weights at 1 and 2 are no neighbours: pairs are (0, 1) and (2, 3).
  const std::vector<float> weights{0.0F, 1.0F, 1.0F, 0.0F};
  const SumLayout row{.sums = 1, .length = 4, .block_stride = 4, .outer_stride = 1};
  EXPECT_TRUE(overflowing_pairs(weights, row, 0, 1.0F / 127.0F, 255).empty());
  // The last product of an odd number stands alone.
  const SumLayout odd{.sums = 1, .length = 3, .block_stride = 3, .outer_stride = 1};
  EXPECT_TRUE(overflowing_pairs(weights, odd, 0, 1.0F / 127.0F, 255).empty());
}

}  // namespace
}  // namespace planish::quantize_detail
