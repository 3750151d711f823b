// Faults that show on samples: every one is made, and found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <memory>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/calibrate/calibrate.h"
#include "planish/diagnose/diagnose.h"
#include "planish/import/import.h"
#include "planish/onnx/onnx.h"
#include "small_models.h"
#include "support/integer_kernels.h"
#include "support/paths.h"

namespace planish {
namespace {

using test::codes_of;
using test::find;
using test::GraphBuilder;
using test::ints;
using test::quantized;
using test::small_network;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

DiagnoseConfig quiet_config(const std::string& isa) {
  DiagnoseConfig config;
  config.measure = false;
  config.seconds = 600.0;  // however slow the machine, all samples are run
  config.host = [isa] {
    HostReport host;
    host.isa = {isa};
    return host;
  };
  return config;
}

/// small_network() on 24 samples of [-1, 1].
class OnTensors : public testing::Test {
 protected:
  OnTensors() { config_.data = write_samples("data.jsonl", -1.0F, 1.0F); }

  std::filesystem::path write_samples(const std::string& name, float low, float high) {
    const auto path = folder_.path() / name;
    std::ofstream out(path);
    for (std::uint64_t seed = 0; seed < 24; ++seed) {
      const Tensor x = test::random_tensor({1, 3, 8, 8}, 100 + seed, low, high);
      const auto values = x.values<float>();
      const Json line = {
          {"x", {{"shape", x.dims()}, {"data", std::vector<float>(values.begin(), values.end())}}}};
      out << to_text(line, -1);
    }
    return path;
  }

  DiagnoseReport run(const Model& fp32, const Model& int8) {
    save_model(fp32, folder_.path() / "fp32.onnx");
    save_model(int8, folder_.path() / "int8.onnx");
    return diagnose(folder_.path() / "fp32.onnx", folder_.path() / "int8.onnx", config_);
  }

  TemporaryFolder folder_;
  DiagnoseConfig config_ = quiet_config("avx512_vnni");
};

TEST_F(OnTensors, ARangeThatCutsOffTheDataIsFound) {
  CalibrationTable table;
  table.ranges["x"] = {-0.1F, 0.1F};
  const DiagnoseReport report = run(small_network(), quantized(small_network(), {}, table));
  const Finding finding = find(report, FindingCode::kCalibrationUnlikeData);
  EXPECT_EQ(finding.places.front(), "x");
  EXPECT_THAT(finding.evidence, HasSubstr("the ranges that the INT8 model holds"));
}

TEST_F(OnTensors, RangesThatTheDataDoesNotUseAreFound) {
  CalibrationTable table;
  for (const char* name : {"x", "c", "p", "f", "y"}) table.ranges[name] = {-4000.0F, 4000.0F};
  table.ranges["r"] = {0.0F, 4000.0F};
  const DiagnoseReport report = run(small_network(), quantized(small_network(), {}, table));
  EXPECT_THAT(find(report, FindingCode::kCalibrationUnlikeData).evidence,
              HasSubstr("use less than 1/16"));
}

TEST_F(OnTensors, CalibrationSamplesOfAnotherScaleAreFoundByTheirMoments) {
  config_.calibration_data = write_samples("calibration.jsonl", 0.0F, 255.0F);
  const DiagnoseReport report = run(small_network(), quantized(small_network()));
  EXPECT_THAT(find(report, FindingCode::kCalibrationUnlikeData).evidence,
              HasSubstr("input channel 0 has mean"));
}

TEST_F(OnTensors, CalibrationSamplesLikeTheDataAreFine) {
  config_.calibration_data = write_samples("calibration.jsonl", -1.0F, 1.0F);
  EXPECT_THAT(codes_of(run(small_network(), quantized(small_network()))),
              Not(Contains(FindingCode::kCalibrationUnlikeData)));
}

TEST_F(OnTensors, AnswersThatAreFarOffAreFound) {
  CalibrationTable table;
  for (const char* name : {"x", "a", "c", "p", "f"}) table.ranges[name] = {-0.01F, 0.01F};
  table.ranges["r"] = {0.0F, 0.01F};
  const DiagnoseReport report = run(small_network(), quantized(small_network(), {}, table));
  EXPECT_THAT(find(report, FindingCode::kAnswersDiffer).evidence, HasSubstr("mean cosine"));
  EXPECT_TRUE(report.accuracy.has_value());
}

/// Output channel 0 of the first convolution is a hundred times as wide as the others.
Model one_wide_channel() {
  Model model = small_network();
  for (Initializer& initializer : model.graph.initializers) {
    if (initializer.name != "w1") continue;
    const auto values = initializer.value.values<float>();
    std::vector<float> wide(values.begin(), values.end());
    for (std::size_t k = 0; k < 27; ++k) wide[k] *= 100.0F;
    initializer.value = Tensor::of<float>({16, 3, 3, 3}, wide);
  }
  return model;
}

TEST_F(OnTensors, OneScaleForWeightChannelsOfManyWidthsIsFound) {
  QuantizationConfig config;
  config.weights = Granularity::kPerTensor;
  const DiagnoseReport report = run(one_wide_channel(), quantized(one_wide_channel(), config));
  EXPECT_THAT(find(report, FindingCode::kWeightRangesWide).places, ElementsAre("conv1"));
  EXPECT_THAT(codes_of(run(small_network(), quantized(small_network(), config))),
              Not(Contains(FindingCode::kWeightRangesWide)));
}

TEST_F(OnTensors, OneActivationChannelThatSetsTheRangeIsFound) {
  const DiagnoseReport report = run(one_wide_channel(), quantized(one_wide_channel()));
  EXPECT_THAT(find(report, FindingCode::kActivationRangesWide).commands,
              ElementsAre(HasSubstr("--equalize")));
  EXPECT_THAT(codes_of(run(small_network(), quantized(small_network()))),
              Not(Contains(FindingCode::kActivationRangesWide)));
}

/// Gemm of integers whose bias has `factor` times the scale of input * weight.
Model gemm_with_bias_scale(float factor) {
  const std::vector<std::int32_t> bias{static_cast<std::int32_t>(50000 / factor),
                                       static_cast<std::int32_t>(-70000 / factor)};
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 3, 8, 8})
      .node("GlobalAveragePool", {"x"}, {"p"})
      .node("Flatten", {"p"}, {"f"})
      .initializer("sx", Tensor::scalar(0.01F))
      .initializer("zx", Tensor::scalar(std::uint8_t{128}))
      .node("QuantizeLinear", {"f", "sx", "zx"}, {"q"})
      .node("DequantizeLinear", {"q", "sx", "zx"}, {"d"})
      .initializer("w", Tensor::of<std::int8_t>({3, 2}, {10, -20, 30, 40, -50, 60}))
      .initializer("sw", Tensor::scalar(0.01F))
      .initializer("zw", Tensor::scalar(std::int8_t{0}))
      .node("DequantizeLinear", {"w", "sw", "zw"}, {"wd"})
      .initializer("b", Tensor::of<std::int32_t>({2}, bias))
      .initializer("sb", Tensor::scalar(1e-4F * factor))
      .initializer("zb", Tensor::scalar(std::int32_t{0}))
      .node("DequantizeLinear", {"b", "sb", "zb"}, {"bd"})
      .node("Gemm", {"d", "wd", "bd"}, {"y"}, {}, "gemm")
      .output("y", DType::kFloat32, {"batch", 2})
      .model();
}

