#include "planish/graph/model.h"

#include <gtest/gtest.h>

#include <cmath>

#include "planish/graph/shape.h"
#include "support/graph_builder.h"
#include "support/throws.h"

namespace planish::test {
namespace {

Node node_with(const Attributes& attributes) {
  return GraphBuilder().node("Op", {"x"}, {"y"}, attributes, "n").graph().nodes.at(0);
}

TEST(NodeAttributes, AreReadByTypeOrFallBack) {
  const Node node = node_with({{"i", 3}, {"f", 0.5F}, {"s", "text"}, {"list", ints({1, 2})}});
  EXPECT_EQ(node.int_attribute("i", 0), 3);
  EXPECT_EQ(node.float_attribute("f", 0), 0.5F);
  EXPECT_EQ(node.string_attribute("s", ""), "text");
  EXPECT_EQ(node.ints_attribute("list"), ints({1, 2}));
  EXPECT_EQ(node.int_attribute("none", 7), 7);
  EXPECT_EQ(node.ints_attribute("none", {1}), ints({1}));
  EXPECT_EQ(node.find_attribute("none"), nullptr);
}

TEST(NodeAttributes, OfAnotherTypeAreAnErrorThatNamesThem) {
  EXPECT_TRUE(throws(ErrorCode::kCorrupt,
                     [] {
                       (void)node_with({{"i", "text"}}).int_attribute("i", 0);
                     },
                     {"node 'n' (Op)", "'i'", "an integer"}));
}

TEST(NodeAttributes, AreSetReplacedAndRemoved) {
  Node node = node_with({{"a", 1}});
  node.attributes[0].doc_string = "kept";
  node.attributes[0].ref_attr_name = "of the old value";
  node.attributes[0].opaque = "of the old value";
  node.set_attribute("a", 2.0F);
  node.set_attribute("b", std::int64_t{3});
  ASSERT_EQ(node.attributes.size(), 2U);
  EXPECT_EQ(node.float_attribute("a", 0), 2.0F);
  EXPECT_EQ(node.attributes[0].doc_string, "kept");
  EXPECT_EQ(node.attributes[0].ref_attr_name, "");
  EXPECT_EQ(node.attributes[0].opaque, "");
  EXPECT_TRUE(node.remove_attribute("a"));
  EXPECT_FALSE(node.remove_attribute("a"));
}

TEST(NodeAttributes, WithNaNAreEqualToThemselves) {
  EXPECT_TRUE(node_with({{"f", NAN}}) == node_with({{"f", NAN}}));
  EXPECT_TRUE(node_with({{"f", floats({1, NAN})}}) == node_with({{"f", floats({1, NAN})}}));
  EXPECT_FALSE(node_with({{"f", 0.0F}}) == node_with({{"f", -0.0F}}));
  EXPECT_FALSE(node_with({{"f", 1.0F}}) == node_with({{"f", 1}}));
}

TEST(NodeOperands, BeyondTheLastAreEmpty) {
  const Node node = node_with({});
  EXPECT_EQ(node.input(0), "x");
  EXPECT_EQ(node.input(1), "");
  EXPECT_EQ(node.output(5), "");
  EXPECT_TRUE(node.is("Op"));
  EXPECT_FALSE(node.is("Op", "com.microsoft"));
}

TEST(ModelOpset, IsReadAndSetByDomain) {
  Model model = GraphBuilder(17).opset("com.microsoft", 1).model();
  EXPECT_EQ(model.opset(), 17);
  EXPECT_EQ(model.opset("com.microsoft"), 1);
  EXPECT_EQ(model.opset("none"), 0);
  model.set_opset("", 18);
  EXPECT_EQ(model.opset(), 18);
  EXPECT_EQ(model.opset_imports.size(), 2U);
}

TEST(Models, AreCopiedAndComparedDeep) {
  const Model model =
      GraphBuilder()
          .node("If", {"c"}, {"y"},
                {{"then", Box<Graph>(GraphBuilder().node("Relu", {"x"}, {"t"}).graph())}})
          .model();
  Model copy = model;
  EXPECT_TRUE(copy == model);
  std::get<Box<Graph>>(copy.graph.nodes[0].attributes[0].value)->nodes[0].op_type = "Abs";
  EXPECT_FALSE(copy == model);
  EXPECT_EQ(std::get<Box<Graph>>(model.graph.nodes[0].attributes[0].value)->nodes[0].op_type,
            "Relu");
}

TEST(Shapes, ShowNumbersSymbolsAndTheUnknown) {
  EXPECT_EQ(to_string(Shape{"batch", 3, Dim(), 224}), "[batch, 3, ?, 224]");
  EXPECT_EQ(static_dims(Shape{1, 2}), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(static_dims(Shape{1, "n"}), std::nullopt);
  EXPECT_EQ(static_dims(Shape{}), std::vector<std::int64_t>{});
}

}  // namespace
}  // namespace planish::test
