#include "every_field.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>

#include <cstring>
#include <stdexcept>
#include <vector>

#include "onnx_schema.h"
#include "planish/graph/dtype.h"

namespace planish::test {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kDeepest = 6;

/// Fields of TensorProto that say how elements are stored; they must agree with each other.
const std::set<std::string> kStorageFields{
    "dims",       "data_type", "segment",       "float_data",  "int32_data",    "string_data",
    "int64_data", "raw_data",  "external_data", "double_data", "data_location", "uint64_data"};

/// The field of AttributeProto that holds the value of each type.
const std::map<std::string, std::string> kAttributeFields{{"FLOAT", "f"},
                                                          {"INT", "i"},
                                                          {"STRING", "s"},
                                                          {"TENSOR", "t"},
                                                          {"GRAPH", "g"},
                                                          {"SPARSE_TENSOR", "sparse_tensor"},
                                                          {"TYPE_PROTO", "tp"},
                                                          {"FLOATS", "floats"},
                                                          {"INTS", "ints"},
                                                          {"STRINGS", "strings"},
                                                          {"TENSORS", "tensors"},
                                                          {"GRAPHS", "graphs"},
                                                          {"SPARSE_TENSORS", "sparse_tensors"},
                                                          {"TYPE_PROTOS", "type_protos"}};

bool is_tensor(const Descriptor& type) { return type.full_name() == "onnx.TensorProto"; }
bool is_attribute(const Descriptor& type) { return type.full_name() == "onnx.AttributeProto"; }

const FieldDescriptor& field_of(const Message& message, const std::string& name) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr) throw std::logic_error(message.GetTypeName() + " has no field " + name);
  return *field;
}

const EnumDescriptor& element_types() {
  return *OnnxSchema::instance().message("TensorProto")->FindEnumTypeByName("DataType");
}

/// Fields of type int32 that hold a TensorProto.DataType; the schema does not say so.
bool is_element_type(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_INT32 &&
         (field.name() == "elem_type" || field.name() == "key_type" || field.name() == "data_type");
}

bool contains(const Descriptor& outer, const Descriptor& inner, std::set<const Descriptor*>& been) {
  if (!been.insert(&outer).second) return false;
  for (int i = 0; i < outer.field_count(); ++i) {
    const Descriptor* type = outer.field(i)->message_type();
    if (type == nullptr) continue;
    if (type == &inner || contains(*type, inner, been)) return true;
  }
  return false;
}

bool is_recursive(const Descriptor& type) {
  static std::map<const Descriptor*, bool> known;
  const auto found = known.find(&type);
  if (found != known.end()) return found->second;
  std::set<const Descriptor*> been;
  return known[&type] = contains(type, type, been);
}

void collect_fields(const Descriptor& type, std::set<const Descriptor*>& been,
                    std::set<std::string>& names) {
  if (!been.insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    names.insert(field.full_name());
    if (field.message_type() != nullptr) collect_fields(*field.message_type(), been, names);
    const EnumDescriptor* values = is_element_type(field) ? &element_types() : field.enum_type();
    for (int k = 0; values != nullptr && k < values->value_count(); ++k) {
      names.insert(field.full_name() + "=" + values->value(k)->name());
    }
  }
}

/// The elements of a list of numbers as bits, the lowest `width` of each entry, first entry first.
std::string packed(const Message& tensor, const FieldDescriptor& list, int width) {
  const Reflection& get = *tensor.GetReflection();
  std::vector<bool> bits;
  for (int i = 0; i < get.FieldSize(tensor, &list); ++i) {
    std::uint64_t entry = 0;
    switch (list.cpp_type()) {
      case FieldDescriptor::CPPTYPE_FLOAT: {
        const float value = get.GetRepeatedFloat(tensor, &list, i);
        std::memcpy(&entry, &value, sizeof value);
        break;
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        const double value = get.GetRepeatedDouble(tensor, &list, i);
        std::memcpy(&entry, &value, sizeof value);
        break;
      }
      case FieldDescriptor::CPPTYPE_INT32:
        entry = static_cast<std::uint64_t>(get.GetRepeatedInt32(tensor, &list, i));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        entry = static_cast<std::uint64_t>(get.GetRepeatedInt64(tensor, &list, i));
        break;
      default:
        entry = get.GetRepeatedUInt64(tensor, &list, i);
        break;
    }
    for (int bit = 0; bit < width; ++bit) bits.push_back(((entry >> bit) & 1U) != 0);
  }
  while (bits.size() % 8 != 0) bits.push_back(false);
  std::string bytes(bits.size() / 8, '\0');
  for (std::size_t i = 0; i < bits.size(); ++i) {
    if (bits[i]) bytes[i / 8] = static_cast<char>(bytes[i / 8] | static_cast<char>(1 << (i % 8)));
  }
  return bytes;
}

