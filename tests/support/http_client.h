// A client of HTTP/1.1 that does one thing after another, on a real socket.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace planish::test {

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> headers = {};  // names in lower case
  std::string body = {};
};

/// One connection to 127.0.0.1. @throws std::runtime_error when the peer ends it.
class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  HttpReply get(std::string_view path) { return request("GET", path); }
  HttpReply post(std::string_view path, std::string_view body,
                 const std::map<std::string, std::string>& headers = {
                     {"Content-Type", "application/json"}}) {
    return request("POST", path, body, headers);
  }
  HttpReply request(std::string_view method, std::string_view path, std::string_view body = {},
                    const std::map<std::string, std::string>& headers = {});
  void send(std::string_view bytes);
  /// The next reply. `has_body`: false for the answer to HEAD.
  HttpReply receive(bool has_body = true);

 private:
  std::string read_until(std::string_view end);
  std::string read_bytes(std::size_t count);
  void fill();

  int socket_ = -1;
  std::string buffer_;
};

}  // namespace planish::test
