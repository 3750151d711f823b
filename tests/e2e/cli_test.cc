// The real command on real files: what a user meets, most of all when something is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

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
using testing::IsEmpty;

const fs::path kExample = test::source_folder() / "examples/cifar10";

class Cli : public testing::Test {
 protected:
  [[nodiscard]] fs::path path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] std::string text(const std::string& name) const { return path(name).string(); }
  [[nodiscard]] static std::string example(const std::string& name) {
    return (kExample / name).string();
  }

  fs::path write(const std::string& name, const std::string& bytes) const {
    fs::create_directories(path(name).parent_path());
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

  /// A folder with the first `count` calibration images.
  std::string few_images(std::size_t count) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(kExample / "calibration"))
      files.push_back(entry.path());
    std::ranges::sort(files);
    fs::create_directories(path("few"));
    for (std::size_t i = 0; i < count; ++i)
      fs::copy_file(files.at(i), path("few") / files[i].filename(),
                    fs::copy_options::skip_existing);
    return text("few");
  }

  /// Names left in the test's folder that planish should not have left there.
  [[nodiscard]] std::vector<std::string> leftovers() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename().string();
      if (name.find(".tmp.") != std::string::npos || name.starts_with("planish-"))
        names.push_back(name);
    }
    return names;
  }

  TemporaryFolder folder_;
};

TEST_F(Cli, HelpOfEveryCommandSucceeds) {
  EXPECT_EQ(run_planish({"--help"}).exit_status, 0);
  for (const char* command :
       {"auto", "inspect", "prepare", "calibrate", "quantize", "compare", "bench", "host", "ops"}) {
    const Finished help = run_planish({command, "--help"});
    EXPECT_EQ(help.exit_status, 0) << command;
    EXPECT_THAT(help.out, HasSubstr("--json")) << command;
  }
}

TEST_F(Cli, RemediesChangeThePlanAndSaySo) {
  const Finished run =
      run_planish({"quantize", example("resnet8x4.onnx"), "--data", few_images(4), "--preprocess",
                   example("preprocess.json"), "--equalize", "--smooth", "--weight-clipping", "mse",
                   "--rounding", "adaptive", "--bias-correction", "--json", "-o", text("q.onnx")});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  const Json json = parse_json(run.out);
  EXPECT_TRUE(json["remedies"].contains("equalize"));
  EXPECT_TRUE(json["remedies"].contains("smooth"));
  EXPECT_FALSE(json["remedies"]["clipping"].empty());
  EXPECT_FALSE(json["remedies"]["rounding"].empty());
  EXPECT_FALSE(json["corrected"].empty());
  EXPECT_TRUE(fs::exists(path("q.onnx")));
}

TEST_F(Cli, RemediesWithoutSamplesOrUnderTheOtherProfileAreExitTwo) {
  for (const char* remedy : {"--equalize", "--bias-correction"}) {
    const Finished without = run_planish(
        {"quantize", example("resnet8x4.onnx"), remedy, "--mode", "dynamic", "-o", text("q.onnx")});
    EXPECT_EQ(without.exit_status, 2) << remedy;
    EXPECT_THAT(without.err, HasSubstr("--data"));
  }
  const Finished parity =
      run_planish({"quantize", example("resnet8x4.onnx"), "--data", few_images(2), "--preprocess",
                   example("preprocess.json"), "--profile", "onnxruntime-1.32", "--bias-correction",
                   "-o", text("q.onnx")});
  EXPECT_EQ(parity.exit_status, 2);
  EXPECT_THAT(parity.err, HasSubstr("onnxruntime-1.32"));
}

