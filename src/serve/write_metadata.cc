// What a model says of itself.
#include "planish/base/json.h"
#include "planish/serve/datatypes.h"
#include "serve/json_text.h"
#include "serve/protocol.h"

namespace planish::serve {
namespace {

std::vector<std::int64_t> dims_of(const TensorSpec& spec) {
  std::vector<std::int64_t> dims;
  for (const Dim& dim : spec.shape) dims.push_back(dim.number().value_or(-1));
  return dims;
}

void append_specs(std::string& out, const std::vector<TensorSpec>& specs,
                  const PreprocessSpec* preprocess) {
  out += '[';
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (i > 0) out += ',';
    out += "{\"name\":";
    append_string(out, specs[i].name);
    out += ",\"datatype\":\"";
    out += datatype_of(specs[i].dtype);
    out += "\",\"shape\":";
    append_shape(out, dims_of(specs[i]));
    if (preprocess != nullptr) out += ",\"parameters\":{\"accepts_images\":true}";
    out += '}';
  }
  out += ']';
}

/// "TYPE_FP32"; BYTES is TYPE_STRING there.
std::string config_type(DType dtype) {
  std::string type = "TYPE_";
  type += dtype == DType::kString ? "STRING" : datatype_of(dtype);
  return type;
}

Json config_specs(const std::vector<TensorSpec>& specs) {
  Json list = Json::array();
  for (const TensorSpec& spec : specs) {
    list.push_back(
        {{"name", spec.name}, {"data_type", config_type(spec.dtype)}, {"dims", dims_of(spec)}});
  }
  return list;
}

}  // namespace

std::string write_config(std::string_view model, const Signature& signature) {
  Json json;
  json["name"] = model;
  json["platform"] = "onnxruntime_onnx";
  json["backend"] = "onnxruntime";
  json["max_batch_size"] = 0;  // dims hold the batch, as the model's own shapes do
  json["input"] = config_specs(signature.inputs);
  json["output"] = config_specs(signature.outputs);
  return json.dump();
}

std::string write_metadata(std::string_view model, const std::vector<std::string>& versions,
                           const Signature& signature, const PreprocessSpec* preprocess) {
  std::string out = "{\"name\":";
  append_string(out, model);
  out += ",\"versions\":[";
  for (std::size_t i = 0; i < versions.size(); ++i) {
    if (i > 0) out += ',';
    append_string(out, versions[i]);
  }
  out += "],\"platform\":\"onnx_onnxv1\",\"inputs\":";
  append_specs(out, signature.inputs, preprocess);
  out += ",\"outputs\":";
  append_specs(out, signature.outputs, nullptr);
  return out + '}';
}

std::string write_error(std::string_view message) {
  std::string out = "{\"error\":";
  append_string(out, message);
  return out + '}';
}

}  // namespace planish::serve
