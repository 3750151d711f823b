// onnx::AttributeProto and planish::Attribute.
#pragma once

#include "onnx/external_files.h"
#include "onnx/proto.h"

namespace planish {

/// Moves an attribute out of `proto`; `levels`: how many graphs and types may stand inside each
/// other.
Attribute take_attribute(onnx::AttributeProto& proto, ExternalFiles& files, std::size_t levels);
void put_attribute(const Attribute& attribute, onnx::AttributeProto& proto);

}  // namespace planish
