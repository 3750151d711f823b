#include "onnx/model_message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <array>
#include <limits>
#include <utility>

#include "onnx/graph_codec.h"
#include "onnx/tensor_codec.h"
#include "planish/base/error.h"

namespace planish {
namespace {

/// The tag of a length-delimited field and the length, as they stand before its bytes.
std::string field_head(int field_number, std::uint64_t length) {
  using google::protobuf::internal::WireFormatLite;
  using google::protobuf::io::CodedOutputStream;
  constexpr std::size_t kMostBytes = 5 + 10;
  std::array<std::uint8_t, kMostBytes> buffer{};
  const std::uint32_t tag =
      WireFormatLite::MakeTag(field_number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  std::uint8_t* end = CodedOutputStream::WriteVarint32ToArray(tag, buffer.data());
  end = CodedOutputStream::WriteVarint64ToArray(length, end);
  return {reinterpret_cast<const char*>(buffer.data()),
          static_cast<std::size_t>(end - buffer.data())};
}

std::uint64_t size_of(const MessagePiece& piece) { return piece.head.size() + piece.data.size(); }

/// One entry of GraphProto.initializer.
MessagePiece initializer_piece(const Initializer& initializer,
                               const std::optional<ExternalPlace>& place) {
  onnx::TensorProto proto;
  put_tensor_head(initializer, proto);
  MessagePiece piece;
  std::string raw_head;
  if (place) {
    proto.clear_external_data();
    put_place(*place, *proto.mutable_external_data());
    proto.set_data_location(onnx::TensorProto::EXTERNAL);
  } else if (!initializer.value.bytes().empty()) {
    piece.data = initializer.value.bytes();
    raw_head = field_head(onnx::TensorProto::kRawDataFieldNumber, piece.data.size());
  }
  const std::string tensor = bytes_of(proto) + raw_head;
  piece.head =
      field_head(onnx::GraphProto::kInitializerFieldNumber, tensor.size() + piece.data.size()) +
      tensor;
  return piece;
}

}  // namespace

ModelMessage model_message(const Model& model,
                           std::span<const std::optional<ExternalPlace>> places) {
  onnx::ModelProto model_proto;
  put_model_head(model, model_proto);
  onnx::GraphProto graph_proto;
  put_graph(model.graph, Initializers::kLeftOut, graph_proto);

  const auto& initializers = model.graph.initializers;
  std::vector<MessagePiece> graph;
  graph.reserve(initializers.size() + 1);
  graph.push_back({bytes_of(graph_proto), {}});
  for (std::size_t i = 0; i < initializers.size(); ++i) {
    graph.push_back(
        initializer_piece(initializers[i], i < places.size() ? places[i] : std::nullopt));
  }
  std::uint64_t graph_size = 0;
  for (const MessagePiece& piece : graph) graph_size += size_of(piece);

  ModelMessage message;
  message.pieces.push_back(
      {bytes_of(model_proto) + field_head(onnx::ModelProto::kGraphFieldNumber, graph_size), {}});
  message.size = size_of(message.pieces.front()) + graph_size;
  for (MessagePiece& piece : graph) message.pieces.push_back(std::move(piece));
  return message;
}

void require_readable_size(const ModelMessage& message) {
  if (message.size <= static_cast<std::uint64_t>(std::numeric_limits<int>::max())) return;
  throw Error(ErrorCode::kExhausted,
              "model of " + std::to_string(message.size) +
                  " bytes; protobuf messages have less than 2 GB: put weights into external data");
}

}  // namespace planish
