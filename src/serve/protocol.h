// The Open Inference Protocol, version 2, and its binary tensor extension: bodies to requests,
// results to bodies. Pure functions: no sockets, no sessions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/preprocess/preprocess.h"
#include "planish/runtime/session.h"

namespace planish::serve {

/// The body of a request. `bytes` has kBodyPadding more bytes of capacity than it uses, which the
/// JSON parser may read.
inline constexpr std::size_t kBodyPadding = 64;
using Body = std::shared_ptr<const std::string>;
/// `bytes` with the capacity that Body wants.
Body make_body(std::string bytes);

struct OutputRequest {
  std::string name = {};
  std::optional<bool> binary = {};  // nothing: as InferRequest::binary_outputs says
  std::size_t classes = 0;          // > 0: the highest so many, as "value:index[:label]"
};

struct InferRequest {
  std::optional<std::string> id = {};
  std::vector<NamedTensor> inputs = {};     // in the signature's element types
  std::vector<std::string> images = {};     // as they were sent, where inputs are made of images
  std::vector<OutputRequest> outputs = {};  // empty: all
  bool binary_outputs = false;
  std::optional<std::chrono::microseconds> timeout = {};  // how long it may wait and run
};

/// What a request is read against.
struct InferContext {
  const Signature& signature;
  const PreprocessSpec* preprocess = nullptr;       // null: no images as inputs
  std::size_t max_elements = std::size_t{1} << 28;  // of one input
  ImageLimits images = {};
};

/// Reads a request. `json_bytes`: the value of Inference-Header-Content-Length when there is one;
/// 0 is a raw request, whose body is the one input. A BYTES input of a model whose input is no
/// string is a batch of JPEG or PNG images, which the version's own preprocessing turns into it.
/// @throws Error(kInvalidArgument) for everything that the conformance list refuses, naming the
///   input, what was found and what was expected; kUnsupported for what planish does not do.
InferRequest parse_infer_request(const Body& body, std::optional<std::size_t> json_bytes,
                                 const InferContext& context);

/// The names that the response has beside the outputs.
struct ResponseFrame {
  std::string_view model = {};
  std::string version = {};
  const std::optional<std::string>& id;
  const std::vector<std::string>& class_names;  // empty: none known
};

struct InferResponse {
  std::string body = {};
  std::optional<std::size_t> json_bytes = {};  // set when binary tensors follow the JSON
};

/// `outputs`: one tensor per output of `signature`, in its order.
/// @throws Error(kInvalidArgument) when FP16 outputs are asked for as JSON.
InferResponse write_infer_response(const InferRequest& request, const Signature& signature,
                                   const std::vector<Tensor>& outputs, const ResponseFrame& frame);

/// Metadata of a model, `GET /v2/models/NAME`; a variable dimension is -1.
std::string write_metadata(std::string_view model, const std::vector<std::string>& versions,
                           const Signature& signature, const PreprocessSpec* preprocess);

/// What clients of the model configuration extension ask for: names, types, shapes. The protocol
/// leaves its content to the server; the members are those that perf_analyzer and tritonclient
/// read.
std::string write_config(std::string_view model, const Signature& signature);

/// {"error": "…"}.
std::string write_error(std::string_view message);

}  // namespace planish::serve
