// Every fault is made, and found; a healthy model triggers none. Nothing here depends on time:
// findings that rest on measured times are judged in judges_test.cc, on times as literals.
#include "planish/diagnose/diagnose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "planish/quantize/retarget.h"
#include "small_models.h"
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

HostReport machine(const std::string& isa) {
  HostReport host;
  host.cpu = "a CPU";
  host.isa = {"avx2", isa};
  return host;
}

class Diagnose : public testing::Test {
 protected:
  /// Without measuring, on a machine with VNNI unless told otherwise.
  DiagnoseReport run(const Model& fp32, const Model& int8) {
    save_model(fp32, folder_.path() / "fp32.onnx");
    save_model(int8, folder_.path() / "int8.onnx");
    return diagnose(folder_.path() / "fp32.onnx", folder_.path() / "int8.onnx", config_);
  }

  TemporaryFolder folder_;
  DiagnoseConfig config_ = [] {
    DiagnoseConfig config;
    config.measure = false;
    config.host = [] { return machine("avx512_vnni"); };
    return config;
  }();
};

TEST_F(Diagnose, HealthyModelsTriggerNothing) {
  for (const QuantizationFormat format :
       {QuantizationFormat::kQdq, QuantizationFormat::kQOperator}) {
    QuantizationConfig config;
    config.format = format;
    EXPECT_THAT(codes_of(run(small_network(), quantized(small_network(), config))), IsEmpty())
        << name_of(format);
  }
}

TEST_F(Diagnose, DynamicConvolutionsAreFound) {
  QuantizationConfig config = test::peer_config();
  config.mode = QuantizationMode::kDynamic;
  config.weight = DType::kUInt8;
  const DiagnoseReport report = run(small_network(), quantized(small_network(), config));
  const Finding finding = find(report, FindingCode::kDynamicConvolution);
  EXPECT_THAT(finding.places, ElementsAre("conv1_quant", "conv2_quant"));
  EXPECT_THAT(finding.commands, Contains(HasSubstr("planish quantize")));
}

Model product() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 4})
      .initializer("w", Tensor::of<float>({4, 2}, {.5F, 1, 1.5F, 2, 2.5F, 3, 3.5F, 4}))
      .node("MatMul", {"x", "w"}, {"y"}, {}, "product")
      .output("y", DType::kFloat32, {"batch", 2})
      .model();
}

/// Scales per channel, in an opset whose DequantizeLinear has no axis.
Model per_channel_before_opset_13() {
  return GraphBuilder(11)
      .input("x", DType::kFloat32, {"batch", 4})
      .initializer("q", Tensor::of<std::int8_t>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}))
      .initializer("s", Tensor::of<float>({2}, {0.5F, 0.25F}))
      .initializer("z", Tensor::of<std::int8_t>({2}, {0, 0}))
      .node("DequantizeLinear", {"q", "s", "z"}, {"w"}, {{"axis", std::int64_t{1}}}, "dequantize")
      .node("MatMul", {"x", "w"}, {"y"})
      .output("y", DType::kFloat32, {"batch", 2})
      .model();
}

TEST_F(Diagnose, AModelThatDoesNotLoadIsAFinding) {
  const DiagnoseReport report = run(product(), per_channel_before_opset_13());
  EXPECT_THAT(find(report, FindingCode::kDoesNotRun).evidence, HasSubstr("it does not load"));
  EXPECT_EQ(report.worst(), Severity::kError);
}

TEST_F(Diagnose, SignedActivationsAreFoundOnX86AndFittedByTheRemedy) {
  QuantizationConfig config = test::peer_config();
  config.activation = DType::kInt8;
  const Model int8 = quantized(small_network(), config);
  const Finding finding = find(run(small_network(), int8), FindingCode::kSignedActivations);
  EXPECT_THAT(finding.commands, ElementsAre(HasSubstr("--target avx512_vnni")));
  const Model fitted = retarget(int8, Target::kAvx512Vnni).model;
  EXPECT_THAT(codes_of(run(small_network(), fitted)),
              Not(Contains(FindingCode::kSignedActivations)));
}

