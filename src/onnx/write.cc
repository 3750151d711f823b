// serialize_model, save_model, serialize_tensor and digest_of.
#include <optional>
#include <utility>
#include <vector>

#include "onnx/model_message.h"
#include "onnx/tensor_codec.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/hash.h"
#include "planish/graph/graph_index.h"
#include "planish/onnx/onnx.h"

namespace planish {
namespace {

using Places = std::vector<std::optional<ExternalPlace>>;

// ONNX: offsets should be multiples of a page, so that each tensor can be mapped by itself.
constexpr std::uint64_t kPage = 4096;

std::uint64_t bytes_of_initializers(const Graph& graph) {
  std::uint64_t bytes = 0;
  for (const Initializer& tensor : graph.initializers) bytes += tensor.value.bytes().size();
  return bytes;
}

/// Where each initializer of at least `min_bytes` stands in the file `location`.
Places place_initializers(const Graph& graph, const std::string& location,
                          std::uint64_t min_bytes) {
  Places places(graph.initializers.size());
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::uint64_t length = graph.initializers[i].value.bytes().size();
    if (length == 0 || length < min_bytes) continue;
    const std::uint64_t offset = (end + kPage - 1) / kPage * kPage;
    places[i] = ExternalPlace{location, offset, length};
    end = offset + length;
  }
  return places;
}

void write_external_data(const Graph& graph, const Places& places, AtomicFile& file) {
  const std::string padding(kPage, '\0');
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!places[i]) continue;
    file.write(std::string_view(padding).substr(0, places[i]->offset - file.size()));
    file.write(graph.initializers[i].value.bytes());
  }
}

void write_message(const ModelMessage& message, AtomicFile& file) {
  for (const MessagePiece& piece : message.pieces) {
    file.write(piece.head);
    file.write(piece.data);
  }
}

void save_with_external_data(const Model& model, const std::filesystem::path& path,
                             std::uint64_t min_external_bytes) {
  std::filesystem::path data_path = path;
  data_path += ".data";
  const Places places =
      place_initializers(model.graph, data_path.filename().string(), min_external_bytes);
  const ModelMessage message = model_message(model, places);
  require_readable_size(message);
  // Both are complete on disk before either appears, so a full disk changes nothing.
  AtomicFile data_file(data_path);
  write_external_data(model.graph, places, data_file);
  AtomicFile model_file(path);
  write_message(message, model_file);
  data_file.commit();
  model_file.commit();
}

std::string joined(const ModelMessage& message) {
  require_readable_size(message);
  std::string bytes;
  bytes.reserve(message.size);
  for (const MessagePiece& piece : message.pieces) {
    bytes += piece.head;
    bytes.append(reinterpret_cast<const char*>(piece.data.data()), piece.data.size());
  }
  return bytes;
}

}  // namespace

std::string serialize_model(const Model& model) { return joined(model_message(model)); }

DetachedModel serialize_detached(const Model& model, std::uint64_t min_bytes) {
  DetachedModel detached;
  // ONNX Runtime drops initializers that nothing reads, and then misses them.
  const GraphIndex index(model.graph);
  const auto is_read = [&](const std::string& name) {
    return !index.uses(name).empty() || index.is_graph_output(name);
  };
  Places places(model.graph.initializers.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const Initializer& initializer = model.graph.initializers[i];
    const std::uint64_t length = initializer.value.bytes().size();
    if (length == 0 || length < min_bytes || row_of(initializer.value.dtype()).bits < 8) continue;
    if (!is_read(initializer.name)) continue;
    places[i] = ExternalPlace{"in-memory", 0, length};
    detached.weights.push_back(&initializer);
  }
  detached.message = joined(model_message(model, places));
  return detached;
}

void save_model(const Model& model, const std::filesystem::path& path, const WriteConfig& config) {
  if (bytes_of_initializers(model.graph) > config.max_inline_bytes) {
    save_with_external_data(model, path, config.min_external_bytes);
    return;
  }
  const ModelMessage message = model_message(model);
  require_readable_size(message);
  AtomicFile file(path);
  write_message(message, file);
  file.commit();
}

std::string serialize_tensor(const Initializer& tensor) {
  onnx::TensorProto proto;
  put_tensor(tensor, proto);
  return bytes_of(proto);
}

std::string digest_of(const Model& model) {
  Sha256 digest;
  for (const MessagePiece& piece : model_message(model).pieces) {
    digest.update(piece.head).update(piece.data);
  }
  return digest.hex();
}

}  // namespace planish
