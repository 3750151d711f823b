#include "onnx/proto.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "planish/base/error.h"

namespace planish {
namespace {

// Opaque bytes were part of a message that was read within the bounds of its ReadConfig.
constexpr int kTrustedNesting = 1 << 16;

}  // namespace

int message_nesting(std::size_t max_nesting) {
  constexpr std::size_t kAround = 16;
  constexpr std::size_t kMost = kTrustedNesting / 3 - kAround;
  return static_cast<int>(3 * std::min(max_nesting, kMost) + kAround);
}

bool merge_bytes(std::string_view bytes, int max_message_nesting,
                 google::protobuf::MessageLite& message) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return false;
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetRecursionLimit(max_message_nesting);
  return message.MergeFromCodedStream(&stream) && stream.ConsumedEntireMessage();
}

void merge_opaque(std::string_view opaque, google::protobuf::MessageLite& message) {
  if (opaque.empty() || merge_bytes(opaque, kTrustedNesting, message)) return;
  throw Error(ErrorCode::kInvalidArgument, "opaque bytes are not a serialized " +
                                               message.GetTypeName() +
                                               "; leave the member as it was read, or empty");
}

std::string bytes_of(const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  if (size > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw Error(ErrorCode::kExhausted, message.GetTypeName() + " of " + std::to_string(size) +
                                           " bytes; protobuf messages have less than 2 GB");
  }
  return message.SerializeAsString();
}

DType dtype_of(std::int32_t number) {
  if (const auto dtype = dtype_from_onnx(number)) return *dtype;
  throw Error(ErrorCode::kUnsupported, "element type " + std::to_string(number) +
                                           "; known are 1 to " +
                                           std::to_string(kDTypes.size() - 1));
}

Metadata take_metadata(MetadataField& field) {
  Metadata metadata;
  MetadataField rest;
  for (onnx::StringStringEntryProto& entry : field) {
    std::string key = std::move(*entry.mutable_key());
    std::string value = std::move(*entry.mutable_value());
    entry.clear_key();
    entry.clear_value();
    if (entry.ByteSizeLong() == 0) {
      metadata.emplace_back(std::move(key), std::move(value));
      continue;
    }
    entry.set_key(std::move(key));
    entry.set_value(std::move(value));
    *rest.Add() = std::move(entry);
  }
  field.Swap(&rest);
  return metadata;
}

void put_metadata(const Metadata& metadata, MetadataField& field) {
  for (const auto& [key, value] : metadata) {
    onnx::StringStringEntryProto& entry = *field.Add();
    entry.set_key(key);
    entry.set_value(value);
  }
}

std::vector<std::string> take_strings(StringField& field) {
  std::vector<std::string> strings(std::make_move_iterator(field.begin()),
                                   std::make_move_iterator(field.end()));
  field.Clear();
  return strings;
}

void put_strings(const std::vector<std::string>& strings, StringField& field) {
  field.Assign(strings.begin(), strings.end());
}

}  // namespace planish
