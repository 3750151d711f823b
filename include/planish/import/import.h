// Models of any format that planish reads, by their content; and the proof that they run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/model.h"
#include "planish/runtime/session.h"
#include "planish/torch/import.h"

namespace planish {

/// An ONNX file, or an archive of torch.export (lowered with the defaults of TorchImportConfig):
/// the content says which. What every command that takes a model reads it with.
/// @throws Error as load_model and import_torch_export.
Model load_any_model(const std::filesystem::path& path);

/// A session on such a file. @throws Error as load_any_model and open_session.
std::unique_ptr<Session> open_any_session(const std::filesystem::path& path,
                                          const SessionConfig& config = {});

enum class SourceFormat { kOnnx, kTorchExport };
std::string_view name_of(SourceFormat format);

struct ImportConfig {
  TorchImportConfig torch = {};
  bool simplify = true;  // fold constants and remove what does nothing; verified
  bool verify = true;    // run the model on examples of every size that may vary
  // Inputs by name and the outputs that the trained model gives for them, by name (.npz), one run
  // each; outputs that are not in one are not compared.
  std::vector<std::filesystem::path> references = {};
  // Largest |output - reference| / max|reference| that is accepted. Kernels that add in another
  // order differ by about 1e-6 in float32; a wrong operator by far more than 1e-3.
  double tolerance = 1e-3;
  std::uint64_t seed = 1;  // of the examples
  int threads = 0;         // of the proof's runs; 0: every core that this process may use
  std::stop_token stop = {};
};

/// One run of the imported model on random inputs of these sizes.
struct TriedSizes {
  std::string what = {};  // "batch = 1"
  std::vector<std::vector<std::int64_t>> inputs = {};
};

/// How one output differs from the reference.
struct ReferenceOutput {
  std::string file = {};  // of the reference
  std::string name = {};
  double max_abs_error = 0.0;
  double max_relative_error = 0.0;  // |output - reference| / max|reference|
  std::string mismatch = {};        // of shapes or types: then the errors are infinite
};

struct ImportReport {
  SourceFormat format = SourceFormat::kOnnx;
  std::string torch_version = {};  // of the exporter; empty for ONNX
  std::size_t calls = 0;           // of ATen operators; 0 for ONNX
  std::size_t nodes = 0;           // of the ONNX model
  std::vector<OpenDim> open_dims = {};
  std::vector<TriedSizes> tried = {};
  std::vector<ReferenceOutput> reference = {};
  double tolerance = 0.0;
  bool reference_failed = false;  // an output differs by more than the tolerance
  std::vector<std::string> notes = {};
};

Json to_json(const ImportReport& report);

struct Imported {
  Model model = {};
  ImportReport report = {};
};

/// Reads a model of any format and proves that it loads and infers: a torch program on the sizes of
/// its export and on others within its constraints, whose outputs must have the sizes that the
/// program declares; an ONNX model on random inputs.
/// @throws Error as load_any_model; Error(kUnsupported) when ONNX Runtime does not run the model at
///   a size that the program allows; Error(kInvalidArgument) for a reference that does not fit;
///   Error(kCancelled).
Imported import_model(const std::filesystem::path& path, const ImportConfig& config = {});

}  // namespace planish
