// HTTP/1.1 on a port: connections, limits, timeouts. What a request means is the handler's.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "planish/serve/server.h"

namespace planish::serve {

struct HttpRequest {
  std::string method = {};
  std::string path = {};  // without the query; not decoded
  std::string body = {};  // with kBodyPadding of spare capacity
  std::string content_type = {};
  std::string content_encoding = {};
  std::string authorization = {};
  std::string host = {};
  std::string origin = {};
  std::string traceparent = {};
  std::optional<std::string> inference_header_length = {};
  std::chrono::steady_clock::time_point received = {};  // when its last byte was read
  std::stop_token gone = {};  // the client closed the connection: nobody waits for the answer
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// Call once, from any thread.
using Respond = std::function<void(HttpResponse)>;
/// Called on the listener's thread: must not wait.
using HttpHandler = std::function<void(HttpRequest, Respond)>;

struct HttpLimits {
  std::size_t max_body_bytes = std::size_t{64} << 20;
  std::size_t max_header_bytes = std::size_t{16} << 10;
  std::size_t max_connections = 1024;
  std::chrono::seconds idle_timeout{75};
  std::chrono::seconds read_timeout{30};  // of one request, from its first byte to its last
};

/// A port, and one thread that serves all its connections.
class HttpListener {
 public:
  /// @throws Error(kUnavailable) when the port is taken.
  HttpListener(const Address& address, const HttpLimits& limits, HttpHandler handler);
  /// Closes every connection.
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  [[nodiscard]] Address address() const;
  /// From now on every response is the last of its connection, so that clients go elsewhere.
  void end_connections();
  /// New connections are refused, those that wait to be accepted are still served; besides as
  /// end_connections().
  void stop_accepting();
  /// Ends the thread; connections stand still. Requests under way are told that their client is
  /// gone; an answer that still comes is let go.
  void shut();
  /// Connections that are open.
  [[nodiscard]] std::size_t connections() const;
  /// Requests whose header is read and whose response is not written yet.
  [[nodiscard]] std::size_t requests() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace planish::serve
