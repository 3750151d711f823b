#include "planish/quantize/remove_leftovers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "planish/graph/graph_index.h"
#include "planish/quantize/params.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/random_qdq.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A graph whose pairs all have scale 1/32 and zero point 128: [-4, 3.97].
class Pairs {
 public:
  Pairs() {
    builder_.input("x", DType::kFloat32, {1, 4, 8, 8})
        .initializer("s", Tensor::scalar(1.0F / 32))
        .initializer("z", Tensor::scalar<std::uint8_t>(128));
  }
  Pairs& pair(const std::string& from, const std::string& to) {
    builder_.node("QuantizeLinear", {from, "s", "z"}, {to + "_q"})
        .node("DequantizeLinear", {to + "_q", "s", "z"}, {to});
    return *this;
  }
  Pairs& node(const std::string& op, std::vector<std::string> inputs, const std::string& output,
              const Attributes& attributes = {}) {
    builder_.node(op, std::move(inputs), {output}, attributes)
        .value(output, DType::kFloat32, {1, 4, 8, 8});
    return *this;
  }
  /// A dequantized weight [4, 4, 1, 1] or [4, 1, 1].
  Pairs& weight(const std::string& name, std::vector<std::int64_t> dims) {
    const Tensor values = random_tensor(std::move(dims), 3, -0.5F, 0.5F);
    QuantizationParams params;
    params.scale = 1.0F / 128;
    params.dtype = DType::kInt8;
    builder_.initializer(name + "_q", quantize(values, params))
        .initializer(name + "_s", Tensor::scalar(params.scale))
        .initializer(name + "_z", Tensor::scalar<std::int8_t>(0))
        .node("DequantizeLinear", {name + "_q", name + "_s", name + "_z"}, {name});
    return *this;
  }
  Model model() {
    return GraphBuilder(builder_).output("y", DType::kFloat32, {1, 4, 8, 8}).model();
  }

 private:
  GraphBuilder builder_{17};
};

std::vector<std::string> ops_of(const Model& model) {
  std::vector<std::string> ops;
  for (const Node& node : model.graph.nodes) ops.push_back(node.op_type);
  return ops;
}

std::vector<float> run(const Model& model) {
  const std::vector<NamedTensor> inputs{{"x", random_tensor({1, 4, 8, 8}, 5)}};
  return open_session(model, {.optimization = GraphOptimization::kNone})
      ->run(inputs)
      .front()
      .to_floats();
}

void expect_within(const Model& a, const Model& b, float tolerance) {
  const auto found = run(a);
  const auto expected = run(b);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], tolerance);
}

TEST(RemoveLeftovers, TakesPairsBetweenFloats) {
  const Model model =
      Pairs().node("Tanh", {"x"}, "t").pair("t", "d").node("Tanh", {"d"}, "y").model();
  const auto [after, report] = remove_leftovers(model);
  EXPECT_THAT(ops_of(after), ElementsAre("Tanh", "Tanh"));
  EXPECT_EQ(report.float_pairs, 1U);
  EXPECT_EQ(report.pairs_before, 2U);
  EXPECT_EQ(report.pairs_after, 0U);
  expect_within(after, model, 1.0F / 64);  // half a step, through a slope of at most 1
}

TEST(RemoveLeftovers, LeavesWhatFuses) {
  const Model model = Pairs()
                          .pair("x", "xd")
                          .weight("w", {4, 4, 1, 1})
                          .node("Conv", {"xd", "w"}, "c")
                          .pair("c", "cd")
                          .node("Tanh", {"cd"}, "y")
                          .model();
  const auto [after, report] = remove_leftovers(model);
  EXPECT_TRUE(report.changes_nothing());
  EXPECT_EQ(after, model);
}

TEST(RemoveLeftovers, GivesUpOperatorsThatSaveLessThanTheirConversionsCost) {
  // Two operands and a sum: 9 bytes saved an element, 15 spent on conversions.
  const Model model = Pairs()
                          .node("Tanh", {"x"}, "t")
                          .node("Sin", {"x"}, "u")
                          .pair("t", "td")
                          .pair("u", "ud")
                          .node("Add", {"td", "ud"}, "a")
                          .pair("a", "ad")
                          .node("Tanh", {"ad"}, "y")
                          .model();
  const auto [after, report] = remove_leftovers(model);
  EXPECT_THAT(ops_of(after), ElementsAre("Tanh", "Sin", "Add", "Tanh"));
  EXPECT_THAT(report.islands, ElementsAre("Add_6"));
  expect_within(after, model, 3.0F / 64);
}

TEST(RemoveLeftovers, KeepsSuchOperatorsBesideAConvolution) {
  const Model model = Pairs()
                          .pair("x", "xd")
                          .weight("w", {4, 4, 1, 1})
                          .node("Conv", {"xd", "w"}, "c")
                          .pair("c", "cd")
                          .node("Add", {"cd", "xd"}, "a")
                          .pair("a", "ad")
                          .node("Tanh", {"ad"}, "y")
                          .model();
  const auto [after, report] = remove_leftovers(model);
  EXPECT_THAT(report.islands, IsEmpty());
  EXPECT_EQ(after, model);
}

TEST(RemoveLeftovers, StoresConstantsOfFloatOperatorsAsFloats) {
  const Model model =
      Pairs().weight("w", {4, 1, 1}).node("Tanh", {"x"}, "t").node("Sub", {"t", "w"}, "y").model();
  const auto [after, report] = remove_leftovers(model);
  EXPECT_THAT(ops_of(after), ElementsAre("Tanh", "Sub"));
  EXPECT_EQ(report.constants, 1U);
  EXPECT_EQ(run(after), run(model));
}

TEST(RemoveLeftovers, FreesAnOutputThatFloatsMake) {
  const Model model = Pairs().node("Tanh", {"x"}, "t").pair("t", "y").model();
  const auto [after, report] = remove_leftovers(model);
  EXPECT_THAT(ops_of(after), ElementsAre("Tanh"));
  EXPECT_EQ(after.graph.outputs, model.graph.outputs);
  expect_within(after, model, 1.0F / 64);
}

TEST(RemoveLeftovers, LetsAProductWriteFloatsForFloatReaders) {
  Pairs pairs;
  pairs.pair("x", "xd").weight("w", {8, 8}).node("MatMul", {"xd", "w"}, "m").pair("m", "md");
  const Model model = pairs.node("Tanh", {"md"}, "y").model();
  const auto [after, report] = remove_leftovers(model);
  EXPECT_THAT(ops_of(after), ElementsAre("QuantizeLinear", "DequantizeLinear", "DequantizeLinear",
                                         "MatMul", "Tanh"));
}

/// Whatever is removed, the model loads, and ONNX Runtime is left with no more Q/DQ than before.
TEST(RemoveLeftovers, NeverLeavesMoreThanThereWas) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    const Model model = random_qdq_model(seed);
    const auto before = forecast_fusion(model).operators();
    const auto [after, report] = remove_leftovers(model);
    auto left = forecast_fusion(after).operators();
    for (const char* op : {"QuantizeLinear", "DequantizeLinear"}) {
      const auto found = before.find(op);
      EXPECT_LE(left[op], found == before.end() ? 0 : found->second) << op;
    }
    open_session(after, {.optimization = GraphOptimization::kNone});
  }
}

}  // namespace
}  // namespace planish::test
