// Every operator whose form changed between opsets 7 and 13, run by ONNX Runtime before and after.
// A raised node runs on the same kernel and the same numbers, so answers are equal bit for bit.
#include "planish/optimize/raise_opset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "planish/prepare/prepare.h"
#include "planish/runtime/session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"

namespace planish::test {
namespace {

using ::testing::HasSubstr;

struct Case {
  std::string name;
  std::int64_t opset = 0;
  std::function<void(GraphBuilder&)> build;  // from "x" float32 [2, 3, 4, 6] to "y"
  std::vector<std::string> ops;              // after
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name << " of opset " << c.opset; }

Model model_of(const Case& c) {
  GraphBuilder builder(c.opset);
  builder.input("x", DType::kFloat32, {2, 3, 4, 6});
  c.build(builder);
  return builder.untyped_output("y").model();
}

std::vector<Tensor> run(const Model& model, const Tensor& x) {
  const std::vector<NamedTensor> inputs{{"x", x}};
  return open_session(model, {.optimization = GraphOptimization::kNone})->run(inputs);
}

Model raised(Model model) {
  write_value_types(model);
  raise_opset(model, {});
  return model;
}

/// One node from x to y.
std::function<void(GraphBuilder&)> one(std::string op, Attributes attributes = {}) {
  return [op = std::move(op), attributes = std::move(attributes)](GraphBuilder& builder) {
    builder.node(op, {"x"}, {"y"}, attributes);
  };
}

std::function<void(GraphBuilder&)> resized(std::string op, std::vector<float> scales,
                                           std::string mode) {
  return [op = std::move(op), scales = std::move(scales),
          mode = std::move(mode)](GraphBuilder& builder) {
    builder.initializer<float>("scales", {4}, scales)
        .node(op, {"x", "scales"}, {"y"}, {{"mode", mode}});
  };
}

void batch_norm(GraphBuilder& builder) {
  builder.initializer("s", random_tensor({3}, 1))
      .initializer("b", random_tensor({3}, 2))
      .initializer("m", random_tensor({3}, 3))
      .initializer("v", random_tensor({3}, 4, 0.5F, 1.5F))
      .node("BatchNormalization", {"x", "s", "b", "m", "v"}, {"y"},
            {{"spatial", std::int64_t{1}}, {"epsilon", 1e-3F}});
}

void scatter(GraphBuilder& builder) {
  builder.initializer<std::int64_t>("i", {1, 1, 1, 2}, {3, 0})
      .initializer<float>("u", {1, 1, 1, 2}, {7, 8})
      .node("Scatter", {"x", "i", "u"}, {"y"}, {{"axis", std::int64_t{2}}});
}

void split(GraphBuilder& builder) {
  builder.node("Split", {"x"}, {"a", "b"}, {{"axis", std::int64_t{3}}, {"split", ints({2, 4})}})
      .node("Concat", {"b", "a"}, {"y"}, {{"axis", std::int64_t{-1}}});
}

void squeezed(GraphBuilder& builder) {
  builder.node("Unsqueeze", {"x"}, {"u"}, {{"axes", ints({0, 3})}})
      .node("Squeeze", {"u"}, {"s"}, {{"axes", ints({0})}})
      .node("Squeeze", {"s"}, {"y"});
}

/// The rank of what is normalized is not known.
void softmax_of_unknown_rank(GraphBuilder& builder) {
  builder.input("dims", DType::kInt64, {"r"})
      .node("Reshape", {"x", "dims"}, {"d"})
      .node("Softmax", {"d"}, {"y"}, {{"axis", std::int64_t{1}}});
}

void branches(GraphBuilder& builder) {
  const auto branch = [](float low) {
    return Box<Graph>(GraphBuilder()
                          .node("Clip", {"x"}, {"c"}, {{"min", low}})
                          .node("Unsqueeze", {"c"}, {"out"}, {{"axes", ints({0})}})
                          .untyped_output("out")
                          .graph());
  };
  builder.node("ReduceSum", {"x"}, {"sum"}, {{"keepdims", std::int64_t{0}}})
      .initializer("zero", Tensor::scalar(0.0F))
      .node("Less", {"sum", "zero"}, {"is_negative"})
      .node("If", {"is_negative"}, {"y"},
            {{"then_branch", branch(-0.5F)}, {"else_branch", branch(0.5F)}});
}

using Ops = std::vector<std::string>;
const std::int64_t kOne = 1;

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"BatchNormalization", 7, batch_norm, {"BatchNormalization"}},
      {"Clip", 7, one("Clip", {{"min", -0.25F}, {"max", 0.5F}}), {"Clip"}},
      {"ClipAbove", 10, one("Clip", {{"max", 0.5F}}), {"Clip"}},
      {"ClipNothing", 8, one("Clip"), {"Clip"}},
      {"Dropout", 7, one("Dropout", {{"ratio", 0.25F}}), {"Dropout"}},
      {"DropoutWithBoolMask", 11, one("Dropout", {{"ratio", 0.25F}}), {"Dropout"}},
      {"Hardmax",
       12,
       one("Hardmax", {{"axis", std::int64_t{2}}}),
       {"Shape", "Flatten", "Hardmax", "Reshape"}},
      {"LogSoftmax", 9, one("LogSoftmax"), {"Shape", "Flatten", "LogSoftmax", "Reshape"}},
      {"LogSoftmaxOfTheLastAxis",
       9,
       one("LogSoftmax", {{"axis", std::int64_t{3}}}),
       {"LogSoftmax"}},
      {"Pad", 7, one("Pad", {{"pads", ints({0, 0, 1, 2, 0, 0, 0, 1})}, {"value", 1.5F}}), {"Pad"}},
      {"PadReflect",
       10,
       one("Pad", {{"pads", ints({0, 0, 1, 2, 0, 0, 0, 1})}, {"mode", std::string("reflect")}}),
       {"Pad"}},
      {"PadNegative", 9, one("Pad", {{"pads", ints({0, 0, -1, 0, 0, 0, 0, -2})}}), {"Pad"}},
      {"ReduceSum",
       12,
       one("ReduceSum", {{"axes", ints({1, -1})}, {"keepdims", kOne}}),
       {"ReduceSum"}},
      {"ReduceSumOfAll", 7, one("ReduceSum"), {"ReduceSum"}},
      {"ResizeNearestUp", 10, resized("Resize", {1, 1, 2, 1.5F}, "nearest"), {"Resize"}},
      {"ResizeNearestDown", 10, resized("Resize", {1, 1, 0.5F, 0.7F}, "nearest"), {"Resize"}},
      {"ResizeLinear", 10, resized("Resize", {1, 1, 1.5F, 2.5F}, "linear"), {"Resize"}},
      {"ResizeLinearDown", 10, resized("Resize", {1, 1, 0.5F, 2.5F}, "linear"), {"Resize"}},
      {"Scatter", 9, scatter, {"ScatterElements"}},
      {"Slice",
       9,
       one("Slice", {{"starts", ints({1, -3})}, {"ends", ints({3, 1000})}, {"axes", ints({2, 3})}}),
       {"Slice"}},
      {"SliceWithoutAxes",
       7,
       one("Slice", {{"starts", ints({0, 1})}, {"ends", ints({2, 2})}}),
       {"Slice"}},
      {"Softmax", 7, one("Softmax"), {"Shape", "Flatten", "Softmax", "Reshape"}},
      {"SoftmaxOfAll",
       12,
       one("Softmax", {{"axis", std::int64_t{0}}}),
       {"Shape", "Flatten", "Softmax", "Reshape"}},
      {"SoftmaxFromTheEnd",
       11,
       one("Softmax", {{"axis", std::int64_t{-2}}}),
       {"Shape", "Flatten", "Softmax", "Reshape"}},
      {"SoftmaxOfTheLastAxis", 12, one("Softmax", {{"axis", std::int64_t{-1}}}), {"Softmax"}},
      {"Split", 7, split, {"Split", "Concat"}},
      {"Squeeze", 12, squeezed, {"Unsqueeze", "Squeeze", "Squeeze"}},
      {"TopK",
       9,
       [](GraphBuilder& b) {
         b.node("TopK", {"x"}, {"y", "i"}, {{"k", std::int64_t{2}}});
       },
       {"TopK"}},
      {"UpsampleNearest",
       7,
       one("Upsample", {{"scales", floats({1, 1, 2, 3})}, {"mode", std::string("nearest")}}),
       {"Resize"}},
      {"UpsampleLinear",
       7,
       one("Upsample", {{"scales", floats({1, 1, 1.5F, 2})}, {"mode", std::string("linear")}}),
       {"Resize"}},
      {"UpsampleNearest", 9, resized("Upsample", {1, 1, 2, 2.5F}, "nearest"), {"Resize"}},
      {"UpsampleLinear", 9, resized("Upsample", {1, 1, 2, 2.5F}, "linear"), {"Resize"}},
      {"Branches", 9, branches, {"ReduceSum", "Less", "If"}},
  };
  return all;
}

