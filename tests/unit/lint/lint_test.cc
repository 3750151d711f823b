#include "planish/lint/lint.h"

#include <gtest/gtest.h>

#include "planish/base/error.h"
#include "support/graph_builder.h"
#include "support/random_qdq.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

Model pair_between_floats() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {64, 64})
      .initializer("s", Tensor::scalar(0.02F))
      .initializer("z", Tensor::scalar(std::uint8_t{0}))
      .node("Sqrt", {"x"}, {"a"})
      .node("QuantizeLinear", {"a", "s", "z"}, {"q"}, {}, "the q")
      .node("DequantizeLinear", {"q", "s", "z"}, {"d"}, {}, "the dq")
      .node("Tanh", {"d"}, {"y"})
      .untyped_output("y")
      .model();
}

TEST(LintModel, FindsTheForecastInTheGraphThatRuns) {
  const LintReport report = lint_model(pair_between_floats());
  EXPECT_TRUE(report.differences.empty());
  EXPECT_EQ(report.quantize_nodes, 1U);
  EXPECT_EQ(report.dequantize_nodes, 1U);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].finding.code, LintCode::kFloatPair);
  EXPECT_FALSE(report.findings[0].time.has_value());
  EXPECT_FALSE(report.time.has_value());
}

TEST(LintModel, MeasuresOnInputs) {
  const std::vector<NamedTensor> inputs{{"x", random_tensor({64, 64}, 1, 0.0F, 1.0F)}};
  ProfileConfig config;
  config.runs = 3;
  const LintReport report = lint_model(pair_between_floats(), inputs, config);
  ASSERT_TRUE(report.time.has_value());
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_TRUE(report.findings[0].time.has_value());
  EXPECT_LE(*report.findings[0].time, *report.time);
}

TEST(LintModel, ForecastHoldsForRandomModelsAsTheyAreServed) {
  std::size_t differ = 0;
  std::size_t compared = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    try {
      differ += lint_model(random_qdq_model(seed)).differences.empty() ? 0 : 1;
      ++compared;
    } catch (const Error&) {
      // Not every random model loads.
    }
  }
  EXPECT_GT(compared, 30U);
  EXPECT_EQ(differ, 0U);
}

}  // namespace
}  // namespace planish::test