TEST_F(Diagnose, SignedActivationsAreRightOnArm) {
  QuantizationConfig config = test::peer_config();
  config.activation = DType::kInt8;
  config_.host = [] { return machine("arm_dotprod"); };
  EXPECT_THAT(codes_of(run(small_network(), quantized(small_network(), config))),
              Not(Contains(FindingCode::kSignedActivations)));
}

TEST_F(Diagnose, UnsignedWeightsAreFound) {
  QuantizationConfig config;
  config.weight = DType::kUInt8;
  const DiagnoseReport report = run(small_network(), quantized(small_network(), config));
  EXPECT_THAT(find(report, FindingCode::kUnsignedWeights).places,
              ElementsAre("conv1", "conv2", "gemm"));
}

/// A MatMul whose weight alone is integers.
Model weight_only() {
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 4})
      .initializer("q", Tensor::of<std::int8_t>({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8}))
      .initializer("s", Tensor::scalar(0.5F))
      .initializer("z", Tensor::scalar(std::int8_t{0}))
      .node("DequantizeLinear", {"q", "s", "z"}, {"w"})
      .node("MatMul", {"x", "w"}, {"y"}, {}, "product")
      .output("y", DType::kFloat32, {"batch", 2})
      .model();
}

TEST_F(Diagnose, WeightsWithoutActivationsAreFound) {
  const DiagnoseReport report = run(product(), weight_only());
  EXPECT_THAT(find(report, FindingCode::kWeightOnly).places, ElementsAre("product"));
}

/// x → Sqrt → Tanh → y, with `pairs` Q/DQ pairs in between, each of twice the scale of the last.
Model with_pairs(std::size_t pairs) {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {64, 64}).node("Sqrt", {"x"}, {"v0"});
  builder.initializer("z", Tensor::scalar(std::uint8_t{0}));
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::string at = std::to_string(i);
    builder.initializer("s" + at, Tensor::scalar(0.01F * static_cast<float>(i + 1)))
        .node("QuantizeLinear", {"v" + at, "s" + at, "z"}, {"q" + at}, {}, "Q" + at)
        .node("DequantizeLinear", {"q" + at, "s" + at, "z"}, {"v" + std::to_string(i + 1)}, {},
              "DQ" + at);
  }
  return builder.node("Tanh", {"v" + std::to_string(pairs)}, {"y"})
      .output("y", DType::kFloat32, {64, 64})
      .model();
}

TEST_F(Diagnose, PairsThatAreLeftAreFound) {
  const DiagnoseReport report = run(with_pairs(0), with_pairs(1));
  EXPECT_THAT(find(report, FindingCode::kQdqLeft).evidence, HasSubstr("1 float-pair"));
}

TEST_F(Diagnose, PairsThatTheRuntimeReadsWronglyAreFound) {
  const DiagnoseReport report = run(with_pairs(0), with_pairs(2));
  EXPECT_THAT(find(report, FindingCode::kQdqRewritten).evidence, HasSubstr("double-pair"));
}

TEST_F(Diagnose, AModelThatIsNotQuantizedIsFound) {
  EXPECT_THAT(codes_of(run(small_network(), small_network())),
              ElementsAre(FindingCode::kNotQuantized));
}

TEST_F(Diagnose, ABatchThatBecameANumberIsFound) {
  const DiagnoseReport report = run(small_network(), quantized(small_network(1)));
  EXPECT_THAT(find(report, FindingCode::kSignatureDiffers).evidence,
              HasSubstr("'x' is [batch, 3, 8, 8] in the FP32 model and [1, 3, 8, 8]"));
}

