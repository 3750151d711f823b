#include "planish/optimize/tied_channels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/optimize/layer_weight.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::GraphBuilder;
using test::ints;
using test::throws;
using Indices = std::vector<std::size_t>;

std::vector<TiedChannels> sets_of(const Model& model) {
  return find_tied_channels(model.graph, model.opset());
}

std::vector<std::string> values_of(const TiedChannels& set) {
  std::vector<std::string> names;
  for (const TiedChannels::Value& value : set.values) names.push_back(value.name);
  return names;
}

Tensor output_of(const Model& model, const Tensor& x) {
  const std::vector<NamedTensor> inputs{{"x", x}};
  return open_session(model, {.optimization = GraphOptimization::kNone})->run(inputs).front();
}

/// 2^-4 ... 2^4 by channel: scaling by them is exact in floats.
std::vector<double> powers_of_two(std::size_t channels, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> factors;
  for (std::size_t c = 0; c < channels; ++c) {
    factors.push_back(std::ldexp(1.0, static_cast<int>(random() % 9) - 4));
  }
  return factors;
}

/// Every set scaled by random powers of two.
Model scaled(const Model& model, std::uint64_t seed = 1) {
  Model result = model;
  for (const TiedChannels& set : sets_of(model)) {
    scale_channels(result.graph, set, powers_of_two(set.channels, seed++));
  }
  return result;
}

/// Powers of two change no digit of a product or a sum, so the two agree bit for bit.
void expect_same_function(const Model& before, const Model& after, const Tensor& x) {
  EXPECT_EQ(output_of(before, x), output_of(after, x));
}

/// conv1 -> `activation` -> conv2 (depthwise when asked for) -> y.
GraphBuilder pair_of(const std::string& activation, bool depthwise = false) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {1, 3, 6, 6})
      .initializer("w1", test::random_tensor({8, 3, 3, 3}, 1))
      .initializer("b1", test::random_tensor({8}, 2))
      .initializer("w2", test::random_tensor({8, depthwise ? 1 : 8, 3, 3}, 3))
      .node("Conv", {"x", "w1", "b1"}, {"conv1"})
      .value("conv1", DType::kFloat32, {1, 8, 4, 4})
      .node(activation, {"conv1"}, {"act"})
      .value("act", DType::kFloat32, {1, 8, 4, 4})
      .node("Conv", {"act", "w2"}, {"y"}, {{"group", depthwise ? 8 : 1}})
      .output("y", DType::kFloat32, {1, 8, 2, 2});
  return builder;
}

TEST(TiedChannels, JoinsAConvolutionToTheOneBehindItsActivation) {
  for (const char* activation : {"Relu", "LeakyRelu", "Identity"}) {
    for (const bool depthwise : {false, true}) {
      const Model model = pair_of(activation, depthwise).model();
      const auto sets = sets_of(model);
      ASSERT_EQ(sets.size(), 1U) << activation;
      EXPECT_EQ(sets[0].channels, 8U);
      EXPECT_EQ(sets[0].producers, Indices{0});
      EXPECT_EQ(sets[0].consumers, Indices{2});
      EXPECT_EQ(values_of(sets[0]), (std::vector<std::string>{"conv1", "act"}));
      expect_same_function(model, scaled(model), test::random_tensor({1, 3, 6, 6}, 9));
    }
  }
}

TEST(TiedChannels, StopsAtWhatIsNotHomogeneous) {
  for (const char* activation : {"Sigmoid", "Tanh", "HardSwish", "Exp"}) {
    EXPECT_TRUE(sets_of(pair_of(activation).model()).empty()) << activation;
  }
}

TEST(TiedChannels, ScalesActivationsBySayingSo) {
  Model model = pair_of("Relu").model();
  const auto set = sets_of(model).front();
  const std::vector<double> factors = powers_of_two(8, 5);
  Model after = model;
  scale_channels(after.graph, set, factors);
  model.graph.outputs = {{.name = "act"}};
  after.graph.outputs = {{.name = "act"}};
  const Tensor x = test::random_tensor({1, 3, 6, 6}, 9);
  const Tensor act = output_of(model, x);
  const Tensor divided = output_of(after, x);
  for (std::size_t i = 0; i < act.element_count(); ++i) {
    EXPECT_EQ(act.values<float>()[i],
              divided.values<float>()[i] * static_cast<float>(factors[i / 16]));
  }
}

