#include "planish/graph/graph_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish::test {
namespace {

/// A branch that reads `outer` of the graph around it, inside another branch.
Box<Graph> branch_reading(const std::string& outer) {
  return GraphBuilder()
      .node("If", {"c"}, {"t"},
            {{"then",
              Box<Graph>(GraphBuilder().node("Relu", {outer}, {"u"}).untyped_output("u").graph())}})
      .untyped_output("t")
      .graph();
}

std::vector<std::string> ops_of(const Graph& graph) {
  std::vector<std::string> ops;
  for (const Node& node : graph.nodes) ops.push_back(node.op_type);
  return ops;
}

const Graph& branch_of(const Node& node) { return *std::get<Box<Graph>>(node.attributes[0].value); }

// ---------------------------------------------------------------- GraphIndex

TEST(GraphIndexTest, KnowsProducersAndUses) {
  const Graph graph = GraphBuilder()
                          .input("x")
                          .initializer<float>("w", {1}, {1})
                          .node("Mul", {"x", "w"}, {"a"})
                          .node("Add", {"a", "a"}, {"b", ""})
                          .node("Clip", {"b", "", "w"}, {"y"})
                          .output("y")
                          .graph();
  const GraphIndex index(graph);
  EXPECT_EQ(index.producer("a"), 0U);
  EXPECT_EQ(index.producer("x"), std::nullopt);
  EXPECT_EQ(index.producer(""), std::nullopt);
  const auto uses_of = [&](std::string_view name) {
    return std::vector<Use>(index.uses(name).begin(), index.uses(name).end());
  };
  EXPECT_EQ(uses_of("a"), (std::vector<Use>{{1, 0}, {1, 1}}));
  EXPECT_EQ(uses_of("w"), (std::vector<Use>{{0, 1}, {2, 2}}));
  EXPECT_TRUE(uses_of("y").empty());
  EXPECT_TRUE(uses_of("").empty());
  EXPECT_TRUE(index.is_graph_output("y"));
  EXPECT_TRUE(index.is_graph_input("x"));
  EXPECT_FALSE(index.is_graph_input("w"));
  EXPECT_TRUE(index.has_single_use("b"));
  EXPECT_FALSE(index.has_single_use("a"));
  EXPECT_FALSE(index.has_single_use("y"));
}

TEST(GraphIndexTest, CountsAUseInsideASubgraphOncePerNode) {
  const Graph graph =
      GraphBuilder()
          .node("Op", {"x"}, {"a"})
          .node("If", {"c"}, {"y"}, {{"then", branch_reading("a")}, {"else", branch_reading("a")}})
          .graph();
  const GraphIndex index(graph);
  ASSERT_EQ(index.uses("a").size(), 1U);
  EXPECT_EQ(index.uses("a")[0], (Use{1, Use::kBySubgraph}));
  EXPECT_FALSE(index.has_single_use("a"));  // it cannot be replaced like a node's own input
}

TEST(GraphIndexTest, DoesNotCountUsesOfNamesThatASubgraphDefinesItself) {
  for (const auto& inner :
       {GraphBuilder().input("a").node("Relu", {"a"}, {"t"}),
        GraphBuilder().initializer<float>("a", {}, {1}).node("Relu", {"a"}, {"t"}),
        GraphBuilder().node("Op", {}, {"a"}).node("Relu", {"a"}, {"t"})}) {
    const Graph graph = GraphBuilder()
                            .node("Op", {"x"}, {"a"})
                            .node("Loop", {}, {"y"}, {{"body", Box<Graph>(inner.graph())}})
                            .graph();
    EXPECT_TRUE(GraphIndex(graph).uses("a").empty());
  }
}

TEST(GraphIndexTest, CountsAnOuterValueThatASubgraphHandsOut) {
  const Graph graph = GraphBuilder()
                          .node("Op", {"x"}, {"a"})
                          .node("If", {"c"}, {"y"},
                                {{"then", Box<Graph>(GraphBuilder().untyped_output("a").graph())}})
                          .graph();
  EXPECT_EQ(GraphIndex(graph).uses("a").size(), 1U);
}

TEST(GraphIndexTest, TakesAnInitializerForConstantOnlyWhenNobodyCanOverrideIt) {
  const Graph graph = GraphBuilder()
                          .input("w")
                          .initializer<float>("w", {1}, {1})
                          .initializer<float>("b", {1}, {2})
                          .graph();
  const GraphIndex index(graph);
  EXPECT_EQ(index.constant("w"), nullptr);
  ASSERT_NE(index.constant("b"), nullptr);
  EXPECT_EQ(index.constant("b")->name, "b");
  EXPECT_EQ(index.constant("none"), nullptr);
}

TEST(GraphIndexTest, KnowsDeclaredTypes) {
  const Graph graph = GraphBuilder()
                          .input("x", DType::kInt8, {1, "n"})
                          .value("a", DType::kUInt8, {2})
                          .value("y", DType::kBool)
                          .untyped_output("y")
                          .untyped_output("z")
                          .graph();
  const GraphIndex index(graph);
  EXPECT_EQ(index.type("x")->tensor()->dtype, DType::kInt8);
  EXPECT_EQ(index.type("a")->tensor()->dtype, DType::kUInt8);
  EXPECT_EQ(index.type("y")->tensor()->dtype, DType::kBool);  // the output itself says nothing
  EXPECT_EQ(index.type("z"), nullptr);
  EXPECT_EQ(index.type("none"), nullptr);
}

// ---------------------------------------------------------------- sort_topologically

TEST(SortTopologically, PutsProducersBeforeReadersAlsoThroughSubgraphs) {
  Graph graph = GraphBuilder()
                    .node("If", {"c"}, {"y"}, {{"then", branch_reading("b")}})
                    .node("Second", {"a"}, {"b"})
                    .node("First", {"x"}, {"a"})
                    .graph();
  sort_topologically(graph);
  EXPECT_EQ(ops_of(graph), (std::vector<std::string>{"First", "Second", "If"}));
}

TEST(SortTopologically, KeepsAnOrderThatIsValid) {
  Graph graph = GraphBuilder()
                    .node("C", {"x"}, {"c"})
                    .node("A", {"x"}, {"a"})
                    .node("B", {"a"}, {"b"})
                    .node("D", {"b", "c", "b"}, {"d"})
                    .graph();
  const Graph before = graph;
  sort_topologically(graph);
  EXPECT_TRUE(graph == before);
}

TEST(SortTopologically, GivesAValidOrderForAnyShuffle) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    GraphBuilder builder;
    for (int i = 0; i < 30; ++i) {
      std::vector<std::string> inputs;
      for (int k = 0; k < 3 && i > 0; ++k) {
        inputs.push_back("v" + std::to_string(random() % static_cast<unsigned>(i)));
      }
      builder.node("Op", inputs, {"v" + std::to_string(i)});
    }
    Graph graph = builder.graph();
    std::shuffle(graph.nodes.begin(), graph.nodes.end(), random);
    sort_topologically(graph);
    const GraphIndex index(graph);
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      for (const std::string& input : graph.nodes[i].inputs) EXPECT_LT(*index.producer(input), i);
    }
  }
}