TEST_F(Cli, QuantizeUsesTheRemediesThatPayByItselfWithEnoughSamples) {
  const auto remedies_of = [&](int images, const std::vector<std::string>& switches) {
    std::vector<std::string> arguments{"quantize",      example("resnet8x4.onnx"),
                                       "--data",        example("calibration"),
                                       "--max-samples", std::to_string(images),
                                       "--preprocess",  example("preprocess.json"),
                                       "--dry-run",     "--json"};
    arguments.insert(arguments.end(), switches.begin(), switches.end());
    const Finished run = run_planish(arguments);
    EXPECT_EQ(run.exit_status, 0) << run.err;
    std::vector<std::string> names;
    const Json json = parse_json(run.out);
    for (const auto& [name, report] : json["remedies"].items()) names.push_back(name);
    return names;
  };
  EXPECT_THAT(remedies_of(32, {}), testing::UnorderedElementsAre("rounding", "bias_correction"));
  EXPECT_THAT(remedies_of(32, {"--rounding", "nearest"}), testing::ElementsAre("bias_correction"));
  EXPECT_THAT(remedies_of(32, {"--no-bias-correction"}), testing::ElementsAre("rounding"));
  EXPECT_THAT(remedies_of(32, {"--no-remedies"}), IsEmpty());
  EXPECT_THAT(remedies_of(4, {}), IsEmpty());
}

TEST_F(Cli, WrongUsageIsExitTwo) {
  EXPECT_EQ(run_planish({}).exit_status, 2);
  EXPECT_EQ(run_planish({"no-such-command"}).exit_status, 2);
  EXPECT_EQ(run_planish({"inspect", "--no-such-option", "x"}).exit_status, 2);
  EXPECT_EQ(run_planish({"bench", "x.onnx", "--threads", "0"}).exit_status, 2);
}

TEST_F(Cli, HostSaysWhatTheMachineGivesAndWhatItsArithmeticReaches) {
  const Finished json = run_planish({"host", "--json"});
  ASSERT_EQ(json.exit_status, 0) << json.err;
  const Json host = parse_json(json.out);
  EXPECT_GE(host.at("cores_usable").get<int>(), 1);
  EXPECT_TRUE(host.at("isa").is_array());
  EXPECT_GT(host.at("peaks").at("read_bytes_per_second").get<double>(), 0.0);
  const Finished looked = run_planish({"host", "--no-measure"});
  EXPECT_EQ(looked.exit_status, 0);
  EXPECT_NE(looked.out.find("cores "), std::string::npos);
}

TEST_F(Cli, BenchSaysWhatShareOfTheCpusLimitAModelReaches) {
  const Finished json =
      run_planish({"bench", "--json", "--seconds", "0.05", example("resnet8x4.onnx")});
  ASSERT_EQ(json.exit_status, 0) << json.err;
  const Json limit = parse_json(json.out).at("results").at(0).at("limit");
  EXPECT_GT(limit.at("fp32_macs").get<std::uint64_t>(), 1'000'000U);
  EXPECT_EQ(limit.at("int8_macs").get<std::uint64_t>(), 0U);
}

TEST_F(Cli, SweepFindsAWayToRunTheModel) {
  const Finished run = run_planish({"bench", example("resnet8x4.onnx"), "--sweep", "--seconds",
                                    "0.05", "--batches", "1,2", "--json"});
  ASSERT_EQ(run.exit_status, 0) << run.err;
  const Json json = parse_json(run.out);
  EXPECT_GE(json.at("best").at("threads").get<int>(), 1);
  EXPECT_GT(json.at("best").at("measured").at("items_per_second").get<double>(), 0.0);
  EXPECT_FALSE(json.at("cells").empty());
  EXPECT_FALSE(json.at("effects").empty());
}

TEST_F(Cli, SweepThatCannotKeepTheLatencySaysSoAndIsExitOne) {
  const Finished run = run_planish({"bench", example("resnet8x4.onnx"), "--sweep", "--seconds",
                                    "0.05", "--batches", "1", "--max-p99", "0.000001"});
  EXPECT_EQ(run.exit_status, 1);
  EXPECT_NE(run.out.find("comes nearest"), std::string::npos);
}