/// Width in bits of one entry of the list that holds elements of `dtype`, and the list's name.
struct ListLayout {
  std::string field;
  int width;
};

ListLayout list_of(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kComplex64:
      return {"float_data", 32};
    case DType::kFloat64:
    case DType::kComplex128:
      return {"double_data", 64};
    case DType::kString:
      return {"string_data", 0};
    case DType::kInt64:
      return {"int64_data", 64};
    case DType::kUInt64:
      return {"uint64_data", 64};
    case DType::kUInt32:
      return {"uint64_data", 32};
    case DType::kUInt4:
    case DType::kInt4:
    case DType::kFloat4E2M1:
    case DType::kUInt2:
    case DType::kInt2:
      return {"int32_data", 8};  // several elements in an entry
    default:
      return {"int32_data", row_of(dtype).bits};
  }
}

void normalise_tensor(Message& tensor) {
  const Reflection& reflection = *tensor.GetReflection();
  const DType dtype =
      dtype_from_onnx(reflection.GetInt32(tensor, &field_of(tensor, "data_type"))).value();
  reflection.ClearField(&tensor, &field_of(tensor, "data_location"));  // DEFAULT
  const FieldDescriptor& raw = field_of(tensor, "raw_data");
  if (dtype == DType::kString || reflection.HasField(tensor, &raw)) return;
  const ListLayout layout = list_of(dtype);
  const FieldDescriptor& list = field_of(tensor, layout.field);
  reflection.SetString(&tensor, &raw, packed(tensor, list, layout.width));
  reflection.ClearField(&tensor, &list);
}

}  // namespace

std::set<std::string> all_fields(const Descriptor& type) {
  std::set<const Descriptor*> been;
  std::set<std::string> names;
  collect_fields(type, been, names);
  return names;
}

void normalise_tensors(Message& message) {
  if (is_tensor(*message.GetDescriptor())) normalise_tensor(message);
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() == nullptr) continue;
    if (!field->is_repeated()) {
      normalise_tensors(*reflection.MutableMessage(&message, field));
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      normalise_tensors(*reflection.MutableRepeatedMessage(&message, field, i));
    }
  }
}

bool EveryField::is_filled_at(const Field& field, int depth) const {
  const Descriptor* type = field.message_type();
  return type == nullptr || depth < kDeepest || !is_recursive(*type);
}

void EveryField::fill(Message& message, int depth) {
  const Descriptor& type = *message.GetDescriptor();
  if (unknown_ == UnknownFields::kOneInEachMessage) {
    message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(5000, fresh_text());
  }
  if (is_attribute(type)) fill_attribute(message, depth);
  if (is_tensor(type)) fill_tensor_data(message);
  for (int i = 0; i < type.field_count(); ++i) {
    const Field& field = *type.field(i);
    if (is_tensor(type) && kStorageFields.contains(field.name())) continue;
    if (is_attribute(type) && field.name() != "name" && field.name() != "doc_string" &&
        field.name() != "ref_attr_name") {
      continue;
    }
    if (field.containing_oneof() == nullptr && is_filled_at(field, depth)) {
      fill_field(message, field, depth);
    }
  }
  for (int i = 0; i < type.oneof_decl_count(); ++i) {
    const auto& oneof = *type.oneof_decl(i);
    const Field& field = *oneof.field(next_of(oneof.full_name(), oneof.field_count()));
    if (is_filled_at(field, depth)) fill_field(message, field, depth);
  }
}

void EveryField::fill_field(Message& message, const Field& field, int depth) {
  seen_.insert(field.full_name());
  const int count = field.is_repeated() ? 2 : 1;
  for (int i = 0; i < count; ++i) {
    if (field.message_type() != nullptr)
      fill_message(message, field, depth);
    else
      fill_scalar(message, field);
  }
}

void EveryField::fill_message(Message& message, const Field& field, int depth) {
  const Reflection& reflection = *message.GetReflection();
  fill(field.is_repeated() ? *reflection.AddMessage(&message, &field)
                           : *reflection.MutableMessage(&message, &field),
       depth + 1);
}

