// A model as one protobuf message, in pieces: so that weights go to a file, a string or a hash
// without being copied into a message first.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "onnx/external_files.h"
#include "planish/graph/model.h"

namespace planish {

/// `head`, then `data`.
struct MessagePiece {
  std::string head = {};
  std::span<const std::byte> data = {};  // of a tensor of the model
};

/// One serialized onnx::ModelProto: the pieces in order.
struct ModelMessage {
  std::vector<MessagePiece> pieces = {};
  std::uint64_t size = 0;  // bytes
};

/// The message of `model`, which must outlive it. places[i], where there is one, is where the bytes
/// of graph.initializers[i] stand; they are not in the message then.
/// @throws Error(kExhausted) when the model without its initializers has 2 GB or more.
ModelMessage model_message(const Model& model,
                           std::span<const std::optional<ExternalPlace>> places = {});

/// @throws Error(kExhausted) when `message` has 2 GB or more, which no protobuf library reads.
void require_readable_size(const ModelMessage& message);

}  // namespace planish
