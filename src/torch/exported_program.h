// What torch.export.save writes as models/<name>.json: the graph of one exported program.
//
// The structures and field names are those of torch/_export/serde/schema.py, schema version 8; what
// lowering does not need is left out.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "planish/graph/dtype.h"
#include "torch/sym_expr.h"

namespace planish::torch {

/// The newest schema that this was written for. A newer minor version only adds.
inline constexpr std::int64_t kSchemaMajor = 8;
inline constexpr std::int64_t kSchemaMinor = 20;

/// The type of a tensor, as the exporter saw it. Strides are those of the storage: of importance
/// for weights, not for values between.
struct TensorMeta {
  DType dtype = DType::kUndefined;
  SymShape sizes = {};
  SymShape strides = {};
  SymExpr storage_offset = {};
  friend bool operator==(const TensorMeta&, const TensorMeta&) = default;
};

struct FxGraph;

// The alternatives of an argument that are not plain values.
struct TensorName {
  std::string name = {};
};
/// A value that is known by name when the model runs (as_sym_int, as_sym_float, as_sym_bool).
struct SymName {
  std::string name = {};
};
struct ScalarType {
  DType dtype = DType::kUndefined;
};
struct SubGraph {
  std::string name = {};
  std::shared_ptr<const FxGraph> graph = {};
};
/// An alternative that no operator here reads (device, layout, memory format, custom object); the
/// key says which.
struct OtherArgument {
  std::string key = {};
};

using SymIntArgument = std::variant<std::int64_t, SymName>;

/// monostate: None.
using Argument =
    std::variant<std::monostate, TensorName, std::vector<std::optional<TensorName>>, std::int64_t,
                 std::vector<std::int64_t>, std::vector<SymIntArgument>, double,
                 std::vector<double>, bool, std::vector<bool>, std::string,
                 std::vector<std::string>, SymName, ScalarType, SubGraph, OtherArgument>;

struct NamedArgument {
  std::string name = {};  // from the operator's schema, for positional arguments too
  Argument value = {};
};

/// One call of an operator.
struct FxNode {
  std::string target = {};  // "torch.ops.aten.conv2d.default"
  std::string name = {};
  std::vector<NamedArgument> inputs = {};
  std::vector<Argument> outputs = {};
  std::string module_path =
      {};  // of the innermost module: "layer1.0.conv1"; "" for the model itself
  std::string module_type = {};  // "torch.nn.modules.conv.Conv2d"
  std::string stack_trace = {};  // Python's, outermost call first
};

struct FxGraph {
  std::vector<Argument> inputs = {};
  std::vector<Argument> outputs = {};
  std::vector<FxNode> nodes = {};
  std::unordered_map<std::string, TensorMeta> tensor_values = {};
  std::unordered_map<std::string, SymExpr> sym_values = {};  // integers, floats
};

/// Where a graph input comes from.
struct InputSpec {
  enum class Kind {
    kUserInput,
    kParameter,       // of the state dict
    kBuffer,          // of the state dict, or (not persistent) of the constants
    kTensorConstant,  // of the constants
    kConstant,        // a number, string or None that was fixed by export
    kOther,           // a custom object or an effect token
  };
  Kind kind = Kind::kUserInput;
  Argument value = {};
  std::string fqn = {};  // of parameters, buffers and constants: "layer1.0.conv1.weight"
};

struct OutputSpec {
  enum class Kind {
    kUserOutput,
    kMutation,       // of a buffer or parameter: what it shall hold after the call
    kInputMutation,  // the same of an input
    kOther,          // a loss, gradient or effect token
  };
  Kind kind = Kind::kUserOutput;
  Argument value = {};
  std::string target = {};  // what is mutated
};

struct RangeConstraint {
  std::optional<std::int64_t> min = {};
  std::optional<std::int64_t> max = {};
};

struct ExportedProgram {
  FxGraph graph = {};
  std::vector<InputSpec> input_specs = {};
  std::vector<OutputSpec> output_specs = {};
  std::vector<std::string> input_names = {};   // of the model's forward(), where known
  std::vector<std::string> output_names = {};  // paths into what forward() gives back; may be empty
  std::map<std::string, RangeConstraint> range_constraints = {};  // by symbol
  std::map<std::string, std::int64_t> size_hints = {};  // by symbol: of the example at export
  std::string torch_version = {};
  std::int64_t schema_minor = 0;
  std::vector<std::string> notes = {};  // what was met and not read
};

/// @throws Error(kCorrupt) naming the member that is missing or wrong; Error(kUnsupported) for
///   another major version of the schema; Error(kExhausted).
ExportedProgram parse_exported_program(std::string_view json);

/// Where the bytes of one weight or constant are.
struct Payload {
  std::string path_name = {};
  bool use_pickle = false;
  std::optional<TensorMeta> meta = {};
};

/// By fully qualified name, in its order.
using PayloadConfig = std::map<std::string, Payload>;

/// Reads data/weights/<model>_weights_config.json or that of the constants. @throws as above.
PayloadConfig parse_payload_config(std::string_view json);

}  // namespace planish::torch
