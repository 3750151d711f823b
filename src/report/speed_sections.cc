// How long things take.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "report/sections.h"
#include "report/svg.h"

namespace planish::report {
namespace {

/// "Conv" of Conv, FusedConv, QLinearConv and ConvInteger: what the graph said before kernels were
/// chosen.
std::string family_of(std::string op_type) {
  if (const auto dot = op_type.rfind('.'); dot != std::string::npos) op_type.erase(0, dot + 1);
  for (const std::string_view prefix : {"QLinear", "Fused", "Dynamic", "Nchwc"}) {
    if (op_type.starts_with(prefix) && op_type != "DynamicQuantizeLinear")
      op_type.erase(0, prefix.size());
  }
  for (const std::string_view suffix : {"IntegerToFloat", "Integer"}) {
    if (op_type.ends_with(suffix)) op_type.erase(op_type.size() - suffix.size());
  }
  return op_type;
}

/// Milliseconds of a family of operators in one run.
struct FamilyTime {
  double fp32 = 0.0;
  double chosen = 0.0;
};

}  // namespace

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
  page.heading("Latency").raw(distribution_plot(rows, "milliseconds per inference"));
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
  page.raw(bar_plot(
      {bar("FP32", fp32, "fp32"), bar(report.chosen ? "INT8" : "handed out", chosen, "int8")},
      "milliseconds per request (p50)"));
  page.paragraph(fmt::format(
      "Preprocessing (amber) is {} of an INT8 request; end to end the gain is {:.2f}×.",
      percent(chosen > 0 ? preprocess / chosen : 0, 0), speed_up(e2e.fp32, e2e.chosen).median));
}

void write_sweep(Page& page, const AutoReport& report) {
  if (!report.sweep) return;
  const SweepReport& sweep = *report.sweep;
  page.heading("Threads, callers, batch");
  std::vector<std::string> header = {"way to run it"};
  for (const std::string& model : sweep.models)
    header.insert(header.end(), {model + " items/s", "p99 ms"});
  header.emplace_back("speed-up");
  page.table_header(header);
  for (const SweepCell& cell : sweep.cells) {
    std::vector<std::string> row = {to_string(cell.point)};
    for (std::size_t i = 0; i < sweep.models.size(); ++i) {
      const bool measured = i < cell.models.size();
      row.push_back(measured ? fmt::format("{:.1f}", cell.models[i].items_per_second()) : "–");
      row.push_back(measured ? milliseconds(summarize(cell.models[i].run_ms).p99) : "–");
    }
    row.push_back(cell.models.empty()
                      ? "–"
                      : fmt::format("{:.2f}×", cell.models.back().items_per_second() /
                                                   cell.models.front().items_per_second()));
    page.row(row, cell.point == sweep.best ? "chosen" : "");
  }
  page.table_end();
  for (const std::string& line : explain(sweep)) page.paragraph(line);
  page.paragraph("Effects are those of each change alone, against one thread, one caller, batch 1.",
                 "dim");
}

void write_operator_times(Page& page, std::span<const OperatorTime> before,
                          std::span<const OperatorTime> after) {
  if (before.empty()) return;
  constexpr std::size_t kMost = 8;
  std::map<std::string, FamilyTime> families;
  const auto add = [&](std::span<const OperatorTime> operators, double FamilyTime::*member) {
    for (const OperatorTime& time : operators)
      families[family_of(time.op_type)].*member +=
          std::chrono::duration<double, std::milli>(time.total).count();
  };
  add(before, &FamilyTime::fp32);
  add(after, &FamilyTime::chosen);
  std::vector<std::pair<std::string, FamilyTime>> sorted(families.begin(), families.end());
  const auto larger = [](const std::pair<std::string, FamilyTime>& family) {
    return std::max(family.second.fp32, family.second.chosen);
  };
  std::ranges::stable_sort(sorted, std::ranges::greater{}, larger);
  sorted.resize(std::min(sorted.size(), kMost));
  // A hundredth of the longest bar cannot be seen.
  const double least = sorted.empty() ? 0.0 : 0.01 * larger(sorted.front());
  std::erase_if(sorted, [&](const auto& family) { return larger(family) < least; });
  std::vector<BarRow> rows;
  for (const auto& [name, time] : sorted) {
    rows.push_back({name + " before",
                    {{time.fp32, "fp32", fmt::format("FP32 {} ms", milliseconds(time.fp32))}},
                    milliseconds(time.fp32)});
    if (after.empty()) continue;
    rows.push_back({name + " after",
                    {{time.chosen, "int8", fmt::format("INT8 {} ms", milliseconds(time.chosen))}},
                    milliseconds(time.chosen)});
  }
  page.heading("Where the time of one inference goes, before and after");
  page.raw(bar_plot(rows, "milliseconds, by operator of the graph that ONNX Runtime really runs"));
  page.paragraph("Kernels of one operator count together: Conv is FusedConv and QLinearConv, too.",
                 "dim");
}

}  // namespace planish::report