TEST(SortTopologically, RefusesCyclesAndValuesMadeTwice) {
  Graph cycle = GraphBuilder()
                    .node("Fine", {"x"}, {"z"})
                    .node("A", {"b"}, {"a"}, {}, "first")
                    .node("B", {"a"}, {"b"})
                    .graph();
  EXPECT_TRUE(
      throws(ErrorCode::kCorrupt, [&] { sort_topologically(cycle); }, {"'first'", "cycle"}));
  Graph itself = GraphBuilder().node("A", {"a"}, {"a"}).graph();
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { sort_topologically(itself); }));
  Graph twice = GraphBuilder().node("A", {}, {"a"}, {}, "n").node("B", {}, {"a"}, {}, "m").graph();
  EXPECT_TRUE(
      throws(ErrorCode::kCorrupt, [&] { sort_topologically(twice); }, {"'a'", "'n'", "'m'"}));
}

// ---------------------------------------------------------------- replace_uses

TEST(ReplaceUses, ChangesReadersAndNeitherProducersNorOutputs) {
  Graph graph =
      GraphBuilder().node("Op", {"x"}, {"a"}).node("Add", {"a", "a"}, {"y"}).output("a").graph();
  replace_uses(graph, "a", "b");
  EXPECT_EQ(graph.nodes[0].outputs, std::vector<std::string>{"a"});
  EXPECT_EQ(graph.nodes[1].inputs, (std::vector<std::string>{"b", "b"}));
  EXPECT_EQ(graph.outputs[0].name, "a");
}

TEST(ReplaceUses, ReachesIntoSubgraphs) {
  Graph graph = GraphBuilder().node("If", {"c"}, {"y"}, {{"then", branch_reading("a")}}).graph();
  replace_uses(graph, "a", "b");
  EXPECT_EQ(branch_of(branch_of(graph.nodes[0]).nodes[0]).nodes[0].inputs,
            std::vector<std::string>{"b"});
}

TEST(ReplaceUses, LeavesSubgraphsAloneThatHaveAValueOfThatName) {
  const Graph body = GraphBuilder()
                         .input("a")
                         .node("Relu", {"a"}, {"t"})
                         .node("If", {"t"}, {"u"}, {{"then", branch_reading("a")}})
                         .graph();
  Graph graph = GraphBuilder().node("Loop", {"a"}, {"y"}, {{"body", Box<Graph>(body)}}).graph();
  replace_uses(graph, "a", "b");
  EXPECT_EQ(graph.nodes[0].inputs, std::vector<std::string>{"b"});
  EXPECT_TRUE(branch_of(graph.nodes[0]) == body);
}

