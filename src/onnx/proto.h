// What the codecs share: the generated messages, and how fields that no type holds are kept.
//
// A codec moves each field that planish types out of a message, clears it, and keeps the rest of
// the message serialized ("opaque"). On the way back the opaque bytes come first and the typed
// members are set on top, so a pass that changes a typed member always wins.
#pragma once

#include <string>
#include <string_view>

#include "onnx-ml.pb.h"
#include "planish/graph/model.h"

namespace planish {

/// How deep messages may nest when a model of `max_nesting` levels is read. A subgraph is three
/// messages deep (graph, node, attribute), a type two; the rest is what stands around and inside.
int message_nesting(std::size_t max_nesting);

/// Merges the message in `bytes` into `message`; says whether `bytes` were one.
[[nodiscard]] bool merge_bytes(std::string_view bytes, int max_message_nesting,
                               google::protobuf::MessageLite& message);

/// Merges `opaque`, which this process made, into `message`.
/// @throws Error(kInvalidArgument) when a caller put something else there.
void merge_opaque(std::string_view opaque, google::protobuf::MessageLite& message);

/// One message, serialized. @throws Error(kExhausted) when it has 2 GB or more.
std::string bytes_of(const google::protobuf::MessageLite& message);

/// The element type whose ONNX number is `number` (0: undefined).
/// @throws Error(kUnsupported) when this version of planish does not know it.
DType dtype_of(std::int32_t number);

using MetadataField = google::protobuf::RepeatedPtrField<onnx::StringStringEntryProto>;

/// Moves the entries out of `field`. One that has more than a key and a value stays there.
Metadata take_metadata(MetadataField& field);
void put_metadata(const Metadata& metadata, MetadataField& field);

using StringField = google::protobuf::RepeatedPtrField<std::string>;

/// Moves the strings out of `field`, which is empty then.
std::vector<std::string> take_strings(StringField& field);
void put_strings(const std::vector<std::string>& strings, StringField& field);

}  // namespace planish
