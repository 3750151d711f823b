// The embedded example as torch.export saved it: imported, inspected, and the whole way to INT8.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "process.h"
#include "support/paths.h"

namespace planish::e2e {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const fs::path kExample = test::source_folder() / "examples/cifar10";

class TorchExample : public testing::Test {
 protected:
  [[nodiscard]] std::string text(const std::string& name) const {
    return (folder_.path() / name).string();
  }
  [[nodiscard]] static std::string example(const std::string& name) {
    return (kExample / name).string();
  }

  /// A folder with the first `count` images of one of the example's.
  [[nodiscard]] std::string few(const std::string& images, std::size_t count) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(kExample / images))
      files.push_back(entry.path());
    std::ranges::sort(files);
    fs::create_directories(text(images));
    for (std::size_t i = 0; i < count; ++i)
      fs::copy_file(files.at(i), fs::path(text(images)) / files[i].filename());
    return text(images);
  }

  [[nodiscard]] std::size_t files_left() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_.path()), {}));
  }

  TemporaryFolder folder_;
};

TEST_F(TorchExample, ImportProvesItAndNamesLayersAsTheModelDoes) {
  const Finished run = run_planish({"import", example("resnet8x4.pt2"), "-o", text("net.onnx")});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("open dimension batch"), HasSubstr("batch = 1"),
                             HasSubstr("torch 2.13.0")));
  const Model model = load_model(text("net.onnx"));
  EXPECT_EQ(model.graph.inputs.at(0).type.tensor()->shape->at(0), Dim("batch"));
  EXPECT_TRUE(std::ranges::any_of(model.graph.nodes, [](const Node& node) {
    return node.op_type == "Conv" && node.name == "layers.0.conv1";
  }));
  EXPECT_EQ(files_left(), 1U);
}

TEST_F(TorchExample, IsReadByEveryCommandThatTakesAModel) {
  const Finished inspect = run_planish({"inspect", example("resnet8x4.pt2"), "--json"});
  ASSERT_EQ(inspect.exit_status, 0) << inspect.err;
  EXPECT_EQ(parse_json(inspect.out)["mode"], "static");
  // The archive and the ONNX file are two exports of one network.
  ASSERT_EQ(run_planish({"import", example("resnet8x4.pt2"), "--input-names", "input",
                         "--output-names", "logits", "-o", text("net.onnx")})
                .exit_status,
            0);
  const Finished compare =
      run_planish({"compare", example("resnet8x4.onnx"), text("net.onnx"), "--data",
                   few("evaluation", 20), "--preprocess", example("preprocess.json"), "--json"});
  ASSERT_EQ(compare.exit_status, 0) << compare.err;
  const Json accuracy = parse_json(compare.out);
  EXPECT_EQ(accuracy["top1_agreement"], 1.0);
  // Batch norms folded or not: float32 rounds each of a dozen layers by about 2^-24.
  EXPECT_GT(accuracy["cosine_min"], 1 - 1e-6);
}

TEST_F(TorchExample, AutoGoesTheSameWayAsFromOnnx) {
  const std::string data = few("calibration", 8);
  const std::string eval_data = few("evaluation", 16);
  const auto report_of = [&](const std::string& model, const std::string& out) {
    const Finished run =
        run_planish({"auto", example(model), "--data", data, "--eval-data", eval_data, "--labels",
                     example("labels.csv"), "--preprocess", example("preprocess.json"),
                     "--bench-seconds", "0.05", "--max-drop", "0.2", "--json", "-o", text(out)});
    // Which is faster is not for a test to say: 1 is FP32 chosen.
    EXPECT_THAT(run.exit_status, testing::AnyOf(0, 1)) << run.err;
    return parse_json(run.out);
  };
  const Json torch = report_of("resnet8x4.pt2", "from_torch");
  const Json onnx = report_of("resnet8x4.onnx", "from_onnx");
  EXPECT_TRUE(fs::exists(text("from_torch/model.onnx")));
  EXPECT_EQ(torch["accuracy"]["fp32_top1"], onnx["accuracy"]["fp32_top1"]);
  EXPECT_EQ(torch["accuracy"]["samples"], onnx["accuracy"]["samples"]);
  // The same kinds of candidates, however far each came.
  const auto kinds_of = [](const Json& report) {
    std::set<std::string> kinds;
    for (const Json& candidate : report["candidates"])
      kinds.insert(candidate["method"].get<std::string>() + "/" +
                   candidate["format"].get<std::string>());
    return kinds;
  };
  EXPECT_EQ(kinds_of(torch), kinds_of(onnx));
}

TEST_F(TorchExample, AFullDiskLeavesNothingBehind) {
  const Finished run = run_planish({"import", example("resnet8x4.pt2"), "-o", text("net.onnx")},
                                   {.max_file_bytes = 1'000'000});
  EXPECT_EQ(run.exit_status, 5) << run.err;
  EXPECT_EQ(files_left(), 0U);
}

TEST_F(TorchExample, AnInterruptLeavesTheWholeFileOrNone) {
  for (const int milliseconds : {20, 60, 120}) {
    const std::string out = text("net.onnx");
    const Finished run = run_planish({"import", example("resnet8x4.pt2"), "-o", out},
                                     {.interrupt_after = std::chrono::milliseconds(milliseconds)});
    // By the signal itself before the command listens, 5 after it, 0 when it was done.
    EXPECT_THAT(run.exit_status, testing::AnyOf(0, 5, 130)) << run.err;
    EXPECT_EQ(files_left(), fs::exists(out) ? 1U : 0U);
    if (fs::exists(out)) {
      EXPECT_NO_THROW((void)load_model(out));
      fs::remove(out);
    }
  }
}

TEST_F(TorchExample, WhenItIsTruncatedNothingIsWritten) {
  const std::string archive = read_file(kExample / "resnet8x4.pt2");
  write_file_atomically(text("cut.pt2"), std::string_view(archive).substr(0, archive.size() / 2));
  const Finished run = run_planish({"import", text("cut.pt2"), "-o", text("net.onnx")});
  EXPECT_EQ(run.exit_status, 4);
  EXPECT_THAT(run.err, AllOf(HasSubstr("cut.pt2"), HasSubstr("truncated")));
  EXPECT_EQ(files_left(), 1U);
}

TEST_F(TorchExample, AFileOfWeightsIsExitFourWithTheRecipe) {
  // As torch.save begins: an archive of the old format.
  write_file_atomically(text("net.pth"), std::string_view("\x80\x02}q\0.", 6));
  for (const char* command : {"inspect", "import"}) {
    std::vector<std::string> arguments{command, text("net.pth")};
    if (std::string_view(command) == "import") arguments.insert(arguments.end(), {"-o", text("o")});
    const Finished run = run_planish(arguments);
    EXPECT_EQ(run.exit_status, 4) << command;
    EXPECT_THAT(run.err, AllOf(HasSubstr("net.pth"), HasSubstr("torch.export.save(program")));
  }
}

}  // namespace
}  // namespace planish::e2e
