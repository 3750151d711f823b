#include "planish/quantize/qdq_lint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "planish/base/file.h"
#include "support/graph_builder.h"
#include "support/paths.h"
#include "support/random_qdq.h"

namespace planish::test {
namespace {

GraphBuilder with_params() {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {2, 8})
      .initializer("s", Tensor::scalar(0.02F))
      .initializer("t", Tensor::scalar(0.05F))
      .initializer("z", Tensor::scalar(std::uint8_t{0}))
      .initializer("i", Tensor::scalar(std::int8_t{0}));
  return builder;
}

std::set<LintCode> codes_of(const Model& model) {
  std::set<LintCode> codes;
  for (const LintFinding& finding : lint_qdq(model)) codes.insert(finding.code);
  return codes;
}

TEST(LintQdq, EveryLeftOverBelongsToOneFinding) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const FusionForecast forecast = forecast_fusion(random_qdq_model(seed));
    std::multiset<std::string> left;
    for (const FusedNode& node : forecast.nodes) {
      if (node.node.op_type == "QuantizeLinear" || node.node.op_type == "DequantizeLinear")
        left.insert(node.node.name);
    }
    std::multiset<std::string> explained;
    for (const LintFinding& finding : explain_leftovers(forecast))
      explained.insert(finding.pairs.begin(), finding.pairs.end());
    EXPECT_EQ(left, explained) << "seed " << seed;
  }
}

TEST(LintQdq, PairBetweenFloatsIsAFloatPair) {
  const Model model = with_params()
                          .node("Sqrt", {"x"}, {"a"})
                          .node("QuantizeLinear", {"a", "s", "z"}, {"q"})
                          .node("DequantizeLinear", {"q", "s", "z"}, {"d"})
                          .node("Tanh", {"d"}, {"y"})
                          .untyped_output("y")
                          .model();
  EXPECT_EQ(codes_of(model), std::set{LintCode::kFloatPair});
}

TEST(LintQdq, OperatorWithoutKernelBetweenPairsIsNamed) {
  const Model model = with_params()
                          .node("QuantizeLinear", {"x", "s", "z"}, {"q"})
                          .node("DequantizeLinear", {"q", "s", "z"}, {"d"})
                          .node("Tanh", {"d"}, {"a"}, {}, "the tanh")
                          .node("QuantizeLinear", {"a", "t", "z"}, {"r"})
                          .node("DequantizeLinear", {"r", "t", "z"}, {"e"})
                          .node("Sigmoid", {"e"}, {"b"})
                          .node("QuantizeLinear", {"b", "s", "z"}, {"u"})
                          .node("DequantizeLinear", {"u", "s", "z"}, {"y"})
                          .untyped_output("y")
                          .model();
  const auto findings = lint_qdq(model);
  const auto found = std::ranges::find(findings, LintCode::kNoKernel, &LintFinding::code);
  ASSERT_NE(found, findings.end());
  EXPECT_EQ(found->node, "the tanh");
  EXPECT_EQ(found->obstacle, FusionObstacle::kNoKernel);
}

TEST(LintQdq, SignedActivationsAndDoublePairsAreReported) {
  const Model model = with_params()
                          .node("QuantizeLinear", {"x", "s", "i"}, {"q"})
                          .node("DequantizeLinear", {"q", "s", "i"}, {"d"})
                          .node("QuantizeLinear", {"d", "t", "i"}, {"r"})
                          .node("DequantizeLinear", {"r", "t", "i"}, {"y"})
                          .untyped_output("y")
                          .model();
  const auto codes = codes_of(model);
  EXPECT_TRUE(codes.contains(LintCode::kSignedActivations));
  EXPECT_TRUE(codes.contains(LintCode::kDoublePair));
}

TEST(LintDocs, HoldTheTables) {
  const std::string text = read_file(source_folder() / "docs" / "lint.md");
  EXPECT_NE(text.find(lint_rules_markdown()), std::string::npos) << lint_rules_markdown();
  EXPECT_NE(text.find(fusion_rules_markdown()), std::string::npos) << fusion_rules_markdown();
}

}  // namespace
}  // namespace planish::test