TEST_F(Cli, AutoTunedSaysHowToServeTheModel) {
  const Finished run =
      run_planish({"auto", example("resnet8x4.onnx"), "--data", few_images(4), "--preprocess",
                   example("preprocess.json"), "--bench-seconds", "0.05", "--no-remedies",
                   "--tune", "--objective", "latency", "--json", "-o", text("out")});
  ASSERT_LE(run.exit_status, 1) << run.err;  // 1: noise, and FP32 is handed out
  const Json tune = parse_json(run.out).at("tune");
  EXPECT_EQ(tune.at("objective"), "latency");
  EXPECT_EQ(tune.at("best").at("batch"), 1);
  EXPECT_THAT(read_file(path("out/report.html")), HasSubstr("Threads, callers, batch"));
}

TEST_F(Cli, InspectSaysWhichWayFits) {
  const Finished result = run_planish({"inspect", example("resnet8x4.onnx")});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("of the work is Conv: static"));
  const Finished json = run_planish({"inspect", "--json", example("resnet8x4.onnx")});
  const Json document = parse_json(json.out);
  EXPECT_EQ(document["mode"], "static");
  EXPECT_THAT(json.err, IsEmpty());
}

TEST_F(Cli, AutoWritesModelCalibrationAndBothReports) {
  const std::vector<std::string> arguments{"auto",
                                           example("resnet8x4.onnx"),
                                           "--data",
                                           few_images(20),
                                           "--eval-data",
                                           example("evaluation"),
                                           "--labels",
                                           example("labels.csv"),
                                           "--preprocess",
                                           example("preprocess.json"),
                                           "--max-eval-samples",
                                           "60",
                                           "--bench-seconds",
                                           "0.2",
                                           "--max-drop",
                                           "0.1",
                                           "--json",
                                           "-o",
                                           text("out")};
  const Finished result = run_planish(arguments);
  ASSERT_THAT(result.exit_status, testing::AnyOf(0, 1)) << result.err;
  const Json report = parse_json(result.out);
  EXPECT_EQ(report["schema"], 1);
  EXPECT_EQ(report["state"], "complete");
  for (const char* member : {"host", "source", "baseline", "chosen", "speedup", "accuracy",
                             "end_to_end", "candidates", "kept_fp32", "advice"}) {
    EXPECT_TRUE(report.contains(member)) << member;
  }
  for (const char* quantile : {"p50", "p95", "p99", "mean", "min"}) {
    EXPECT_GT(report["baseline"]["latency_ms"][quantile].get<double>(), 0.0) << quantile;
  }
  EXPECT_EQ(parse_json(read_file(path("out/report.json"))), report);
  EXPECT_THAT(read_file(path("out/report.html")),
              AllOf(HasSubstr("<!doctype html>"), HasSubstr("</html>")));
  EXPECT_GT(parse_json(read_file(path("out/calibration.json"))).size(), 0U);
  const auto is_remedied = [](const Json& candidate) { return candidate.contains("remedies"); };
  EXPECT_TRUE(std::ranges::any_of(report["candidates"], is_remedied));
  // The one that is handed out is what the report speaks of, whether that is INT8 or FP32.
  EXPECT_EQ(digest_of(load_model(path("out/model.onnx"))), report["chosen"]["sha256"]);
  EXPECT_EQ(result.exit_status == 0, report["chosen"]["precision"] != "fp32");
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(Cli, AutoHandsOutFp32WhenNothingIsAccurateEnough) {
  const Finished result =
      run_planish({"auto", example("resnet8x4.onnx"), "--data", few_images(4), "--preprocess",
                   example("preprocess.json"), "--min-cosine", "0.999999999", "--bench-seconds",
                   "0.05", "--json", "-o", text("out")});
  EXPECT_EQ(result.exit_status, 1) << result.err;
  const Json report = parse_json(result.out);
  EXPECT_EQ(report["chosen"]["precision"], "fp32");
  EXPECT_EQ(report["speedup"], 1.0);
  for (const Json& candidate : report["candidates"])
    EXPECT_TRUE(candidate.contains("rejected_because"));
  EXPECT_EQ(digest_of(load_model(path("out/model.onnx"))), report["source"]["sha256"]);
}

TEST_F(Cli, StepsOneByOneGiveTheSameModelAsQuantizeWithData) {
  const std::string images = few_images(8);
  ASSERT_EQ(run_planish({"prepare", example("resnet8x4.onnx"), "-o", text("p.onnx")}).exit_status,
            0);
  ASSERT_EQ(run_planish({"calibrate", text("p.onnx"), "--data", images, "--preprocess",
                         example("preprocess.json"), "-o", text("c.json")})
                .exit_status,
            0);
  const Finished first = run_planish(
      {"quantize", text("p.onnx"), "--calibration", text("c.json"), "-o", text("q1.onnx")});
  ASSERT_EQ(first.exit_status, 0) << first.err;
  const Finished second =
      run_planish({"quantize", example("resnet8x4.onnx"), "--data", images, "--preprocess",
                   example("preprocess.json"), "-o", text("q2.onnx")});
  ASSERT_EQ(second.exit_status, 0) << second.err;
  EXPECT_EQ(digest_of(load_model(path("q1.onnx"))), digest_of(load_model(path("q2.onnx"))));
  const Finished compared =
      run_planish({"compare", example("resnet8x4.onnx"), text("q1.onnx"), "--data", images,
                   "--preprocess", example("preprocess.json"), "--json", "--max-drop", "0.5"});
  EXPECT_EQ(compared.exit_status, 0) << compared.err;
  EXPECT_GT(parse_json(compared.out)["cosine_mean"].get<double>(), 0.99);
}

TEST_F(Cli, EveryCalibrationMethodGivesRangesThatQuantizeTakes) {
  const std::string images = few_images(8);
  for (const char* method : {"minmax", "moving-average", "entropy", "percentile", "mse", "auto"}) {
    SCOPED_TRACE(method);
    const Finished calibrated =
        run_planish({"calibrate", example("resnet8x4.onnx"), "--data", images, "--preprocess",
                     example("preprocess.json"), "--method", method, "-o", text("c.json")});
    ASSERT_EQ(calibrated.exit_status, 0) << calibrated.err;
    EXPECT_EQ(parse_json(read_file(path("c.json")))["method"], method);
    ASSERT_EQ(run_planish({"quantize", example("resnet8x4.onnx"), "--calibration", text("c.json"),
                           "-o", text("q1.onnx")})
                  .exit_status,
              0);
    const Finished with_data =
        run_planish({"quantize", example("resnet8x4.onnx"), "--data", images, "--preprocess",
                     example("preprocess.json"), "--method", method, "-o", text("q2.onnx")});
    ASSERT_EQ(with_data.exit_status, 0) << with_data.err;
    EXPECT_EQ(digest_of(load_model(path("q1.onnx"))), digest_of(load_model(path("q2.onnx"))));
  }
}

TEST_F(Cli, SymmetricRangesSuitSymmetricActivations) {
  ASSERT_EQ(
      run_planish({"calibrate", example("resnet8x4.onnx"), "--data", few_images(2), "--preprocess",
                   example("preprocess.json"), "--method", "percentile", "--percentile", "99.9",
                   "--symmetric", "--activation", "s8", "-o", text("c.json")})
          .exit_status,
      0);
  const Json table = parse_json(read_file(path("c.json")));
  EXPECT_EQ(table["options"]["percentile"], 99.9);
  EXPECT_EQ(table["options"]["activation"], "s8");
  for (const auto& [tensor, range] : table["ranges"].items())
    EXPECT_EQ(range[0].get<double>(), -range[1].get<double>()) << tensor;
}

TEST_F(Cli, AWrongCalibrationOptionIsNamed) {
  const std::string images = few_images(1);
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--bins", "1000"}, {"--percentile", "0"}, {"--method", "guess"}}) {
    std::vector<std::string> arguments{
        "calibrate",    example("resnet8x4.onnx"), "--data", images, "-o", text("c.json"),
        "--preprocess", example("preprocess.json")};
    arguments.insert(arguments.end(), wrong.begin(), wrong.end());
    const Finished result = run_planish(arguments);
    EXPECT_EQ(result.exit_status, 2) << wrong.front();
    EXPECT_THAT(result.err, HasSubstr(wrong.back()));
    EXPECT_FALSE(fs::exists(path("c.json")));
  }
}

