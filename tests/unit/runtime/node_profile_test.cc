#include "planish/runtime/node_profile.h"

#include <gtest/gtest.h>

#include "planish/base/error.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using std::chrono::microseconds;

Model two_multiplications() {
  return test::GraphBuilder()
      .input("x", DType::kFloat32, {1, 64})
      .initializer("w", test::random_tensor({64, 64}, 1))
      .node("MatMul", {"x", "w"}, {"first"}, {}, "multiply_1")
      .node("Sigmoid", {"first"}, {"second"}, {}, "squash")
      .node("MatMul", {"second", "w"}, {"y"}, {}, "multiply_2")
      .output("y", DType::kFloat32, {1, 64})
      .model();
}

TEST(ProfileNodes, TimesEveryNodeInTheOrderOfExecution) {
  const std::vector<NamedTensor> inputs{{"x", test::random_tensor({1, 64}, 2)}};
  const auto nodes = profile_nodes(two_multiplications(), inputs, {.runs = 3, .warmup_runs = 1});
  ASSERT_EQ(nodes.size(), 3U);
  EXPECT_EQ(nodes[0].node, "multiply_1");
  EXPECT_EQ(nodes[1].op_type, "Sigmoid");
  EXPECT_EQ(nodes[2].node, "multiply_2");
}

TEST(ProfileNodes, WantsARun) {
  const std::vector<NamedTensor> inputs{{"x", test::random_tensor({1, 64}, 2)}};
  EXPECT_TRUE(test::throws(ErrorCode::kInvalidArgument,
                           [&] { profile_nodes(two_multiplications(), inputs, {.runs = 0}); }));
}

TEST(TimesByOperator, AddsNodesAndPutsTheMostTimeFirst) {
  const std::vector<NodeTime> nodes{{"a", "Relu", microseconds(10)},
                                    {"b", "Conv", microseconds(50)},
                                    {"c", "Conv", microseconds(40)}};
  const auto times = times_by_operator(nodes);
  ASSERT_EQ(times.size(), 2U);
  EXPECT_EQ(times[0].op_type, "Conv");
  EXPECT_EQ(times[0].nodes, 2U);
  EXPECT_EQ(times[0].total, microseconds(90));
  EXPECT_DOUBLE_EQ(times[0].share, 0.9);
}

}  // namespace
}  // namespace planish
