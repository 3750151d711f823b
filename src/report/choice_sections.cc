// What was tried, and what each costs and gives.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "report/sections.h"
#include "report/svg.h"

namespace planish::report {
namespace {

/// "Made with adaptive-rounding, bias-correction: SQNR +5.0 dB in 9.8 s."
std::string remedies_text(const CandidateReport& candidate) {
  if (!candidate.remedies) return {};
  return fmt::format(" Made with {}: SQNR {:+.1f} dB in {:.1f} s.",
                     fmt::join(candidate.remedies->applied, ", "), candidate.remedies->sqnr_gain_db,
                     candidate.remedies->seconds);
}

std::string verdict_of(const CandidateReport& candidate, bool is_chosen) {
  if (is_chosen) return "Chosen.";
  return candidate.rejected_because ? *candidate.rejected_because + "."
                                    : std::string("Accurate, but slower or not the most accurate.");
}

}  // namespace

void write_candidates(Page& page, const AutoReport& report) {
  page.heading("What was tried");
  const std::vector<std::string> facts{"candidate", "speed-up", "p50 ms", "agreement",
                                       "cosine",    "SQNR dB",  "in INT8"};
  page.table_header(facts);
  for (std::size_t i = 0; i < report.candidates.size(); ++i) {
    const CandidateReport& c = report.candidates[i];
    const bool is_chosen = report.chosen == i;
    page.row({"~" + c.name, c.bench ? fmt::format("{:.2f}×", c.speed_up.median) : "–",
              c.bench ? milliseconds(c.bench->latency_ms.p50) : "–",
              c.accuracy ? optional_percent(c.accuracy->top1_agreement) : "–",
              c.accuracy ? fmt::format("{:.5f}", c.accuracy->cosine_mean) : "–",
              c.accuracy ? fmt::format("{:.1f}", c.accuracy->sqnr_db) : "–",
              percent(c.quantized_mac_share, 0)},
             is_chosen ? "chosen numbers" : "numbers");
    page.raw(fmt::format("<tr><td class=\"why\" colspan=\"{}\">", facts.size()))
        .raw(escape_html(verdict_of(c, is_chosen) + remedies_text(c)))
        .raw("</td></tr>\n");
  }
  page.table_end();
}

void write_front(Page& page, const AutoReport& report) {
  if (report.front.size() < 2) return;
  page.heading("Latency against accuracy");
  std::vector<ScatterPoint> points;
  for (const FrontPoint& point : report.front) {
    const bool is_fp32 = point.precision == Precision::kFp32;
    points.push_back({.x = point.p50_ms,
                      .y = 100.0 * point.loss,
                      .css_class = is_fp32          ? "fp32"
                                   : point.accepted ? "int8"
                                                    : "pre",
                      .label = is_fp32        ? "FP32"
                               : point.chosen ? "chosen"
                                              : "",
                      .title = fmt::format("{}: {:.2f}×, loss {:.2f} %", point.name, point.speed_up,
                                           100.0 * point.loss)});
  }
  std::ranges::sort(points, {}, &ScatterPoint::x);
  page.raw(scatter_plot(points, "milliseconds per inference (p50)", "loss in %"));
  page.paragraph(
      "Models that no other beats in speed and accuracy at once. Amber: not within the thresholds.",
      "dim");
  page.table_header({"model", "precision", "speed-up", "p50 ms", "loss", "cosine", "accepted"});
  for (const FrontPoint& point : report.front) {
    page.row(
        {"~" + point.name, std::string(name_of(point.precision)),
         fmt::format("{:.2f}×", point.speed_up), milliseconds(point.p50_ms), percent(point.loss, 2),
         fmt::format("{:.5f}", point.cosine), point.accepted ? "yes" : "no"},
        point.chosen ? "chosen" : "");
  }
  page.table_end();
}

}  // namespace planish::report
