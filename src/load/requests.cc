#include <algorithm>

#include "load/http.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/bench/bench.h"
#include "planish/serve/datatypes.h"

namespace planish::load {
namespace {

TensorSpec spec_from(const Json& json) {
  TensorSpec spec;
  spec.name = json_get<std::string>(json, "name");
  const auto datatype = json_get<std::string>(json, "datatype");
  const auto dtype = serve::dtype_from_datatype(datatype);
  if (!dtype) {
    throw Error(ErrorCode::kUnsupported, "'" + spec.name + "' has datatype " + datatype +
                                             ", which planish cannot make requests of");
  }
  spec.dtype = *dtype;
  for (const Json& dim : json.at("shape")) {
    const auto number = dim.get<std::int64_t>();
    spec.shape.push_back(number < 0 ? Dim() : Dim(number));
  }
  return spec;
}

}  // namespace

Signature fetch_signature(const Endpoint& endpoint) {
  if (endpoint.transport == Transport::kGrpc) {
    return serve::fetch_grpc_signature(endpoint.server, endpoint.model, endpoint.version,
                                       endpoint.timeout);
  }
  const serve::HttpAnswer answer = http_get(endpoint, model_path(endpoint));
  if (answer.status == 404 || answer.status == 400) {
    throw Error(ErrorCode::kNotFound,
                to_string(endpoint.server) + " has no model '" + endpoint.model + "'" +
                    (endpoint.version.empty() ? std::string()
                                              : " with version " + endpoint.version + " loaded") +
                    ": " + answer.body.substr(0, 200));
  }
  if (answer.status != 200) {
    throw Error(ErrorCode::kUnavailable, to_string(endpoint.server) + " answers " +
                                             std::to_string(answer.status) + ": " +
                                             answer.body.substr(0, 200));
  }
  return in_context("metadata of '" + endpoint.model + "'", [&] {
    const Json json = parse_json(answer.body);
    Signature signature;
    try {
      for (const Json& input : json.at("inputs")) signature.inputs.push_back(spec_from(input));
      for (const Json& output : json.at("outputs")) signature.outputs.push_back(spec_from(output));
    } catch (const Json::exception& error) {
      throw Error(ErrorCode::kCorrupt, std::string("not the protocol's: ") + error.what());
    }
    return signature;
  });
}

Request tensor_request(const Endpoint& endpoint, std::span<const NamedTensor> inputs,
                       std::size_t batch) {
  if (endpoint.transport == Transport::kGrpc)
    return {serve::write_grpc_request(endpoint.model, endpoint.version, inputs), batch};
  Json header;
  std::string data;
  for (const NamedTensor& input : inputs) {
    const std::string bytes = serve::binary_of(input.value);
    header["inputs"].push_back({{"name", input.name},
                                {"shape", input.value.dims()},
                                {"datatype", serve::datatype_of(input.value.dtype())},
                                {"parameters", {{"binary_data_size", bytes.size()}}}});
    data += bytes;
  }
  header["parameters"]["binary_data_output"] = true;
  const std::string json = header.dump();
  return {post_bytes(endpoint, model_path(endpoint) + "/infer", json + data, json.size()), batch};
}

Request image_request(const Endpoint& endpoint, const Signature& signature,
                      std::span<const std::string> images) {
  if (signature.inputs.size() != 1) {
    throw Error(ErrorCode::kInvalidArgument, "'" + endpoint.model + "' has " +
                                                 std::to_string(signature.inputs.size()) +
                                                 " inputs; images can be sent to models with one");
  }
  const NamedTensor input{signature.inputs.front().name,
                          Tensor::of_strings({static_cast<std::int64_t>(images.size())},
                                             {images.begin(), images.end()})};
  return tensor_request(endpoint, {&input, 1}, images.size());
}

std::vector<Request> requests_of(const Endpoint& endpoint, const Signature& signature,
                                 const Dataset& data, std::size_t batch, std::size_t count,
                                 bool encoded) {
  const std::size_t wanted = std::min(count, std::max<std::size_t>(data.size() / batch, 1));
  std::vector<Request> requests;
  std::size_t next = 0;
  const auto take = [&] { return next++ % data.size(); };
  while (requests.size() < wanted) {
    if (encoded) {
      std::vector<std::string> images;
      for (std::size_t i = 0; i < batch; ++i) {
        const std::size_t at = take();
        auto image = data.encoded_image(at);
        if (!image) {
          throw Error(ErrorCode::kInvalidArgument,
                      data.name(at) + " is a tensor; expected a JPEG or PNG to send as it is");
        }
        images.push_back(std::move(*image));
      }
      requests.push_back(image_request(endpoint, signature, images));
    } else {
      std::vector<Sample> samples;
      for (std::size_t i = 0; i < batch; ++i) samples.push_back(data.read(take()));
      requests.push_back(tensor_request(endpoint, stack_samples(samples, batch), batch));
    }
  }
  return requests;
}

}  // namespace planish::load
