// import_model: what is proven of a program before anything is made of it.
#include "planish/import/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "import/prove.h"
#include "planish/base/file.h"
#include "planish/onnx/onnx.h"
#include "support/graph_builder.h"
#include "support/random_tensor.h"
#include "support/throws.h"
#include "support/torch_archive.h"

namespace planish::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Import : public testing::Test {
 protected:
  [[nodiscard]] Imported import(const TorchArchive& archive,
                                const ImportConfig& config = {}) const {
    const auto path = folder_.path() / "net.pt2";
    write_file_atomically(path, archive.zip());
    return import_model(path, config);
  }

  TemporaryFolder folder_;
};

Json number(std::int64_t value) { return {{"as_int", value}}; }

Json tensor(const std::string& name) { return {{"as_tensor", {{"name", name}}}}; }

Json argument(const std::string& name, Json value) {
  return {{"name", name}, {"arg", std::move(value)}, {"kind", 1}};
}

/// The archive with another operator in place of relu, in line 9 of module "act".
TorchArchive with_call(const std::string& target, std::vector<Json> arguments) {
  TorchArchive archive;
  Json& node = archive.node(1);
  node["target"] = "torch.ops.aten." + target;
  node["inputs"] = Json::array({argument("input", tensor("add"))});
  for (Json& more : arguments) node["inputs"].push_back(std::move(more));
  node["metadata"]["stack_trace"] =
      "File \"/lib/torch/nn/modules/module.py\", line 1, in call\n    return f()\n"
      "File \"net.py\", line 9, in forward\n    return self.act(h)";
  return archive;
}

TEST_F(Import, RunsAtTheSizesOfTheExportAndAtAnotherBatch) {
  const Imported imported = import(TorchArchive());
  ASSERT_EQ(imported.report.tried.size(), 2U);
  EXPECT_EQ(imported.report.tried[0].what, "sizes of the export");
  EXPECT_THAT(imported.report.tried[0].inputs, ElementsAre(ElementsAre(4, 3)));
  EXPECT_EQ(imported.report.tried[1].what, "batch = 1");
  EXPECT_THAT(imported.report.tried[1].inputs, ElementsAre(ElementsAre(1, 3)));
  EXPECT_THAT(imported.report.notes, IsEmpty());
}

TEST_F(Import, StaysWithinTheLimitsOfADimension) {
  TorchArchive archive;
  archive.program["range_constraints"]["s77"] = {{"min_val", 3}, {"max_val", 4}};
  const Imported imported = import(archive);
  ASSERT_EQ(imported.report.tried.size(), 2U);
  EXPECT_THAT(imported.report.tried[1].inputs, ElementsAre(ElementsAre(3, 3)));
}

TEST_F(Import, ABatchThatIsOpenInNameOnlyIsFound) {
  // w of shape [2, 3] is added to x [batch, 3], exported with 2: at batch 1 the answer has two
  // rows.
  TorchArchive archive;
  archive.view()["sizes"] = Json::array({number(2), number(3)});
  archive.view()["strides"] = Json::array({number(3), number(1)});
  archive.value("p_w")["sizes"] = archive.view()["sizes"];
  for (const char* name : {"x", "add", "relu"})
    archive.value(name)["sizes"][0]["as_expr"]["hint"] = number(2);
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { (void)import(archive); },
                     {"with batch = 1", "'output' has shape [2, 3]", "declares [1, 3]"}));
}

TEST_F(Import, AProgramWhoseShapesDoNotFitIsRefused) {
  // Seven columns cannot be added to three: the program says so of no value.
  TorchArchive archive;
  archive.value("x")["sizes"][1] = number(7);
  EXPECT_THROW((void)import(archive), Error);
}

TEST_F(Import, DropoutInTrainingModeIsRefusedWithTheLine) {
  const auto train = [](bool on) {
    return with_call("dropout.default",
                     {argument("p", {{"as_float", 0.5}}), argument("train", {{"as_bool", on}})});
  };
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { (void)import(train(true)); },
                     {"aten.dropout.default", "drops values at random", "training mode",
                      "model.eval()", "module 'act'", "net.py:9: return self.act(h)"}));
  EXPECT_EQ(import(train(false)).report.calls, 2U);
}