TEST_F(Cli, DryRunPrintsThePlanAndWritesNothing) {
  const Finished result =
      run_planish({"quantize", example("resnet8x4.onnx"), "--data", few_images(2), "--preprocess",
                   example("preprocess.json"), "--dry-run", "-o", text("q.onnx")});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Conv"));
  EXPECT_FALSE(fs::exists(path("q.onnx")));
}

TEST_F(Cli, QuantizeMakesTheModelForTheTarget) {
  const auto saturation_of = [&](const std::string& target) {
    const Finished result =
        run_planish({"quantize", example("resnet8x4.onnx"), "--data", few_images(2), "--preprocess",
                     example("preprocess.json"), "--target", target, "--dry-run", "--json"});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    const Json plan = parse_json(result.out);
    EXPECT_EQ(plan["config"]["target"], target);
    return plan.value("saturation", Json::object());
  };
  EXPECT_GT(saturation_of("avx2")["reduced"].get<int>(), 0);
  EXPECT_TRUE(saturation_of("avx512_vnni").empty());
}

TEST_F(Cli, SignedActivationsAreRefusedOnX86) {
  const Finished result = run_planish(
      {"quantize", example("resnet8x4.onnx"), "--data", few_images(2), "--preprocess",
       example("preprocess.json"), "--target", "avx2", "--activation", "s8", "-o", text("q.onnx")});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.err, HasSubstr("slower than FP32; use u8"));
}

