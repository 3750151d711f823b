#include "planish/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "planish/base/json.h"

namespace planish {
namespace {

using testing::HasSubstr;
using testing::Not;

BenchResult result_of(const std::string& name, double milliseconds) {
  BenchResult result;
  result.name = name;
  result.samples_ms = std::vector<double>(50, milliseconds);
  result.turn_medians_ms = std::vector<double>(10, milliseconds);
  result.latency_ms = summarize(result.samples_ms);
  result.qps = 1000.0 / milliseconds;
  return result;
}

AutoReport report_with_a_choice() {
  AutoReport report;
  report.source_path = "models/<net>.onnx";
  report.baseline.name = "fp32";
  report.baseline.bench = result_of("fp32", 3.0);
  CandidateReport candidate;
  candidate.name = "static-qdq-per-channel";
  candidate.precision = Precision::kInt8;
  candidate.method = Method::kStatic;
  candidate.format = "qdq";
  candidate.bench = result_of(candidate.name, 1.0);
  candidate.speed_up = {3.0, 2.9, 3.1};
  candidate.accuracy = AccuracyReport{};
  candidate.accuracy->samples = 200;
  candidate.accuracy->top1_agreement = 0.995;
  candidate.accuracy->sample_cosines = {0.999, 0.9995};
  candidate.kept_fp32 = {LeftNode{"softmax", "Softmax", "no integer kernel <that pays>"}};
  candidate.reductions = {{"conv", "Conv", "w", 64, 15, 1.42F}, {"stem", "Conv", "v", 8, 0, 1.0F}};
  candidate.remedies = RemediesUsed{.of = "static-qdq",
                                    .applied = {"equalization", "bias-correction"},
                                    .seconds = 9.8,
                                    .sqnr_gain_db = 6.7,
                                    .cosine_gain = 0.005};
  report.candidates = {candidate};
  report.chosen = 0;
  report.end_to_end =
      EndToEndReport{result_of("fp32", 4.0), result_of("chosen", 2.0), result_of("pre", 1.0)};
  report.front = {{.name = "static <mixed>",
                   .precision = Precision::kMixed,
                   .speed_up = 3.0,
                   .p50_ms = 1.0,
                   .loss = 0.005,
                   .cosine = 0.999,
                   .chosen = true},
                  {.name = "fp32", .p50_ms = 3.0}};
  LayerSensitivity layer;
  layer.layer = {.name = "stem<1>", .op_type = "Conv", .nodes = {0}};
  layer.only_int8 = OutputEffect{.relative_noise = 1e-3, .kl_divergence = 0.01};
  report.sensitivity = SensitivityReport{.samples = 8};
  report.sensitivity->layers = {layer};
  report.advice = {Advice{"noisy-machine", "p95 & p99 \"far\" apart"}};
  return report;
}

TEST(ReportJson, HoldsEveryMemberOfSchemaOne) {
  const Json json = to_json(report_with_a_choice());
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["chosen"]["precision"], "int8");
  EXPECT_EQ(json["chosen"]["method"], "static");
  EXPECT_EQ(json["chosen"]["format"], "qdq");
  EXPECT_EQ(json["chosen"]["engine"], "cpu");
  EXPECT_EQ(json["chosen"]["path"], "model.onnx");
  EXPECT_DOUBLE_EQ(json["speedup"].get<double>(), 3.0);
  EXPECT_DOUBLE_EQ(json["baseline"]["latency_ms"]["p99"].get<double>(), 3.0);
  EXPECT_DOUBLE_EQ(json["end_to_end"]["preprocess_ms"]["p50"].get<double>(), 1.0);
  EXPECT_EQ(json["kept_fp32"][0]["op"], "Softmax");
  EXPECT_EQ(json["chosen"]["remedies"]["of"], "static-qdq");
  EXPECT_EQ(json["chosen"]["remedies"]["applied"].size(), 2U);
  EXPECT_EQ(json["chosen"]["remedies"]["sqnr_gain_db"], 6.7);
  EXPECT_EQ(json["chosen"]["saturation"]["channels"], 72);
  EXPECT_EQ(json["chosen"]["saturation"]["reduced"], 15);
  EXPECT_EQ(json["chosen"]["saturation"]["weights"].size(), 1U);  // the others kept their range
  EXPECT_EQ(json["advice"][0]["code"], "noisy-machine");
  EXPECT_DOUBLE_EQ(json["accuracy"]["top1_agreement"].get<double>(), 0.995);
}

TEST(ReportJson, SaysFp32WhenNothingWasChosen) {
  AutoReport report = report_with_a_choice();
  report.chosen.reset();
  report.candidates[0].rejected_because = "top-1 agreement 0.9 < 0.99";
  const Json json = to_json(report);
  EXPECT_EQ(json["chosen"]["precision"], "fp32");
  EXPECT_EQ(json["chosen"]["format"], "none");
  EXPECT_DOUBLE_EQ(json["speedup"].get<double>(), 1.0);
  EXPECT_EQ(json["candidates"][0]["rejected_because"], "top-1 agreement 0.9 < 0.99");
}

TEST(ReportJson, HasTheFrontAndTheLayers) {
  const Json json = to_json(report_with_a_choice());
  ASSERT_EQ(json["front"].size(), 2U);
  EXPECT_EQ(json["front"][0]["precision"], "mixed");
  EXPECT_EQ(json["front"][0]["chosen"], true);
  ASSERT_EQ(json["layers"].size(), 1U);
  EXPECT_EQ(json["layers"][0]["node"], "stem<1>");
  EXPECT_NEAR(json["layers"][0]["only_int8"]["relative_noise"].get<double>(), 1e-3, 1e-15);
  EXPECT_TRUE(to_json(AutoReport{})["layers"].empty());
}

TEST(ReportHtml, ShowsTheFrontAndWhatLayersLose) {
  const std::string html = to_html(report_with_a_choice());
  EXPECT_THAT(html, HasSubstr("Latency against accuracy"));
  EXPECT_THAT(html, HasSubstr("<circle"));
  EXPECT_THAT(html, HasSubstr("30.0 dB"));  // of 1e-3
  EXPECT_THAT(html, HasSubstr("stem&lt;1&gt;"));
}

TEST(ReportHtml, ShowsTheWorstSamplesWithBothAnswers) {
  AutoReport report = report_with_a_choice();
  report.candidates[0].accuracy->worst = {{.name = "cat<1>.jpg",
                                           .cosine = 0.9,
                                           .reference_top1 = 281,
                                           .candidate_top1 = 282,
                                           .label = 281}};
  report.pictures["cat<1>.jpg"] =
      Image{.height = 1, .width = 1, .channels = 3, .pixels = {255, 0, 0}};
  const std::string html = to_html(report);
  // The header of a bitmap of one pixel: "BM", then the 58 bytes that it has.
  EXPECT_THAT(html, HasSubstr("src=\"data:image/bmp;base64,Qk06AAAA"));
  EXPECT_THAT(html, HasSubstr("cat&lt;1&gt;.jpg"));
  EXPECT_THAT(html, HasSubstr("FP32 says <span class=\"right\">281</span>"));
  EXPECT_THAT(html, HasSubstr("INT8 says <span class=\"wrong\">282</span>"));
}

TEST(ReportHtml, ShowsTheWorstTensorsAndHowRangesSettle) {
  AutoReport report = report_with_a_choice();
  TensorObservation seen{.observed = {-1.0F, 3.0F}, .elements = 11, .clipped = 0.25};
  seen.sqnr_db = 17.5;
  seen.histogram = {1, 2, 3, 5};
  report.worst_tensors = {{.name = "relu<7>", .range = {0.0F, 3.0F}, .seen = seen}};
  report.calibration_quality =
      CalibrationQuality{.samples = 4,
                         .convergence = {{.samples = 2, .p95_loss_db = 3.0}, {.samples = 4}},
                         .enough = 4};
  report.calibration_quality->duplicates = {{"a.jpg", "b.jpg"}};
  const std::string html = to_html(report);
  EXPECT_THAT(html, HasSubstr("relu&lt;7&gt;"));
  EXPECT_THAT(html, HasSubstr("17.5 dB, 25.00 % cut off"));
  EXPECT_THAT(html, HasSubstr("Ranges still move"));
  EXPECT_THAT(html, HasSubstr("The same sample 2 times: a.jpg, b.jpg"));
}

TEST(ReportHtml, GivesCommandsToPaste) {
  AutoReport report = report_with_a_choice();
  report.next = {{"To serve it", "planish serve --model 'a&b.onnx'"}};
  EXPECT_THAT(to_html(report),
              HasSubstr("<code>planish serve --model &#39;a&amp;b.onnx&#39;</code>"));
  EXPECT_EQ(to_json(report)["next"][0]["command"], "planish serve --model 'a&b.onnx'");
}

TEST(ReportHtml, SaysThatARunWasInterrupted) {
  AutoReport report = report_with_a_choice();
  EXPECT_THAT(to_html(report), Not(HasSubstr("interrupted")));
  report.state = RunState::kInterrupted;
  EXPECT_THAT(to_html(report), HasSubstr("This run is interrupted"));
  EXPECT_EQ(to_json(report)["state"], "interrupted");
}

TEST(DiagnosisHtml, ShowsEvidenceRemedyAndCommands) {
  DiagnoseReport diagnosis{.fp32_path = "net.onnx", .int8_path = "net<8>.onnx"};
  diagnosis.findings = {{.code = FindingCode::kSaturation,
                         .evidence = "15 of 64 channels",
                         .places = {"conv<1>"},
                         .remedy = "give up range",
                         .commands = {"planish quantize 'x&y'"},
                         .gain = Gain{"sqnr_db", 10.0, 20.0, true}}};
  diagnosis.not_checked = {{FindingCode::kAnswersDiffer, "needs --data"}};
  const std::string html = to_html(diagnosis);
  for (const char* part :
       {"net&lt;8&gt;.onnx", "15 of 64 channels", "conv&lt;1&gt;", "give up range",
        "planish quantize &#39;x&amp;y&#39;", "needs --data", "10 → 20, measured", "</html>"})
    EXPECT_THAT(html, HasSubstr(part));
}

TEST(ReportHtml, EscapesWhatComesFromOutside) {
  const std::string html = to_html(report_with_a_choice());
  EXPECT_THAT(html, Not(HasSubstr("<net>")));
  EXPECT_THAT(html, HasSubstr("&lt;net&gt;.onnx"));
  EXPECT_THAT(html, HasSubstr("no integer kernel &lt;that pays&gt;"));
  EXPECT_THAT(html, HasSubstr("p95 &amp; p99 &quot;far&quot; apart"));
}

TEST(ReportHtml, SaysWhatRemediesGained) {
  EXPECT_THAT(to_html(report_with_a_choice()),
              HasSubstr("equalization, bias-correction: SQNR +6.7 dB in 9.8 s"));
}

TEST(ReportHtml, NeedsNoNetwork) {
  const std::string html = to_html(report_with_a_choice());
  EXPECT_FALSE(std::regex_search(html, std::regex("https?:|src=|@import|url\\(|<script")));
}

TEST(ReportHtml, ClosesEveryElementThatItOpens) {
  const std::string html = to_html(report_with_a_choice());
  for (const std::string element :
       {"table", "svg", "div", "details", "ul", "h2", "tr", "td", "p", "span", "path"}) {
    const auto count = [&](const std::string& pattern) {
      const std::regex regex(pattern);
      return std::distance(std::sregex_iterator(html.begin(), html.end(), regex),
                           std::sregex_iterator());
    };
    const auto self_closed = count("<" + element + "( [^>]*)?/>");
    EXPECT_EQ(count("<" + element + "( [^>]*)?>") - self_closed, count("</" + element + ">"))
        << element;
  }
}

TEST(ReportHtml, IsWrittenForAReportWithNothingMeasured) {
  AutoReport report;
  report.source_path = "m.onnx";
  EXPECT_THAT(to_html(report), HasSubstr("</html>"));
}

}  // namespace
}  // namespace planish