TEST(TiedChannels, TiesAllThatAResidualAdds) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 3, 6, 6})
                          .initializer("w0", test::random_tensor({4, 3, 1, 1}, 1))
                          .initializer("w1", test::random_tensor({4, 4, 3, 3}, 2))
                          .initializer("w2", test::random_tensor({4, 4, 1, 1}, 3))
                          .initializer("w3", test::random_tensor({5, 4}, 4))
                          .initializer("b3", test::random_tensor({5}, 4))
                          .node("Conv", {"x", "w0"}, {"stem"})
                          .value("stem", DType::kFloat32, {1, 4, 6, 6})
                          .node("Conv", {"stem", "w1"}, {"c1"}, {{"pads", ints({1, 1, 1, 1})}})
                          .value("c1", DType::kFloat32, {1, 4, 6, 6})
                          .node("Relu", {"c1"}, {"r1"})
                          .value("r1", DType::kFloat32, {1, 4, 6, 6})
                          .node("Conv", {"r1", "w2"}, {"c2"})
                          .value("c2", DType::kFloat32, {1, 4, 6, 6})
                          .node("Add", {"c2", "stem"}, {"sum"})
                          .value("sum", DType::kFloat32, {1, 4, 6, 6})
                          .node("GlobalAveragePool", {"sum"}, {"pool"})
                          .value("pool", DType::kFloat32, {1, 4, 1, 1})
                          .node("Flatten", {"pool"}, {"flat"})
                          .value("flat", DType::kFloat32, {1, 4})
                          .node("Gemm", {"flat", "w3", "b3"}, {"y"}, {{"transB", 1}})
                          .output("y", DType::kFloat32, {1, 5})
                          .model();
  const auto sets = sets_of(model);
  ASSERT_EQ(sets.size(), 2U);
  EXPECT_EQ(sets[0].producers, (Indices{0, 3}));  // stem and c2
  EXPECT_EQ(sets[0].consumers, (Indices{1, 7}));  // c1 and the Gemm
  EXPECT_EQ(sets[1].producers, Indices{1});
  EXPECT_EQ(sets[1].consumers, Indices{3});
  expect_same_function(model, scaled(model), test::random_tensor({1, 3, 6, 6}, 9));
}

TEST(TiedChannels, NormalizationFeedsTheProjectionsBehindIt) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 3, 8})
                          .initializer("gamma", test::random_tensor({8}, 1))
                          .initializer("beta", test::random_tensor({8}, 2))
                          .initializer("wq", test::random_tensor({8, 4}, 3))
                          .initializer("wk", test::random_tensor({8, 4}, 4))
                          .initializer("bq", test::random_tensor({4}, 5))
                          .node("LayerNormalization", {"x", "gamma", "beta"}, {"norm"})
                          .value("norm", DType::kFloat32, {1, 3, 8})
                          .node("MatMul", {"norm", "wq"}, {"q"})
                          .value("q", DType::kFloat32, {1, 3, 4})
                          .node("MatMul", {"norm", "wk"}, {"k"})
                          .value("k", DType::kFloat32, {1, 3, 4})
                          .node("Add", {"q", "bq"}, {"qb"})
                          .value("qb", DType::kFloat32, {1, 3, 4})
                          .node("Add", {"qb", "k"}, {"s"})
                          .value("s", DType::kFloat32, {1, 3, 4})
                          .node("Sigmoid", {"s"}, {"y"})
                          .output("y", DType::kFloat32, {1, 3, 4})
                          .model();
  const auto sets = sets_of(model);
  ASSERT_EQ(sets.size(), 1U);
  EXPECT_EQ(sets[0].producers, Indices{0});
  EXPECT_EQ(sets[0].consumers, (Indices{1, 2}));
  expect_same_function(model, scaled(model), test::random_tensor({1, 3, 8}, 9));
}

