// ONNX messages with every field set, and the one normalisation that planish makes.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace planish::test {

/// Sets every field of messages by reflection: fields that a newer schema adds too.
///
/// Each string and number is another one, so a field that is lost or swapped is seen. Alternatives
/// (oneof members, enum values, types of attributes and elements) are used in turn, so that all
/// occur when fill() is called often enough. Messages that can contain themselves are nested six
/// deep.
class EveryField {
 public:
  enum class UnknownFields { kNone, kOneInEachMessage };
  explicit EveryField(UnknownFields unknown) : unknown_(unknown) {}

  void fill(google::protobuf::Message& message) { fill(message, 0); }

  /// Full names of the fields that were set, and "field=value" for each enum value and element
  /// type.
  [[nodiscard]] const std::set<std::string>& seen() const { return seen_; }

 private:
  using Field = google::protobuf::FieldDescriptor;
  using Message = google::protobuf::Message;

  void fill(Message& message, int depth);
  void fill_field(Message& message, const Field& field, int depth);
  void fill_message(Message& message, const Field& field, int depth);
  void fill_scalar(Message& message, const Field& field);
  void fill_attribute(Message& attribute, int depth);
  void fill_tensor_data(Message& tensor);
  [[nodiscard]] bool is_filled_at(const Field& field, int depth) const;
  /// 0, 1, ... size - 1, 0, ... for each name by itself.
  int next_of(const std::string& name, int size) { return turns_[name]++ % size; }
  std::string fresh_text() { return "text" + std::to_string(++number_); }

  UnknownFields unknown_;
  std::int64_t number_ = 1000;
  std::map<std::string, int> turns_;
  std::set<std::string> seen_;
};

/// Full names of all fields, and "field=value" of all enum values, that `type` can contain.
std::set<std::string> all_fields(const google::protobuf::Descriptor& type);

/// Puts the elements of every onnx.TensorProto inside `message` into raw_data, as planish does.
void normalise_tensors(google::protobuf::Message& message);

}  // namespace planish::test