class RaiseOpset : public ::testing::TestWithParam<Case> {};

TEST_P(RaiseOpset, AnswersAsBefore) {
  const Model model = model_of(GetParam());
  const Model after = raised(model);
  EXPECT_EQ(after.opset(), 13);
  std::vector<std::string> ops;
  for (const Node& node : after.graph.nodes) ops.push_back(node.op_type);
  EXPECT_EQ(ops, GetParam().ops);
  const Tensor x = random_tensor({2, 3, 4, 6}, 7);
  EXPECT_EQ(run(after, x), run(model, x));
}

INSTANTIATE_TEST_SUITE_P(EveryOperator, RaiseOpset, ::testing::ValuesIn(cases()),
                         [](const ::testing::TestParamInfo<Case>& each) {
                           return each.param.name + "At" + std::to_string(each.param.opset);
                         });

TEST(RaiseOpset, NeedsNoRankForSoftmax) {
  GraphBuilder builder(11);
  builder.input("x", DType::kFloat32, {2, 3, 4, 6});
  softmax_of_unknown_rank(builder);
  const Model model = builder.untyped_output("y").model();
  const std::vector<NamedTensor> inputs{
      {"x", random_tensor({2, 3, 4, 6}, 7)},
      {"dims", Tensor::of<std::int64_t>({3}, std::vector<std::int64_t>{6, 4, 6})}};
  const auto answer = [&](const Model& m) { return open_session(m)->run(inputs); };
  EXPECT_EQ(answer(raised(model)), answer(model));
}