TEST(TiedChannels, LeavesValuesThatTheCallerSees) {
  EXPECT_TRUE(
      sets_of(pair_of("Relu").output("act", DType::kFloat32, {1, 8, 4, 4}).model()).empty());
}

TEST(TiedChannels, LeavesAValueThatASecondReaderSees) {
  const Model model = pair_of("Relu")
                          .node("Softmax", {"act"}, {"z"})
                          .output("z", DType::kFloat32, {1, 8, 4, 4})
                          .model();
  EXPECT_TRUE(sets_of(model).empty());
}

TEST(TiedChannels, NamesTheBoundsOfAClip) {
  Model model = GraphBuilder(pair_of("Clip")).initializer<float>("six", {}, {6}).model();
  model.graph.nodes[1].inputs = {"conv1", "", "six"};
  const auto sets = sets_of(model);
  ASSERT_EQ(sets.size(), 1U);
  ASSERT_EQ(sets[0].clamps.size(), 1U);
  EXPECT_EQ(sets[0].clamps[0].node, 1U);
  EXPECT_EQ(sets[0].clamps[0].high, 6.0F);
  EXPECT_EQ(sets[0].clamps[0].low, -std::numeric_limits<float>::infinity());
}

TEST(TiedChannels, LeavesAClipWhoseBoundsLieOnOneSideOfZero) {
  Model model = GraphBuilder(pair_of("Clip")).initializer<float>("one", {}, {1}).model();
  model.graph.nodes[1].inputs = {"conv1", "one"};
  EXPECT_TRUE(sets_of(model).empty());
}

TEST(TiedChannels, AGateIsNoPartOfTheProductsSet) {
  // Squeeze and excitation: act * sigmoid(fc(pool(act))).
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 3, 6, 6})
                          .initializer("w0", test::random_tensor({8, 3, 1, 1}, 1))
                          .initializer("wg", test::random_tensor({8, 8, 1, 1}, 2))
                          .initializer("w1", test::random_tensor({4, 8, 1, 1}, 3))
                          .node("Conv", {"x", "w0"}, {"act"})
                          .value("act", DType::kFloat32, {1, 8, 6, 6})
                          .node("GlobalAveragePool", {"act"}, {"pool"})
                          .value("pool", DType::kFloat32, {1, 8, 1, 1})
                          .node("Conv", {"pool", "wg"}, {"fc"})
                          .value("fc", DType::kFloat32, {1, 8, 1, 1})
                          .node("Sigmoid", {"fc"}, {"gate"})
                          .value("gate", DType::kFloat32, {1, 8, 1, 1})
                          .node("Mul", {"act", "gate"}, {"scaled"})
                          .value("scaled", DType::kFloat32, {1, 8, 6, 6})
                          .node("Conv", {"scaled", "w1"}, {"y"})
                          .output("y", DType::kFloat32, {1, 4, 6, 6})
                          .model();
  const auto sets = sets_of(model);
  ASSERT_EQ(sets.size(), 1U);
  EXPECT_EQ(sets[0].consumers, (Indices{2, 5}));
  expect_same_function(model, scaled(model), test::random_tensor({1, 3, 6, 6}, 9));
}

TEST(TiedChannels, CopiesAWeightThatOthersReadToo) {
  Model model = pair_of("Relu").model();
  model.graph.nodes[2].inputs.push_back("b1");  // one bias for both
  const Model after = scaled(model);
  expect_same_function(model, after, test::random_tensor({1, 3, 6, 6}, 9));
  EXPECT_NE(after.graph.nodes[0].input(2), "b1");
  EXPECT_EQ(after.graph.nodes[2].input(2), "b1");
}

TEST(TiedChannels, RefusesFactorsThatAreNone) {
  Model model = pair_of("Relu").model();
  const Model before = model;
  const auto set = sets_of(model).front();
  for (std::vector<double> factors : {std::vector<double>(7, 1.0), std::vector<double>(8, 0.0),
                                      std::vector<double>(8, -1.0), std::vector<double>(8, NAN)}) {
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                       [&] { scale_channels(model.graph, set, factors); }, {"expected 8"}));
  }
  const std::vector<double> overflowing(8, 1e300);
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                     [&] { scale_channels(model.graph, set, overflowing); }, {"'w2'"}));
  EXPECT_EQ(model, before);
}

