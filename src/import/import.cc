#include "planish/import/import.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "import/prove.h"
#include "planish/base/error.h"
#include "planish/base/parallel.h"
#include "planish/onnx/onnx.h"
#include "planish/prepare/prepare.h"
#include "planish/prepare/verify.h"

namespace planish {
namespace {

/// The passes of prepare that only an importer's left-overs need: what changes weights is left to
/// prepare itself.
constexpr std::string_view kImportPasses[] = {"constants",      "no-ops",     "fold-shapes",
                                              "fold-constants", "duplicates", "dead-code"};

Model simplified(const Model& model, std::vector<std::vector<NamedTensor>> examples,
                 const ImportConfig& import) {
  PrepareConfig config;
  for (const Pass& pass : kPasses) {
    if (std::ranges::find(kImportPasses, pass.name) == std::end(kImportPasses))
      config.skip.emplace_back(pass.name);
  }
  config.verify = import.verify ? Verify::kAtEnd : Verify::kOff;
  config.verification.examples = std::move(examples);
  config.stop = import.stop;
  Model result = prepare(model, config).model;
  // What the runtime infers of values between is prepare's to write, when the model is quantized.
  result.graph.values.clear();
  return result;
}

Imported import_torch(const std::filesystem::path& path, const ImportConfig& config) {
  TorchImport torch = import_torch_export(path, config.torch);
  Imported imported;
  imported.model = std::move(torch.model);
  ImportReport& report = imported.report;
  report.format = SourceFormat::kTorchExport;
  report.torch_version = std::move(torch.torch_version);
  report.calls = torch.calls;
  report.open_dims = std::move(torch.open_dims);
  report.notes = std::move(torch.notes);
  const auto inputs = detail::example_inputs(imported.model, torch.examples, config.seed);
  if (config.simplify) imported.model = simplified(imported.model, inputs, config);
  throw_if_stopped(config.stop);
  if (config.verify) {
    const auto session = open_session(imported.model);
    report.tried = detail::prove_sizes(*session, torch.examples, inputs, report.notes);
  }
  return imported;
}

Imported import_onnx(const std::filesystem::path& path, const ImportConfig& config) {
  Imported imported;
  imported.model = load_model(path);
  if (!config.verify) return imported;
  const Reference reference = reference_of(imported.model, {.seed = config.seed});
  // No random input may fit; that it loads is proved in any case.
  if (reference.outputs.empty()) {
    imported.report.notes.push_back("loads, but does not run on random inputs: " +
                                    reference.unusable_because);
  }
  for (const auto& inputs : reference.inputs) {
    TriedSizes tried{"random inputs", {}};
    for (const NamedTensor& input : inputs) tried.inputs.push_back(input.value.dims());
    imported.report.tried.push_back(std::move(tried));
  }
  return imported;
}

}  // namespace

Model load_any_model(const std::filesystem::path& path) {
  return is_torch_archive(path) ? import_torch_export(path).model : load_model(path);
}

std::unique_ptr<Session> open_any_session(const std::filesystem::path& path,
                                          const SessionConfig& config) {
  // ONNX Runtime reads its own files itself, with the weights mapped.
  if (!is_torch_archive(path)) return open_session(path, config);
  return open_session(import_torch_export(path).model, config);
}

Imported import_model(const std::filesystem::path& path, const ImportConfig& config) {
  Imported imported =
      is_torch_archive(path) ? import_torch(path, config) : import_onnx(path, config);
  ImportReport& report = imported.report;
  report.nodes = imported.model.graph.nodes.size();
  report.tolerance = config.tolerance;
  if (!config.references.empty()) {
    const auto session = open_session(imported.model);
    for (const auto& npz : config.references) {
      std::ranges::move(detail::compare_with_reference(*session, npz),
                        std::back_inserter(report.reference));
    }
    report.reference_failed =
        std::ranges::any_of(report.reference, [&](const ReferenceOutput& output) {
          return !(output.max_relative_error <= config.tolerance);
        });
  }
  return imported;
}

}  // namespace planish
