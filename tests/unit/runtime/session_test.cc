#include "planish/runtime/session.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/onnx/onnx.h"
#include "support/fake_session.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"

namespace planish {
namespace {

using test::GraphBuilder;
using test::throws;

Model add_model() {
  return GraphBuilder()
      .input("a", DType::kFloat32, {"n", 2})
      .input("b", DType::kFloat32, {"n", 2})
      .node("Add", {"a", "b"}, {"sum"})
      .output("sum", DType::kFloat32, {"n", 2})
      .model();
}

NamedTensor floats(std::string name, std::vector<std::int64_t> dims, std::vector<float> values) {
  return {std::move(name), Tensor::of<float>(std::move(dims), values)};
}

Model identity_model(DType dtype) {
  return GraphBuilder()
      .input("x", dtype, {"n"})
      .node("Identity", {"x"}, {"y"})
      .output("y", dtype, {"n"})
      .model();
}

TEST(OpenSession, TellsTheSignatureWithSymbols) {
  const auto session = open_session(add_model());
  const TensorSpec expected{.name = "a", .dtype = DType::kFloat32, .shape = {"n", 2}};
  ASSERT_EQ(session->signature().inputs.size(), 2U);
  EXPECT_EQ(session->signature().inputs[0], expected);
  ASSERT_EQ(session->signature().outputs.size(), 1U);
  EXPECT_EQ(session->signature().outputs[0].name, "sum");
}

TEST(OpenSession, GivesTheSameFromAFile) {
  const TemporaryFolder folder;
  save_model(add_model(), folder.path() / "add.onnx");
  const auto session = open_session(folder.path() / "add.onnx");
  const std::vector<NamedTensor> inputs{floats("a", {1, 2}, {1, 2}), floats("b", {1, 2}, {3, 4})};
  EXPECT_EQ(session->run(inputs).at(0), Tensor::of<float>({1, 2}, std::vector<float>{4, 6}));
}

/// y = x + w, with w large enough to be borrowed.
Model add_weight_model(Tensor w) {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"n", 1024})
      .initializer("w", std::move(w))
      .node("Add", {"x", "w"}, {"y"})
      .output("y", DType::kFloat32, {"n", 1024})
      .model();
}

TEST(OpenSession, ReadsWeightsWhereTheyLie) {
  const auto memory = std::make_shared<std::vector<float>>(1024, 1.0F);
  const Tensor w(DType::kFloat32, {1024}, std::as_bytes(std::span(*memory)), memory);
  const auto session = open_session(add_weight_model(w));
  memory->assign(1024, 5.0F);
  const Tensor zeros = Tensor::of<float>({1, 1024}, std::vector<float>(1024));
  const std::vector<Tensor> outputs = session->run(std::vector<NamedTensor>{{"x", zeros}});
  EXPECT_EQ(outputs.at(0).values<float>()[1023], 5.0F) << "the session has a copy of the weight";
}

TEST(OpenSession, KeepsTheWeightsOfAModelThatIsGone) {
  std::weak_ptr<const void> owner;
  {
    std::unique_ptr<Session> session;
    {
      const auto memory = std::make_shared<const std::vector<float>>(1024, 2.0F);
      owner = memory;
      session = open_session(add_weight_model(
          Tensor(DType::kFloat32, {1024}, std::as_bytes(std::span(*memory)), memory)));
    }
    const Tensor zeros = Tensor::of<float>({1, 1024}, std::vector<float>(1024));
    const std::vector<Tensor> outputs = session->run(std::vector<NamedTensor>{{"x", zeros}});
    EXPECT_EQ(outputs.at(0).values<float>()[0], 2.0F);
    EXPECT_FALSE(owner.expired());
  }
  EXPECT_TRUE(owner.expired());
}

TEST(OpenSession, TakesAModelWithALargeWeightThatNothingReads) {
  const auto session =
      open_session(test::GraphBuilder()
                       .input("x", DType::kFloat32, {2})
                       .initializer<float>("unread", {1000}, std::vector<float>(1000, 1.0F))
                       .node("Relu", {"x"}, {"y"})
                       .output("y", DType::kFloat32, {2})
                       .model());
  const NamedTensor x{"x", Tensor::of<float>({2}, std::vector<float>{-1, 2})};
  EXPECT_EQ(session->run({&x, 1}).at(0).to_floats(), (std::vector<float>{0, 2}));
}