TEST(ReplaceUses, RefusesToReadAnotherValueOfTheSameNameInsteadOfTheOneMeant) {
  const Graph body = GraphBuilder().input("b").node("Add", {"a", "b"}, {"t"}).graph();
  Graph graph = GraphBuilder().node("Loop", {}, {"y"}, {{"body", Box<Graph>(body)}}).graph();
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { replace_uses(graph, "a", "b"); }, {"'b'"}));
}

// ---------------------------------------------------------------- remove_unused

TEST(RemoveUnused, RemovesWhatLeadsToNoOutput) {
  Graph graph = GraphBuilder()
                    .input("x")
                    .initializer<float>("w", {1}, {1})
                    .initializer<float>("dead_w", {1}, {1})
                    .node("Mul", {"x", "w"}, {"y"})
                    .node("Mul", {"x", "dead_w"}, {"dead"})
                    .node("Relu", {"dead"}, {"also_dead"})
                    .value("dead")
                    .output("y")
                    .graph();
  EXPECT_EQ(remove_unused(graph), 2U);
  EXPECT_EQ(ops_of(graph), std::vector<std::string>{"Mul"});
  ASSERT_EQ(graph.initializers.size(), 1U);
  EXPECT_EQ(graph.initializers[0].name, "w");
  EXPECT_TRUE(graph.values.empty());
  EXPECT_EQ(remove_unused(graph), 0U);
}

TEST(RemoveUnused, KeepsWhatSubgraphsRead) {
  Graph graph = GraphBuilder()
                    .initializer<float>("w", {1}, {1})
                    .node("Op", {"w"}, {"a"})
                    .node("If", {"c"}, {"y"}, {{"then", branch_reading("a")}})
                    .output("y")
                    .graph();
  EXPECT_EQ(remove_unused(graph), 0U);
  EXPECT_EQ(graph.initializers.size(), 1U);
}

TEST(RemoveUnused, KeepsInputsTheirDefaultsAndInitializersThatAreOutputs) {
  Graph graph = GraphBuilder()
                    .input("w")
                    .initializer<float>("w", {1}, {1})
                    .initializer<float>("out", {1}, {1})
                    .output("out")
                    .graph();
  EXPECT_EQ(remove_unused(graph), 0U);
  EXPECT_EQ(graph.inputs.size(), 1U);
  EXPECT_EQ(graph.initializers.size(), 2U);  // without its default the input would be required
}

TEST(RemoveUnused, KeepsAnnotationsOfWhatStaysWithTheTensorsTheyName) {
  Graph graph = GraphBuilder()
                    .initializer<float>("scale", {}, {1})
                    .initializer<float>("dead_scale", {}, {1})
                    .node("Op", {"x"}, {"y"})
                    .node("Op", {"x"}, {"dead"})
                    .output("y")
                    .graph();
  graph.quantization_annotations = {{"y", {{"SCALE_TENSOR", "scale"}}, {}},
                                    {"dead", {{"SCALE_TENSOR", "dead_scale"}}, {}}};
  EXPECT_EQ(remove_unused(graph), 1U);
  ASSERT_EQ(graph.quantization_annotations.size(), 1U);
  ASSERT_EQ(graph.initializers.size(), 1U);
  EXPECT_EQ(graph.initializers[0].name, "scale");
}

TEST(RemoveUnused, KeepsANodeOneOfWhoseOutputsIsRead) {
  Graph graph = GraphBuilder().node("Split", {"x"}, {"", "a", "y"}).output("y").value("a").graph();
  EXPECT_EQ(remove_unused(graph), 0U);
  EXPECT_EQ(graph.values.size(), 1U);
}

// ---------------------------------------------------------------- NameScope

TEST(NameScopeTest, GivesTheWishOrANumberedName) {
  NameScope names(GraphBuilder().node("Op", {"x"}, {"y"}, {}, "n").graph());
  EXPECT_EQ(names.fresh("free"), "free");
  EXPECT_EQ(names.fresh("free"), "free_1");
  EXPECT_EQ(names.fresh("x"), "x_1");
  EXPECT_EQ(names.fresh("x"), "x_2");
  EXPECT_EQ(names.fresh("n"), "n_1");
}

TEST(NameScopeTest, KnowsNamesInsideSubgraphsAndOfDeclaredTypes) {
  NameScope names(GraphBuilder()
                      .node("If", {"c"}, {"y"}, {{"then", branch_reading("deep")}})
                      .value("declared")
                      .graph());
  EXPECT_EQ(names.fresh("deep"), "deep_1");
  EXPECT_EQ(names.fresh("u"), "u_1");
  EXPECT_EQ(names.fresh("declared"), "declared_1");
}

TEST(ForEachGraph, VisitsTheOutermostFirst) {
  GraphBuilder builder;
  builder.node("If", {"c"}, {"y"}, {{"then", branch_reading("a")}});
  std::vector<std::size_t> nodes;
  for_each_graph(builder.graph(), [&](const Graph& graph) { nodes.push_back(graph.nodes.size()); });
  EXPECT_EQ(nodes, (std::vector<std::size_t>{1, 1, 1}));
}

}  // namespace
}  // namespace planish::test