void EveryField::fill_scalar(Message& message, const Field& field) {
  const Reflection& set = *message.GetReflection();
  const bool many = field.is_repeated();
  ++number_;
  if (is_element_type(field)) {
    const int which = 1 + next_of(field.full_name(), element_types().value_count() - 1);
    const auto& value = *element_types().value(which);  // [0] is UNDEFINED
    seen_.insert(field.full_name() + "=" + value.name());
    set.SetInt32(&message, &field, value.number());
    return;
  }
  switch (field.cpp_type()) {
    case Field::CPPTYPE_INT32:
      many ? set.AddInt32(&message, &field, static_cast<std::int32_t>(number_))
           : set.SetInt32(&message, &field, static_cast<std::int32_t>(number_));
      break;
    case Field::CPPTYPE_INT64:
      many ? set.AddInt64(&message, &field, number_) : set.SetInt64(&message, &field, number_);
      break;
    case Field::CPPTYPE_FLOAT:
      many ? set.AddFloat(&message, &field, static_cast<float>(number_) + 0.5F)
           : set.SetFloat(&message, &field, static_cast<float>(number_) + 0.5F);
      break;
    case Field::CPPTYPE_STRING: {
      const bool utf8 = field.type() == Field::TYPE_STRING;
      const std::string text = fresh_text() + (utf8 ? "" : std::string("\0\xff", 2));
      many ? set.AddString(&message, &field, text) : set.SetString(&message, &field, text);
      break;
    }
    case Field::CPPTYPE_ENUM: {
      const EnumDescriptor& values = *field.enum_type();
      const auto& value = *values.value(next_of(field.full_name(), values.value_count()));
      seen_.insert(field.full_name() + "=" + value.name());
      set.SetEnum(&message, &field, &value);
      break;
    }
    default:
      throw std::logic_error("teach EveryField the type of " + field.full_name());
  }
}

void EveryField::fill_attribute(Message& attribute, int depth) {
  const Reflection& reflection = *attribute.GetReflection();
  const Field& type = field_of(attribute, "type");
  const EnumDescriptor& types = *type.enum_type();
  const int which = next_of(type.full_name(), types.value_count());
  const auto& chosen = *types.value(which);
  seen_.insert(type.full_name());
  seen_.insert(type.full_name() + "=" + chosen.name());
  if (chosen.number() != 0) reflection.SetEnum(&attribute, &type, &chosen);
  for (const auto& [type_name, field_name] : kAttributeFields) {
    const Field& field = field_of(attribute, field_name);
    // An attribute without a type has them all; such a thing is kept although it makes no sense.
    const bool wanted = chosen.number() == 0 || type_name == chosen.name();
    if (wanted && is_filled_at(field, depth)) fill_field(attribute, field, depth);
  }
}

void EveryField::fill_tensor_data(Message& tensor) {
  const Reflection& set = *tensor.GetReflection();
  const Field& data_type = field_of(tensor, "data_type");
  const Field& location = field_of(tensor, "data_location");
  fill_scalar(tensor, data_type);
  set.SetEnumValue(&tensor, &location, 0);
  seen_.insert({data_type.full_name(), location.full_name(), location.full_name() + "=DEFAULT",
                "onnx.TensorProto.dims"});
  const DType dtype = dtype_from_onnx(set.GetInt32(tensor, &data_type)).value();
  for (const std::int64_t dim : {3, 1, 5}) set.AddInt64(&tensor, &field_of(tensor, "dims"), dim);
  constexpr std::size_t kCount = 15;  // leaves a byte partly used where elements are small
  const bool raw = dtype != DType::kString && next_of("storage", 2) == 0;
  const ListLayout layout = raw ? ListLayout{"raw_data", 8} : list_of(dtype);
  const Field& field = field_of(tensor, layout.field);
  seen_.insert(field.full_name());
  const std::size_t bytes = dtype == DType::kString ? 0 : byte_count(dtype, kCount);
  if (raw) {
    std::string data(bytes, '\0');
    for (char& byte : data) byte = static_cast<char>(++number_);
    set.SetString(&tensor, &field, data);
    return;
  }
  const std::size_t entries = layout.width == 0 || row_of(dtype).bits == 6
                                  ? kCount
                                  : bytes * 8 / static_cast<std::size_t>(layout.width);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::int64_t entry =
        layout.width < 32 ? ++number_ % (std::int64_t{1} << layout.width) : ++number_;
    switch (field.cpp_type()) {
      case Field::CPPTYPE_INT32:
        set.AddInt32(&tensor, &field, static_cast<std::int32_t>(entry));
        break;
      case Field::CPPTYPE_INT64:
        set.AddInt64(&tensor, &field, -entry);
        break;
      case Field::CPPTYPE_UINT64:
        set.AddUInt64(&tensor, &field, static_cast<std::uint64_t>(entry));
        break;
      case Field::CPPTYPE_FLOAT:
        set.AddFloat(&tensor, &field, static_cast<float>(entry));
        break;
      case Field::CPPTYPE_DOUBLE:
        set.AddDouble(&tensor, &field, static_cast<double>(entry));
        break;
      default:
        set.AddString(&tensor, &field, fresh_text());
        break;
    }
  }
}

}  // namespace planish::test
