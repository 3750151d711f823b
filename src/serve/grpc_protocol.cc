#include "serve/grpc_protocol.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "planish/base/checked.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/serve/client.h"
#include "planish/serve/datatypes.h"
#include "serve/tensor_reading.h"
#include "serve/wire.h"

namespace planish::serve {
namespace {

constexpr std::size_t kMaxRank = 16;
constexpr std::size_t kMaxTensors = 256;

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::kInvalidArgument, text);
}

std::string_view bytes_in(const WireField& field) {
  if (field.type != 2) refuse("field " + std::to_string(field.number) + " has another wire type");
  return field.bytes;
}

/// map<string, InferParameter>: {key = 1, value = 2}.
struct Parameter {
  std::string key = {};
  std::optional<std::int64_t> number = {};  // bool_param = 1, int64_param = 2, uint64_param = 5
};
Parameter read_parameter(std::string_view entry) {
  Parameter parameter;
  WireReader reader(entry);
  while (const auto field = reader.next()) {
    if (field->number == 1) parameter.key = bytes_in(*field);
    if (field->number != 2) continue;
    WireReader value(bytes_in(*field));
    while (const auto one = value.next()) {
      if (one->type == 0) parameter.number = static_cast<std::int64_t>(one->varint);
    }
  }
  return parameter;
}

void append_dims(std::vector<std::int64_t>& dims, const WireField& field) {
  const auto add = [&](std::uint64_t value) {
    if (dims.size() == kMaxRank) refuse("'shape' has more than 16 dimensions");
    dims.push_back(static_cast<std::int64_t>(value));
    if (dims.back() < 0) refuse("'shape' has a negative dimension");
  };
  if (field.type == 0) return add(field.varint);
  WireReader packed(bytes_in(field));
  while (!packed.at_end()) add(packed.varint());
}

/// InferInputTensor: name = 1, datatype = 2, shape = 3, parameters = 4, contents = 5.
struct WireTensor {
  std::string name = {};
  std::string datatype = {};
  std::vector<std::int64_t> dims = {};
  std::optional<std::string_view> contents = {};
};
WireTensor read_tensor(std::string_view message) {
  WireTensor tensor;
  WireReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 1) tensor.name = bytes_in(*field);
    if (field->number == 2) tensor.datatype = bytes_in(*field);
    if (field->number == 3) append_dims(tensor.dims, *field);
    if (field->number == 5) tensor.contents = bytes_in(*field);
  }
  return tensor;
}

/// Which member of InferTensorContents holds a type: bool = 1, int = 2, int64 = 3, uint = 4,
/// uint64 = 5, fp32 = 6, fp64 = 7, bytes = 8; 0: the type goes as raw bytes only.
std::uint32_t contents_member(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return 1;
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
      return 2;
    case DType::kInt64:
      return 3;
    case DType::kUInt8:
    case DType::kUInt16:
    case DType::kUInt32:
      return 4;
    case DType::kUInt64:
      return 5;
    case DType::kFloat32:
      return 6;
    case DType::kFloat64:
      return 7;
    case DType::kString:
      return 8;
    default:
      return 0;
  }
}

/// The low bytes of a number, once it is known to fit: signed numbers are sign-extended to 64 bits.
void append_element(std::string& bytes, DType dtype, std::uint64_t value) {
  const std::size_t width = byte_count(dtype, 1);
  const unsigned bits = static_cast<unsigned>(8 * width);
  const auto number = static_cast<std::int64_t>(value);
  const bool is_signed = contents_member(dtype) == 2 || contents_member(dtype) == 3;
  bool fits = true;
  if (dtype == DType::kBool)
    fits = value <= 1;
  else if (bits < 64 && is_signed)
    fits = number >= -(std::int64_t{1} << (bits - 1)) && number < (std::int64_t{1} << (bits - 1));
  else if (bits < 64)
    fits = value < (std::uint64_t{1} << bits);
  if (!fits) refuse("an element is out of the range of its datatype");
  bytes.append(reinterpret_cast<const char*>(&value), width);
}

/// The elements of InferTensorContents, as raw bytes.
std::string bytes_from_contents(std::string_view contents, DType dtype, std::size_t count) {
  const std::uint32_t member = contents_member(dtype);
  if (member == 0)
    refuse("datatype " + std::string(datatype_of(dtype)) + " goes in raw_input_contents only");
  std::string bytes;
  std::size_t found = 0;
  const auto one_more = [&] {
    if (found++ == count) refuse("'contents' has more than the elements of 'shape'");
  };
  WireReader reader(contents);
  while (const auto field = reader.next()) {
    if (field->number != member) {
      if (field->type == 2 && field->bytes.empty()) continue;
      refuse("'contents' has field " + std::to_string(field->number) + "; datatype " +
             std::string(datatype_of(dtype)) + " has field " + std::to_string(member));
    }
    if (member == 8) {
      one_more();
      const auto length = static_cast<std::uint32_t>(field->bytes.size());
      bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
      bytes += bytes_in(*field);
    } else if (member >= 6) {
      const std::size_t width = byte_count(dtype, 1);
      if (field->type == 0 || field->bytes.size() % width != 0) refuse("'contents' is cut off");
      for (std::size_t at = 0; at < field->bytes.size(); at += width) one_more();
      bytes += field->bytes;
    } else if (field->type == 0) {
      one_more();
      append_element(bytes, dtype, field->varint);
    } else {
      WireReader packed(bytes_in(*field));
      while (!packed.at_end()) {
        one_more();
        append_element(bytes, dtype, packed.varint());
      }
    }
  }
  if (found != count) {
    refuse("'contents' has " + std::to_string(found) + " elements; 'shape' says " +
           std::to_string(count));
  }
  return bytes;
}

