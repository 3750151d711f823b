#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <memory>
#include <optional>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/bench/bench.h"
#include "planish/host/host.h"
#include "planish/host/peaks.h"
#include "planish/import/import.h"
#include "planish/inspect/inspect.h"
#include "planish/inspect/work_split.h"
#include "planish/lint/lint.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> dims;
  bool nodes = false;
  bool optimized = false;
  bool no_measure = false;
  TargetOption target;
};

/// What `inspect` says of one model.
struct Inspection {
  InspectReport report = {};
  std::optional<LintReport> lint = {};
  std::vector<KindOfWork> kinds = {};   // of the graph that runs; empty: not asked, not measured
  std::optional<HostPeaks> peaks = {};  // measured for them
  std::string not_measured_because = {};
};

InspectConfig config_from(const Options& options) {
  InspectConfig config;
  config.target = options.target.target();
  for (const std::string& text : options.dims) {
    const std::size_t equals = text.find('=');
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    const bool is_number = equals != std::string::npos && equals > 0 &&
                           std::from_chars(text.data() + equals + 1, end, number).ptr == end &&
                           number > 0;
    if (!is_number) {
      throw Error(ErrorCode::kInvalidArgument,
                  "--dims " + text + "; expected NAME=NUMBER, such as batch=1");
    }
    config.dims[text.substr(0, equals)] = number;
  }
  return config;
}

std::string human_count(std::uint64_t count) {
  if (count < 1'000'000) return std::to_string(count);
  if (count < 1'000'000'000) return fixed(static_cast<double>(count) / 1e6, 2) + " M";
  return fixed(static_cast<double>(count) / 1e9, 2) + " G";
}

void print_specs(std::ostream& out, std::string_view title, const std::vector<TensorSpec>& specs) {
  for (const TensorSpec& spec : specs) {
    out << title << spec.name << "  " << name_of(spec.dtype) << ' ' << to_string(spec.shape)
        << '\n';
  }
}

void print_left(std::ostream& out, const InspectReport& report, bool each_node) {
  if (report.left_fp32.empty()) return;
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> by_reason;
  for (const LeftNode& left : report.left_fp32)
    by_reason[{left.op_type, left.reason}].push_back(left.node +
                                                     (left.in.empty() ? "" : " in " + left.in));
  out << "\nstays FP32 under the static plan:\n";
  for (const auto& [key, nodes] : by_reason) {
    out << "  " << nodes.size() << " x " << key.first << ": " << key.second << '\n';
    if (!each_node) continue;
    for (const std::string& node : nodes) out << "      " << node << '\n';
  }
}

/// "2 x Mul 'a', 'b'": the first few names.
std::string few_names(const std::vector<std::string>& names) {
  constexpr std::size_t kFew = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kFew); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kFew ? text + ", …" : text;
}

void print_lint(std::ostream& out, const LintReport& lint, bool each_node) {
  out << "\nleft of Q/DQ in the graph that runs: " << lint.quantize_nodes << " QuantizeLinear, "
      << lint.dequantize_nodes << " DequantizeLinear";
  if (lint.time) {
    double share = 0;
    for (const MeasuredFinding& measured : lint.findings) share += measured.share;
    out << ", " << fixed(100 * share, 1) << " % of the time of its nodes";
  }
  out << '\n';
  struct Group {
    const MeasuredFinding* first = nullptr;
    std::vector<std::string> nodes = {};
    std::chrono::nanoseconds time{};
    double share = 0;
  };
  std::vector<Group> groups;
  for (const MeasuredFinding& measured : lint.findings) {
    const LintFinding& finding = measured.finding;
    auto group = std::ranges::find_if(groups, [&](const Group& other) {
      const LintFinding& of = other.first->finding;
      return of.code == finding.code && of.op_type == finding.op_type &&
             of.obstacle == finding.obstacle;
    });
    if (group == groups.end()) {
      groups.push_back(Group{&measured});
      group = groups.end() - 1;
    }
    group->nodes.push_back(finding.node.empty() ? finding.tensor : finding.node);
    group->time += measured.time.value_or(std::chrono::nanoseconds{});
    group->share += measured.share;
  }
  TextTable table({"finding", "level", "operator", "places", "µs", "share", "why"});
  for (const Group& group : groups) {
    const LintFinding& finding = group.first->finding;
    const LintRule& rule = row_of(finding.code);
    const bool timed = group.first->time.has_value();
    table.add({std::string(rule.name), std::string(name_of(rule.level)), finding.op_type,
               std::to_string(group.nodes.size()),
               timed ? fixed(static_cast<double>(group.time.count()) / 1e3, 0) : "-",
               timed ? fixed(100 * group.share, 1) + " %" : "-", finding.reason});
  }
  table.print(out);
  for (const Group& group : groups) {
    const LintRule& rule = row_of(group.first->finding.code);
    if (each_node) {
      for (const std::string& node : group.nodes) out << rule.name << ": " << node << '\n';
    } else if (rule.level != LintLevel::kInfo) {
      out << rule.name << " (" << few_names(group.nodes) << "): " << rule.remedy << '\n';
    }
  }
  for (const std::string& difference : lint.differences)
    out << "note: not as forecast: " << difference << '\n';
}

