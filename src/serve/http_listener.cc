#include "serve/http_listener.h"

#include <sys/socket.h>

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <thread>
#include <unordered_set>

#include "planish/base/error.h"
#include "serve/protocol.h"

namespace planish::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;

constexpr std::string_view kHeaderLength = "Inference-Header-Content-Length";

HttpRequest taken(http::request<http::string_body>&& message) {
  HttpRequest request;
  request.received = std::chrono::steady_clock::now();
  request.method = std::string(message.method_string());
  const std::string_view target(message.target().data(), message.target().size());
  request.path = std::string(target.substr(0, target.find('?')));
  const auto field = [&](auto name) { return std::string(message[name]); };
  request.content_type = field(http::field::content_type);
  request.content_encoding = field(http::field::content_encoding);
  request.authorization = field(http::field::authorization);
  request.host = field(http::field::host);
  request.origin = field(http::field::origin);
  request.traceparent = field("traceparent");
  if (message.find(std::string(kHeaderLength)) != message.end())
    request.inference_header_length = field(std::string(kHeaderLength));
  request.body = std::move(message.body());
  return request;
}

http::response<http::string_body> message_of(HttpResponse response, unsigned version,
                                             bool keep_alive, bool is_head) {
  http::response<http::string_body> message(static_cast<http::status>(response.status), version);
  message.set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) message.set(name, value);
  message.keep_alive(keep_alive);
  message.body() = std::move(response.body);
  message.prepare_payload();
  if (is_head) message.body().clear();
  return message;
}

}  // namespace

