// load_model, parse_model and parse_tensor.
#include <algorithm>
#include <limits>
#include <utility>

#include "onnx/file_kind.h"
#include "onnx/graph_codec.h"
#include "onnx/tensor_codec.h"
#include "onnx/validate.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/onnx/onnx.h"

namespace planish {
namespace {

/// Says what `bytes` are when that can be told, else `problem`. Asked only of what cannot be read:
/// the magic bytes of other formats may also be, say, part of a producer's name.
[[noreturn]] void refuse(std::string_view bytes, ErrorCode code, std::string problem) {
  refuse_other_kinds(bytes);
  throw Error(code, std::move(problem));
}

void check_size(std::string_view bytes, const ReadConfig& config) {
  constexpr std::uint64_t kProtobufLimit = std::numeric_limits<int>::max();
  const std::uint64_t limit = std::min(config.max_file_bytes, kProtobufLimit);
  if (bytes.empty()) throw Error(ErrorCode::kCorrupt, "is empty; expected an ONNX model");
  if (bytes.size() <= limit) return;
  refuse(bytes, ErrorCode::kExhausted,
         "has " + std::to_string(bytes.size()) + " bytes; at most " + std::to_string(limit) +
             " are read (larger models have external data)");
}

Model parse_with(std::string_view bytes, ExternalFiles& files, const ReadConfig& config) {
  check_size(bytes, config);
  onnx::ModelProto proto;
  if (!merge_bytes(bytes, message_nesting(config.max_nesting), proto)) {
    refuse(bytes, ErrorCode::kCorrupt,
           "is not an ONNX model, or is truncated or damaged, or nests too deep: its " +
               std::to_string(bytes.size()) + " bytes are not an onnx.ModelProto");
  }
  if (!proto.has_graph()) {
    refuse(bytes, ErrorCode::kCorrupt,
           "has no graph: it is not an ONNX model (a TensorFlow .pb is none either)");
  }
  Model model = take_model(proto, files, config.max_nesting);
  validate(model);
  return model;
}

Model load_with(const std::filesystem::path& path, ExternalFiles& files, const ReadConfig& config) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return in_context(path.string(), [&] {
    return parse_with({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, files, config);
  });
}

ExternalFiles files_beside(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  return ExternalFiles(parent.empty() ? "." : parent);
}

}  // namespace

Model parse_model(std::string_view bytes, const std::filesystem::path& folder,
                  const ReadConfig& config) {
  ExternalFiles files(folder);
  return parse_with(bytes, files, config);
}

Model load_model(const std::filesystem::path& path, const ReadConfig& config) {
  ExternalFiles files = files_beside(path);
  return load_with(path, files, config);
}

std::vector<std::string> external_data_files(const std::filesystem::path& path,
                                             const ReadConfig& config) {
  ExternalFiles files = files_beside(path);
  (void)load_with(path, files, config);
  return files.locations();
}

Initializer parse_tensor(std::string_view bytes) {
  onnx::TensorProto proto;
  if (bytes.empty() || !merge_bytes(bytes, message_nesting(0), proto)) {
    throw Error(ErrorCode::kCorrupt, "is not a tensor: its " + std::to_string(bytes.size()) +
                                         " bytes are not an onnx.TensorProto");
  }
  ExternalFiles none{std::filesystem::path()};
  return take_tensor(proto, none);
}

}  // namespace planish
