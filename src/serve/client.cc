#include "planish/serve/client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/rpc/rpc.h"
#include "serve/grpc_protocol.h"
#include "serve/wire.h"

namespace planish::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

/// Answers that are not inferences: metadata, statistics.
constexpr std::size_t kMaxAnswerBytes = std::size_t{16} << 20;

}  // namespace

/// RFC 3986, 2.3: what is not unreserved is escaped.
std::string path_segment(std::string_view text) {
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

HttpAnswer http_get(const Address& server, const std::string& path,
                    std::chrono::milliseconds timeout, std::string_view token) {
  try {
    asio::io_context context;
    asio::ip::tcp::resolver resolver(context);
    beast::tcp_stream stream(context);
    HttpAnswer answer;
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxAnswerBytes);
    http::request<http::empty_body> request(http::verb::get, path, 11);
    request.set(http::field::host, to_string(server));
    request.keep_alive(false);
    if (!token.empty()) request.set(http::field::authorization, "Bearer " + std::string(token));
    // Asynchronous, since only those operations know the stream's deadline.
    boost::system::error_code failure;
    const auto step = [&](boost::system::error_code result) { failure = result; };
    const auto run = [&](std::string_view what) {
      context.restart();
      context.run();
      if (failure) {
        throw Error(ErrorCode::kUnavailable, "no answer from " + to_string(server) + " (" +
                                                 std::string(what) + ": " + failure.message() +
                                                 "); is the server running there?");
      }
    };
    const auto where = resolver.resolve(server.host, std::to_string(server.port));
    stream.expires_after(timeout);
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
                "cannot reach " + to_string(server) + ": " + error.code().message());
  }
}

std::vector<ShadowReport> fetch_shadow_reports(const Address& server, const std::string& model,
                                               std::chrono::milliseconds timeout,
                                               std::string_view token) {
  const HttpAnswer answer =
      http_get(server, "/v2/models/" + path_segment(model) + "/shadow", timeout, token);
  return in_context(to_string(server), [&] {
    if (answer.status != 200) {
      throw Error(ErrorCode::kUnavailable,
                  "status " + std::to_string(answer.status) + ": " + answer.body.substr(0, 500));
    }
    std::vector<ShadowReport> reports;
    for (const Json& json : json_get<Json>(parse_json(answer.body), "shadows"))
      reports.push_back(shadow_report_from(json));
    return reports;
  });
}

Signature fetch_grpc_signature(const Address& server, std::string_view model,
                               std::string_view version, std::chrono::milliseconds timeout) {
  std::string request;
  append_bytes(request, 1, model);
  append_bytes(request, 2, version);
  rpc::Channel channel(to_string(server), kMaxAnswerBytes);
  return in_context(to_string(server), [&] {
    return parse_grpc_metadata(
        channel.call("/inference.GRPCInferenceService/ModelMetadata", request, timeout));
  });
}

}  // namespace planish::serve