Model float_gemm() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 3, 8, 8})
      .node("GlobalAveragePool", {"x"}, {"p"})
      .node("Flatten", {"p"}, {"f"})
      .initializer("w", Tensor::of<float>({3, 2}, {.1F, -.2F, .3F, .4F, -.5F, .6F}))
      .initializer("b", Tensor::of<float>({2}, {5.0F, -7.0F}))
      .node("Gemm", {"f", "w", "b"}, {"y"}, {}, "gemm")
      .output("y", DType::kFloat32, {"batch", 2})
      .model();
}

TEST_F(OnTensors, LevelsThatDisagreeAreFound) {
  const DiagnoseReport report = run(float_gemm(), gemm_with_bias_scale(10.0F));
  EXPECT_THAT(find(report, FindingCode::kLevelsDisagree).evidence, HasSubstr("as served"));
  EXPECT_THAT(codes_of(report), Contains(FindingCode::kQdqRewritten));
  EXPECT_THAT(codes_of(run(float_gemm(), gemm_with_bias_scale(1.0F))),
              Not(Contains(FindingCode::kLevelsDisagree)));
}

TEST_F(OnTensors, LabelsThatMatchNothingAreRefused) {
  std::ofstream(folder_.path() / "labels.csv") << "other.png,1\n";
  config_.labels = folder_.path() / "labels.csv";
  EXPECT_THROW(run(small_network(), quantized(small_network())), Error);
}

/// The embedded example: a trained network and labelled images.
class OnImages : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const Model fp32 = load_any_model(example("resnet8x4.onnx"));
    prepared_ = std::make_unique<Model>(prepare(fp32).model);
    const auto session = open_session(fp32);
    DatasetConfig data;
    data.preprocess = spec();
    const auto samples = open_dataset(example("calibration"), session->signature(), data);
    const auto targets = calibration_targets(*prepared_, QuantizationConfig{});
    table_ = std::make_unique<CalibrationTable>(calibrate(*prepared_, *samples, targets).table);
  }
  static void TearDownTestSuite() {
    prepared_.reset();
    table_.reset();
  }

  static std::filesystem::path example(const std::string& name) {
    return test::source_folder() / "examples/cifar10" / name;
  }
  static PreprocessSpec spec() { return load_preprocess_spec(example("preprocess.json").string()); }

  OnImages() {
    config_.data = example("evaluation");
    config_.preprocess = spec();
    config_.preprocess_name = "preprocess.json";
    config_.max_samples = 60;
  }

  DiagnoseReport run(Target target) {
    QuantizationConfig config;
    config.target = target;
    save_model(apply(plan_quantization(*prepared_, *table_, config), *prepared_),
               folder_.path() / "int8.onnx");
    return diagnose(example("resnet8x4.onnx"), folder_.path() / "int8.onnx", config_);
  }

  TemporaryFolder folder_;
  DiagnoseConfig config_ = quiet_config("avx2");
  static inline std::unique_ptr<Model> prepared_ = {};
  static inline std::unique_ptr<CalibrationTable> table_ = {};
};

