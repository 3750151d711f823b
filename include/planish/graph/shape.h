// Shapes whose dimensions may be known, symbolic or unknown, and the types of graph values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "planish/graph/box.h"
#include "planish/graph/dtype.h"

namespace planish {

/// One dimension: a number, a symbol such as "batch", or unknown.
struct Dim {
  std::variant<std::monostate, std::int64_t, std::string> value = {};
  std::string denotation = {};  // ONNX's DimensionDenotation, kept
  std::string opaque = {};      // fields of newer ONNX versions, serialized, kept

  Dim() = default;
  Dim(std::int64_t number) : value(number) {}                    // NOLINT: reads as a literal
  Dim(std::string symbol) : value(std::move(symbol)) {}          // NOLINT
  Dim(const char* symbol) : value(std::string(symbol)) {}        // NOLINT
  Dim(int number) : value(static_cast<std::int64_t>(number)) {}  // NOLINT

  [[nodiscard]] std::optional<std::int64_t> number() const {
    if (const auto* known = std::get_if<std::int64_t>(&value)) return *known;
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::string> symbol() const {
    if (const auto* name = std::get_if<std::string>(&value)) return *name;
    return std::nullopt;
  }
  friend bool operator==(const Dim&, const Dim&) = default;
};

using Shape = std::vector<Dim>;

/// "[batch, 3, ?, 224]".
std::string to_string(const Shape& shape);
/// All numbers, when every dimension is known.
std::optional<std::vector<std::int64_t>> static_dims(const Shape& shape);

struct ValueType;

struct TensorType {
  DType dtype = DType::kUndefined;
  std::optional<Shape> shape = {};  // nothing: the rank is not known
  friend bool operator==(const TensorType&, const TensorType&) = default;
};
struct SparseTensorType {
  DType dtype = DType::kUndefined;
  std::optional<Shape> shape = {};
  friend bool operator==(const SparseTensorType&, const SparseTensorType&) = default;
};
struct SequenceType {
  Box<ValueType> element;
  friend bool operator==(const SequenceType&, const SequenceType&);
};
struct OptionalType {
  Box<ValueType> element;
  friend bool operator==(const OptionalType&, const OptionalType&);
};
struct MapType {
  DType key = DType::kUndefined;
  Box<ValueType> value;
  friend bool operator==(const MapType&, const MapType&);
};
struct OpaqueType {
  std::string domain = {};
  std::string name = {};
  friend bool operator==(const OpaqueType&, const OpaqueType&) = default;
};

/// The type of a graph value (ONNX TypeProto). monostate: not said.
struct ValueType {
  std::variant<std::monostate, TensorType, SparseTensorType, SequenceType, OptionalType, MapType,
               OpaqueType>
      type = {};
  std::string denotation = {};
  std::string opaque = {};  // fields of newer ONNX versions, serialized, kept

  [[nodiscard]] const TensorType* tensor() const { return std::get_if<TensorType>(&type); }
  friend bool operator==(const ValueType&, const ValueType&) = default;
};

inline bool operator==(const SequenceType& a, const SequenceType& b) {
  return a.element == b.element;
}
inline bool operator==(const OptionalType& a, const OptionalType& b) {
  return a.element == b.element;
}
inline bool operator==(const MapType& a, const MapType& b) {
  return a.key == b.key && a.value == b.value;
}

}  // namespace planish
