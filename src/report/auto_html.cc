// report.html: everything inline, so that it opens from disk, years later, without a network.
#include <fmt/format.h>

#include "planish/report/report.h"
#include "report/sections.h"
#include "report/svg.h"

namespace planish {
namespace report {
namespace {

/// One column of the summary: what a model is and does.
std::vector<std::string> summary_column(const CandidateReport& model,
                                        const std::optional<double>& top1) {
  const LatencySummary latency = model.bench ? model.bench->latency_ms : LatencySummary{};
  const AccuracyReport* accuracy = model.accuracy ? &*model.accuracy : nullptr;
  return {milliseconds(latency.p50) + " ms",
          milliseconds(latency.p95) + " ms",
          milliseconds(latency.p99) + " ms",
          milliseconds(latency.mean) + " ms",
          model.bench ? fmt::format("{:.1f}", model.bench->qps) : "–",
          megabytes(model.bytes),
          optional_percent(top1),
          accuracy ? optional_percent(accuracy->top1_agreement) : "–",
          accuracy ? fmt::format("{:.5f}", accuracy->cosine_mean) : "–",
          fmt::format("{:.2f}×", model.speed_up.median)};
}

}  // namespace

void write_verdict(Page& page, const AutoReport& report) {
  const CandidateReport& model = report.handed_out();
  if (report.state != RunState::kComplete) {
    page.paragraph(
        fmt::format("This run is {}: the best model until now, by a short measurement. "
                    "The same command, run to its end, measures longer and may find a "
                    "better one.",
                    report.state == RunState::kInterrupted ? "interrupted" : "not at its end"),
        "unfinished");
  }
  if (!report.chosen) {
    page.raw("<div class=\"verdict none\"><span class=\"big\">FP32</span><span>")
        .raw(escape_html(
            "No INT8 model was both faster and accurate: the source model is handed out."))
        .raw("</span></div>\n");
    return;
  }
  page.raw(fmt::format("<div class=\"verdict\"><span class=\"big\">{:.2f}× faster</span>",
                       model.speed_up.median));
  std::string text =
      fmt::format("95 % interval {:.2f}–{:.2f}. ", model.speed_up.low, model.speed_up.high);
  if (model.accuracy) {
    const AccuracyReport& accuracy = *model.accuracy;
    if (accuracy.top1_agreement) {
      text += fmt::format("Same answer as FP32 on {} of {} samples. ",
                          percent(*accuracy.top1_agreement), accuracy.samples);
    }
    if (accuracy.fp32_top1 && accuracy.int8_top1) {
      text += fmt::format("Top-1 {} → {}. ", percent(*accuracy.fp32_top1),
                          percent(*accuracy.int8_top1));
    }
    text += fmt::format("Mean cosine {:.5f}.", accuracy.cosine_mean);
  }
  page.raw("<span>").raw(escape_html(text)).raw("</span></div>\n");
}

/// Models side by side, one fact a row: that fits a phone.
void write_summary(Page& page, const AutoReport& report) {
  const CandidateReport& model = report.handed_out();
  const std::vector<std::string> facts{
      "latency p50", "latency p95",    "latency p99",         "latency mean", "QPS",
      "size",        "top-1 accuracy", "agreement with FP32", "mean cosine",  "speed-up"};
  const AccuracyReport* accuracy = model.accuracy ? &*model.accuracy : nullptr;
  const std::optional<double> unknown;
  const auto baseline = summary_column(report.baseline, accuracy ? accuracy->fp32_top1 : unknown);
  const auto chosen = summary_column(model, accuracy ? accuracy->int8_top1 : unknown);
  if (report.chosen)
    page.table_header({"", "FP32", model.precision == Precision::kMixed ? "INT8 mixed" : "INT8"});
  else
    page.table_header({"", "FP32"});
  for (std::size_t i = 0; i < facts.size(); ++i) {
    std::vector<std::string> cells{facts[i], baseline[i]};
    if (report.chosen) cells.push_back(chosen[i]);
    page.row(cells, facts[i] == "latency p50" || facts[i] == "speed-up" ? "chosen" : "");
  }
  page.table_end();
  page.paragraph(
      fmt::format("{}{} thread{}, batch {}, one caller, spinning off; every model measured in "
                  "turns that ran "
                  "side by side.",
                  report.chosen ? "INT8: " + model.name + ". " : "", report.config.threads,
                  report.config.threads == 1 ? "" : "s", report.config.batch),
      "dim");
}

}  // namespace report

using report::Page;

std::string to_html(const AutoReport& report) {
  Page page;
  const std::string name = std::filesystem::path(report.source_path).filename().string();
  report::begin_page(page, name);
  page.paragraph(report.inspection.advice, "dim");
  report::write_verdict(page, report);
  report::write_summary(page, report);
  report::write_front(page, report);
  report::write_distributions(page, report);
  report::write_end_to_end(page, report);
  report::write_sweep(page, report);
  report::write_operator_times(page, report.baseline_operators, report.chosen_operators);
  report::write_accuracy(page, report);
  report::write_tensors(page, report);
  report::write_calibration(page, report);
  report::write_candidates(page, report);
  report::write_layers(page, report);
  report::write_kept(page, report);
  report::write_reductions(page, report);
  report::write_advice(page, report);
  report::write_provenance(page, report);
  return page.raw("</body></html>\n").take();
}

}  // namespace planish
