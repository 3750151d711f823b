#include "planish/runtime/observed_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "planish/base/error.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::GraphBuilder;
using test::ints;
using test::throws;
using Seen = std::map<std::string, std::vector<float>>;

// channels: a multiple of the blocked layout's block (8 or 16), or not.
Model convolutions(std::int64_t channels) {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"n", 3, "h", "w"})
      .initializer("w1", test::random_tensor({channels, 3, 3, 3}, 1))
      .initializer("b1", test::random_tensor({channels}, 2))
      .initializer("w2", test::random_tensor({channels, channels, 3, 3}, 3))
      .node("Conv", {"x", "w1", "b1"}, {"conv1"}, {{"pads", ints({1, 1, 1, 1})}})
      .node("Relu", {"conv1"}, {"relu1"})
      .node("Conv", {"relu1", "w2"}, {"conv2"}, {{"pads", ints({1, 1, 1, 1})}})
      .node("Add", {"conv2", "relu1"}, {"sum"})
      .node("GlobalAveragePool", {"sum"}, {"y"})
      .output("y", DType::kFloat32, {"n", channels, 1, 1})
      .model();
}

// The same values as graph outputs of a session that does not optimize.
std::vector<Tensor> tensors_of(Model model, const std::vector<std::string>& values,
                               const Tensor& x) {
  model.graph.outputs.clear();
  for (const std::string& value : values) model.graph.outputs.push_back({.name = value});
  const std::vector<NamedTensor> inputs{{"x", x}};
  return open_session(model, {.optimization = GraphOptimization::kNone})->run(inputs);
}

// Sorted: observers promise no order.
Seen expected_values(const Model& model, const std::vector<std::string>& values, const Tensor& x) {
  const auto outputs = tensors_of(model, values, x);
  Seen seen;
  for (std::size_t i = 0; i < values.size(); ++i) {
    seen[values[i]] = outputs[i].to_floats();
    std::sort(seen[values[i]].begin(), seen[values[i]].end());
  }
  return seen;
}

Seen observed_values(ObservedSession& session, const std::vector<std::string>& values,
                     const Tensor& x) {
  Seen seen;
  const std::vector<NamedTensor> inputs{{"x", x}};
  session.run(inputs, [&](std::size_t value, std::span<const float> elements) {
    auto& kept = seen[values[value]];
    kept.insert(kept.end(), elements.begin(), elements.end());
  });
  for (auto& [name, elements] : seen) std::sort(elements.begin(), elements.end());
  return seen;
}

// Every element is a sum of at most 9 * channels + 1 products of numbers below 1 and 9 * 3 + 2; the
// two sides add in another order.
void expect_same(const Seen& expected, const Seen& found, std::int64_t channels) {
  ASSERT_EQ(expected.size(), found.size());
  const auto terms = static_cast<float>(9 * channels + 2);
  for (const auto& [name, elements] : expected) {
    ASSERT_EQ(elements.size(), found.at(name).size()) << name;
    const float magnitude = terms * 29.0F;
    for (std::size_t i = 0; i < elements.size(); ++i) {
      ASSERT_NEAR(elements[i], found.at(name)[i], magnitude * 1.2e-7F) << name << " " << i;
    }
  }
}

class ObservedChannels : public testing::TestWithParam<std::int64_t> {};

TEST_P(ObservedChannels, ShowsEveryElementOfEveryValueOnce) {
  const Model model = convolutions(GetParam());
  const std::vector<std::string> values{"x", "conv1", "relu1", "conv2", "sum", "y"};
  const auto session = open_observed_session(model, values);
  for (const std::int64_t size : {6, 9}) {
    const Tensor x = test::random_tensor({2, 3, size, size + 1}, 7);
    expect_same(expected_values(model, values, x), observed_values(*session, values, x),
                GetParam());
  }
}

TEST_P(ObservedChannels, ShowsElementsInTheModelsOrderWhenAsked) {
  const Model model = convolutions(GetParam());
  const std::vector<std::string> values{"x", "conv1", "relu1", "conv2", "sum", "y"};
  const auto session = open_observed_session(model, values, {}, ElementOrder::kRowMajor);
  const Tensor x = test::random_tensor({2, 3, 6, 7}, 7);
  const std::vector<Tensor> expected = tensors_of(model, values, x);
  std::vector<bool> seen(values.size(), false);
  const std::vector<NamedTensor> inputs{{"x", x}};
  session->run(inputs, [&](const ObservedValue& value) {
    const Tensor& same = expected[value.index];
    EXPECT_TRUE(std::ranges::equal(value.dims, same.dims())) << values[value.index];
    const auto elements = same.values<float>();
    ASSERT_EQ(value.elements.size(), elements.size());
    const float tolerance = static_cast<float>(9 * GetParam() + 2) * 29.0F * 1.2e-7F;
    for (std::size_t i = 0; i < elements.size(); ++i) {
      ASSERT_NEAR(value.elements[i], elements[i], tolerance) << values[value.index] << " " << i;
    }
    seen[value.index] = true;
  });
  EXPECT_EQ(std::ranges::count(seen, true), std::ssize(seen));
}

INSTANTIATE_TEST_SUITE_P(FullAndPaddedBlocks, ObservedChannels, testing::Values(16, 32, 8, 12, 20));

