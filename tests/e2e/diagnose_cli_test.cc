// planish diagnose as a user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "process.h"
#include "support/paths.h"

namespace planish::e2e {
namespace {

using testing::HasSubstr;

const std::filesystem::path kExample = test::source_folder() / "examples/cifar10";

class DiagnoseCli : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_.path() / name).string();
  }
  [[nodiscard]] static std::string example(const std::string& name) {
    return (kExample / name).string();
  }
  /// The example as other quantizers leave it: convolutions quantized dynamically.
  std::string dynamic_model() const {
    const Finished made =
        run_planish({"quantize", example("resnet8x4.onnx"), "--profile", "onnxruntime-1.32",
                     "--mode", "dynamic", "--weight", "u8", "-o", path("dynamic.onnx")});
    EXPECT_EQ(made.exit_status, 0) << made.err;
    return path("dynamic.onnx");
  }

  TemporaryFolder folder_;
};

TEST_F(DiagnoseCli, FindingsHaveEvidenceARemedyAndACommand) {
  const std::string int8 = dynamic_model();
  const Finished run = run_planish({"diagnose", example("resnet8x4.onnx"), int8, "--no-measure"});
  EXPECT_EQ(run.exit_status, 0) << run.err;  // a diagnosis was made
  EXPECT_THAT(run.out, HasSubstr("warning dynamic-conv"));
  EXPECT_THAT(run.out, HasSubstr("9 ConvInteger"));
  EXPECT_THAT(run.out, HasSubstr("    planish quantize "));
  EXPECT_THAT(run.out, HasSubstr("not checked:"));
}

TEST_F(DiagnoseCli, FailOnTurnsFindingsIntoExitOne) {
  const std::string int8 = dynamic_model();
  const std::vector<std::string> arguments{
      "diagnose", example("resnet8x4.onnx"), int8, "--no-measure", "--json", "--fail-on"};
  const auto with = [&](const std::string& level) {
    std::vector<std::string> all = arguments;
    all.push_back(level);
    return run_planish(all);
  };
  const Finished warning = with("warning");
  EXPECT_EQ(warning.exit_status, 1) << warning.err;
  EXPECT_EQ(with("error").exit_status, 0);
  const Json json = parse_json(warning.out);
  EXPECT_EQ(json["worst"], "warning");
  EXPECT_TRUE(std::ranges::any_of(
      json["findings"], [](const Json& finding) { return finding["code"] == "dynamic-conv"; }));
}

TEST_F(DiagnoseCli, TheRemedyRemovesTheFinding) {
  const Finished made = run_planish({"quantize", example("resnet8x4.onnx"), "--data",
                                     example("calibration"), "--max-samples", "8", "--preprocess",
                                     example("preprocess.json"), "-o", path("better.onnx")});
  ASSERT_EQ(made.exit_status, 0) << made.err;
  const Finished run = run_planish({"diagnose", example("resnet8x4.onnx"), path("better.onnx"),
                                    "--no-measure", "--fail-on", "warning"});
  EXPECT_EQ(run.exit_status, 0) << run.out;
}

TEST_F(DiagnoseCli, WrongUsageAndMissingFilesHaveTheirExitStatus) {
  EXPECT_EQ(run_planish({"diagnose", example("resnet8x4.onnx")}).exit_status, 2);
  EXPECT_EQ(run_planish({"diagnose", example("resnet8x4.onnx"), path("none.onnx")}).exit_status, 3);
  const Finished labels =
      run_planish({"diagnose", example("resnet8x4.onnx"), example("resnet8x4.onnx"), "--labels",
                   example("labels.csv")});
  EXPECT_EQ(labels.exit_status, 2);
  EXPECT_THAT(labels.err, HasSubstr("--data"));
  EXPECT_THAT(run_planish({"diagnose", "--help"}).out, HasSubstr("--fail-on"));
}

}  // namespace
}  // namespace planish::e2e
