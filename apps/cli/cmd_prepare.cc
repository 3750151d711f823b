#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/import/import.h"
#include "planish/onnx/onnx.h"
#include "planish/prepare/prepare.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string model;
  std::string output;
  bool no_verify = false;
  bool details = false;
  PrepareConfig config;
};

void print_report(std::ostream& out, const Options& options, const PrepareReport& report) {
  TextTable table({"pass", "changes", "max relative error", "allowed"});
  for (const PassOutcome& pass : report.passes) {
    if (pass.report.changes == 0 && !options.details) continue;
    table.add({pass.report.pass + (pass.undone ? " (undone)" : ""),
               std::to_string(pass.report.changes),
               pass.max_relative_error ? fmt::format("{:.2g}", *pass.max_relative_error) : "-",
               fmt::format("{:.2g}", pass.tolerance)});
  }
  table.print(out);
  if (options.details) {
    for (const PassOutcome& pass : report.passes) {
      for (const std::string& detail : pass.report.details)
        out << pass.report.pass << ": " << detail << '\n';
    }
  }
  for (const std::string& note : report.notes) out << "note: " << note << '\n';
  if (report.whole.max_relative_error) {
    out << fmt::format("verified on random inputs: max relative error {:.2g}\n",
                       *report.whole.max_relative_error);
  } else {
    out << "not verified: " << report.whole.not_verified_because << '\n';
  }
  out << options.output << ": " << report.nodes_before << " nodes -> " << report.nodes_after
      << '\n';
}

int run(const Options& options, const Context& context) {
  PrepareConfig config = options.config;
  config.progress = context.progress;
  config.stop = context.stop;
  if (options.no_verify) config.verify = Verify::kOff;
  const Prepared prepared = prepare(load_any_model(options.model), config);
  save_model(prepared.model, options.output);
  Json json = to_json(prepared.report);
  json["output"] = options.output;
  json["sha256"] = digest_of(prepared.model);
  clear_progress();
  print(context, json, [&](std::ostream& out) { print_report(out, options, prepared.report); });
  return kExitSuccess;
}

}  // namespace

Command prepare_command() {
  return {
      "prepare",
      "Fold batch norms and constants, remove what does nothing, infer shapes; each pass checked",
      [](CLI::App& app) -> Run {
        auto options = std::make_shared<Options>();
        std::vector<std::string> passes;
        for (const Pass& pass : kPasses) passes.emplace_back(pass.name);
        app.add_option("MODEL", options->model, "An ONNX file, or a .pt2 of torch.export")
            ->required();
        app.add_option("-o,--output", options->output, "The prepared model to write")->required();
        app.add_option("--skip", options->config.skip, "Passes that shall not run")
            ->delimiter(',')
            ->check(CLI::IsMember(passes));
        app.add_flag("--no-verify", options->no_verify,
                     "Do not compare outputs before and after on random inputs");
        app.add_flag("--details", options->details, "Name every change");
        return [options](const Context& context) {
          return in_context(options->model, [&] { return run(*options, context); });
        };
      }};
}

}  // namespace planish::cli
