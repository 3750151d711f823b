// report.html: everything inline, so that it opens from disk, years later, without a network.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "planish/base/version.h"
#include "planish/report/report.h"
#include "svg.h"

namespace planish {
namespace {

using report::BarRow;
using report::DistributionRow;
using report::escape_html;
using report::ScatterPoint;

constexpr std::string_view kStyle = R"css(
:root{--bg:#fff;--fg:#1b1f24;--dim:#5b6570;--line:#d9dee4;--card:#f6f8fa;--fp32:#8a94a0;--int8:#1a7f5a;
--other:#9cc9b8;--warn:#b45309;--bad:#b42318;--pre:#c99a2e}
@media(prefers-color-scheme:dark){:root{--bg:#0f1419;--fg:#e4e8ec;--dim:#9aa5b1;--line:#2c3640;--card:#171e26;
--fp32:#77828e;--int8:#3fb98a;--other:#2c6650;--warn:#f0b35a;--bad:#ff8b80;--pre:#d6ad4c}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.2rem;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.25rem;margin:0 0 .2rem;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}
p{margin:.4rem 0}.dim,.note{color:var(--dim);fill:var(--dim)}
.verdict{display:flex;gap:1rem 2rem;flex-wrap:wrap;align-items:baseline;background:var(--card);
border-left:.35rem solid var(--int8);padding:.9rem 1.1rem;margin:1rem 0;border-radius:.3rem}
.verdict.none{border-color:var(--warn)}
.big{font-size:2.1rem;font-weight:650;line-height:1.1}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.32rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child,td.text,th.text{text-align:left}
td.text{white-space:normal;overflow-wrap:anywhere;min-width:14rem}
tr.chosen td{font-weight:600}.rejected{color:var(--warn)}
svg.plot{width:100%;height:auto;display:block}
svg text{font-size:13px;fill:var(--fg)}svg text.tick,svg text.note{font-size:12px;fill:var(--dim)}
.grid{stroke:var(--line);stroke-width:1}.mark{stroke:var(--fg);stroke-width:1.5}
.fp32{fill:var(--fp32)}.int8{fill:var(--int8)}.other{fill:var(--other)}.pre{fill:var(--pre)}
details{margin:.5rem 0}summary{cursor:pointer}
code,pre{font:13px/1.45 ui-monospace,Menlo,Consolas,monospace}
pre{background:var(--card);padding:.7rem;border-radius:.3rem;overflow-x:auto}
ul{padding-left:1.2rem}li{margin:.35rem 0}
@media(max-width:40rem){body{padding:.8rem}th,td{padding:.3rem .4rem;font-size:.9rem}
svg text{font-size:21px}svg text.tick,svg text.note{font-size:19px}}
)css";

std::string percent(double share, int digits = 1) {
  return fmt::format("{:.{}f} %", 100 * share, digits);
}
std::string milliseconds(double value) {
  return fmt::format("{:.{}f}", value, value < 1 ? 3 : value < 100 ? 2 : 1);
}
std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.2f} MB", static_cast<double>(bytes) / 1e6);
}
std::string optional_percent(const std::optional<double>& share) {
  return share ? percent(*share) : "–";
}

/// Writes HTML into one string; text is escaped here and nowhere else.
class Page {
 public:
  Page& raw(std::string_view html) {
    html_ += html;
    return *this;
  }
  Page& heading(std::string_view text) { return raw("<h2>").raw(escape_html(text)).raw("</h2>\n"); }
  Page& paragraph(std::string_view text, std::string_view css_class = "") {
    return raw(css_class.empty() ? "<p>" : fmt::format("<p class=\"{}\">", css_class))
        .raw(escape_html(text))
        .raw("</p>\n");
  }
  Page& table_header(const std::vector<std::string>& cells) {
    raw("<div class=\"scroll\"><table><tr>");
    for (const std::string& cell : cells) raw("<th>").raw(escape_html(cell)).raw("</th>");
    return raw("</tr>\n");
  }
  /// Cells that start with "~" are long texts: left-aligned, wrapped, without the mark.
  Page& row(const std::vector<std::string>& cells, std::string_view css_class = "") {
    raw(css_class.empty() ? "<tr>" : fmt::format("<tr class=\"{}\">", css_class));
    for (const std::string& cell : cells) {
      const bool is_text = cell.starts_with('~');
      raw(is_text ? "<td class=\"text\">" : "<td>")
          .raw(escape_html(std::string_view(cell).substr(is_text ? 1 : 0)))
          .raw("</td>");
    }
    return raw("</tr>\n");
  }
  Page& table_end() { return raw("</table></div>\n"); }
  std::string take() { return std::move(html_); }

