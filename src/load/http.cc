#include "load/http.h"

namespace planish::load {

std::string model_path(const Endpoint& endpoint) {
  std::string path = "/v2/models/" + serve::path_segment(endpoint.model);
  if (!endpoint.version.empty()) path += "/versions/" + serve::path_segment(endpoint.version);
  return path;
}

std::string post_bytes(const Endpoint& endpoint, std::string_view path, std::string_view body,
                       std::size_t header_bytes) {
  std::string out = "POST ";
  out += path;
  out += " HTTP/1.1\r\nHost: " + to_string(endpoint.server);
  out += "\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: ";
  out += std::to_string(header_bytes);
  out += "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  out += body;
  return out;
}

serve::HttpAnswer http_get(const Endpoint& endpoint, const std::string& path) {
  return serve::http_get(endpoint.server, path, endpoint.timeout);
}

}  // namespace planish::load