/// What share of the CPU's peak a kind of work reaches on one core; nothing where it has no work.
std::optional<double> share_of_peak(const KindOfWork& kind, const HostPeaks& peaks) {
  const auto macs = static_cast<double>(kind.macs);
  const auto least = least_time(peaks, kind.int8 ? 0.0 : macs, kind.int8 ? macs : 0.0, 1);
  if (kind.macs == 0 || kind.time.count() == 0 || !least) return std::nullopt;
  return least->count() / std::chrono::duration<double>(kind.time).count();
}

void print_optimized(std::ostream& out, const Inspection& inspection) {
  out << "\nthe graph that runs:\n";
  if (inspection.kinds.empty()) {
    TextTable table({"operator", "nodes"});
    for (const OperatorTime& op : inspection.lint->operators)
      table.add({op.op_type, std::to_string(op.nodes)});
    table.print(out);
    return;
  }
  TextTable table({"kind of work", "kernels", "work", "µs", "share", "of limit"});
  const auto all = static_cast<double>(inspection.lint->time->count());
  for (const KindOfWork& kind : inspection.kinds) {
    const auto time = static_cast<double>(kind.time.count());
    const auto share = share_of_peak(kind, *inspection.peaks);
    table.add({kind.kind, std::to_string(kind.kernels),
               kind.macs > 0 ? human_count(kind.macs) : "-", fixed(time / 1e3, 0),
               fixed(100 * time / all, 1) + " %", share ? fixed(100 * *share, 0) + " %" : "-"});
  }
  table.print(out);
}

Json kinds_json(const Inspection& inspection) {
  Json json = Json::array();
  for (const KindOfWork& kind : inspection.kinds) {
    const auto share = share_of_peak(kind, *inspection.peaks);
    json.push_back({{"kind", kind.kind},
                    {"kernels", kind.kernels},
                    {"macs", kind.macs},
                    {"time_us", static_cast<double>(kind.time.count()) / 1e3},
                    {"share_of_limit", share ? Json(*share) : Json()}});
  }
  return json;
}

void print_reductions(std::ostream& out, const InspectReport& report, bool each_node) {
  const std::vector<RangeReduction>& reductions =
      report.already_quantized ? report.retarget.reductions : report.reductions;
  if (totals_of(reductions).reduced == 0) return;
  out << "\non " << name_of(report.target) << ": " << explain(reductions, report.target) << '\n';
  for (const RangeReduction& weight : reductions) {
    if (!each_node || weight.reduced == 0) continue;
    out << "  " << weight.op_type << ' ' << weight.node << ": " << weight.reduced << " of "
        << weight.channels << ", up to " << fixed(weight.largest_ratio, 2) << "x\n";
  }
}

