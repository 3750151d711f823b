#include <charconv>
#include <map>
#include <memory>

#include "command.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/inspect/inspect.h"
#include "planish/onnx/onnx.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string model;
  std::vector<std::string> dims;
  bool nodes = false;
};

InspectConfig config_from(const Options& options) {
  InspectConfig config;
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
    by_reason[{left.op_type, left.reason}].push_back(left.node);
  out << "\nstays FP32 under the static plan:\n";
  for (const auto& [key, nodes] : by_reason) {
    out << "  " << nodes.size() << " x " << key.first << ": " << key.second << '\n';
    if (!each_node) continue;
    for (const std::string& node : nodes) out << "      " << node << '\n';
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
  out << '\n' << report.advice << '\n';
}

}  // namespace

Command inspect_command() {
  return {"inspect", "What a model is made of, where its work lies, and which way to INT8 fits it",
          [](CLI::App& app) -> Run {
            auto options = std::make_shared<Options>();
            app.add_option("MODEL", options->model, "An ONNX file")->required();
            app.add_option("--dims", options->dims,
                           "A number for a symbolic dimension: NAME=NUMBER (repeatable)");
            app.add_flag("--nodes", options->nodes, "List every node that stays FP32");
            return [options](const Context& context) {
              const InspectReport report = in_context(options->model, [&] {
                return inspect_model(load_model(options->model), config_from(*options));
              });
              print(context, to_json(report),
                    [&](std::ostream& out) { print_report(out, report, options->nodes); });
              return kExitSuccess;
            };
          }};
}

}  // namespace planish::cli
