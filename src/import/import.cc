#include "planish/import/import.h"

#include <algorithm>
#include <iterator>
#include <optional>
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

PrepareConfig import_passes(const ImportConfig& import, Verify verify) {
  PrepareConfig config;
  for (const Pass& pass : kPasses) {
    if (std::ranges::find(kImportPasses, pass.name) == std::end(kImportPasses))
      config.skip.emplace_back(pass.name);
  }
  config.verify = verify;
  config.stop = import.stop;
  return config;
}

bool changed_anything(const PrepareReport& report) {
  return std::ranges::any_of(report.passes,
                             [](const PassOutcome& outcome) { return outcome.report.changes > 0; });
}

/// What the model answers to the examples, if it runs on them.
std::optional<detail::Proof> try_proof(const Model& model, const detail::Examples& examples,
                                       const ImportConfig& config) {
  try {
    return detail::prove(model, examples, config);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kCancelled) throw;
    return std::nullopt;
  }
}

/// Simplifies `model`, and proves the result: by the same answers, bit for bit, where the model
/// itself runs.
detail::Proof simplify(Model& model, const detail::Examples& examples, const ImportConfig& config) {
  Prepared simple = prepare(model, import_passes(config, Verify::kOff));
  std::optional<detail::Proof> proof;
  if (changed_anything(simple.report)) {
    std::optional<detail::Answers> expected;
    if (auto original = try_proof(model, examples, config)) expected = std::move(original->answers);
    if (expected) {
      proof = try_proof(simple.model, examples, config);
      if (!proof || relative_error(proof->answers, *expected) != 0) {
        // Pass by pass, to find and undo the one that is wrong.
        PrepareConfig each = import_passes(config, Verify::kEachPass);
        each.verification.examples = examples.inputs;
        simple = prepare(model, each);
        proof.reset();
      }
    }
  }
  model = std::move(simple.model);
  return proof ? std::move(*proof) : detail::prove(model, examples, config);
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
  if (!config.verify) {
    if (config.simplify)
      imported.model = prepare(imported.model, import_passes(config, Verify::kOff)).model;
  } else {
    const detail::Examples examples =
        detail::examples_of(imported.model, std::move(torch.examples), config.seed);
    const detail::Proof proof = config.simplify ? simplify(imported.model, examples, config)
                                                : detail::prove(imported.model, examples, config);
    report.tried = detail::check_sizes(proof, examples, report.notes);
  }
  // What the runtime infers of values between is prepare's to write, when the model is quantized.
  imported.model.graph.values.clear();
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
  return is_torch_file(path) ? import_torch_export(path).model : load_model(path);
}

std::unique_ptr<Session> open_any_session(const std::filesystem::path& path,
                                          const SessionConfig& config) {
  // ONNX Runtime reads its own files itself, with the weights mapped.
  if (!is_torch_file(path)) return open_session(path, config);
  return open_session(import_torch_export(path).model, config);
}

Imported import_model(const std::filesystem::path& path, const ImportConfig& config) {
  Imported imported = is_torch_file(path) ? import_torch(path, config) : import_onnx(path, config);
  ImportReport& report = imported.report;
  report.nodes = imported.model.graph.nodes.size();
  report.tolerance = config.tolerance;
  if (!config.references.empty()) {
    const auto session = detail::open_for_proof(imported.model, config);
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
