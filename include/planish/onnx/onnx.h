// ONNX files in and out. The only module that sees protobuf.
//
// Every field survives, those of newer ONNX versions too. What a file may say in several ways, a
// Model says in one:
//   - elements of tensors are raw bytes, whether the file had them raw, in lists or in another file
//     (and the checksum of that file is gone);
//   - the domain "ai.onnx" is "";
//   - nodes are in topological order.
// training_info is kept as the file has it, to the place of any external data of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/graph/model.h"

namespace planish {

/// Bounds on what is read from outside.
struct ReadConfig {
  std::size_t max_nesting = 64;  // subgraphs inside subgraphs, types inside types
  std::uint64_t max_file_bytes =
      std::uint64_t{2} << 30;  // protobuf's own limit; weights beyond it are external data
};

/// Reads `path`; external data is mapped, not read, and must lie inside the folder of `path`.
///
/// Weights are moved or mapped, never copied twice. Opsets 9 to 23 (and later ones, which are
/// passed through) and every domain are read.
/// @throws Error kNotFound (the file, or a file of external data, named), kCorrupt (not ONNX,
///   truncated, sizes that do not agree, a data path that leaves the folder), kUnsupported,
///   kExhausted.
Model load_model(const std::filesystem::path& path, const ReadConfig& config = {});

/// The same from memory. `folder` is where external data is looked for; empty: there must be none.
Model parse_model(std::string_view bytes, const std::filesystem::path& folder = {},
                  const ReadConfig& config = {});

/// The files of external data that the model in `path` reads, relative to its folder, sorted.
/// @throws Error as load_model.
std::vector<std::string> external_data_files(const std::filesystem::path& path,
                                             const ReadConfig& config = {});

/// One ONNX protobuf message. @throws Error(kExhausted) when it would exceed 2 GB (then
/// save_model).
std::string serialize_model(const Model& model);

/// A model as a message that leaves out the elements of large initializers.
struct DetachedModel {
  std::string message = {};  // declares them as external data that no file holds
  std::vector<const Initializer*> weights = {};  // those that were left out, of the model itself
};

/// The message and what is missing in it, for a reader that takes weights from memory: nothing of
/// them is copied. Initializers of at least `min_bytes` are left out, but for those that nothing
/// reads or whose elements share bytes (4 bits and less). `model` must outlive the result.
/// @throws Error(kExhausted) when what remains exceeds 2 GB.
DetachedModel serialize_detached(const Model& model, std::uint64_t min_bytes);

struct WriteConfig {
  /// Models whose weights exceed this many bytes get them in `<file>.data` beside the file.
  std::uint64_t max_inline_bytes = std::uint64_t{1536} << 20;
  /// Initializers smaller than this stay inside the file even then.
  std::uint64_t min_external_bytes = 1024;
};

/// Writes `path` (and, if need be, `path`.data, offsets at multiples of 4096): each appears whole
/// or not at all, both only after both are on the disk. They may be the files that `model` is
/// mapped from.
/// @throws Error as AtomicFile, kExhausted when more than 2 GB would stand in `path` itself.
void save_model(const Model& model, const std::filesystem::path& path,
                const WriteConfig& config = {});

/// One TensorProto (a file as in ONNX's test_data_set folders: input_0.pb), with its name.
/// @throws Error kCorrupt, kUnsupported, kNotFound (external data, which a lone tensor cannot
/// have).
Initializer parse_tensor(std::string_view bytes);
std::string serialize_tensor(const Initializer& tensor);

/// What makes a model what it is: SHA-256 over the serialized graph and the bytes of all weights,
/// independent of how the file stores them (raw, typed or external).
std::string digest_of(const Model& model);

}  // namespace planish
