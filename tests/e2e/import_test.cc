// planish import on archives that torch.export wrote: tests/golden/import/make_golden.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "process.h"
#include "support/paths.h"

namespace planish::e2e {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;

class CliImport : public testing::Test {
 protected:
  [[nodiscard]] static std::string data(const std::string& name) {
    return (test::test_data_folder() / "import" / name).string();
  }
  [[nodiscard]] std::string out() const { return (folder_.path() / "model.onnx").string(); }
  [[nodiscard]] bool wrote() const { return fs::exists(out()); }

  [[nodiscard]] Finished import_with(std::vector<std::string> more,
                                     const std::string& archive = "two_heads.pt2") const {
    std::vector<std::string> arguments{"import", data(archive), "-o", out()};
    std::ranges::move(more, std::back_inserter(arguments));
    return run_planish(arguments);
  }

  static std::vector<std::string> names_of(const std::vector<ValueInfo>& values) {
    std::vector<std::string> names;
    for (const ValueInfo& value : values) names.push_back(value.name);
    return names;
  }

 private:
  TemporaryFolder folder_;
};

TEST_F(CliImport, IsHeldToWhatTorchComputes) {
  const Finished run = import_with({"--reference", data("two_heads.reference.npz"), "--reference",
                                    data("two_heads.reference-2.npz"), "--json"});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  const Json reference = parse_json(run.out)["reference"];
  EXPECT_TRUE(reference["passed"]);
  ASSERT_EQ(reference["outputs"].size(), 4);  // two outputs of two runs
  for (const Json& output : reference["outputs"]) {
    // Sums of at most 36 products through six layers: each rounds with 2^-24, K of them with K
    // 2^-24; 6 x 36 x 6e-8.
    EXPECT_LE(output["max_relative_error"].get<double>(), 6 * 36 * 0x1p-24) << output.dump();
  }
  EXPECT_TRUE(wrote());
}

TEST_F(CliImport, AnOutputThatDiffersIsExitOneAndWritesNothing) {
  const Finished run = import_with({"--reference", data("two_heads.reference.npz"), "--tolerance",
                                    "0", "--output-names", "features,logits"});
  EXPECT_EQ(run.exit_status, 1);
  EXPECT_THAT(run.out, HasSubstr("output 'features' against"));
  EXPECT_THAT(run.out, HasSubstr("it is float32 [1, 5]; the reference is float32 [1, 4]"));
  EXPECT_THAT(run.out, HasSubstr("nothing was written"));
  EXPECT_FALSE(wrote());
}

TEST_F(CliImport, AReferenceThatDoesNotFitIsExitTwo) {
  const Finished run = import_with(
      {"--reference", data("two_heads.reference.npz"), "--input-names", "picture,weight"});
  EXPECT_EQ(run.exit_status, 2);
  EXPECT_THAT(run.err, HasSubstr("expected the input 'picture' among them"));
  EXPECT_FALSE(wrote());
}

TEST_F(CliImport, NamesThatTheExporterWasToldAreTheModels) {
  ASSERT_EQ(import_with({}).exit_status, 0);
  const Model model = load_model(out());
  EXPECT_THAT(names_of(model.graph.inputs), ElementsAre("image", "weight"));
  EXPECT_THAT(names_of(model.graph.outputs), ElementsAre("logits", "features"));
}

TEST_F(CliImport, NamesOfTheCommandStandAboveThem) {
  ASSERT_EQ(
      import_with({"--input-names", "a,b", "--output-names", "c,d", "--opset", "18"}).exit_status,
      0);
  const Model model = load_model(out());
  EXPECT_THAT(names_of(model.graph.inputs), ElementsAre("a", "b"));
  EXPECT_THAT(names_of(model.graph.outputs), ElementsAre("c", "d"));
  EXPECT_EQ(model.opset(), 18);
}

TEST_F(CliImport, NamesThatDoNotFitAreExitTwo) {
  const Finished few = import_with({"--input-names", "a"});
  EXPECT_EQ(few.exit_status, 2);
  EXPECT_THAT(few.err, HasSubstr("1 input names for 2 inputs"));
  const Finished twice = import_with({"--input-names", "a,b", "--output-names", "a,d"});
  EXPECT_EQ(twice.exit_status, 2);
  EXPECT_THAT(twice.err, HasSubstr("name 'a'"));
  EXPECT_EQ(import_with({"--opset", "16"}).exit_status, 2);
  EXPECT_FALSE(wrote());
}

TEST_F(CliImport, LayersAreCalledAfterModules) {
  ASSERT_EQ(import_with({}).exit_status, 0);
  std::vector<std::string> names;
  for (const Node& node : load_model(out()).graph.nodes) names.push_back(node.name);
  EXPECT_THAT(names, IsSupersetOf({"stem", "layer1.0.conv", "layer1.1.norm", "layer1.1.add",
                                   "layer1.0.relu", "head"}));
}

TEST_F(CliImport, WhatCannotBeImportedIsToldAtOnceWithModuleAndLine) {
  const Finished run = import_with({}, "refused.pt2");
  EXPECT_EQ(run.exit_status, 4);
  for (const char* part :
       {"4 things", "aten.special_i0.default (2 calls): this operator is not known",
        "first in module 'first' (__main__.NotKnown)",
        "make_golden.py:", "return torch.special.i0(x)", "aten.digamma.default",
        "aten.mul.Tensor: it uses a tensor that was changed in place", "in the model itself",
        "exported in training mode", "What to do:"}) {
    EXPECT_THAT(run.err, HasSubstr(part));
  }
  EXPECT_FALSE(wrote());
}

}  // namespace
}  // namespace planish::e2e
