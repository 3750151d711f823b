#include "load/http.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "planish/base/error.h"

namespace planish::load {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

/// Answers that are not inferences: metadata, statistics.
constexpr std::size_t kMaxAnswerBytes = std::size_t{16} << 20;

/// A path segment (RFC 3986, 2.3: what is not unreserved is escaped).
std::string escaped(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                            (byte >= '0' && byte <= '9') || c == '-' || c == '.' || c == '_' ||
                            c == '~';
    if (unreserved) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

}  // namespace

std::string model_path(const Endpoint& endpoint) {
  std::string path = "/v2/models/" + escaped(endpoint.model);
  if (!endpoint.version.empty()) path += "/versions/" + escaped(endpoint.version);
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

HttpAnswer http_get(const Endpoint& endpoint, const std::string& path) {
  try {
    asio::io_context context;
    asio::ip::tcp::resolver resolver(context);
    beast::tcp_stream stream(context);
    HttpAnswer answer;
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxAnswerBytes);
    http::request<http::empty_body> request(http::verb::get, path, 11);
    request.set(http::field::host, to_string(endpoint.server));
    request.keep_alive(false);
    // Asynchronous, since only those operations know the stream's deadline.
    boost::system::error_code failure;
    const auto step = [&](boost::system::error_code result) { failure = result; };
    const auto run = [&](std::string_view what) {
      context.restart();
      context.run();
      if (failure) {
        throw Error(ErrorCode::kUnavailable, "no answer from " + to_string(endpoint.server) + " (" +
                                                 std::string(what) + ": " + failure.message() +
                                                 "); is the server running there?");
      }
    };
    const auto where = resolver.resolve(endpoint.server.host, std::to_string(endpoint.server.port));
    stream.expires_after(endpoint.timeout);
    stream.async_connect(where,
                         [&](boost::system::error_code result, const auto&) { step(result); });
    run("connecting");
    http::async_write(stream, request,
                      [&](boost::system::error_code result, std::size_t) { step(result); });
    run("sending");
    http::async_read(stream, buffer, parser,
                     [&](boost::system::error_code result, std::size_t) { step(result); });
    run("reading");
    answer.status = static_cast<int>(parser.get().result_int());
    answer.body = std::move(parser.get().body());
    return answer;
  } catch (const boost::system::system_error& error) {
    throw Error(ErrorCode::kUnavailable,
                "cannot reach " + to_string(endpoint.server) + ": " + error.code().message());
  }
}

}  // namespace planish::load
