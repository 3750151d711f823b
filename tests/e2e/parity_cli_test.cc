// Profile onnxruntime-1.32 and its options, by the real command.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "planish/quantize/calibration_cache.h"
#include "process.h"
#include "support/paths.h"

namespace planish::e2e {
namespace {

namespace fs = std::filesystem;

const fs::path kData = test::test_data_folder() / "quantize";

class ParityCli : public testing::Test {
 protected:
  [[nodiscard]] std::string text(const std::string& name) const {
    return (folder_.path() / name).string();
  }
  [[nodiscard]] static std::string model(const std::string& name) {
    return (kData / "golden/models" / (name + ".onnx")).string();
  }

  TemporaryFolder folder_;
};

TEST_F(ParityCli, ACacheOfThePythonQuantizerIsACalibration) {
  const Finished result = run_planish(
      {"quantize", model("conv_chain"), "--profile", "onnxruntime-1.32", "--calibration",
       (kData / "calibration_cache/minmax.json").string(), "-o", text("int8.onnx")});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_GT(load_model(text("int8.onnx")).graph.nodes.size(), 11U);
}

TEST_F(ParityCli, CalibrateWritesACacheForTheGraphAsItIs) {
  const fs::path example = test::source_folder() / "examples/cifar10";
  const std::string input = (example / "resnet8x4.onnx").string();
  const Finished calibrated =
      run_planish({"calibrate", input, "--data", (example / "calibration").string(),
                   "--max-samples", "2", "--preprocess", (example / "preprocess.json").string(),
                   "--cache-format", "onnxruntime", "-o", text("cache.json")});
  ASSERT_EQ(calibrated.exit_status, 0) << calibrated.err;
  EXPECT_TRUE(is_onnxruntime_cache(parse_json(read_file(text("cache.json")))));
  // That profile wants ranges of more tensors than profile best would have calibrated.
  const Finished quantized =
      run_planish({"quantize", input, "--profile", "onnxruntime-1.32", "--calibration",
                   text("cache.json"), "-o", text("int8.onnx")});
  EXPECT_EQ(quantized.exit_status, 0) << quantized.err;
}

TEST_F(ParityCli, OptionsAreSetByEitherName) {
  const auto relus_with = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"quantize",
                                   model("conv_chain"),
                                   "--profile",
                                   "onnxruntime-1.32",
                                   "--calibration",
                                   (kData / "calibration_cache/minmax.json").string(),
                                   "-o",
                                   text("int8.onnx")};
    words.insert(words.end(), more.begin(), more.end());
    const Finished result = run_planish(words);
    EXPECT_EQ(result.exit_status, 0) << result.err;
    return std::ranges::count(load_model(text("int8.onnx")).graph.nodes, "Relu", &Node::op_type);
  };
  EXPECT_EQ(relus_with({}), 0);
  EXPECT_GT(relus_with({"--option", "keep-removable-activations=true"}), 0);
  EXPECT_GT(relus_with({"--option", "QDQKeepRemovableActivations=True"}), 0);
  EXPECT_EQ(run_planish({"quantize", model("conv_chain"), "--dry-run", "--option", "no-such=1"})
                .exit_status,
            2);
}

}  // namespace
}  // namespace planish::e2e