TEST_F(Import, BatchStatisticsAreRefusedWithTheLine) {
  const TorchArchive archive = with_call(
      "batch_norm.default",
      {argument("weight", {{"as_none", true}}), argument("bias", {{"as_none", true}}),
       argument("running_mean", {{"as_none", true}}), argument("running_var", {{"as_none", true}}),
       argument("training", {{"as_bool", true}}), argument("momentum", {{"as_float", 0.1}}),
       argument("eps", {{"as_float", 1e-5}}), argument("cudnn_enabled", {{"as_bool", true}})});
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { (void)import(archive); },
                     {"aten.batch_norm.default", "statistics of the batch", "model.eval()",
                      "module 'act'", "net.py:9"}));
}

TEST_F(Import, ABufferThatForwardChangesIsRefused) {
  TorchArchive archive;
  Json& specs = archive.program["graph_module"]["signature"]["output_specs"];
  specs.push_back({{"buffer_mutation", {{"arg", {{"name", "add"}}}, {"buffer_name", "bn.mean"}}}});
  archive.program["graph_module"]["graph"]["outputs"].push_back(tensor("add"));
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { (void)import(archive); },
                     {"'bn.mean' is changed by forward()", "model.eval()"}));
}

TEST_F(Import, UnknownOperatorsAreToldTogether) {
  TorchArchive archive = with_call("no_such.default", {});
  archive.node(0)["target"] = "torch.ops.mine.special.default";
  EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { (void)import(archive); },
                     {"2 things", "aten.no_such.default", "mine.special.default", "net.py:7",
                      "net.py:9", "module 'act'", "run_decompositions"}));
}

TEST_F(Import, SimplifiedOrNotTheAnswersAreTheSame) {
  ImportConfig plain;
  plain.simplify = false;
  const std::vector<NamedTensor> inputs{{"x", random_tensor({5, 3}, 1)}};
  const auto answer = [&](const ImportConfig& config) {
    return open_session(import(TorchArchive(), config).model)->run(inputs);
  };
  EXPECT_EQ(answer({}), answer(plain));
}

TEST_F(Import, WithoutProofNothingIsRun) {
  ImportConfig config;
  config.verify = false;
  EXPECT_THAT(import(TorchArchive(), config).report.tried, IsEmpty());
}

TEST_F(Import, EndsOnRequest) {
  std::stop_source stop;
  stop.request_stop();
  ImportConfig config;
  config.stop = stop.get_token();
  EXPECT_TRUE(throws(ErrorCode::kCancelled, [&] { (void)import(TorchArchive(), config); }));
}

TEST_F(Import, OnnxIsProvenOnRandomInputs) {
  const auto path = folder_.path() / "net.onnx";
  save_model(GraphBuilder()
                 .input("x", DType::kFloat32, {"n", 3})
                 .node("Relu", {"x"}, {"y"})
                 .output("y", DType::kFloat32, {"n", 3})
                 .model(),
             path);
  const Imported imported = import_model(path);
  EXPECT_EQ(imported.report.format, SourceFormat::kOnnx);
  EXPECT_EQ(imported.report.tried.size(), 2U);
}

TEST_F(Import, WeightsWithoutAGraphAreRefusedWithTheRecipe) {
  const auto path = folder_.path() / "net.pth";
  write_file_atomically(path, zip_of({{.name = "net/data.pkl"}, {.name = "net/data/0"}}));
  for (const auto& load : {+[](const std::filesystem::path& p) { (void)load_any_model(p); },
                           +[](const std::filesystem::path& p) { (void)open_any_session(p); },
                           +[](const std::filesystem::path& p) { (void)import_model(p); }}) {
    EXPECT_TRUE(throws(ErrorCode::kUnsupported, [&] { load(path); },
                       {"net.pth", "without a graph", "torch.export.save(program"}));
  }
}

TEST(OpenForProof, HoldsNoCopyOfTheWeights) {
  // Kernels of MatMul and Conv repack their weights unless they are told not to.
  const auto memory = std::make_shared<std::vector<float>>(64 * 64, 1.0F);
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"n", 64})
                          .initializer("w", Tensor(DType::kFloat32, {64, 64},
                                                   std::as_bytes(std::span(*memory)), memory))
                          .node("MatMul", {"x", "w"}, {"y"})
                          .output("y", DType::kFloat32, {"n", 64})
                          .model();
  const auto session = detail::open_for_proof(model, {});
  memory->assign(64 * 64, 2.0F);
  const Tensor ones = Tensor::of<float>({1, 64}, std::vector<float>(64, 1.0F));
  const auto outputs = session->run(std::vector<NamedTensor>{{"x", ones}});
  EXPECT_EQ(outputs.at(0).values<float>()[0], 128.0F);
}

}  // namespace
}  // namespace planish::test
