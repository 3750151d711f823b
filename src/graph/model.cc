#include "planish/graph/model.h"

#include <algorithm>
#include <bit>

#include "planish/base/error.h"

namespace planish {
namespace {

const std::string kNoName;

template <typename T>
const T* typed_attribute(const Node& node, std::string_view name, std::string_view expected) {
  const Attribute* attribute = node.find_attribute(name);
  if (attribute == nullptr) return nullptr;
  if (const T* value = std::get_if<T>(&attribute->value)) return value;
  throw Error(ErrorCode::kCorrupt, "node '" + node.name + "' (" + node.op_type + "): attribute '" +
                                       std::string(name) + "' is not " + std::string(expected));
}

bool same_bits(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

bool same_value(const Attribute::Value& a, const Attribute::Value& b) {
  const auto* number = std::get_if<float>(&a);
  const auto* other_number = std::get_if<float>(&b);
  if (number != nullptr && other_number != nullptr) return same_bits(*number, *other_number);
  const auto* list = std::get_if<std::vector<float>>(&a);
  const auto* other_list = std::get_if<std::vector<float>>(&b);
  if (list != nullptr && other_list != nullptr) {
    return std::ranges::equal(*list, *other_list, same_bits);
  }
  return a == b;
}

}  // namespace

const Attribute* Node::find_attribute(std::string_view attribute) const {
  const auto found = std::ranges::find(attributes, attribute, &Attribute::name);
  return found == attributes.end() ? nullptr : &*found;
}

std::int64_t Node::int_attribute(std::string_view attribute, std::int64_t fallback) const {
  const auto* value = typed_attribute<std::int64_t>(*this, attribute, "an integer");
  return value == nullptr ? fallback : *value;
}

float Node::float_attribute(std::string_view attribute, float fallback) const {
  const auto* value = typed_attribute<float>(*this, attribute, "a float");
  return value == nullptr ? fallback : *value;
}

std::string Node::string_attribute(std::string_view attribute, std::string_view fallback) const {
  const auto* value = typed_attribute<std::string>(*this, attribute, "a string");
  return value == nullptr ? std::string(fallback) : *value;
}

std::vector<std::int64_t> Node::ints_attribute(std::string_view attribute,
                                               std::vector<std::int64_t> fallback) const {
  const auto* value =
      typed_attribute<std::vector<std::int64_t>>(*this, attribute, "a list of integers");
  return value == nullptr ? std::move(fallback) : *value;
}

void Node::set_attribute(std::string_view attribute, Attribute::Value value) {
  const auto found = std::ranges::find(attributes, attribute, &Attribute::name);
  Attribute replacement;
  replacement.name = attribute;
  replacement.value = std::move(value);
  if (found == attributes.end()) {
    attributes.push_back(std::move(replacement));
    return;
  }
  replacement.doc_string = std::move(found->doc_string);
  *found = std::move(replacement);
}

bool Node::remove_attribute(std::string_view attribute) {
  return std::erase_if(attributes, [&](const Attribute& a) { return a.name == attribute; }) > 0;
}

const std::string& Node::input(std::size_t i) const {
  return i < inputs.size() ? inputs[i] : kNoName;
}
const std::string& Node::output(std::size_t i) const {
  return i < outputs.size() ? outputs[i] : kNoName;
}

bool operator==(const Attribute& a, const Attribute& b) {
  return a.name == b.name && same_value(a.value, b.value) && a.doc_string == b.doc_string &&
         a.ref_attr_name == b.ref_attr_name && a.declared_type == b.declared_type &&
         a.opaque == b.opaque;
}

bool operator==(const Node& a, const Node& b) {
  return a.op_type == b.op_type && a.inputs == b.inputs && a.outputs == b.outputs &&
         a.name == b.name && a.domain == b.domain && a.attributes == b.attributes &&
         a.overload == b.overload && a.doc_string == b.doc_string && a.metadata == b.metadata &&
         a.opaque == b.opaque;
}

std::int64_t Model::opset(std::string_view of_domain) const {
  const auto found = std::ranges::find(opset_imports, of_domain, &OpsetImport::domain);
  return found == opset_imports.end() ? 0 : found->version;
}

void Model::set_opset(std::string_view of_domain, std::int64_t version) {
  const auto found = std::ranges::find(opset_imports, of_domain, &OpsetImport::domain);
  if (found != opset_imports.end())
    found->version = version;
  else
    opset_imports.push_back(OpsetImport{std::string(of_domain), version});
}

}  // namespace planish