class HttpListener::Impl {
 public:
  Impl(const Address& address, const HttpLimits& limits, HttpHandler handler)
      : limits_(limits), handler_(std::move(handler)), acceptor_(context_) {
    try {
      const Tcp::endpoint endpoint(asio::ip::make_address(address.host), address.port);
      acceptor_.open(endpoint.protocol());
      acceptor_.set_option(asio::socket_base::reuse_address(true));
      acceptor_.bind(endpoint);
      acceptor_.listen();
    } catch (const boost::system::system_error& error) {
      throw Error(ErrorCode::kUnavailable,
                  "cannot listen on " + to_string(address) + ": " + error.code().message());
    }
    address_ = Address{address.host, acceptor_.local_endpoint().port()};
    asio::co_spawn(context_, accept(), asio::detached);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Impl() { shut(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] const Address& address() const { return address_; }
  void end_connections() { stopping_ = true; }
  void stop_accepting() {
    stopping_ = true;
    asio::post(context_, [this] { close_acceptor(); });
  }
  void shut() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
    for (const auto& watch : watches_) watch->gone.request_stop();
  }
  [[nodiscard]] std::size_t connections() const { return connections_; }
  [[nodiscard]] std::size_t requests() const { return requests_; }

 private:
  void admit(Tcp::socket socket) {
    if (connections_ >= limits_.max_connections) return;  // closes it
    ++connections_;
    asio::co_spawn(context_, serve(beast::tcp_stream(std::move(socket))), asio::detached);
  }

  /// Clients whose connection the kernel took already are served: closing would cut them off.
  void close_acceptor() {
    boost::system::error_code failure;
    acceptor_.cancel(failure);
    acceptor_.non_blocking(true, failure);
    while (acceptor_.is_open()) {
      Tcp::socket socket = acceptor_.accept(failure);
      if (failure) break;
      admit(std::move(socket));
    }
    acceptor_.close(failure);
  }

  asio::awaitable<void> accept() {
    for (;;) {
      boost::system::error_code failure;
      Tcp::socket socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, failure));
      if (failure == asio::error::operation_aborted || !acceptor_.is_open()) co_return;
      if (failure) continue;  // out of descriptors, or the client is gone already
      admit(std::move(socket));
    }
  }

  asio::awaitable<void> serve(beast::tcp_stream stream) {
    try {
      boost::system::error_code ignored;
      stream.socket().set_option(Tcp::no_delay(true), ignored);
      beast::flat_buffer buffer(limits_.max_header_bytes + (std::size_t{64} << 10));
      while (co_await serve_one(stream, buffer)) {
      }
      stream.socket().shutdown(Tcp::socket::shutdown_send, ignored);
    } catch (const std::exception&) {
      // The client went away, was too slow, or does not speak HTTP: nobody is left to tell.
    }
    --connections_;
  }

  /// One request and its response; whether another may follow.
  asio::awaitable<bool> serve_one(beast::tcp_stream& stream, beast::flat_buffer& buffer) {
    http::request_parser<http::string_body> parser;
    parser.header_limit(static_cast<std::uint32_t>(limits_.max_header_bytes));
    parser.body_limit(limits_.max_body_bytes);
    boost::system::error_code failure;
    stream.expires_after(limits_.idle_timeout);
    co_await http::async_read_header(stream, buffer, parser,
                                     asio::redirect_error(asio::use_awaitable, failure));
    if (failure == http::error::end_of_stream) co_return false;
    if (failure) co_return co_await refuse(stream, failure);
    ++requests_;
    const Counted counted{requests_};
    if (const auto length = parser.content_length()) {
      if (*length > limits_.max_body_bytes)
        co_return co_await refuse(stream, http::error::body_limit);
      // So that the JSON parser may read beyond the end.
      parser.get().body().reserve(static_cast<std::size_t>(*length) + kBodyPadding);
    }
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      http::response<http::empty_body> go_on(http::status::continue_, 11);
      co_await http::async_write(stream, go_on, asio::use_awaitable);
    }
    stream.expires_after(limits_.read_timeout);
    co_await http::async_read(stream, buffer, parser,
                              asio::redirect_error(asio::use_awaitable, failure));
    if (failure) co_return co_await refuse(stream, failure);

    const unsigned version = parser.get().version();
    const bool is_head = parser.get().method() == http::verb::head;
    const bool wants_more = parser.get().keep_alive();
    stream.expires_never();
    HttpRequest request = taken(parser.release());
    const auto watch = watch_for_end(stream.socket(), request);
    HttpResponse response = co_await handled(std::move(request));
    watch->is_over = true;
    watches_.erase(watch);
    boost::system::error_code ignored;
    stream.socket().cancel(ignored);
    const bool keep_alive = wants_more && !stopping_;
    auto message = message_of(std::move(response), version, keep_alive, is_head);
    stream.expires_after(limits_.read_timeout);
    co_await http::async_write(stream, message, asio::use_awaitable);
    co_return keep_alive;
  }

  /// Tells a request when its client closes the connection. (A client that only closes its sending
  /// side cannot be told from one that is gone; as with most servers it is taken for gone.)
  struct Watch {
    std::stop_source gone;
    bool is_over = false;  // the response is there
  };
  std::shared_ptr<Watch> watch_for_end(Tcp::socket& socket, HttpRequest& request) {
    auto watch = std::make_shared<Watch>();
    watches_.insert(watch);
    request.gone = watch->gone.get_token();
    socket.async_wait(Tcp::socket::wait_read, [watch, &socket](boost::system::error_code failure) {
      if (failure || watch->is_over) return;  // the socket may not be there any more
      char next = 0;
      const auto got = ::recv(socket.native_handle(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
      // More bytes are the next request of an impatient client.
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) watch->gone.request_stop();
    });
    return watch;
  }

  /// The handler's answer, whichever thread gives it.
  asio::awaitable<HttpResponse> handled(HttpRequest request) {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(HttpResponse)>(
        [this](auto completion, HttpRequest taken_request) {
          auto shared = std::make_shared<decltype(completion)>(std::move(completion));
          handler_(std::move(taken_request), [this, shared](HttpResponse response) {
            asio::post(context_, [shared, response = std::move(response)]() mutable {
              (*shared)(std::move(response));
            });
          });
        },
        asio::use_awaitable, std::move(request));
  }

  asio::awaitable<bool> refuse(beast::tcp_stream& stream, boost::system::error_code failure) {
    HttpResponse response;
    if (failure == http::error::body_limit) {
      response.status = 413;
      response.body =
          write_error("the body is longer than the " + std::to_string(limits_.max_body_bytes) +
                      " bytes that this server takes");
    } else if (failure == http::error::header_limit) {
      response.status = 431;
      response.body = write_error("the header is too long");
    } else if (failure.category() == http::make_error_code(http::error::bad_value).category() &&
               failure != http::error::partial_message) {
      response.status = 400;
      response.body = write_error("not HTTP: " + failure.message());
    } else {
      co_return false;  // the connection ended, or it was idle for too long
    }
    auto message = message_of(std::move(response), 11, false, false);
    co_await http::async_write(stream, message, asio::use_awaitable);
    co_return false;
  }

  struct Counted {
    std::atomic<std::size_t>& count;
    ~Counted() { --count; }
  };

  const HttpLimits limits_;
  const HttpHandler handler_;
  asio::io_context context_{1};
  Tcp::acceptor acceptor_;
  Address address_;
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> requests_{0};
  std::atomic<bool> stopping_{false};
  std::unordered_set<std::shared_ptr<Watch>> watches_;  // the thread's; of requests under way
  std::thread thread_;
};

HttpListener::HttpListener(const Address& address, const HttpLimits& limits, HttpHandler handler)
    : impl_(std::make_unique<Impl>(address, limits, std::move(handler))) {}
HttpListener::~HttpListener() = default;
Address HttpListener::address() const { return impl_->address(); }
void HttpListener::end_connections() { impl_->end_connections(); }
void HttpListener::stop_accepting() { impl_->stop_accepting(); }
void HttpListener::shut() { impl_->shut(); }
std::size_t HttpListener::connections() const { return impl_->connections(); }
std::size_t HttpListener::requests() const { return impl_->requests(); }

}  // namespace planish::serve
