// JSON of torch.export, schema version 8, to structures.
#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "planish/base/error.h"
#include "planish/base/json_map.h"
#include "torch/exported_program.h"
#include "torch/json_reader.h"
#include "torch/printable.h"
#include "torch/scalar_types.h"

namespace planish::torch {
namespace {

/// Members that are known, so that what newer exporters add can be told.
class UnknownMembers {
 public:
  void check(const JsonMap& object, std::string_view what,
             std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : object.items()) {
      if (found_.size() < kMost && std::find(known.begin(), known.end(), key) == known.end())
        found_.insert(std::string(what) + "." + printable(key));
    }
  }
  [[nodiscard]] const std::set<std::string>& found() const { return found_; }

 private:
  static constexpr std::size_t kMost = 32;  // that are told
  std::set<std::string> found_;
};

template <typename Item>
auto items_of(const JsonMap& array, std::string_view what, Item&& item) {
  std::vector<decltype(item(array))> out;
  out.reserve(array_of(array, what).size());
  for (const JsonMap& value : array) out.push_back(item(value));
  return out;
}

SymExpr sym_value_of(const JsonMap& json) {
  const UnionMember member = union_of(json, "size");
  if (member.key == "as_int") return integer_of(member.value, "as_int");
  if (member.key == "as_float") return SymExpr::real(real_of(member.value, "as_float"));
  if (member.key == "as_expr") return parse_sym_expr(text_member(member.value, "expr_str"));
  throw Error(ErrorCode::kCorrupt, "a size of kind '" + member.key + "'; expected as_int, as_expr");
}

SymExpr size_of(const JsonMap& json) {
  SymExpr size = sym_value_of(json);
  if (size.integer().value_or(0) < 0)
    throw Error(ErrorCode::kCorrupt, "size " + to_string(size) + "; expected 0 or more");
  return size;
}

TensorMeta tensor_meta_of(const JsonMap& json) {
  TensorMeta meta;
  meta.dtype = dtype_of_scalar_type(integer_of(member(json, "dtype"), "dtype"));
  meta.sizes = items_of(member(json, "sizes"), "sizes", size_of);
  meta.strides = items_of(member(json, "strides"), "strides", sym_value_of);
  meta.storage_offset = sym_value_of(member(json, "storage_offset"));
  return meta;
}

TensorName tensor_name_of(const JsonMap& json) { return {checked_name(text_member(json, "name"))}; }

std::optional<TensorName> optional_tensor_of(const JsonMap& json) {
  const UnionMember member = union_of(json, "as_optional_tensor");
  if (member.key == "as_none") return std::nullopt;
  return tensor_name_of(member.value);
}

/// A name, or the number itself; a union as {"as_int": 3} or {"as_name": "sym_size_int"}.
template <typename Number>
std::variant<Number, SymName> number_or_name(const JsonMap& json, std::string_view what,
                                             Number (*number)(const JsonMap&, std::string_view)) {
  const UnionMember member = union_of(json, what);
  if (member.key == "as_name") return SymName{checked_name(text_of(member.value, what))};
  return number(member.value, what);
}

template <typename Number>
Argument argument_from(std::variant<Number, SymName> value) {
  return std::visit([](auto&& alternative) { return Argument(std::move(alternative)); },
                    std::move(value));
}

/// Numbers and names mixed; plain numbers when there is no name among them.
Argument sym_ints_of(const JsonMap& json) {
  auto mixed = items_of(json, "as_sym_ints", [](const JsonMap& item) {
    return number_or_name<std::int64_t>(item, "as_sym_ints", integer_of);
  });
  std::vector<std::int64_t> numbers;
  for (const auto& item : mixed) {
    const auto* number = std::get_if<std::int64_t>(&item);
    if (number == nullptr) return mixed;
    numbers.push_back(*number);
  }
  return numbers;
}

/// The sizes of the example that the program was exported with, where a size is a lone symbol.
void read_hint(const JsonMap& json, std::map<std::string, std::int64_t>& hints) {
  if (!json.is_object() || !json.contains("as_expr")) return;
  const JsonMap& expression = json["as_expr"];
  if (!expression.is_object() || !expression.contains("hint")) return;
  const JsonMap& hint = expression["hint"];
  if (!hint.is_object() || !hint.contains("as_int")) return;
  const SymExpr size = sym_value_of(json);
  if (size.op() == SymOp::kSymbol) hints.emplace(size.name(), integer_of(hint["as_int"], "hint"));
}

class Reader {
 public:
  ExportedProgram read(const JsonMap& json);

