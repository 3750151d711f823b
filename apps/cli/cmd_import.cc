#include <fmt/format.h>

#include <memory>
#include <span>

#include "command.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/import/import.h"
#include "planish/onnx/onnx.h"
#include "terminal.h"

namespace planish::cli {
namespace {

struct Options {
  std::string model;
  std::string output;
  bool keep_half = false;
  bool no_verify = false;
  ImportConfig config;
};

void print_report(std::ostream& out, const Options& options, const ImportReport& report) {
  for (const OpenDim& dim : report.open_dims) {
    out << "open dimension " << dim.name << " (" << dim.symbol << ")";
    if (dim.min) out << ", at least " << *dim.min;
    if (dim.max) out << ", at most " << *dim.max;
    out << '\n';
  }
  for (const TriedSizes& tried : report.tried) {
    out << "runs with " << tried.what << ":";
    for (const auto& dims : tried.inputs) out << ' ' << to_string(std::span(dims));
    out << '\n';
  }
  for (const ReferenceOutput& output : report.reference) {
    if (!output.mismatch.empty()) {
      out << fmt::format("output '{}' against {}: {}\n", output.name, output.file, output.mismatch);
      continue;
    }
    out << fmt::format(
        "output '{}' against {}: max |difference| {:.2g}, relative {:.2g} (allowed {:.2g})\n",
        output.name, output.file, output.max_abs_error, output.max_relative_error,
        report.tolerance);
  }
  for (const std::string& note : report.notes) out << "note: " << note << '\n';
  if (report.reference_failed) {
    out << "rejected: an output differs from the reference; nothing was written\n";
    return;
  }
  out << options.output << ": ";
  if (report.format == SourceFormat::kTorchExport)
    out << report.calls << " operators of torch " << report.torch_version << " -> ";
  out << report.nodes << " nodes\n";
}

int run(const Options& options, const Context& context) {
  ImportConfig config = options.config;
  if (options.keep_half) config.torch.half = HalfPolicy::kKeep;
  config.verify = !options.no_verify;
  config.stop = context.stop;
  const Imported imported = import_model(options.model, config);
  Json json = to_json(imported.report);
  if (!imported.report.reference_failed) {
    save_model(imported.model, options.output);
    json["output"] = options.output;
    json["sha256"] = digest_of(imported.model);
  }
  clear_progress();
  print(context, json, [&](std::ostream& out) { print_report(out, options, imported.report); });
  return imported.report.reference_failed ? kExitThresholdFailed : kExitSuccess;
}

}  // namespace

Command import_command() {
  return {
      "import", "Read a model (torch.export archive .pt2, or ONNX), prove that it runs, write ONNX",
      [](CLI::App& app) -> Run {
        auto options = std::make_shared<Options>();
        TorchImportConfig& torch = options->config.torch;
        app.add_option("MODEL", options->model, "A .pt2 of torch.export.save, or an ONNX file")
            ->required();
        app.add_option("-o,--output", options->output, "The ONNX model to write")->required();
        app.add_option("--opset", torch.opset, "The opset of ONNX to write")
            ->check(CLI::Range(kMinImportOpset, kMaxImportOpset))
            ->capture_default_str();
        app.add_option("--input-names", torch.input_names,
                       "Names of the inputs, in the order of forward()")
            ->delimiter(',');
        app.add_option("--output-names", torch.output_names, "Names of the outputs, in order")
            ->delimiter(',');
        app.add_option("--program", torch.model, "Which program, when the archive holds several");
        app.add_flag("--keep-half", options->keep_half,
                     "Keep float16 and bfloat16 instead of computing in float32");
        app.add_option("--reference", options->config.references,
                       "Inputs and the outputs expected of them, by name (.npz); nothing is "
                       "written when they differ. May be given several times")
            ->allow_extra_args(false);
        app.add_option("--tolerance", options->config.tolerance,
                       "Largest |output - reference| / max|reference| that is accepted")
            ->check(CLI::NonNegativeNumber)
            ->capture_default_str();
        app.add_flag("--no-verify", options->no_verify, "Do not run the model on random inputs");
        return [options](const Context& context) { return run(*options, context); };
      }};
}

}  // namespace planish::cli