/// InferRequestedOutputTensor: name = 1, parameters = 2.
OutputRequest read_output(std::string_view message, const Signature& signature) {
  OutputRequest output;
  WireReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 1) output.name = bytes_in(*field);
    if (field->number != 2) continue;
    const Parameter parameter = read_parameter(bytes_in(*field));
    if (parameter.key != "classification") continue;
    if (!parameter.number || *parameter.number < 1) refuse("'classification': expected 1 or more");
    output.classes = static_cast<std::size_t>(*parameter.number);
  }
  if (std::ranges::find(signature.outputs, output.name, &TensorSpec::name) ==
      signature.outputs.end())
    refuse("unexpected inference output '" + output.name + "'");
  return output;
}

NamedTensor read_input(const WireTensor& wire, std::optional<std::string_view> raw,
                       const Body& body, const InferContext& context,
                       std::vector<std::string>& images) {
  return in_context("input '" + wire.name + "'", [&] {
    const TensorSpec& spec = input_spec(wire.name, context.signature);
    const auto dtype = dtype_from_datatype(wire.datatype);
    if (!dtype) refuse("unknown datatype '" + wire.datatype + "'");
    const std::size_t count = counted_elements(wire.dims, context);
    if (raw) {
      return NamedTensor{wire.name, fitted(tensor_from_binary(body, *raw, *dtype, wire.dims, count),
                                           spec, context, images)};
    }
    if (!wire.contents && count > 0) refuse("has neither 'contents' nor raw_input_contents");
    const Body bytes =
        make_body(bytes_from_contents(wire.contents.value_or(std::string_view()), *dtype, count));
    return NamedTensor{
        wire.name,
        fitted(tensor_from_binary(bytes, *bytes, *dtype, wire.dims, count), spec, context, images)};
  });
}

void append_spec(std::string& out, std::uint32_t number, const TensorSpec& spec) {
  std::string message;
  append_bytes(message, 1, spec.name);
  append_bytes(message, 2, datatype_of(spec.dtype));
  std::vector<std::int64_t> dims;
  for (const Dim& dim : spec.shape) dims.push_back(dim.number().value_or(-1));
  append_packed(message, 3, dims);
  append_bytes(out, number, message);
}

}  // namespace

NamedModel parse_named_model(std::string_view message) {
  NamedModel model;
  WireReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number == 1) model.name = bytes_in(*field);
    if (field->number == 2) model.version = bytes_in(*field);
  }
  return model;
}

InferRequest parse_grpc_infer(const Body& body, const InferContext& context) {
  InferRequest request;
  std::vector<WireTensor> tensors;
  std::vector<std::string_view> raw;
  WireReader reader(*body);
  while (const auto field = reader.next()) {
    if (field->number == 3) request.id = std::string(bytes_in(*field));
    if (field->number == 4) {
      const Parameter parameter = read_parameter(bytes_in(*field));
      if (parameter.key == "timeout" && parameter.number.value_or(0) > 0)
        request.timeout = std::chrono::microseconds(*parameter.number);
    }
    if (field->number == 5) tensors.push_back(read_tensor(bytes_in(*field)));
    if (field->number == 6)
      request.outputs.push_back(read_output(bytes_in(*field), context.signature));
    if (field->number == 7) raw.push_back(bytes_in(*field));
    if (tensors.size() > kMaxTensors || request.outputs.size() > kMaxTensors)
      refuse("more than 256 tensors");
  }
  if (!raw.empty() && raw.size() != tensors.size()) {
    refuse("raw_input_contents has " + std::to_string(raw.size()) + " entries for " +
           std::to_string(tensors.size()) + " inputs; expected one each");
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const WireTensor& tensor = tensors[i];
    if (!raw.empty() && tensor.contents)
      refuse("input '" + tensor.name + "' has 'contents' beside raw_input_contents");
    if (!names.insert(tensor.name).second) refuse("input '" + tensor.name + "' is given twice");
    request.inputs.push_back(read_input(tensor, raw.empty() ? std::nullopt : std::optional(raw[i]),
                                        body, context, request.images));
  }
  require_match(context.signature, request.inputs);
  return request;
}