TEST(RaiseOpset, SaysWhichNodeKeepsTheModelWhereItIs) {
  const Case mixed{"", 10, resized("Resize", {1, 1, 0.5F, 2}, "nearest"), {}};
  const Model model = model_of(mixed);
  EXPECT_EQ(raised(model).opset(), 10);
  EXPECT_THAT(opset_obstacle(model).value_or(""), HasSubstr("Resize 'Resize_0'"));
  const auto notes = prepare(model).report.notes;
  EXPECT_THAT(notes, ::testing::Contains(::testing::AllOf(
                         HasSubstr("opset 10 stays for Resize 'Resize_0'"), HasSubstr("export"))));
}

TEST(RaiseOpset, LeavesOpset13AndLaterAlone) {
  Model model = GraphBuilder(13)
                    .input("x", DType::kFloat32, {2, 3})
                    .node("Softmax", {"x"}, {"y"}, {{"axis", std::int64_t{0}}})
                    .untyped_output("y")
                    .model();
  const Model before = model;
  EXPECT_EQ(raise_opset(model, {}).changes, 0U);
  EXPECT_EQ(model, before);
  EXPECT_EQ(opset_obstacle(model), std::nullopt);
}

TEST(RaiseOpset, IsProvenByPrepareOnTheWholeModel) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(prepare(model_of(c), {.verify = Verify::kEachPass}).model.opset(), 13);
  }
}

}  // namespace
}  // namespace planish::test