TEST(ObservedSession, ShowsValuesThatDoNotDependOnAnInput) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .initializer<float>("c", {2}, {1, -2})
                          .node("Neg", {"c"}, {"constant"})
                          .node("Add", {"x", "constant"}, {"y"})
                          .output("y", DType::kFloat32, {2})
                          .model();
  const std::vector<std::string> values{"constant"};
  const auto session = open_observed_session(model, values);
  for (int run = 0; run < 2; ++run) {
    const Seen seen = observed_values(*session, values, test::random_tensor({2}, 1));
    EXPECT_EQ(seen.at("constant"), (std::vector<float>{-1, 2}));
  }
}

TEST(ObservedSession, ShowsValuesInBodiesAsOftenAsTheyRun) {
  const auto times = [](float factor, const char* output) {
    return Box<Graph>(
        GraphBuilder()
            .node("Constant", {}, {std::string("f") + output}, {{"value_float", factor}})
            .node("Mul", {"x", std::string("f") + output}, {output})
            .untyped_output(output)
            .graph());
  };
  Graph turn = GraphBuilder()
                   .input("i", DType::kInt64, {})
                   .input("go", DType::kBool, {})
                   .input("state", DType::kFloat32, {2})
                   .node("Add", {"state", "x"}, {"next"})
                   .node("Identity", {"go"}, {"go_on"})
                   .output("go_on", DType::kBool, {})
                   .output("next", DType::kFloat32, {2})
                   .graph();
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .input("c", DType::kBool, {})
                          .initializer("turns", Tensor::scalar<std::int64_t>(3))
                          .node("If", {"c"}, {"y"},
                                {{"then_branch", times(2, "t")}, {"else_branch", times(3, "e")}})
                          .node("Loop", {"turns", "", "y"}, {"z"}, {{"body", Box<Graph>(turn)}})
                          .output("z", DType::kFloat32, {2})
                          .model();
  const std::vector<std::string> values{"e", "next", "state", "t", "x"};
  const std::vector<NamedTensor> inputs{{"x", Tensor::of<float>({2}, std::vector<float>{1, -2})},
                                        {"c", Tensor::scalar(true)}};
  for (const ElementOrder order : {ElementOrder::kAny, ElementOrder::kRowMajor}) {
    Seen seen;
    open_observed_session(model, values, {}, order)
        ->run(inputs, [&](std::size_t i, std::span<const float> elements) {
          seen[values[i]].insert(seen[values[i]].end(), elements.begin(), elements.end());
        });
    const Seen expected{{"next", {3, -6, 4, -8, 5, -10}},
                        {"state", {2, -4, 3, -6, 4, -8}},
                        {"t", {2, -4}},
                        {"x", {1, -2}}};
    EXPECT_EQ(seen, expected);
  }
}

TEST(ObservedSession, KeepsConcurrentRunsApart) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1})
                          .node("Neg", {"x"}, {"y"})
                          .output("y", DType::kFloat32, {1})
                          .model();
  const std::vector<std::string> values{"y"};
  const auto session = open_observed_session(model, values);
  const auto run_many = [&](float number) {
    const Tensor x = Tensor::of<float>({1}, std::vector<float>{number});
    for (int i = 0; i < 200; ++i) {
      EXPECT_EQ(observed_values(*session, values, x).at("y"), std::vector<float>{-number});
    }
  };
  std::jthread first(run_many, 1.0F);
  std::jthread second(run_many, 2.0F);
}

TEST(ObservedSession, HandsOnWhatTheObserverThrowsAndGoesOn) {
  const std::vector<std::string> values{"relu1"};
  const auto session = open_observed_session(convolutions(8), values);
  const std::vector<NamedTensor> inputs{{"x", test::random_tensor({1, 3, 4, 4}, 1)}};
  const auto fail = [](std::size_t, std::span<const float>) { throw std::range_error("seen"); };
  EXPECT_THROW(session->run(inputs, fail), std::range_error);
  std::size_t elements = 0;
  session->run(inputs, [&](std::size_t, std::span<const float> seen) { elements += seen.size(); });
  EXPECT_EQ(elements, 8U * 4U * 4U);
}

TEST(ObservedSession, NamesAValueThatDoesNotExist) {
  const std::vector<std::string> values{"nonsense"};
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { open_observed_session(convolutions(8), values); },
                     {"nonsense"}));
}

TEST(ObservedSession, RefusesValuesThatAreNotFloat32) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2, 3})
                          .node("Shape", {"x"}, {"shape"})
                          .output("shape", DType::kInt64, {2})
                          .model();
  const std::vector<std::string> values{"shape"};
  const auto session = open_observed_session(model, values);
  const std::vector<NamedTensor> inputs{{"x", test::random_tensor({2, 3}, 1)}};
  EXPECT_TRUE(throws(ErrorCode::kUnsupported,
                     [&] { session->run(inputs, [](std::size_t, std::span<const float>) {}); },
                     {"int64", "expected float32"}));
}

TEST(ObservedSession, ChecksInputsAsASessionDoes) {
  const std::vector<std::string> values{"relu1"};
  const auto session = open_observed_session(convolutions(8), values);
  const std::vector<NamedTensor> inputs{{"x", test::random_tensor({1, 1, 4, 4}, 1)}};
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument,
                     [&] { session->run(inputs, [](std::size_t, std::span<const float>) {}); },
                     {"'x'", "[1, 1, 4, 4]"}));
}

}  // namespace
}  // namespace planish