void print_report(std::ostream& out, const InspectReport& report, bool each_node) {
  print_specs(out, "input   ", report.inputs);
  print_specs(out, "output  ", report.outputs);
  out << "opset   ";
  for (const OpsetImport& opset : report.opsets) {
    out << (opset.domain.empty() ? "ai.onnx" : opset.domain) << ' ' << opset.version << "  ";
  }
  out << "(IR " << report.ir_version << (report.producer.empty() ? "" : ", by " + report.producer)
      << ")\n";
  out << "size    " << report.nodes << " nodes (" << report.prepared_nodes
      << " after preparation), " << human_count(report.parameters) << " parameters, "
      << human_bytes(report.weight_bytes) << " of weights\n";
  out << "work    " << human_count(report.macs) << " multiply-accumulates";
  for (const auto& [symbol, number] : report.assumed_dims)
    out << ", " << symbol << " taken as " << number;
  out << "\n\n";
  TextTable table({"operator", "nodes", "work", "share", "parameters", "to INT8"});
  for (const OperatorSummary& op : report.operators) {
    table.add({op.op_type, std::to_string(op.nodes), human_count(op.macs),
               fixed(100 * op.mac_share, 1) + " %", human_count(op.parameters),
               std::to_string(op.quantized_nodes) + "/" + std::to_string(op.nodes)});
  }
  table.print(out);
  print_left(out, report, each_node);
  print_reductions(out, report, each_node);
  out << '\n' << report.advice << '\n';
}

/// Random inputs of the dimensions that the report took for symbolic ones.
std::vector<NamedTensor> inputs_for(const InspectReport& report) {
  Signature signature{report.inputs, {}};
  for (TensorSpec& input : signature.inputs) {
    for (std::size_t i = 0; i < input.shape.size(); ++i) {
      if (input.shape[i].number()) continue;
      const auto symbol =
          input.shape[i].symbol().value_or(input.name + "[" + std::to_string(i) + "]");
      input.shape[i].value = report.assumed_dims.at(symbol);
    }
  }
  return random_inputs(signature, 1, 1);
}

Inspection inspect(const Options& options) {
  const Model model = load_any_model(options.model);
  Inspection inspection;
  inspection.report = inspect_model(model, config_from(options));
  if (!has_qdq(model) && !options.optimized) return inspection;
  std::vector<NamedTensor> inputs;
  if (!options.no_measure) inputs = inputs_for(inspection.report);
  try {
    inspection.lint = lint_model(model, inputs);
  } catch (const Error& error) {
    // Random numbers are not what every model accepts.
    if (inputs.empty()) throw;
    inspection.not_measured_because = error.message();
    inspection.lint = lint_model(model);
  }
  if (options.optimized && !inspection.lint->kernels.empty()) {
    inspection.peaks = measure_peaks(describe_host());
    inspection.kinds = time_by_kind(model, inputs, inspection.lint->kernels);
  }
  return inspection;
}

int run(const Options& options, const Context& context) {
  const Inspection inspection = in_context(options.model, [&] { return inspect(options); });
  Json json = to_json(inspection.report);
  if (inspection.lint) json["lint"] = to_json(*inspection.lint);
  if (inspection.peaks) {
    json["kinds_of_work"] = kinds_json(inspection);
    json["peaks"] = to_json(*inspection.peaks);
  }
  print(context, json, [&](std::ostream& out) {
    print_report(out, inspection.report, options.nodes);
    if (!inspection.lint) return;
    print_lint(out, *inspection.lint, options.nodes);
    if (options.optimized) print_optimized(out, inspection);
    if (!inspection.not_measured_because.empty())
      out << "not measured: " << inspection.not_measured_because << '\n';
  });
  return kExitSuccess;
}

}  // namespace

Command inspect_command() {
  return {"inspect", "What a model is made of, where its work lies, and which way to INT8 fits it",
          [](CLI::App& app) -> Run {
            auto options = std::make_shared<Options>();
            app.add_option("MODEL", options->model, "An ONNX file, or a .pt2 of torch.export")
                ->required();
            app.add_option("--dims", options->dims,
                           "A number for a symbolic dimension: NAME=NUMBER (repeatable)");
            app.add_flag("--nodes", options->nodes,
                         "List every node that stays FP32 or loses range, and every finding");
            app.add_flag("--optimized", options->optimized,
                         "Show the graph that really runs, by kind of work, and what share of this "
                         "CPU's limit each reaches");
            app.add_flag("--no-measure", options->no_measure,
                         "Do not run the model to measure what its Q/DQ nodes cost");
            options->target.declare(app);
            return [options](const Context& context) { return run(*options, context); };
          }};
}

}  // namespace planish::cli
