#include "runtime/observed_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "support/graph_builder.h"

namespace planish {
namespace {

using test::GraphBuilder;

constexpr const char* kBlocked = "com.microsoft.nchwc";

// What ONNX Runtime makes of a convolution whose output is observed, and read in blocked layout.
Model reordered(std::int64_t channels) {
  return GraphBuilder()
      .input("x")
      .node("Conv", {"x", "w"}, {"conv_blocked"}, {}, "conv", kBlocked)
      .node("ReorderOutput", {"conv_blocked"}, {"conv"}, {{"channels", channels}}, "back", kBlocked)
      .node("Observe", {"conv", "x"}, {"seen"}, {{"index", std::int64_t{0}}}, "observer",
            std::string(kObserveDomain))
      .untyped_output("seen")
      .model();
}

std::size_t count_of(const Graph& graph, const std::string& op_type) {
  return static_cast<std::size_t>(
      std::count_if(graph.nodes.begin(), graph.nodes.end(),
                    [&](const Node& node) { return node.op_type == op_type; }));
}

TEST(ObserveBlockedLayouts, ReadsFullBlocksAsTheyLie) {
  Model model = reordered(32);
  EXPECT_EQ(observe_blocked_layouts(model.graph), 1U);
  EXPECT_EQ(model.graph.nodes.back().inputs.front(), "conv_blocked");
  EXPECT_EQ(count_of(model.graph, "ReorderOutput"), 0U);
}

TEST(ObserveBlockedLayouts, DoesNotReadThePaddingOfPartialBlocks) {
  Model model = reordered(24);  // padded to 32 where a block is 16
  EXPECT_EQ(observe_blocked_layouts(model.graph), 0U);
  EXPECT_EQ(model.graph.nodes.back().inputs.front(), "conv");
  EXPECT_EQ(count_of(model.graph, "ReorderOutput"), 1U);
}

TEST(ObserveBlockedLayouts, KeepsALayoutChangeThatOthersRead) {
  Model model = reordered(32);
  model.graph.outputs.push_back({.name = "conv"});
  EXPECT_EQ(observe_blocked_layouts(model.graph), 1U);
  EXPECT_EQ(count_of(model.graph, "ReorderOutput"), 1U);
}

TEST(WithObservers, AddsOneObserverPerValueInTheOrderOfComputation) {
  const Model model = GraphBuilder().input("x").node("Neg", {"x"}, {"y"}).output("y").model();
  const std::vector<std::string> values{"y", "x"};
  const Model observed = with_observers(model, values);
  ASSERT_EQ(observed.graph.nodes.size(), 3U);
  EXPECT_EQ(observed.graph.nodes[1].inputs, (std::vector<std::string>{"x", "x"}));
  EXPECT_EQ(observed.graph.nodes[1].int_attribute("index", -1), 1);
  EXPECT_EQ(observed.graph.nodes[2].inputs, (std::vector<std::string>{"y", "x"}));
  EXPECT_EQ(observed.graph.nodes[2].int_attribute("index", -1), 0);
  EXPECT_EQ(observed.graph.outputs.size(), 3U);
  EXPECT_EQ(observed.opset(kObserveDomain), 1);
}

}  // namespace
}  // namespace planish