 private:
  std::string html_;
};

void write_verdict(Page& page, const AutoReport& report) {
  const CandidateReport& model = report.handed_out();
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

void write_distributions(Page& page, const AutoReport& report) {
  std::vector<DistributionRow> rows;
  const auto add = [&](const CandidateReport& model, std::string_view css_class) {
    if (!model.bench) return;
    rows.push_back(
        DistributionRow{model.name, model.bench->samples_ms, std::string(css_class),
                        fmt::format("{} · {:.2f}×", milliseconds(model.bench->latency_ms.p50),
                                    model.speed_up.median)});
  };
  add(report.baseline, "fp32");
  for (std::size_t i = 0; i < report.candidates.size(); ++i) {
    add(report.candidates[i], report.chosen == i ? "int8" : "other");
  }
  if (rows.empty()) return;
  page.heading("Latency").raw(report::distribution_plot(rows, "milliseconds per inference"));
  page.paragraph("Marks: p50 (tall), p95, p99. Right: p50 in milliseconds and the speed-up.",
                 "dim");
}

void write_end_to_end(Page& page, const AutoReport& report) {
  if (!report.end_to_end) return;
  const EndToEndReport& e2e = *report.end_to_end;
  const double preprocess = e2e.preprocess.latency_ms.p50;
  const auto bar = [&](std::string label, double whole, std::string_view css_class) {
    return BarRow{std::move(label),
                  {{preprocess, "pre",
                    fmt::format("reading and preprocessing {} ms", milliseconds(preprocess))},
                   {std::max(0.0, whole - preprocess), std::string(css_class),
                    fmt::format("inference {} ms", milliseconds(whole - preprocess))}},
                  fmt::format("{} ms", milliseconds(whole))};
  };
  const double fp32 = e2e.fp32.latency_ms.p50;
  const double chosen = e2e.chosen.latency_ms.p50;
  page.heading("End to end, with reading and preprocessing");
  page.raw(report::bar_plot(
      {bar("FP32", fp32, "fp32"), bar(report.chosen ? "INT8" : "handed out", chosen, "int8")},
      "milliseconds per request (p50)"));
  page.paragraph(fmt::format(
      "Preprocessing (amber) is {} of an INT8 request; end to end the gain is {:.2f}×.",
      percent(chosen > 0 ? preprocess / chosen : 0, 0), speed_up(e2e.fp32, e2e.chosen).median));
}

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
  page.raw(report::histogram_plot(accuracy.sample_cosines, "cosine of FP32 and INT8, per sample",
                                  "int8"));
  if (accuracy.worst.empty()) return;
  page.raw("<details><summary>Worst samples</summary>");
  page.table_header({"sample", "cosine", "FP32 says", "INT8 says"});
  const auto answer = [](const std::optional<std::int64_t>& top) {
    return top ? std::to_string(*top) : "–";
  };
  for (const WorstSample& worst : accuracy.worst) {
    page.row({"~" + worst.name, fmt::format("{:.6f}", worst.cosine), answer(worst.reference_top1),
              answer(worst.candidate_top1)});
  }
  page.table_end().raw("</details>\n");
}

/// "adaptive-rounding, bias-correction: SQNR +5.0 dB in 9.8 s"
std::string remedies_text(const CandidateReport& candidate) {
  if (!candidate.remedies) return "–";
  std::string text;
  for (const std::string& name : candidate.remedies->applied) {
    if (!text.empty()) text += ", ";
    text += name;
  }
  return fmt::format("~{}: SQNR {:+.1f} dB in {:.1f} s", text, candidate.remedies->sqnr_gain_db,
                     candidate.remedies->seconds);
}

void write_candidates(Page& page, const AutoReport& report) {
  page.heading("What was tried");
  page.table_header({"candidate", "speed-up", "p50 ms", "agreement", "cosine", "SQNR dB", "in INT8",
                     "remedies", "verdict"});
  for (std::size_t i = 0; i < report.candidates.size(); ++i) {
    const CandidateReport& c = report.candidates[i];
    const bool is_chosen = report.chosen == i;
    page.row({c.name, c.bench ? fmt::format("{:.2f}×", c.speed_up.median) : "–",
              c.bench ? milliseconds(c.bench->latency_ms.p50) : "–",
              c.accuracy ? optional_percent(c.accuracy->top1_agreement) : "–",
              c.accuracy ? fmt::format("{:.5f}", c.accuracy->cosine_mean) : "–",
              c.accuracy ? fmt::format("{:.1f}", c.accuracy->sqnr_db) : "–",
              percent(c.quantized_mac_share, 0), remedies_text(c),
              fmt::format("~{}", is_chosen ? "chosen"
                                           : c.rejected_because.value_or(
                                                 "accurate, but slower or not the most accurate"))},
             is_chosen ? "chosen" : "");
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
  page.raw(report::scatter_plot(points, "milliseconds per inference (p50)", "loss in %"));
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

std::string decibels(const std::optional<double>& relative_noise) {
  return relative_noise ? fmt::format("{:.1f}", sqnr_db(*relative_noise)) : "–";
}

void write_layers(Page& page, const AutoReport& report) {
  if (!report.sensitivity) return;
  constexpr std::size_t kBars = 12;
  const SensitivityReport& sensitivity = *report.sensitivity;
  const std::vector<std::size_t> order = most_sensitive_first(sensitivity);
  page.heading("What each layer loses in INT8");
  std::vector<BarRow> rows;
  for (std::size_t k = 0; k < std::min(kBars, order.size()); ++k) {
    const LayerSensitivity& layer = sensitivity.layers[order[k]];
    if (!layer.only_int8) continue;
    const double noise = layer.only_int8->relative_noise;
    rows.push_back({layer.layer.name,
                    {{1e3 * noise, "int8", fmt::format("{:.3g} of the output's power", noise)}},
                    fmt::format("{} dB", decibels(noise))});
  }
  page.raw(report::bar_plot(rows, "noise at the output, thousandths of its power"));
  page.raw("<details><summary>Every layer</summary>");
  page.table_header({"layer", "op", "output dB", "KL", "own dB", "so far dB", "clipped", "work",
                     "time FP32", "time INT8"});
  for (const std::size_t i : order) {
    const LayerSensitivity& layer = sensitivity.layers[i];
    const auto& only = layer.only_int8;
    const bool is_seen = layer.output && layer.output->seen;
    page.row({"~" + layer.layer.name, layer.layer.op_type,
              only ? decibels(only->relative_noise) : "–",
              only && only->kl_divergence ? fmt::format("{:.2g}", *only->kl_divergence) : "–",
              decibels(layer.local_noise), decibels(layer.accumulated_noise),
              is_seen ? percent(layer.output->seen->clipped, 3) : "–", percent(layer.mac_share),
              optional_percent(layer.fp32_time_share), optional_percent(layer.int8_time_share)});
  }
  page.table_end().raw("</details>\n");
  page.paragraph(
      fmt::format("Measured on {} samples, with all other layers in FP32: the output's SQNR and "
                  "divergence, that of the layer's own output, and that of its output in the INT8 "
                  "model.",
                  sensitivity.samples),
      "dim");
}

void write_kept(Page& page, const AutoReport& report) {
  const CandidateReport& model = report.handed_out();
  if (!report.chosen) return;
  page.heading("What stays in FP32");
  if (model.kept_fp32.empty()) {
    page.paragraph("Nothing: every operator that has an integer kernel uses it.");
    return;
  }
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> by_reason;
  for (const LeftNode& node : model.kept_fp32)
    by_reason[{node.op_type, node.reason}].push_back(node.node);
  page.paragraph(fmt::format("{} of {} nodes; {} of the multiply-accumulates run in INT8.",
                             model.kept_fp32.size(), report.inspection.nodes,
                             percent(model.quantized_mac_share)));
  page.table_header({"operator", "nodes", "why"});
  for (const auto& [key, nodes] : by_reason) {
    page.row({key.first, std::to_string(nodes.size()), "~" + key.second});
  }
  page.table_end().raw("<details><summary>Every node</summary>");
  page.table_header({"node", "operator", "why"});
  for (const LeftNode& node : model.kept_fp32)
    page.row({"~" + node.node, node.op_type, "~" + node.reason});
  page.table_end().raw("</details>\n");
}

void write_reductions(Page& page, const AutoReport& report) {
  const std::vector<RangeReduction>& reductions = report.handed_out().reductions;
  if (!report.chosen || totals_of(reductions).reduced == 0) return;
  page.heading(fmt::format("Made for {}", name_of(report.target)));
  page.paragraph(explain(reductions, report.target) + ".");
  page.raw("<details><summary>Every weight</summary>");
  page.table_header({"node", "operator", "channels", "reduced", "at most"});
  for (const RangeReduction& weight : reductions) {
    if (weight.reduced == 0) continue;
    page.row({"~" + weight.node, weight.op_type, std::to_string(weight.channels),
              std::to_string(weight.reduced), fmt::format("{:.2f}×", weight.largest_ratio)});
  }
  page.table_end().raw("</details>\n");
}

void write_operators(Page& page, const AutoReport& report) {
  if (report.baseline_operators.empty()) return;
  page.heading("Where the time of one inference goes");
  std::vector<BarRow> rows;
  const auto add = [&](std::string_view model, const std::vector<OperatorTime>& operators,
                       std::string_view css) {
    for (std::size_t i = 0; i < std::min<std::size_t>(operators.size(), 6); ++i) {
      const double ms = std::chrono::duration<double, std::milli>(operators[i].total).count();
      rows.push_back(
          BarRow{fmt::format("{} {} ({})", model, operators[i].op_type, operators[i].nodes),
                 {{ms, std::string(css), fmt::format("{} ms", milliseconds(ms))}},
                 fmt::format("{} · {}", milliseconds(ms), percent(operators[i].share, 0))});
    }
  };
  add("FP32", report.baseline_operators, "fp32");
  if (report.chosen) add("INT8", report.chosen_operators, "int8");
  page.raw(report::bar_plot(
      rows, "milliseconds, by operator of the graph that ONNX Runtime really runs"));
}

void write_advice(Page& page, const AutoReport& report) {
  if (report.advice.empty()) return;
  page.heading("What to know, and what to do next").raw("<ul>");
  for (const Advice& advice : report.advice) {
    page.raw("<li>")
        .raw(escape_html(advice.text))
        .raw(" <code>")
        .raw(escape_html(advice.code))
        .raw("</code></li>\n");
  }
  page.raw("</ul>\n");
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

}  // namespace

std::string to_html(const AutoReport& report) {
  Page page;
  const std::string name = std::filesystem::path(report.source_path).filename().string();
  page.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
      .raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
      .raw("<meta name=\"color-scheme\" content=\"light dark\"><title>planish: ")
      .raw(escape_html(name))
      .raw("</title><style>")
      .raw(kStyle)
      .raw("</style></head><body>\n<h1>")
      .raw(escape_html(name))
      .raw("</h1>\n");
  page.paragraph(report.inspection.advice, "dim");
  write_verdict(page, report);
  write_summary(page, report);
  write_distributions(page, report);
  write_end_to_end(page, report);
  write_accuracy(page, report);
  write_candidates(page, report);
  write_front(page, report);
  write_layers(page, report);
  write_kept(page, report);
  write_reductions(page, report);
  write_operators(page, report);
  write_advice(page, report);
  write_provenance(page, report);
  return page.raw("</body></html>\n").take();
}

}  // namespace planish