TEST(OpenSession, FusesAndFoldsBorrowedWeights) {
  // Conv and BatchNormalization become one Conv: its weights are made of borrowed ones.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"n", 16, 5, 5})
                          .initializer("w", test::random_tensor({32, 16, 3, 3}, 1))
                          .initializer("gamma", test::random_tensor({32}, 2))
                          .initializer("beta", test::random_tensor({32}, 3))
                          .initializer("mean", test::random_tensor({32}, 4))
                          .initializer("var", test::random_tensor({32}, 5, 0.5F, 1.5F))
                          .node("Conv", {"x", "w"}, {"c"})
                          .node("BatchNormalization", {"c", "gamma", "beta", "mean", "var"}, {"y"})
                          .output("y", DType::kFloat32, {"n", 32, 3, 3})
                          .model();
  const Model fused = optimized_model(model, GraphOptimization::kBasic);
  EXPECT_EQ(fused.graph.nodes.size(), 1U);
  const std::vector<NamedTensor> inputs{{"x", test::random_tensor({2, 16, 5, 5}, 6)}};
  const auto plain = open_session(model, {.optimization = GraphOptimization::kNone})->run(inputs);
  const auto written = open_session(fused)->run(inputs);
  // A sum of K = 144 products of at most 1, scaled by at most 1 / sqrt(0.5), and four operations
  // more: each rounds with 2^-24 of 144 * sqrt(2) at most, in both models.
  const auto expected = plain.at(0).values<float>();
  const auto actual = written.at(0).values<float>();
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], 2 * 148 * 0x1p-24 * 144 * 1.42);
}

TEST(OpenSession, SwitchesTelemetryOffForTheProcess) {
  open_session(add_model());
  ASSERT_NE(std::getenv("ORT_DISABLE_TELEMETRY"), nullptr);
  EXPECT_STREQ(std::getenv("ORT_DISABLE_TELEMETRY"), "1");
}

TEST(OpenSession, NamesTheOperatorThatIsNotKnown) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .node("Frobnicate", {"x"}, {"y"})
                          .untyped_output("y")
                          .model();
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { open_session(model); }, {"Frobnicate"}));
}

TEST(OpenSession, NamesTheOperatorThatHasNoKernelForItsType) {
  const Model model = GraphBuilder()
                          .input("x", DType::kBool, {2})
                          .node("Erf", {"x"}, {"y"})
                          .untyped_output("y")
                          .model();
  EXPECT_THROW(open_session(model), Error);
}

TEST(OpenSession, RefusesWhatIsNotAModelAndNamesTheFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "cat.onnx";
  std::ofstream(path) << "meow meow meow";
  EXPECT_TRUE(throws(ErrorCode::kCorrupt, [&] { open_session(path); }, {"cat.onnx"}));
}

TEST(OpenSession, TellsAMissingFile) {
  EXPECT_TRUE(throws(ErrorCode::kNotFound,
                     [] { open_session(std::filesystem::path("no/such.onnx")); }, {"such.onnx"}));
}

TEST(OpenSession, RefusesOutputsThatAreNotTensorsWithARemedy) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {2})
                          .node("SequenceConstruct", {"x", "x"}, {"pair"})
                          .untyped_output("pair")
                          .model();
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { open_session(model); },
                     {"'pair'", "sequence", "expected a tensor"}));
}

TEST(OpenSession, RefusesToTakeTheHostsThreads) {
  const SessionConfig config{.threads = 0};
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { open_session(add_model(), config); },
                     {"0 threads"}));
}

TEST(OpenSession, PassesFurtherKeysOn) {
  SessionConfig config;
  config.entries = {{"session.set_denormal_as_zero", "1"}};
  EXPECT_NO_THROW(open_session(add_model(), config));
}

TEST(OpenSession, WritesWhatReallyRuns) {
  const TemporaryFolder folder;
  SessionConfig config;
  config.optimized_model_path = folder.path() / "optimized.onnx";
  open_session(add_model(), config);
  EXPECT_EQ(load_model(*config.optimized_model_path).graph.nodes.size(), 1U);
}

TEST(Run, TakesInputsInAnyOrder) {
  const auto session = open_session(GraphBuilder()
                                        .input("a", DType::kFloat32, {1})
                                        .input("b", DType::kFloat32, {1})
                                        .node("Sub", {"a", "b"}, {"y"})
                                        .output("y", DType::kFloat32, {1})
                                        .model());
  const std::vector<NamedTensor> inputs{floats("b", {1}, {1}), floats("a", {1}, {5})};
  EXPECT_EQ(session->run(inputs).at(0).values<float>()[0], 4.0F);
}

