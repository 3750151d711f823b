// The HTTP that a load generator needs: bytes that are made once, and answers that are read whole.
#pragma once

#include <string>
#include <string_view>

#include "planish/load/load.h"
#include "planish/serve/client.h"

namespace planish::load {

/// "/v2/models/NAME[/versions/V]", with what a path may not hold escaped.
std::string model_path(const Endpoint& endpoint);

/// A POST as it goes over the wire. `header_bytes`: of the JSON in front of binary data.
std::string post_bytes(const Endpoint& endpoint, std::string_view path, std::string_view body,
                       std::size_t header_bytes);

/// One GET on a connection of its own. @throws Error(kUnavailable).
serve::HttpAnswer http_get(const Endpoint& endpoint, const std::string& path);

}  // namespace planish::load
