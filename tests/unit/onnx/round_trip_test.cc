// No field of ONNX is lost between parse_model and serialize_model.
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "every_field.h"
#include "onnx_schema.h"
#include "planish/onnx/onnx.h"

namespace planish::test {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Enough for every alternative to have its turn; the first test proves it.
constexpr int kModels = 12;

std::unique_ptr<Message> filled_model(EveryField& filler) {
  auto model = OnnxSchema::instance().make("ModelProto");
  filler.fill(*model);
  return model;
}

/// What planish makes of `model`, its tensors normalised, as are those of `model`.
std::unique_ptr<Message> round_trip(Message& model) {
  const std::string bytes = serialize_model(parse_model(model.SerializeAsString()));
  auto result = OnnxSchema::instance().make("ModelProto");
  EXPECT_TRUE(result->ParseFromString(bytes));
  normalise_tensors(model);
  normalise_tensors(*result);
  return result;
}

/// "<message type>: <payload>" of each unknown field anywhere inside `message`, sorted.
std::vector<std::string> unknown_fields(const Message& message) {
  std::vector<std::string> found;
  const auto& reflection = *message.GetReflection();
  const auto& unknown = reflection.GetUnknownFields(message);
  for (int i = 0; i < unknown.field_count(); ++i) {
    found.push_back(message.GetTypeName() + ": " + unknown.field(i).length_delimited());
  }
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() == nullptr) continue;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const auto inner =
          unknown_fields(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                              : reflection.GetMessage(message, field));
      found.insert(found.end(), inner.begin(), inner.end());
    }
  }
  std::ranges::sort(found);
  return found;
}

TEST(RoundTrip, KeepsEveryFieldOfTheSchema) {
  EveryField filler(EveryField::UnknownFields::kNone);
  for (int i = 0; i < kModels; ++i) {
    const auto model = filled_model(filler);
    const auto result = round_trip(*model);
    google::protobuf::util::MessageDifferencer differencer;
    std::string report;
    differencer.ReportDifferencesToString(&report);
    EXPECT_TRUE(differencer.Compare(*model, *result)) << report.substr(0, 4000);
  }
}

TEST(RoundTrip, IsTestedWithEveryFieldAndEveryAlternativeOfTheSchema) {
  EveryField filler(EveryField::UnknownFields::kNone);
  for (int i = 0; i < kModels; ++i) (void)filled_model(filler);
  const std::set<std::string> not_filled{
      // Refused, and tested to be.
      "onnx.TensorProto.segment", "onnx.TensorProto.Segment.begin", "onnx.TensorProto.Segment.end",
      // Other storage of the elements, which is normalised; tested with external data.
      "onnx.TensorProto.external_data", "onnx.TensorProto.data_location=EXTERNAL",
      // No tensor has elements of this type.
      "onnx.TensorProto.data_type=UNDEFINED", "onnx.TypeProto.Tensor.elem_type=UNDEFINED",
      "onnx.TypeProto.SparseTensor.elem_type=UNDEFINED", "onnx.TypeProto.Map.key_type=UNDEFINED"};
  for (const std::string& name : all_fields(*OnnxSchema::instance().message("ModelProto"))) {
    EXPECT_NE(filler.seen().contains(name), not_filled.contains(name)) << name;
  }
}

TEST(RoundTrip, KeepsFieldsOfNewerVersionsInEveryMessage) {
  EveryField filler(EveryField::UnknownFields::kOneInEachMessage);
  for (int i = 0; i < kModels; ++i) {
    const auto model = filled_model(filler);
    const auto result = round_trip(*model);
    const std::vector<std::string> expected = unknown_fields(*model);
    EXPECT_GT(expected.size(), 1000U);
    EXPECT_EQ(unknown_fields(*result), expected);
  }
}

TEST(RoundTrip, IsStableAfterTheFirst) {
  EveryField filler(EveryField::UnknownFields::kOneInEachMessage);
  for (int i = 0; i < kModels; ++i) {
    const Model model = parse_model(filled_model(filler)->SerializeAsString());
    const std::string bytes = serialize_model(model);
    const Model again = parse_model(bytes);
    EXPECT_TRUE(again == model);
    EXPECT_EQ(serialize_model(again), bytes);
  }
}

TEST(RoundTrip, ReadsTheLongNameOfOnnxOwnDomainAsTheEmptyOne) {
  const Model model = parse_model(
      model_bytes("ir_version: 8 opset_import { domain: 'ai.onnx' version: 17 } graph { "
                  "node { op_type: 'Relu' domain: 'ai.onnx' input: 'x' output: 'y' } }"));
  EXPECT_EQ(model.opset(), 17);
  EXPECT_TRUE(model.graph.nodes.at(0).is("Relu"));
}

TEST(RoundTrip, ATypedMemberThatWasChangedWinsOverWhatTheFileHad) {
  Model model =
      parse_model(graph_model_bytes("node { op_type: 'Op' attribute { name: 'a' type: FLOAT f: 1 "
                                    "ints: 5 ref_attr_name: 'r' } }"));
  model.graph.nodes[0].set_attribute("a", std::vector<std::int64_t>{7});
  const Model again = parse_model(serialize_model(model));
  EXPECT_EQ(again.graph.nodes.at(0).ints_attribute("a"), std::vector<std::int64_t>{7});
  EXPECT_EQ(again.graph.nodes.at(0).attributes.at(0).ref_attr_name, "");
}

}  // namespace
}  // namespace planish::test