 private:
  FxGraph graph_of(const JsonMap& json);
  FxNode node_of(const JsonMap& json);
  Argument argument_of(const JsonMap& json);
  InputSpec input_spec_of(const JsonMap& json);
  OutputSpec output_spec_of(const JsonMap& json);

  UnknownMembers unknown_;
  std::map<std::string, std::int64_t> hints_;
};

struct ArgumentReader {
  std::string_view key;
  Argument (*read)(const JsonMap& value);
};

// The alternatives that hold no argument themselves, in the order of schema.py.
constexpr std::array kArgumentReaders{
    ArgumentReader{"as_none", [](const JsonMap&) { return Argument(); }},
    ArgumentReader{"as_tensor", [](const JsonMap& v) { return Argument(tensor_name_of(v)); }},
    ArgumentReader{"as_tensors",
                   [](const JsonMap& v) {
                     return Argument(items_of(v, "as_tensors", [](const JsonMap& item) {
                       return std::optional(tensor_name_of(item));
                     }));
                   }},
    ArgumentReader{"as_int", [](const JsonMap& v) { return Argument(integer_of(v, "as_int")); }},
    ArgumentReader{"as_ints",
                   [](const JsonMap& v) {
                     return Argument(items_of(v, "as_ints", [](const JsonMap& item) {
                       return integer_of(item, "as_ints");
                     }));
                   }},
    ArgumentReader{"as_float", [](const JsonMap& v) { return Argument(real_of(v, "as_float")); }},
    ArgumentReader{"as_floats",
                   [](const JsonMap& v) {
                     return Argument(items_of(v, "as_floats", [](const JsonMap& item) {
                       return real_of(item, "as_floats");
                     }));
                   }},
    ArgumentReader{"as_string", [](const JsonMap& v) { return Argument(text_of(v, "as_string")); }},
    ArgumentReader{"as_strings",
                   [](const JsonMap& v) {
                     return Argument(items_of(v, "as_strings", [](const JsonMap& item) {
                       return text_of(item, "as_strings");
                     }));
                   }},
    ArgumentReader{"as_sym_int",
                   [](const JsonMap& v) {
                     return argument_from(
                         number_or_name<std::int64_t>(v, "as_sym_int", integer_of));
                   }},
    ArgumentReader{"as_sym_ints", sym_ints_of},
    ArgumentReader{"as_scalar_type",
                   [](const JsonMap& v) {
                     return Argument(
                         ScalarType{dtype_of_scalar_type(integer_of(v, "as_scalar_type"))});
                   }},
    ArgumentReader{"as_bool", [](const JsonMap& v) { return Argument(bool_of(v, "as_bool")); }},
    ArgumentReader{"as_bools",
                   [](const JsonMap& v) {
                     return Argument(items_of(v, "as_bools", [](const JsonMap& item) {
                       return bool_of(item, "as_bools");
                     }));
                   }},
    ArgumentReader{"as_sym_bool",
                   [](const JsonMap& v) {
                     return argument_from(number_or_name<bool>(v, "as_sym_bool", bool_of));
                   }},
    ArgumentReader{"as_optional_tensors",
                   [](const JsonMap& v) {
                     return Argument(items_of(v, "as_optional_tensors", optional_tensor_of));
                   }},
    ArgumentReader{"as_sym_float",
                   [](const JsonMap& v) {
                     return argument_from(number_or_name<double>(v, "as_sym_float", real_of));
                   }},
    ArgumentReader{"as_optional_tensor",
                   [](const JsonMap& v) {
                     auto tensor = optional_tensor_of(v);
                     return tensor ? Argument(std::move(*tensor)) : Argument();
                   }},
};

Argument Reader::argument_of(const JsonMap& json) {
  const UnionMember member = union_of(json, "arg");
  if (member.key == "as_graph") {
    return SubGraph{
        text_member(member.value, "name"),
        std::make_shared<const FxGraph>(graph_of(torch::member(member.value, "graph")))};
  }
  const auto* const row = std::ranges::find(kArgumentReaders, member.key, &ArgumentReader::key);
  if (row == kArgumentReaders.end()) return OtherArgument{printable(member.key)};
  return row->read(member.value);
}

/// The innermost module of "L__self__,,net.Net;L__self__conv1,conv1,torch.nn.modules.conv.Conv2d".
void read_module_stack(std::string_view stack, FxNode& node) {
  const std::size_t last = stack.rfind(';');
  std::string_view entry = last == std::string_view::npos ? stack : stack.substr(last + 1);
  const std::size_t key_end = entry.find(',');
  if (key_end == std::string_view::npos) return;
  const std::string_view key = entry.substr(0, key_end);
  entry.remove_prefix(key_end + 1);
  const std::size_t path_end = entry.find(',');
  if (path_end == std::string_view::npos) return;
  // What the exporter writes for nodes that belong to no module.
  if (key.starts_with("_empty_nn_module_stack")) return;
  node.module_path = printable(entry.substr(0, path_end));
  node.module_type = printable(entry.substr(path_end + 1));
}

FxNode Reader::node_of(const JsonMap& json) {
  unknown_.check(
      json, "Node",
      {"target", "inputs", "outputs", "metadata", "is_hop_single_tensor_return", "name"});
  FxNode node;
  node.target = checked_name(text_member(json, "target"));
  return in_context(node.target, [&] {
    node.inputs = items_of(member(json, "inputs"), "inputs", [&](const JsonMap& input) {
      return NamedArgument{text_member(input, "name"), argument_of(member(input, "arg"))};
    });
    node.outputs = items_of(member(json, "outputs"), "outputs",
                            [&](const JsonMap& output) { return argument_of(output); });
    const JsonMap& metadata = object_member(json, "metadata");
    if (metadata.contains("stack_trace")) node.stack_trace = text_member(metadata, "stack_trace");
    if (metadata.contains("nn_module_stack"))
      read_module_stack(text_member(metadata, "nn_module_stack"), node);
    if (json.contains("name") && json["name"].is_string()) node.name = text_member(json, "name");
    return std::move(node);
  });
}

FxGraph Reader::graph_of(const JsonMap& json) {
  unknown_.check(
      json, "Graph",
      {"inputs", "outputs", "nodes", "tensor_values", "sym_int_values", "sym_bool_values",
       "is_single_tensor_return", "custom_obj_values", "sym_float_values"});
  const auto argument = [&](const JsonMap& item) { return argument_of(item); };
  FxGraph graph;
  graph.inputs = items_of(member(json, "inputs"), "inputs", argument);
  graph.outputs = items_of(member(json, "outputs"), "outputs", argument);
  for (const auto& [name, meta] : object_member(json, "tensor_values").items()) {
    in_context("tensor '" + name + "'", [&, &name = name, &meta = meta] {
      unknown_.check(
          meta, "TensorMeta",
          {"dtype", "sizes", "requires_grad", "device", "strides", "storage_offset", "layout"});
      graph.tensor_values[name] = tensor_meta_of(meta);
      for (const JsonMap& size : array_member(meta, "sizes")) read_hint(size, hints_);
    });
  }
  for (const char* values : {"sym_int_values", "sym_float_values"}) {
    if (!json.contains(values)) continue;
    for (const auto& [name, value] : object_member(json, values).items())
      graph.sym_values.insert_or_assign(name, sym_value_of(value));
  }
  graph.nodes =
      items_of(member(json, "nodes"), "nodes", [&](const JsonMap& node) { return node_of(node); });
  return graph;
}

Argument constant_of(const JsonMap& json) {
  const UnionMember member = union_of(json, "value");
  const auto* const row = std::ranges::find(kArgumentReaders, member.key, &ArgumentReader::key);
  if (row == kArgumentReaders.end()) return OtherArgument{printable(member.key)};
  return row->read(member.value);
}

InputSpec Reader::input_spec_of(const JsonMap& json) {
  using Kind = InputSpec::Kind;
  const auto& [key, value] = union_of(json, "input_specs");
  const auto named = [&, &value = value](Kind kind, const char* fqn) {
    return InputSpec{kind, tensor_name_of(member(value, "arg")),
                     checked_name(text_member(value, fqn))};
  };
  if (key == "user_input") return {Kind::kUserInput, argument_of(member(value, "arg")), {}};
  if (key == "parameter") return named(Kind::kParameter, "parameter_name");
  if (key == "buffer") return named(Kind::kBuffer, "buffer_name");
  if (key == "tensor_constant") return named(Kind::kTensorConstant, "tensor_constant_name");
  if (key == "constant_input")
    return {Kind::kConstant, constant_of(member(value, "value")), text_member(value, "name")};
  return {Kind::kOther, OtherArgument{printable(key)}, {}};
}

OutputSpec Reader::output_spec_of(const JsonMap& json) {
  using Kind = OutputSpec::Kind;
  const auto& [key, value] = union_of(json, "output_specs");
  if (key == "user_output") return {Kind::kUserOutput, argument_of(member(value, "arg")), {}};
  struct Mutation {
    std::string_view key;
    const char* target;
    Kind kind;
  };
  for (const Mutation& mutation :
       {Mutation{"buffer_mutation", "buffer_name", Kind::kMutation},
        Mutation{"parameter_mutation", "parameter_name", Kind::kMutation},
        Mutation{"user_input_mutation", "user_input_name", Kind::kInputMutation}}) {
    if (key != mutation.key) continue;
    return {mutation.kind, tensor_name_of(member(value, "arg")),
            checked_name(text_member(value, mutation.target))};
  }
  return {Kind::kOther, OtherArgument{printable(key)}, {}};
}

std::optional<std::int64_t> optional_integer(const JsonMap& json, const char* key) {
  const JsonMap& value = member(json, key);
  if (value.is_null()) return std::nullopt;
  return integer_of(value, key);
}

void check_schema_version(const JsonMap& json, ExportedProgram& program) {
  const JsonMap& version = member(json, "schema_version");
  const std::int64_t major = integer_of(member(version, "major"), "major");
  program.schema_minor = integer_of(member(version, "minor"), "minor");
  if (major != kSchemaMajor) {
    throw Error(ErrorCode::kUnsupported, "export schema " + std::to_string(major) + "." +
                                             std::to_string(program.schema_minor) + " of torch " +
                                             program.torch_version + "; expected " +
                                             std::to_string(kSchemaMajor) +
                                             ".x: save the program again with torch >= 2.8");
  }
  if (program.schema_minor > kSchemaMinor) {
    program.notes.push_back("export schema 8." + std::to_string(program.schema_minor) +
                            " is newer than the 8." + std::to_string(kSchemaMinor) +
                            " that is known; it is read as that");
  }
}

void paths_of_spec(const JsonMap& spec, const std::string& path, std::vector<std::string>& out) {
  const JsonMap& children = array_member(spec, "children_spec");
  const JsonMap& type = member(spec, "type");
  if (type.is_null()) {
    out.push_back(path);
    return;
  }
  std::vector<std::string> keys;
  const JsonMap& context = member(spec, "context");
  // A dictionary's context is the list of its keys; a tuple's says nothing.
  if (context.is_string()) {
    const JsonMap inner = parse_json_map(context.get<std::string>());
    const JsonMap* names = inner.is_array() ? &inner : nullptr;
    // A dataclass or an output of transformers: [type, [keys]] or similar; the last list of names.
    if (names != nullptr && !names->empty() && names->back().is_array()) names = &names->back();
    if (names != nullptr) {
      for (const JsonMap& name : *names) {
        if (name.is_string()) keys.push_back(printable(name.get<std::string>()));
      }
    }
  }
  for (std::size_t i = 0; i < children.size(); ++i) {
    const std::string key = keys.size() == children.size() ? keys[i] : std::to_string(i);
    paths_of_spec(children[i], path.empty() ? key : path + "." + key, out);
  }
}

/// Names from the calling convention of the whole model. They are a convenience: a tree that is not
/// understood gives none.
void read_names(const JsonMap& graph_module, ExportedProgram& program) {
  const JsonMap& calls = array_member(graph_module, "module_call_graph");
  if (calls.empty()) return;
  const JsonMap& signature = member(calls.front(), "signature");
  if (!signature.is_object()) return;
  try {
    const JsonMap tree = parse_json_map(text_member(signature, "out_spec"));
    if (tree.is_array() && tree.size() == 2) paths_of_spec(tree[1], "", program.output_names);
  } catch (const Error& error) {
    program.output_names.clear();
    program.notes.push_back("the structure of the outputs is not understood (" + error.message() +
                            "); they are numbered");
  }
}

ExportedProgram Reader::read(const JsonMap& json) {
  unknown_.check(json, "ExportedProgram",
                 {"graph_module", "opset_version", "range_constraints", "schema_version",
                  "verifiers", "torch_version", "guards_code"});
  ExportedProgram program;
  if (json.is_object() && json.contains("torch_version"))
    program.torch_version = printable(text_member(json, "torch_version"));
  check_schema_version(json, program);
  const JsonMap& module = object_member(json, "graph_module");
  unknown_.check(
      module, "GraphModule",
      {"graph", "signature", "module_call_graph", "metadata", "treespec_namedtuple_fields"});
  program.graph = graph_of(object_member(module, "graph"));
  const JsonMap& signature = object_member(module, "signature");
  unknown_.check(signature, "GraphSignature", {"input_specs", "output_specs"});
  program.input_specs = items_of(member(signature, "input_specs"), "input_specs",
                                 [&](const JsonMap& spec) { return input_spec_of(spec); });
  program.output_specs = items_of(member(signature, "output_specs"), "output_specs",
                                  [&](const JsonMap& spec) { return output_spec_of(spec); });
  for (const auto& [symbol, range] : object_member(json, "range_constraints").items()) {
    const RangeConstraint limits{optional_integer(range, "min_val"),
                                 optional_integer(range, "max_val")};
    if (limits.min && limits.max && *limits.min > *limits.max) {
      throw Error(ErrorCode::kCorrupt, "the size '" + printable(symbol) + "' is at least " +
                                           std::to_string(*limits.min) + " and at most " +
                                           std::to_string(*limits.max));
    }
    program.range_constraints[checked_name(symbol)] = limits;
  }
  read_names(module, program);
  program.size_hints = std::move(hints_);
  for (const std::string& name : unknown_.found())
    program.notes.push_back("unknown member " + name + " of a newer exporter is not read");
  return program;
}

constexpr JsonLimits kLimits{.max_bytes = std::size_t{1} << 30, .max_depth = 128};

}  // namespace

ExportedProgram parse_exported_program(std::string_view json) {
  const JsonMap document = parse_json_map(json, kLimits);
  return Reader().read(document);
}

PayloadConfig parse_payload_config(std::string_view json) {
  const JsonMap document = parse_json_map(json, kLimits);
  PayloadConfig config;
  for (const auto& [fqn, entry] : object_member(document, "config").items()) {
    in_context("'" + fqn + "'", [&, &fqn = fqn, &entry = entry] {
      Payload payload;
      payload.path_name = text_member(entry, "path_name");
      payload.use_pickle = bool_member(entry, "use_pickle");
      const JsonMap& meta = member(entry, "tensor_meta");
      if (!meta.is_null()) payload.meta = tensor_meta_of(meta);
      config.emplace(fqn, std::move(payload));
    });
  }
  return config;
}

}  // namespace planish::torch