std::string write_grpc_infer(const InferRequest& request, const Signature& signature,
                             const std::vector<Tensor>& outputs, const ResponseFrame& frame) {
  std::string out;
  append_bytes(out, 1, frame.model);
  append_bytes(out, 2, frame.version);
  if (frame.id) append_bytes(out, 3, *frame.id);
  std::vector<std::string> raw;
  const auto write_one = [&](const OutputRequest& wanted, Tensor tensor) {
    if (wanted.classes > 0) tensor = classified(tensor, wanted.classes, frame.class_names);
    std::string message;
    append_bytes(message, 1, wanted.name);
    append_bytes(message, 2, datatype_of(tensor.dtype()));
    append_packed(message, 3, tensor.dims());
    append_bytes(out, 5, message);
    raw.push_back(binary_of(tensor));
  };
  for (std::size_t i = 0; request.outputs.empty() && i < outputs.size(); ++i)
    write_one(OutputRequest{signature.outputs[i].name, {}, 0}, outputs[i]);
  for (const OutputRequest& wanted : request.outputs) {
    const auto at = std::ranges::find(signature.outputs, wanted.name, &TensorSpec::name);
    write_one(wanted, outputs[static_cast<std::size_t>(at - signature.outputs.begin())]);
  }
  for (const std::string& bytes : raw) append_bytes(out, 6, bytes);
  return out;
}

std::string write_grpc_request(std::string_view model, std::string_view version,
                               std::span<const NamedTensor> inputs) {
  std::string out;
  append_bytes(out, 1, model);
  if (!version.empty()) append_bytes(out, 2, version);
  for (const NamedTensor& input : inputs) {
    std::string message;
    append_bytes(message, 1, input.name);
    append_bytes(message, 2, datatype_of(input.value.dtype()));
    append_packed(message, 3, input.value.dims());
    append_bytes(out, 5, message);
  }
  for (const NamedTensor& input : inputs) append_bytes(out, 7, binary_of(input.value));
  return out;
}

std::string write_grpc_metadata(std::string_view model, const std::vector<std::string>& versions,
                                const Signature& signature) {
  std::string out;
  append_bytes(out, 1, model);
  for (const std::string& version : versions) append_bytes(out, 2, version);
  append_bytes(out, 3, "onnx_onnxv1");
  for (const TensorSpec& spec : signature.inputs) append_spec(out, 4, spec);
  for (const TensorSpec& spec : signature.outputs) append_spec(out, 5, spec);
  return out;
}

Signature parse_grpc_metadata(std::string_view message) {
  Signature signature;
  WireReader reader(message);
  while (const auto field = reader.next()) {
    if (field->number != 4 && field->number != 5) continue;
    TensorSpec spec;
    WireReader tensor(bytes_in(*field));
    while (const auto member = tensor.next()) {
      if (member->number == 1) spec.name = bytes_in(*member);
      if (member->number == 2) {
        const auto dtype = dtype_from_datatype(bytes_in(*member));
        if (!dtype) refuse("unknown datatype '" + std::string(bytes_in(*member)) + "'");
        spec.dtype = *dtype;
      }
      if (member->number != 3) continue;
      WireReader packed(bytes_in(*member));
      while (!packed.at_end()) {
        const auto dim = static_cast<std::int64_t>(packed.varint());
        spec.shape.push_back(dim < 0 ? Dim() : Dim(dim));
      }
    }
    (field->number == 4 ? signature.inputs : signature.outputs).push_back(std::move(spec));
  }
  return signature;
}

std::string write_grpc_statistics(const Json& statistics) {
  constexpr std::array kDurations{"success",       "fail",           "queue",     "compute_input",
                                  "compute_infer", "compute_output", "cache_hit", "cache_miss"};
  const auto duration = [](std::string& out, std::uint32_t number, const Json& json) {
    std::string message;
    append_uint(message, 1, json.at("count").get<std::uint64_t>());
    append_uint(message, 2, json.at("ns").get<std::uint64_t>());
    append_bytes(out, number, message);
  };
  std::string out;
  for (const Json& model : statistics.at("model_stats")) {
    std::string message;
    append_bytes(message, 1, model.at("name").get<std::string>());
    append_bytes(message, 2, model.at("version").get<std::string>());
    append_uint(message, 3,
                static_cast<std::uint64_t>(model.at("last_inference").get<std::int64_t>()));
    append_uint(message, 4, model.at("inference_count").get<std::uint64_t>());
    append_uint(message, 5, model.at("execution_count").get<std::uint64_t>());
    std::string durations;
    for (std::size_t i = 0; i < kDurations.size(); ++i)
      duration(durations, static_cast<std::uint32_t>(i + 1),
               model.at("inference_stats").at(kDurations[i]));
    append_bytes(message, 6, durations);
    for (const Json& batch : model.at("batch_stats")) {
      std::string row;
      append_uint(row, 1, batch.at("batch_size").get<std::uint64_t>());
      duration(row, 2, batch.at("compute_input"));
      duration(row, 3, batch.at("compute_infer"));
      duration(row, 4, batch.at("compute_output"));
      append_bytes(message, 7, row);
    }
    append_bytes(out, 1, message);
  }
  return out;
}

}  // namespace planish::serve