TEST_F(Cli, AQuantizedModelIsFittedToTheTargetWithoutData) {
  const std::string images = few_images(2);
  ASSERT_EQ(run_planish({"quantize", example("resnet8x4.onnx"), "--data", images, "--preprocess",
                         example("preprocess.json"), "--profile", "onnxruntime-1.32",
                         "--activation", "s8", "--per-channel", "-o", text("s8.onnx")})
                .exit_status,
            0);
  const Finished inspected = run_planish({"inspect", text("s8.onnx"), "--target", "avx2"});
  EXPECT_THAT(inspected.out, HasSubstr("`planish quantize` does that"));
  const Finished fitted = run_planish(
      {"quantize", text("s8.onnx"), "--target", "avx2", "-o", text("u8.onnx"), "--json"});
  ASSERT_EQ(fitted.exit_status, 0) << fitted.err;
  const Json report = parse_json(fitted.out);
  EXPECT_GT(report["unsigned_activations"].get<int>(), 0);
  EXPECT_GT(report["saturation"]["reduced"].get<int>(), 0);
  EXPECT_EQ(run_planish({"compare", text("s8.onnx"), text("u8.onnx"), "--data", images,
                         "--preprocess", example("preprocess.json"), "--max-drop", "0.5"})
                .exit_status,
            0);
  const Finished with_data =
      run_planish({"quantize", text("u8.onnx"), "--data", images, "-o", text("again.onnx")});
  EXPECT_EQ(with_data.exit_status, 2);
  EXPECT_THAT(with_data.err, HasSubstr("quantized already"));
}

