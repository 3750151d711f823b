// What to do next, and where all this comes from.
#include <fmt/format.h>

#include "planish/base/version.h"
#include "report/sections.h"
#include "report/svg.h"

namespace planish::report {

void write_advice(Page& page, const AutoReport& report) {
  if (!report.advice.empty()) {
    page.heading("What to know").raw("<ul>");
    for (const Advice& advice : report.advice) {
      page.raw("<li>")
          .raw(escape_html(advice.text))
          .raw(" <code>")
          .raw(escape_html(advice.code))
          .raw("</code></li>\n");
    }
    page.raw("</ul>\n");
  }
  if (report.next.empty()) return;
  page.heading("What to do next");
  page.paragraph("Words in capitals are to be filled in: OUT is the folder of this report.", "dim");
  page.raw("<div class=\"next\">");
  for (const NextStep& step : report.next) {
    page.paragraph(step.what + ":");
    page.raw("<pre><code>").raw(escape_html(step.command)).raw("</code></pre>\n");
  }
  page.raw("</div>\n");
}

void write_provenance(Page& page, const AutoReport& report) {
  page.heading("Where this comes from").raw("<div class=\"scroll\"><table>");
  const CandidateReport& model = report.handed_out();
  std::string isa;
  for (const std::string& name : report.host.isa) isa += (isa.empty() ? "" : ", ") + name;
  const auto line = [&](std::string_view key, const std::string& value) {
    page.row({std::string(key), "~" + value});
  };
  line("model", report.source_path + " · sha256 " + report.source_sha256);
  line("handed out", fmt::format("{} · sha256 {}", model.name, model.sha256));
  line("calibrated on",
       fmt::format("{} samples of {}", report.calibration_samples, report.config.data.string()));
  line("judged on", report.config.eval_data.value_or(report.config.data).string());
  line("CPU", fmt::format("{} ({})", report.host.cpu, isa));
  line("cores",
       fmt::format(
           "{} usable of {}{}", report.host.cores_usable, report.host.cores_online,
           report.host.quota ? fmt::format(", quota {:.2f}", report.host.quota->cores) : ""));
  line("ONNX Runtime", report.runtime_version);
  line("planish", std::string(kVersion));
  line("noise",
       fmt::format("other processes {}, hypervisor {} of the CPU while measuring",
                   percent(report.bench.other_load_share), percent(report.bench.steal_share)));
  page.table_end();
}

}  // namespace planish::report
