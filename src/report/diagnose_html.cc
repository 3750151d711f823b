// A diagnosis as a page: what was found, with evidence and commands.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "planish/base/version.h"
#include "planish/report/report.h"
#include "report/sections.h"
#include "report/svg.h"

namespace planish {
namespace report {
namespace {

std::size_t count_of(const DiagnoseReport& report, Severity severity) {
  return static_cast<std::size_t>(std::ranges::count_if(
      report.findings, [&](const Finding& f) { return row_of(f.code).severity == severity; }));
}

void write_head(Page& page, const DiagnoseReport& report) {
  const std::size_t errors = count_of(report, Severity::kError);
  const std::size_t warnings = count_of(report, Severity::kWarning);
  page.raw(errors + warnings > 0 ? "<div class=\"verdict none\">" : "<div class=\"verdict\">");
  page.raw(fmt::format("<span class=\"big\">{}</span><span>",
                       report.findings.empty() ? std::string("Nothing found")
                                               : fmt::format("{} found", report.findings.size())));
  std::string text =
      fmt::format("{} error{}, {} warning{}, {} hint{}. ", errors, errors == 1 ? "" : "s", warnings,
                  warnings == 1 ? "" : "s", count_of(report, Severity::kHint),
                  count_of(report, Severity::kHint) == 1 ? "" : "s");
  if (report.fp32_bench && report.int8_bench) {
    text += fmt::format("{} → {} ms, {:.2f}× ({:.2f} to {:.2f}). ",
                        milliseconds(report.fp32_bench->latency_ms.p50),
                        milliseconds(report.int8_bench->latency_ms.p50), report.speed_up.median,
                        report.speed_up.low, report.speed_up.high);
  }
  if (report.accuracy) {
    const AccuracyReport& accuracy = *report.accuracy;
    if (accuracy.fp32_top1 && accuracy.int8_top1) {
      text += fmt::format("Top-1 {} → {}. ", percent(*accuracy.fp32_top1),
                          percent(*accuracy.int8_top1));
    }
    text +=
        fmt::format("Mean cosine {:.5f} on {} samples.", accuracy.cosine_mean, accuracy.samples);
  }
  page.raw(escape_html(text)).raw("</span></div>\n");
}

std::string gain_text(const Gain& gain) {
  return fmt::format("{}: {:.4g} → {:.4g}{}", gain.quantity, gain.now, gain.then,
                     gain.measured ? ", measured" : ", at most");
}

void write_finding(Page& page, const Finding& finding) {
  const FindingRow& row = row_of(finding.code);
  page.heading(std::string(row.title));
  page.raw(fmt::format("<p class=\"{}\">", row.severity == Severity::kError     ? "wrong"
                                           : row.severity == Severity::kWarning ? "rejected"
                                                                                : "dim"))
      .raw(escape_html(name_of(row.severity)))
      .raw(" <code>")
      .raw(escape_html(row.name))
      .raw("</code></p>\n");
  page.paragraph(finding.evidence + ".");
  page.paragraph(fmt::format("Why: {}.", row.meaning), "dim");
  page.paragraph(fmt::format("Remedy: {}.", finding.remedy));
  if (finding.gain) page.paragraph(gain_text(*finding.gain));
  for (const std::string& command : finding.commands)
    page.raw("<div class=\"next\"><pre><code>")
        .raw(escape_html(command))
        .raw("</code></pre></div>\n");
  if (finding.places.empty()) return;
  page.raw(fmt::format("<details><summary>At {} place{}</summary><ul>", finding.places.size(),
                       finding.places.size() == 1 ? "" : "s"));
  for (const std::string& place : finding.places)
    page.raw("<li><code>").raw(escape_html(place)).raw("</code></li>\n");
  page.raw("</ul></details>\n");
}

void write_not_checked(Page& page, const DiagnoseReport& report) {
  if (report.not_checked.empty()) return;
  page.heading("What was not looked for");
  page.table_header({"finding", "why"});
  for (const NotChecked& missing : report.not_checked)
    page.row({std::string(row_of(missing.code).name), "~" + missing.because});
  page.table_end();
}

void write_machine(Page& page, const DiagnoseReport& report) {
  page.heading("Where this comes from").raw("<div class=\"scroll\"><table>");
  const auto line = [&](std::string_view key, const std::string& value) {
    page.row({std::string(key), "~" + value});
  };
  line("FP32", report.fp32_path);
  line("INT8", report.int8_path);
  line("CPU",
       fmt::format("{}, taken as {}; {} of {} cores usable", report.host.cpu,
                   name_of(report.target), report.host.cores_usable, report.host.cores_online));
  line("run", fmt::format("{} thread{}, batch {}", report.threads, report.threads == 1 ? "" : "s",
                          report.batch));
  line("ONNX Runtime", report.runtime_version);
  line("planish", std::string(kVersion));
  page.table_end();
}

}  // namespace
}  // namespace report

std::string to_html(const DiagnoseReport& diagnosis) {
  report::Page page;
  const std::string name = std::filesystem::path(diagnosis.int8_path).filename().string();
  report::begin_page(page, name);
  page.paragraph("Against " + diagnosis.fp32_path, "dim");
  report::write_head(page, diagnosis);
  for (const Finding& finding : diagnosis.findings) report::write_finding(page, finding);
  report::write_operator_times(page, diagnosis.fp32_operators, diagnosis.int8_operators);
  report::write_not_checked(page, diagnosis);
  report::write_machine(page, diagnosis);
  return page.raw("</body></html>\n").take();
}

}  // namespace planish