TEST_F(Cli, ACalibrationOfAnotherModelIsRefused) {
  write("c.json", R"({"schema":1})");
  ASSERT_EQ(run_planish({"calibrate", example("resnet8x4.onnx"), "--data", few_images(2),
                         "--preprocess", example("preprocess.json"), "-o", text("c.json")})
                .exit_status,
            0);
  Model other = load_model(kExample / "resnet8x4.onnx");
  other.graph.nodes.front().name = "another";
  save_model(other, path("other.onnx"));
  const Finished result = run_planish(
      {"quantize", text("other.onnx"), "--calibration", text("c.json"), "-o", text("q.onnx")});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.err, HasSubstr("calibrate it again"));
  EXPECT_FALSE(fs::exists(path("q.onnx")));
}

TEST_F(Cli, BenchMeasuresModelsSideBySide) {
  const Finished result = run_planish({"bench", example("resnet8x4.onnx"),
                                       example("resnet8x4.onnx"), "--seconds", "0.1", "--json"});
  ASSERT_EQ(result.exit_status, 0) << result.err;
  const Json report = parse_json(result.out);
  ASSERT_EQ(report["results"].size(), 2U);
  EXPECT_GT(report["results"][1]["qps"].get<double>(), 0.0);
}

// --- what is wrong, and what planish says -------------------------------------------------------

TEST_F(Cli, AMissingModelIsExitThree) {
  const Finished result = run_planish({"inspect", text("none.onnx")});
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_THAT(result.err, HasSubstr("none.onnx"));
}

TEST_F(Cli, ATruncatedModelIsExitFour) {
  const std::string bytes = read_file(kExample / "resnet8x4.onnx");
  write("half.onnx", bytes.substr(0, bytes.size() / 2));
  const Finished result = run_planish({"inspect", text("half.onnx")});
  EXPECT_EQ(result.exit_status, 4);
  EXPECT_THAT(result.err, HasSubstr("half.onnx"));
}

TEST_F(Cli, AnotherKindOfFileIsExitFour) {
  write("text.onnx", "this is not a model\n");
  EXPECT_EQ(run_planish({"inspect", text("text.onnx")}).exit_status, 4);
  write("empty.onnx", "");
  EXPECT_EQ(run_planish({"inspect", text("empty.onnx")}).exit_status, 4);
}

TEST_F(Cli, AnUnknownOperatorIsNamed) {
  Model model = load_model(kExample / "resnet8x4.onnx");
  for (Node& node : model.graph.nodes) {
    if (node.op_type == "Relu") node.op_type = "Frobnicate";
  }
  save_model(model, path("unknown.onnx"));
  const Finished result =
      run_planish({"auto", text("unknown.onnx"), "--data", few_images(2), "-o", text("out")});
  EXPECT_EQ(result.exit_status, 4);
  EXPECT_THAT(result.err, HasSubstr("Frobnicate"));
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(Cli, MissingExternalDataIsNamed) {
  save_model(load_model(kExample / "resnet8x4.onnx"), path("m.onnx"), {.max_inline_bytes = 0});
  ASSERT_TRUE(fs::exists(path("m.onnx.data")));
  fs::remove(path("m.onnx.data"));
  const Finished result = run_planish({"inspect", text("m.onnx")});
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_THAT(result.err, HasSubstr("m.onnx.data"));
}

TEST_F(Cli, AnEmptyDataFolderIsRefused) {
  fs::create_directories(path("nothing"));
  const Finished result = run_planish(
      {"auto", example("resnet8x4.onnx"), "--data", text("nothing"), "-o", text("out")});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.err, HasSubstr("nothing"));
}

TEST_F(Cli, ABrokenImageIsNamedOrSkippedAsAsked) {
  const std::string images = few_images(4);
  const std::string whole = read_file(fs::directory_iterator(images)->path());
  std::ofstream(fs::path(images) / "aaa_broken.png", std::ios::binary)
      << whole.substr(0, whole.size() / 2);
  const std::vector<std::string> base{
      "calibrate",    example("resnet8x4.onnx"),  "--data", images,
      "--preprocess", example("preprocess.json"), "-o",     text("c.json")};
  const Finished failed = run_planish(base);
  EXPECT_EQ(failed.exit_status, 4);
  EXPECT_THAT(failed.err, HasSubstr("aaa_broken.png"));
  EXPECT_FALSE(fs::exists(path("c.json")));
  std::vector<std::string> skipping = base;
  skipping.insert(skipping.end(), {"--on-bad-sample", "skip"});
  const Finished skipped = run_planish(skipping);
  EXPECT_EQ(skipped.exit_status, 0) << skipped.err;
  EXPECT_THAT(skipped.out, HasSubstr("aaa_broken.png"));
}

