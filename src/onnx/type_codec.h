// onnx::TypeProto and planish::ValueType.
#pragma once

#include "onnx/proto.h"

namespace planish {

/// Moves a type out of `proto`. `levels`: how many types may stand inside each other.
/// @throws Error(kUnsupported) for an element type that is not known, kCorrupt when nested deeper.
ValueType take_type(onnx::TypeProto& proto, std::size_t levels);
void put_type(const ValueType& type, onnx::TypeProto& proto);

}  // namespace planish
