// Archives of torch.export (.pt2) to ONNX, without Python.
//
// Both dialects are read: the one that torch.export.export gives (conv2d, linear, layer_norm and
// attention stay whole: prefer it) and core ATen, after run_decompositions(). Which operators are
// known: torch_operators(), docs/torch-operators.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/graph/model.h"

namespace planish {

/// The opsets of ONNX that an import can be written for.
inline constexpr std::int64_t kMinImportOpset = 17;  // LayerNormalization
inline constexpr std::int64_t kMaxImportOpset = 21;

/// What becomes of float16 and bfloat16.
enum class HalfPolicy {
  kToFloat32,  ///< weights, inputs and outputs become float32: what CPUs are fast at, and what can
               ///< be quantized
  kKeep,       ///< types stay; ONNX Runtime's CPU kernels for bfloat16 are few
};

struct TorchImportConfig {
  std::int64_t opset = kMinImportOpset;
  // In the order of forward(); empty: those given to planish_export, else forward()'s own.
  std::vector<std::string> input_names = {};
  // Empty: those given to planish_export, else keys of what forward() returns, or "output".
  std::vector<std::string> output_names = {};
  HalfPolicy half = HalfPolicy::kToFloat32;
  std::string model = {};  // which of several programs in the archive; empty: the only one
};

/// One dimension that is open, and what the exporter promised of it.
struct OpenDim {
  std::string name = {};    // as the ONNX model calls it: "batch"
  std::string symbol = {};  // as the exporter does: "s77"
  std::optional<std::int64_t> min = {};
  std::optional<std::int64_t> max = {};
};

/// Sizes that the inputs may have together, and those that the outputs then have.
struct ExampleSizes {
  std::string what = {};  // "batch = 1"
  std::vector<std::vector<std::int64_t>> inputs = {};
  std::vector<std::optional<std::vector<std::int64_t>>> outputs = {};  // nothing: by the data
};

struct TorchImport {
  Model model = {};
  // The sizes of the export, then each open dimension once with another size. Both in the order of
  // the model's inputs and outputs.
  std::vector<ExampleSizes> examples = {};
  std::string torch_version = {};  // of the exporter
  std::size_t calls = 0;           // of ATen operators
  std::vector<OpenDim> open_dims = {};
  std::vector<std::string> notes = {};  // what a user should know
};

/// Whether the file is an archive of torch.export, or another file of PyTorch's that
/// import_torch_export refuses with the recipe for the right one (zip archives, pickles,
/// safetensors); reads its first bytes. @throws Error as MappedFile::open.
bool is_torch_file(const std::filesystem::path& path);

/// Reads an archive of torch.export (schema 8: torch 2.8 and newer) and lowers its graph. Weights
/// are mapped, not read; those that are stored with strides, or transposed for ONNX, are copied
/// once.
/// @throws Error kNotFound; kCorrupt (truncated, damaged, sizes that do not agree); kUnsupported:
///   another kind of file of PyTorch (with the recipe that makes the right one), a program that was
///   exported in training mode, or operators that are not known, all of them listed with the module
///   and the source line of their first use; kInvalidArgument for names that do not fit;
///   kExhausted.
TorchImport import_torch_export(const std::filesystem::path& path,
                                const TorchImportConfig& config = {});

/// The same from memory that `owner` keeps alive as long as the model's weights.
TorchImport import_torch_export(std::span<const std::byte> archive,
                                std::shared_ptr<const void> owner,
                                const TorchImportConfig& config = {});

/// One operator that can be imported.
struct TorchOperator {
  std::string_view overload = {};    // "aten.conv2d.default"
  std::string_view lowered_to = {};  // "Conv", or what is made of it in words
};

/// In alphabetical order. An in-place operator (relu_) is read as its functional form (relu).
std::vector<TorchOperator> torch_operators();
/// The same as a Markdown table: what docs/torch-operators.md holds.
std::string torch_operators_markdown();

}  // namespace planish