TEST(Run, SaysWhatIsWrongWithTheInputs) {
  const auto session = open_session(add_model());
  const NamedTensor a = floats("a", {1, 2}, {1, 2});
  const auto run = [&](std::vector<NamedTensor> inputs) {
    return [&session, inputs] { session->run(inputs); };
  };
  const auto code = ErrorCode::kInvalidArgument;
  EXPECT_TRUE(throws(code, run({a}), {"'b'", "missing"}));
  EXPECT_TRUE(throws(code, run({a, floats("c", {1, 2}, {1, 2})}), {"'c'", "unknown", "'a', 'b'"}));
  EXPECT_TRUE(throws(code, run({a, a}), {"'a'", "twice"}));
  EXPECT_TRUE(
      throws(code, run({a, floats("b", {1, 3}, {1, 2, 3})}), {"'b'", "[1, 3]", "expected [n, 2]"}));
  EXPECT_TRUE(throws(code, run({a, floats("b", {2}, {1, 2})}), {"'b'", "[2]", "[n, 2]"}));
  const NamedTensor ints{"b", Tensor::of<std::int64_t>({1, 2}, std::vector<std::int64_t>{1, 2})};
  EXPECT_TRUE(throws(code, run({a, ints}), {"'b'", "int64", "expected float32"}));
}

TEST(Run, ReportsWhatTheModelCannotComputeWithTheNode) {
  const auto session = open_session(add_model());
  const std::vector<NamedTensor> inputs{floats("a", {2, 2}, {1, 2, 3, 4}),
                                        floats("b", {3, 2}, {1, 2, 3, 4, 5, 6})};
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { session->run(inputs); }, {"Add"}));
}

class RunOfType : public testing::TestWithParam<DType> {};

TEST_P(RunOfType, KeepsEveryBit) {
  const auto session = open_session(identity_model(GetParam()));
  const std::vector<NamedTensor> inputs{{"x", test::random_bits(GetParam(), {37}, 1)}};
  EXPECT_EQ(session->run(inputs).at(0), inputs[0].value);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, RunOfType,
                         testing::Values(DType::kFloat32, DType::kFloat64, DType::kFloat16,
                                         DType::kBFloat16, DType::kInt8, DType::kUInt8,
                                         DType::kInt16, DType::kUInt16, DType::kInt32,
                                         DType::kUInt32, DType::kInt64, DType::kUInt64,
                                         DType::kBool),
                         [](const auto& type) { return std::string(name_of(type.param)); });

TEST(Run, KeepsStrings) {
  const auto session = open_session(identity_model(DType::kString));
  const std::vector<NamedTensor> inputs{{"x", Tensor::of_strings({3}, {"", "ein", "Wörter"})}};
  EXPECT_EQ(session->run(inputs).at(0), inputs[0].value);
}

TEST(Run, TakesTensorsWithoutElements) {
  const auto session = open_session(identity_model(DType::kFloat32));
  const std::vector<NamedTensor> inputs{{"x", Tensor::of<float>({0}, std::vector<float>{})}};
  EXPECT_EQ(session->run(inputs).at(0).dims(), (std::vector<std::int64_t>{0}));
}

TEST(Run, OutputsOutliveSessionAndInputs) {
  // The graph hands an input through: ONNX Runtime gives out the caller's own memory.
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {4})
                          .node("Relu", {"x"}, {"y"})
                          .output("y", DType::kFloat32, {4})
                          .output("x", DType::kFloat32, {4})
                          .model();
  std::vector<Tensor> outputs;
  {
    const auto session = open_session(model);
    const std::vector<NamedTensor> inputs{floats("x", {4}, {-1, 2, -3, 4})};
    outputs = session->run(inputs);
  }
  EXPECT_EQ(outputs.at(0), Tensor::of<float>({4}, std::vector<float>{0, 2, 0, 4}));
  EXPECT_EQ(outputs.at(1), Tensor::of<float>({4}, std::vector<float>{-1, 2, -3, 4}));
}

TEST(Run, IsStoppedOnRequest) {
  const auto session = open_session(add_model());
  std::stop_source stop;
  const std::vector<NamedTensor> inputs{floats("a", {1, 2}, {1, 2}), floats("b", {1, 2}, {3, 4})};
  EXPECT_EQ(session->run_until(inputs, stop.get_token()).size(), 1U);
  stop.request_stop();
  EXPECT_TRUE(throws(ErrorCode::kCancelled, [&] { session->run_until(inputs, stop.get_token()); }));
}

TEST(OptimizedModel, ShowsWhatReallyRuns) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {1, 4})
                          .node("Identity", {"x"}, {"same"})
                          .node("Relu", {"same"}, {"y"})
                          .output("y", DType::kFloat32, {1, 4})
                          .model();
  EXPECT_EQ(optimized_model(model, GraphOptimization::kNone).graph.nodes.size(), 2U);
  EXPECT_EQ(optimized_model(model, GraphOptimization::kBasic).graph.nodes.size(), 1U);
}

TEST(RuntimeVersion, IsAVersion) { EXPECT_TRUE(runtime_version().starts_with("1.")); }

}  // namespace
}  // namespace planish