TEST_F(Cli, ImagesOfTheWrongSizeAreRefusedWithBothShapes) {
  const std::string spec =
      write("spec.json", R"({"resize":{"height":16,"width":16,"filter":"bilinear"}})").string();
  const Finished result = run_planish({"calibrate", example("resnet8x4.onnx"), "--data",
                                       few_images(2), "--preprocess", spec, "-o", text("c.json")});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.err, AllOf(HasSubstr("16"), HasSubstr("32")));
}

TEST_F(Cli, LabelsThatMatchNoSampleAreRefused) {
  write("labels.csv", "file,label\nother.png,3\n");
  const Finished result =
      run_planish({"auto", example("resnet8x4.onnx"), "--data", few_images(2), "--preprocess",
                   example("preprocess.json"), "--labels", text("labels.csv"), "-o", text("out")});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.err, HasSubstr("other.png"));
}

TEST_F(Cli, AMisspeltMemberOfThePreprocessingIsRefused) {
  const std::string spec = write("spec.json", R"({"maen":[0,0,0]})").string();
  const Finished result = run_planish({"calibrate", example("resnet8x4.onnx"), "--data",
                                       few_images(2), "--preprocess", spec, "-o", text("c.json")});
  EXPECT_EQ(result.exit_status, 2);
  EXPECT_THAT(result.err, HasSubstr("maen"));
}