/// A random network of convolutions, activations, residuals and a head.
Model random_network(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto pick = [&](std::uint64_t count) { return random() % count; };
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {2, 4, 6, 6});
  std::string last = "x";
  std::vector<std::string> same_shape;  // values [2, 4, 6, 6] that an Add may take
  const auto value = [&](const std::string& name) {
    builder.value(name, DType::kFloat32, {2, 4, 6, 6});
    last = name;
    same_shape.push_back(name);
  };
  for (std::size_t i = 0; i < 8; ++i) {
    const std::string n = std::to_string(i);
    const bool depthwise = pick(3) == 0;
    builder.initializer("w" + n, test::random_tensor({4, depthwise ? 1 : 4, 3, 3}, seed + i));
    builder.initializer("b" + n, test::random_tensor({4}, seed + 100 + i));
    builder.node("Conv", {last, "w" + n, "b" + n}, {"c" + n},
                 {{"pads", ints({1, 1, 1, 1})}, {"group", depthwise ? 4 : 1}});
    value("c" + n);
    constexpr std::array kActivations{"Relu", "LeakyRelu", "Sigmoid", "Identity"};
    builder.node(kActivations.at(pick(4)), {last}, {"a" + n});
    value("a" + n);
    if (pick(3) == 0) {
      builder.node("Add", {last, same_shape[pick(same_shape.size())]}, {"s" + n});
      value("s" + n);
    }
  }
  return builder.node("GlobalAveragePool", {last}, {"y"})
      .output("y", DType::kFloat32, {2, 4, 1, 1})
      .model();
}

TEST(TiedChannels, PowersOfTwoChangeNothingInRandomNetworks) {
  std::size_t sets = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Model model = random_network(seed);
    sets += sets_of(model).size();
    expect_same_function(model, scaled(model, seed), test::random_tensor({2, 4, 6, 6}, seed));
  }
  EXPECT_GT(sets, 60U);
}

TEST(LayerWeight, PlacesElementsOfEveryKindOfLayer) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 4, 6, 6})
                          .initializer("grouped", test::random_tensor({6, 2, 3, 3}, 1))
                          .initializer("matrix", test::random_tensor({5, 7}, 1))
                          .node("Conv", {"x", "grouped"}, {"a"}, {{"group", 2}})
                          .node("MatMul", {"x", "matrix"}, {"b"})
                          .node("Gemm", {"x", "matrix"}, {"c"}, {{"transB", 1}})
                          .node("Gemm", {"x", "matrix"}, {"d"}, {{"transA", 1}})
                          .model();
  const GraphIndex index(model.graph);
  const auto conv = layer_weight_of(model.graph.nodes[0], index);
  ASSERT_TRUE(conv);
  EXPECT_EQ(conv->input_channels, 4U);
  EXPECT_EQ(conv->output_channels, 6U);
  EXPECT_EQ(conv->terms(), 18U);
  EXPECT_EQ(conv->input_channel(2, 17), 1U);  // last output of the first group
  EXPECT_EQ(conv->input_channel(3, 0), 2U);   // first output of the second group
  const auto matmul = layer_weight_of(model.graph.nodes[1], index);
  ASSERT_TRUE(matmul);
  EXPECT_EQ(matmul->input_channels, 5U);
  EXPECT_EQ(matmul->element(6, 4), 34U);
  EXPECT_EQ(matmul->output_of(34), 6U);
  EXPECT_EQ(matmul->term_of(34), 4U);
  const auto gemm = layer_weight_of(model.graph.nodes[2], index);
  ASSERT_TRUE(gemm);
  EXPECT_EQ(gemm->input_channels, 7U);
  EXPECT_EQ(gemm->element(4, 6), 34U);
  EXPECT_FALSE(layer_weight_of(model.graph.nodes[3], index));
}

}  // namespace
}  // namespace planish