TEST_F(Diagnose, AnOutputOfAnotherNameIsFound) {
  Model renamed = quantized(product());
  for (Node& node : renamed.graph.nodes) {
    for (std::string& output : node.outputs) output = output == "y" ? "logits" : output;
  }
  renamed.graph.outputs.front().name = "logits";
  EXPECT_THAT(find(run(product(), renamed), FindingCode::kSignatureDiffers).evidence,
              HasSubstr("output 'y' is gone; output 'logits' is new"));
}

TEST_F(Diagnose, AFixedBatchIsAHint) {
  const DiagnoseReport report = run(small_network(1), quantized(small_network(1)));
  EXPECT_THAT(codes_of(report), ElementsAre(FindingCode::kFixedBatch));
  EXPECT_EQ(report.worst(), Severity::kHint);
}

/// Reshape to `shape` between two products; the batch is declared open.
Model reshaping(std::vector<std::int64_t> shape) {
  const auto rank = static_cast<std::int64_t>(shape.size());
  return GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 4})
      .initializer("shape", Tensor::of<std::int64_t>({rank}, shape))
      .node("Reshape", {"x", "shape"}, {"r"})
      .initializer("w", test::random_tensor({4, 2}, 1))
      .node("MatMul", {"r", "w"}, {"y"})
      .untyped_output("y")
      .model();
}

TEST_F(Diagnose, AnExportThatBakedInItsBatchIsFound) {
  const Model refuses = reshaping({1, 4});
  EXPECT_THAT(find(run(refuses, quantized(refuses)), FindingCode::kBatchSpecialized).evidence,
              HasSubstr("a batch of 2 is refused"));
  const Model moves = reshaping({1, -1, 4});
  EXPECT_THAT(find(run(moves, quantized(moves)), FindingCode::kBatchSpecialized).evidence,
              HasSubstr("output 'y' of a batch of 2 is [1, 2, 2]"));
}

TEST_F(Diagnose, SamplesThatMixInABatchAreFound) {
  const Model model = GraphBuilder()
                          .input("x", DType::kFloat32, {"batch", 4})
                          .initializer("axes", Tensor::of<std::int64_t>({1}, {0}))
                          .node("ReduceMean", {"x"}, {"m"}, {{"axes", ints({0})}})
                          .node("Sub", {"x", "m"}, {"c"})
                          .initializer("w", test::random_tensor({4, 2}, 1))
                          .node("MatMul", {"c", "w"}, {"y"})
                          .output("y", DType::kFloat32, {"batch", 2})
                          .model();
  EXPECT_THAT(find(run(model, quantized(model)), FindingCode::kBatchSpecialized).evidence,
              HasSubstr("gets another answer than alone"));
}

TEST_F(Diagnose, TheFp32ModelThatDoesNotRunIsAnError) {
  const Model broken = GraphBuilder()
                           .input("x", DType::kFloat32, {"batch", 4})
                           .node("NoSuchOperator", {"x"}, {"y"})
                           .untyped_output("y")
                           .model();
  EXPECT_THROW(run(broken, small_network()), Error);
}

TEST_F(Diagnose, ErrorsComeFirst) {
  const DiagnoseReport report = run(small_network(), quantized(small_network(1)));
  EXPECT_TRUE(std::ranges::is_sorted(report.findings, std::ranges::greater(),
                                     [](const Finding& f) { return row_of(f.code).severity; }));
}

TEST_F(Diagnose, JsonHasEveryFinding) {
  const Json json = to_json(run(small_network(), small_network()));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["findings"][0]["code"], "not-quantized");
  EXPECT_EQ(json["findings"][0]["severity"], "warning");
  EXPECT_EQ(json["worst"], "warning");
}

TEST(Findings, NamesAreUnique) {
  for (const FindingRow& row : kFindings)
    EXPECT_EQ(std::ranges::count(kFindings, row.name, &FindingRow::name), 1) << row.name;
}

TEST(Findings, DocumentationHoldsTheTable) {
  const std::string text = read_file(test::source_folder() / "docs/diagnosis.md");
  EXPECT_THAT(text, HasSubstr(findings_markdown()));
}

}  // namespace
}  // namespace planish
