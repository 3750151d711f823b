// What other commands ask a running server.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "planish/runtime/session.h"
#include "planish/serve/server.h"
#include "planish/serve/shadow.h"

namespace planish::serve {

struct HttpAnswer {
  int status = 0;
  std::string body = {};
};

/// One GET on a connection of its own. `token`: of the admin port; "": none.
/// @throws Error(kUnavailable) when nobody answers within `timeout`.
HttpAnswer http_get(const Address& server, const std::string& path,
                    std::chrono::milliseconds timeout, std::string_view token = {});

/// `text` as one segment of a path.
std::string path_segment(std::string_view text);

/// The shadows of `model`. @throws Error(kUnavailable) when the server is not there, or answers
/// with an error; kInvalidArgument when its answer is none of planish's.
std::vector<ShadowReport> fetch_shadow_reports(const Address& server, const std::string& model,
                                               std::chrono::milliseconds timeout,
                                               std::string_view token = {});

/// A ModelInferRequest of the gRPC protocol, its tensors as raw bytes.
std::string write_grpc_request(std::string_view model, std::string_view version,
                               std::span<const NamedTensor> inputs);

/// What the server says by gRPC that the model takes and gives; a dimension of -1 is unknown.
/// @throws Error(kUnavailable), kNotFound; kUnsupported in a build without gRPC.
Signature fetch_grpc_signature(const Address& server, std::string_view model,
                               std::string_view version, std::chrono::milliseconds timeout);

}  // namespace planish::serve