TEST_F(Cli, AFullDiskLeavesNothingBehind) {
  const Finished result = run_planish({"prepare", example("resnet8x4.onnx"), "-o", text("p.onnx")},
                                      {.max_file_bytes = 100'000});
  EXPECT_EQ(result.exit_status, 5) << result.err;
  EXPECT_FALSE(fs::exists(path("p.onnx")));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(Cli, AnInterruptLeavesNothingBehind) {
  const Finished result = run_planish(
      {"auto", example("resnet8x4.onnx"), "--data", example("calibration"), "--preprocess",
       example("preprocess.json"), "--bench-seconds", "60", "-o", text("out")},
      {.interrupt_after = std::chrono::milliseconds(3000)});
  EXPECT_EQ(result.exit_status, 5) << result.err;
  EXPECT_FALSE(fs::exists(path("out")));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(Cli, AnInterruptOfAutoLeavesTheBestUntilThenWholeOrNothing) {
  // Measuring would take minutes; the first result is there long before.
  RunningPlanish running({"auto", example("resnet8x4.onnx"), "--data", few_images(8), "--eval-data",
                          example("evaluation"), "--max-eval-samples", "20", "--preprocess",
                          example("preprocess.json"), "--max-drop", "0.2", "--min-cosine", "0.9",
                          "--no-remedies", "--bench-seconds", "60", "-o", text("out")});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!fs::exists(path("out/report.json")) && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(running.end_with(SIGINT), 5);
  EXPECT_THAT(leftovers(), IsEmpty());
  // A machine so busy that INT8 does not show its speed has nothing to save.
  if (!fs::exists(path("out"))) return;
  const Json report = parse_json(read_file(path("out/report.json")));
  EXPECT_EQ(report["state"], "interrupted");
  EXPECT_NE(report["chosen"]["precision"], "fp32");
  EXPECT_EQ(digest_of(load_model(path("out/model.onnx"))), report["chosen"]["sha256"]);
  EXPECT_THAT(read_file(path("out/report.html")),
              AllOf(HasSubstr("interrupted"), HasSubstr("</html>")));
  const Finished used = run_planish(
      {"compare", example("resnet8x4.onnx"), text("out/model.onnx"), "--data", few_images(4),
       "--preprocess", example("preprocess.json"), "--min-cosine", "0.9", "--max-drop", "1"});
  EXPECT_EQ(used.exit_status, 0) << used.err;
}

TEST_F(Cli, SensitivityStatesItsCostAndMeasuresEveryLayer) {
  const Finished result = run_planish({"sensitivity", example("resnet8x4.onnx"), "--data",
                                       few_images(4), "--preprocess", example("preprocess.json"),
                                       "--samples", "2", "--json", "-o", text("layers.json")});
  ASSERT_EQ(result.exit_status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("layers to measure on 2 samples"));
  const Json report = parse_json(result.out);
  EXPECT_EQ(parse_json(read_file(path("layers.json"))), report);
  ASSERT_GT(report["layers"].size(), 5U);
  for (const Json& layer : report["layers"]) {
    for (const char* member : {"only_int8", "only_fp32", "local_sqnr_db", "accumulated_sqnr_db",
                               "mac_share", "fp32_time_share", "int8_time_share", "input"})
      EXPECT_TRUE(layer.contains(member)) << layer["node"] << " " << member;
  }
  EXPECT_FALSE(fs::exists(path("layers.json.partial")));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(Cli, SensitivityGoesOnWhereItWasInterrupted) {
  const std::vector<std::string> arguments{"sensitivity",      example("resnet8x4.onnx"),
                                           "--data",           example("calibration"),
                                           "--preprocess",     example("preprocess.json"),
                                           "--samples",        "64",
                                           "--threads",        "1",
                                           "--json",           "-o",
                                           text("layers.json")};
  RunningPlanish running(arguments);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto has_begun = [&] {
    std::error_code missing;
    return fs::file_size(path("layers.json.partial"), missing) > 0 && !missing;
  };
  while (!has_begun() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const int status = running.end_with(SIGINT);
  // On a fast machine it may have been through before the signal came.
  if (status == 0) return;
  EXPECT_EQ(status, 5);
  EXPECT_FALSE(fs::exists(path("layers.json")));
  const Finished result = run_planish(arguments);
  ASSERT_EQ(result.exit_status, 0) << result.err;
  EXPECT_GT(parse_json(result.out)["cost"]["resumed_layers"], 0);
}

TEST_F(Cli, CalibrateReportsHowFarItsRangesCanBeTrusted) {
  const Finished result = run_planish(
      {"calibrate", example("resnet8x4.onnx"), "--data", few_images(8), "--preprocess",
       example("preprocess.json"), "--method", "auto", "-o", text("ranges.json"), "--report",
       text("quality.json"), "--against", example("evaluation"), "--max-samples", "8"});
  ASSERT_EQ(result.exit_status, 0) << result.err;
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("of all 8 for 95 % of tensors"), HasSubstr("8 other samples")));
  const Json quality = parse_json(read_file(path("quality.json")));
  EXPECT_EQ(quality["convergence"].size(), 4U);  // 1, 2, 4, 8
  EXPECT_GT(quality["tensors"].size(), 0U);
  EXPECT_TRUE(fs::exists(path("ranges.json")));
  EXPECT_EQ(run_planish({"calibrate", example("resnet8x4.onnx"), "--data", few_images(8),
                         "--preprocess", example("preprocess.json"), "-o", text("r.json"),
                         "--against", example("evaluation")})
                .exit_status,
            2);
}

TEST_F(Cli, ErrorsAreOneJsonDocumentWithJson) {
  const Finished result = run_planish({"inspect", "--json", text("none.onnx")});
  EXPECT_EQ(result.exit_status, 3);
  EXPECT_EQ(parse_json(result.out)["error"]["kind"], "not found");
}

}  // namespace
}  // namespace planish::e2e
