// The Open Inference Protocol's gRPC messages: bytes to requests, results to bytes. Pure functions:
// no gRPC, no protobuf. The schema is proto/open_inference.proto.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "serve/protocol.h"

namespace planish::serve {

/// The model that a request is for: fields 1 and 2 of ModelInfer, ModelReady, ModelMetadata, ….
struct NamedModel {
  std::string name = {};
  std::string version = {};  // "": the active one
};
NamedModel parse_named_model(std::string_view message);

/// Reads a ModelInferRequest. Tensors of raw_input_contents are views of `body`.
/// @throws Error(kInvalidArgument) for everything that the conformance list refuses.
InferRequest parse_grpc_infer(const Body& body, const InferContext& context);

/// A ModelInferResponse; outputs go into raw_output_contents, as every client takes them.
/// `outputs`: one tensor per output of `signature`, in its order.
std::string write_grpc_infer(const InferRequest& request, const Signature& signature,
                             const std::vector<Tensor>& outputs, const ResponseFrame& frame);

/// A ModelMetadataResponse.
std::string write_grpc_metadata(std::string_view model, const std::vector<std::string>& versions,
                                const Signature& signature);
/// The signature that a ModelMetadataResponse describes. For clients.
Signature parse_grpc_metadata(std::string_view message);

/// A ModelStatisticsResponse of the JSON that write_statistics makes.
std::string write_grpc_statistics(const Json& statistics);

}  // namespace planish::serve
