// What the answers lose, on which samples, and in which values.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>

#include "report/picture.h"
#include "report/sections.h"
#include "report/svg.h"

namespace planish::report {
namespace {

/// The answer of one model: right, wrong, or only different.
std::string answer(const std::optional<std::int64_t>& top1,
                   const std::optional<std::int64_t>& label) {
  if (!top1) return "–";
  if (!label) return std::to_string(*top1);
  return fmt::format("<span class=\"{}\">{}</span>", *top1 == *label ? "right" : "wrong", *top1);
}

void write_worst(Page& page, const AccuracyReport& accuracy,
                 const std::map<std::string, Image>& pictures) {
  if (accuracy.worst.empty()) return;
  page.paragraph("The samples on which the two differ most:");
  page.raw("<ul class=\"cards\">");
  for (const WorstSample& worst : accuracy.worst) {
    page.raw("<li>");
    if (const auto found = pictures.find(worst.name); found != pictures.end()) {
      page.raw("<img alt=\"\" src=\"").raw(data_uri(found->second)).raw("\">");
    }
    page.raw(escape_html(worst.name));
    if (worst.reference_top1) {
      page.raw("<br>FP32 says ").raw(answer(worst.reference_top1, worst.label));
      page.raw("<br>INT8 says ").raw(answer(worst.candidate_top1, worst.label));
    }
    if (worst.label) page.raw(fmt::format("<br>label {}", *worst.label));
    page.raw(fmt::format("<br>cosine {:.5f}</li>\n", worst.cosine));
  }
  page.raw("</ul>\n");
}

/// "minmax 12, mse 5": the methods that suit the tensors, the most frequent first.
std::string methods_of(const CalibrationQuality& quality) {
  std::map<CalibrationMethod, std::size_t> counts;
  for (const TensorQuality& tensor : quality.tensors) ++counts[tensor.recommended];
  std::vector<std::pair<CalibrationMethod, std::size_t>> sorted(counts.begin(), counts.end());
  std::ranges::stable_sort(sorted, std::ranges::greater{},
                           &std::pair<CalibrationMethod, std::size_t>::second);
  std::string text;
  for (const auto& [method, count] : sorted)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name_of(method), count);
  return text;
}

}  // namespace

void write_accuracy(Page& page, const AutoReport& report) {
  const CandidateReport& model = report.handed_out();
  if (!model.accuracy) return;
  const AccuracyReport& accuracy = *model.accuracy;
  page.heading("Accuracy against FP32");
  page.table_header({"output", "cosine mean", "cosine min", "SQNR dB", "max error"});
  for (const OutputAccuracy& output : accuracy.outputs) {
    page.row({output.name, fmt::format("{:.6f}", output.cosine_mean),
              fmt::format("{:.6f}", output.cosine_min), fmt::format("{:.1f}", output.sqnr_db),
              fmt::format("{:.4g}", output.max_abs_error)});
  }
  page.table_end();
  page.raw(histogram_plot(accuracy.sample_cosines, "cosine of FP32 and INT8, per sample", "int8"));
  write_worst(page, accuracy, report.pictures);
}

void write_tensors(Page& page, const AutoReport& report) {
  if (report.worst_tensors.empty()) return;
  page.heading("What 8 bits represent worst");
  page.raw("<div class=\"plots\">");
  for (const WorstTensor& tensor : report.worst_tensors) {
    const TensorObservation& seen = tensor.seen;
    page.raw(
        range_plot({.label = tensor.name,
                    .low = seen.observed.min,
                    .high = seen.observed.max,
                    .counts = seen.histogram,
                    .kept_low = tensor.range.min,
                    .kept_high = tensor.range.max,
                    .note = fmt::format(
                        "{}{} cut off",
                        seen.sqnr_db ? fmt::format("{:.1f} dB, ", *seen.sqnr_db) : std::string(),
                        percent(seen.clipped, 2))}));
  }
  page.raw("</div>\n");
  page.paragraph(
      "Activations of the model that is handed out, on the calibration samples; heights are "
      "logarithmic. Dashed: the range that the integers hold; red: what it cuts off.",
      "dim");
}

void write_calibration(Page& page, const AutoReport& report) {
  if (!report.calibration_quality) return;
  const CalibrationQuality& quality = *report.calibration_quality;
  page.heading("Whether the calibration samples are enough");
  std::vector<ScatterPoint> points;
  for (const ConvergencePoint& point : quality.convergence) {
    points.push_back(
        {.x = static_cast<double>(point.samples),
         .y = point.p95_loss_db,
         .css_class = point.p95_loss_db <= CalibrationQuality::kSettledDb ? "int8" : "pre",
         .title = fmt::format("{} samples: 95 % of the tensors lose {:.2f} dB at "
                              "most, {} {:.2f} dB",
                              point.samples, point.p95_loss_db, point.worst_tensor,
                              point.worst_loss_db)});
  }
  page.raw(scatter_plot(points, "calibration samples", "dB lost against all samples"));
  page.paragraph(
      quality.has_settled()
          ? fmt::format("Ranges have settled: those of {} samples are as good as those of {} to "
                        "within {} dB for 95 % of the tensors.",
                        quality.enough, quality.samples, CalibrationQuality::kSettledDb)
          : fmt::format(
                "Ranges still move: it took {} of {} samples until 95 % of the tensors were "
                "within {} dB. More samples may find wider ones.",
                quality.enough, quality.samples, CalibrationQuality::kSettledDb));
  for (const auto& group : quality.duplicates)
    page.paragraph(
        fmt::format("The same sample {} times: {}", group.size(), fmt::join(group, ", ")),
        "rejected");
  if (!quality.constant.empty())
    page.paragraph(fmt::format("Nothing in them, every element is the same: {}",
                               fmt::join(quality.constant, ", ")),
                   "rejected");
  if (quality.tensors.empty()) return;
  page.raw("<details><summary>The method that suits each tensor: ")
      .raw(escape_html(methods_of(quality)))
      .raw("</summary>");
  page.table_header({"tensor", "method", "expected dB", "by minmax", "cut off"});
  for (const TensorQuality& tensor : quality.tensors) {
    page.row({"~" + tensor.tensor, std::string(name_of(tensor.recommended)),
              fmt::format("{:.1f}", tensor.sqnr_db), fmt::format("{:.1f}", tensor.minmax_sqnr_db),
              percent(tensor.clipped, 3)});
  }
  page.table_end().raw("</details>\n");
}

}  // namespace planish::report
