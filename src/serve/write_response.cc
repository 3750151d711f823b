#include <algorithm>

#include "planish/base/error.h"
#include "planish/serve/datatypes.h"
#include "serve/json_text.h"
#include "serve/protocol.h"
#include "serve/tensor_reading.h"

namespace planish::serve {
namespace {

template <typename T>
void append_values(std::string& out, const Tensor& tensor) {
  bool first = true;
  for (const T value : tensor.values<T>()) {
    if (!first) out += ',';
    first = false;
    if constexpr (std::is_floating_point_v<T>)
      append_float(out, value);
    else
      append_number(out, value);
  }
}

void append_data(std::string& out, const Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::kFloat32:
      return append_values<float>(out, tensor);
    case DType::kFloat64:
      return append_values<double>(out, tensor);
    case DType::kUInt8:
      return append_values<std::uint8_t>(out, tensor);
    case DType::kUInt16:
      return append_values<std::uint16_t>(out, tensor);
    case DType::kUInt32:
      return append_values<std::uint32_t>(out, tensor);
    case DType::kUInt64:
      return append_values<std::uint64_t>(out, tensor);
    case DType::kInt8:
      return append_values<std::int8_t>(out, tensor);
    case DType::kInt16:
      return append_values<std::int16_t>(out, tensor);
    case DType::kInt32:
      return append_values<std::int32_t>(out, tensor);
    case DType::kInt64:
      return append_values<std::int64_t>(out, tensor);
    case DType::kBool: {
      bool first = true;
      for (const std::byte value : tensor.bytes()) {
        out += first ? "" : ",";
        first = false;
        out += value == std::byte{0} ? "false" : "true";
      }
      return;
    }
    case DType::kString: {
      bool first = true;
      for (const std::string& value : tensor.strings()) {
        if (!first) out += ',';
        first = false;
        append_string(out, value);
      }
      return;
    }
    default:
      throw Error(ErrorCode::kInvalidArgument, "an output of datatype " +
                                                   std::string(datatype_of(tensor.dtype())) +
                                                   " has no JSON form; ask for binary data");
  }
}

}  // namespace

InferResponse write_infer_response(const InferRequest& request, const Signature& signature,
                                   const std::vector<Tensor>& outputs, const ResponseFrame& frame) {
  InferResponse response;
  std::string& json = response.body;
  std::string binary;
  bool has_binary = false;
  json += "{\"model_name\":";
  append_string(json, frame.model);
  json += ",\"model_version\":";
  append_string(json, frame.version);
  if (frame.id) {
    json += ",\"id\":";
    append_string(json, *frame.id);
  }
  json += ",\"outputs\":[";
  bool first = true;
  const auto write_one = [&](const OutputRequest& wanted, Tensor tensor) {
    if (wanted.classes > 0) tensor = classified(tensor, wanted.classes, frame.class_names);
    json += first ? "{\"name\":" : ",{\"name\":";
    first = false;
    append_string(json, wanted.name);
    json += ",\"datatype\":\"";
    json += datatype_of(tensor.dtype());
    json += "\",\"shape\":";
    append_shape(json, tensor.dims());
    if (wanted.binary.value_or(request.binary_outputs)) {
      has_binary = true;
      const std::string bytes = binary_of(tensor);
      json += ",\"parameters\":{\"binary_data_size\":";
      append_number(json, bytes.size());
      json += "}}";
      binary += bytes;
    } else {
      json += ",\"data\":[";
      append_data(json, tensor);
      json += "]}";
    }
  };
  for (std::size_t i = 0; request.outputs.empty() && i < outputs.size(); ++i)
    write_one(OutputRequest{signature.outputs[i].name, {}, 0}, outputs[i]);
  for (const OutputRequest& wanted : request.outputs) {
    const auto at = std::ranges::find(signature.outputs, wanted.name, &TensorSpec::name);
    write_one(wanted, outputs[static_cast<std::size_t>(at - signature.outputs.begin())]);
  }
  json += "]}";
  if (has_binary) {
    response.json_bytes = json.size();
    json += binary;
  }
  return response;
}

}  // namespace planish::serve