TEST_F(OnImages, AHealthyModelTriggersNothingButTheHintAboutTheCpu) {
  config_.labels = example("labels.csv");
  config_.calibration_data = example("calibration");
  const DiagnoseReport report = run(Target::kAvx2);
  EXPECT_THAT(codes_of(report), ElementsAre(FindingCode::kNoInt8Instructions));
  EXPECT_EQ(report.accuracy->samples, 60U);
}

TEST_F(OnImages, SumsThatSaturateAreFoundAndMeasured) {
  const DiagnoseReport report = run(Target::kAvx512Vnni);
  if (test::accumulation_here() == test::Accumulation::kExact) {
    EXPECT_THAT(codes_of(report), Not(Contains(FindingCode::kSaturation)));
    return;
  }
  const Finding finding = find(report, FindingCode::kSaturation);
  ASSERT_TRUE(finding.gain.has_value());
  EXPECT_EQ(finding.gain->quantity, "sqnr_db");
  EXPECT_GT(finding.gain->then, finding.gain->now);
  // Saturation alone is no disagreement of levels.
  EXPECT_THAT(codes_of(report), Not(Contains(FindingCode::kLevelsDisagree)));
}

TEST_F(OnImages, AnotherScaleIsFoundByLabels) {
  config_.labels = example("labels.csv");
  config_.preprocess = load_preprocess_spec("none");
  const Finding finding = find(run(Target::kAvx2), FindingCode::kPreprocessMismatch);
  EXPECT_THAT(finding.evidence, HasSubstr("top-1 of the FP32 model rises from"));
  ASSERT_TRUE(finding.gain.has_value());
  EXPECT_GT(finding.gain->then, finding.gain->now + 0.2);
  EXPECT_THAT(finding.commands, Contains(HasSubstr("> better.json")));
}

TEST_F(OnImages, ChannelsInTheWrongOrderAreFoundByLabels) {
  config_.labels = example("labels.csv");
  config_.max_samples = 150;
  config_.preprocess.color = PreprocessSpec::Color::kBgr;
  std::ranges::reverse(config_.preprocess.mean);
  std::ranges::reverse(config_.preprocess.std);
  EXPECT_THAT(find(run(Target::kAvx2), FindingCode::kPreprocessMismatch).evidence,
              HasSubstr("with RGB in place of BGR"));
}

/// Its BatchNormalization saw images of CIFAR-10 with their own mean and deviation.
Model normalizing_network() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 3, 32, 32})
      .initializer("gamma", Tensor::of<float>({3}, {1, 1, 1}))
      .initializer("beta", Tensor::of<float>({3}, {0, 0, 0}))
      .initializer("mean", Tensor::of<float>({3}, {0, 0, 0}))
      .initializer("variance", Tensor::of<float>({3}, {1, 1, 1}))
      .node("BatchNormalization", {"x", "gamma", "beta", "mean", "variance"}, {"n"})
      .initializer("w", test::random_tensor({8, 3, 3, 3}, 1))
      .node("Conv", {"n", "w"}, {"c"}, {}, "conv")
      .node("GlobalAveragePool", {"c"}, {"p"})
      .node("Flatten", {"p"}, {"y"})
      .output("y", DType::kFloat32, {"batch", 8})
      .model();
}

TEST_F(OnImages, AnotherScaleIsFoundWithoutLabelsByTheStatisticsOfTraining) {
  save_model(normalizing_network(), folder_.path() / "fp32.onnx");
  save_model(quantized(normalizing_network()), folder_.path() / "int8.onnx");
  const auto run = [&] {
    return diagnose(folder_.path() / "fp32.onnx", folder_.path() / "int8.onnx", config_);
  };
  EXPECT_THAT(codes_of(run()), Not(Contains(FindingCode::kPreprocessMismatch)));
  config_.preprocess = load_preprocess_spec("none");
  EXPECT_THAT(find(run(), FindingCode::kPreprocessMismatch).evidence,
              HasSubstr("nats from the statistics of training"));
}

TEST_F(OnImages, WithoutLabelsAndStatisticsPreprocessingIsNotJudged) {
  config_.preprocess = load_preprocess_spec("none");
  const DiagnoseReport report = run(Target::kAvx2);
  EXPECT_THAT(codes_of(report), Not(Contains(FindingCode::kPreprocessMismatch)));
  EXPECT_TRUE(std::ranges::any_of(report.not_checked, [](const NotChecked& missing) {
    return missing.code == FindingCode::kPreprocessMismatch &&
           missing.because.find("--labels") != std::string::npos;
  }));
}

}  // namespace
}  // namespace planish
