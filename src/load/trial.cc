#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <deque>
#include <memory>

#include "load/server_times.h"
#include "planish/base/error.h"
#include "planish/rpc/rpc.h"

namespace planish::load {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

constexpr std::size_t kMaxAnswerBytes = std::size_t{1} << 30;
constexpr std::string_view kInferMethod = "/inference.GRPCInferenceService/ModelInfer";
/// After a connection that could not be made: a server that is gone is not asked without pause.
constexpr std::chrono::milliseconds kPause{10};

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}
Clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

struct Connection {
  Connection(asio::io_context& context, const Endpoint& endpoint) : stream(context) {
    if (endpoint.transport == Transport::kGrpc)
      channel.emplace(to_string(endpoint.server), kMaxAnswerBytes);
  }
  beast::tcp_stream stream;
  beast::flat_buffer buffer;
  bool is_open = false;
  std::optional<rpc::Channel> channel;  // by gRPC, instead of the stream
};

/// What one stretch of load left behind.
struct Record {
  std::vector<double> latency_ms;
  std::vector<double> lag_ms;
  std::size_t inferences = 0;
  double send_ms = 0.0, receive_ms = 0.0;
  std::map<int, std::size_t> failures;
  std::string first_failure;
  TimePoint last_answer;

  void fail(int status, std::string text) {
    if (failures.empty()) first_failure = std::move(text);
    ++failures[status];
  }
};

class Generator {
 public:
  Generator(const Endpoint& endpoint, std::span<const Request> requests, const TrialConfig& config)
      : endpoint_(endpoint), requests_(requests), config_(config) {
    try {
      asio::ip::tcp::resolver resolver(context_);
      const auto found =
          resolver.resolve(endpoint.server.host, std::to_string(endpoint.server.port));
      where_.assign(found.begin(), found.end());
    } catch (const boost::system::system_error& error) {
      throw Error(ErrorCode::kUnavailable,
                  "cannot find " + to_string(endpoint.server) + ": " + error.code().message());
    }
  }

  /// Load for `seconds`, and until what is under way then has ended.
  Record run(double seconds, std::uint64_t seed, const ProgressSink& progress,
             const std::stop_token& stop) {
    record_ = {};
    const TimePoint start = Clock::now();
    const TimePoint end = start + duration_of(seconds);
    context_.restart();
    const std::stop_callback on_stop(stop, [this] { context_.stop(); });
    if (config_.rate)
      spawn(arrive(ArrivalTimes(*config_.rate, config_.arrivals, seed), start, end));
    else
      for (std::size_t i = 0; i < config_.concurrency; ++i) spawn(repeat(connection(), end));
    if (progress) spawn(tell(progress, start, end));
    context_.run();
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "interrupted");
    if (failure_) std::rethrow_exception(failure_);
    return std::move(record_);
  }

 private:
  void spawn(asio::awaitable<void> work) {
    asio::co_spawn(context_, std::move(work), [this](const std::exception_ptr& failure) {
      if (failure && !failure_) failure_ = failure;
    });
  }

  Connection& connection() {
    if (idle_.empty())
      return *connections_.emplace_back(std::make_unique<Connection>(context_, endpoint_));
    Connection& last = *idle_.back();
    idle_.pop_back();
    return last;
  }

  // Closed loop.
  asio::awaitable<void> repeat(Connection& connection, TimePoint end) {
    while (Clock::now() < end) co_await exchange(connection, Clock::now());
    idle_.push_back(&connection);
  }

  // Open loop: arrivals wait for a free connection, and their clocks run meanwhile.
  asio::awaitable<void> arrive(ArrivalTimes times, TimePoint start, TimePoint end) {
    asio::steady_timer timer(context_);
    for (TimePoint at = start + times.next(); at < end; at = start + times.next()) {
      if (at > Clock::now()) {
        timer.expires_at(at);
        co_await timer.async_wait(asio::use_awaitable);
      } else {
        co_await asio::post(asio::use_awaitable);  // the others are never kept waiting
      }
      if (idle_.empty() && connections_.size() >= config_.max_connections) {
        waiting_.push_back(at);
      } else {
        record_.lag_ms.push_back(milliseconds(Clock::now() - at));
        spawn(serve_arrivals(connection(), at));
      }
    }
  }

  asio::awaitable<void> serve_arrivals(Connection& connection, TimePoint at) {
    co_await exchange(connection, at);
    while (!waiting_.empty()) {
      const TimePoint next = waiting_.front();
      waiting_.pop_front();
      co_await exchange(connection, next);
    }
    idle_.push_back(&connection);
  }

  asio::awaitable<void> tell(ProgressSink progress, TimePoint start, TimePoint end) {
    constexpr std::chrono::milliseconds kStep{200};
    asio::steady_timer timer(context_);
    const auto ms = [](Clock::duration d) { return static_cast<std::uint64_t>(milliseconds(d)); };
    for (TimePoint at = start; at < end; at += kStep) {
      timer.expires_at(at);
      co_await timer.async_wait(asio::use_awaitable);
      progress(ProgressEvent{"load", ms(at - start), ms(end - start)});
    }
  }

  /// One request and its answer. A failure is an outcome, and closes the connection.
  asio::awaitable<void> exchange(Connection& connection, TimePoint due) {
    std::string failure;
    try {
      if (connection.channel)
        co_await call(connection, due);
      else
        co_await exchange_or_throw(connection, due);
    } catch (const boost::system::system_error& error) {
      failure = error.code().message();
    }
    if (failure.empty()) co_return;
    record_.fail(0, failure);
    close(connection);
    asio::steady_timer pause(context_, kPause);
    co_await pause.async_wait(asio::use_awaitable);
  }

  /// The reply, whichever thread brings it.
  asio::awaitable<rpc::Reply> reply_to(const Request& request, rpc::Channel& channel) {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(rpc::Reply)>(
        [this, &request, &channel](auto completion) {
          auto shared = std::make_shared<decltype(completion)>(std::move(completion));
          channel.call(kInferMethod, request.bytes, endpoint_.timeout,
                       [shared, guard = asio::make_work_guard(context_)](rpc::Reply reply) {
                         asio::post(guard.get_executor(),
                                    [shared, reply = std::move(reply)]() mutable {
                                      (*shared)(std::move(reply));
                                    });
                       });
        },
        asio::use_awaitable);
  }

  asio::awaitable<void> call(Connection& connection, TimePoint due) {
    const Request& request = requests_[next_++ % requests_.size()];
    const rpc::Reply reply = co_await reply_to(request, *connection.channel);
    record_.last_answer = Clock::now();
    if (!reply.error) {
      record_.latency_ms.push_back(milliseconds(record_.last_answer - due));
      record_.inferences += request.inferences;
      co_return;
    }
    record_.fail(row_of(reply.error->code()).http_status, reply.error->message().substr(0, 500));
    if (reply.error->code() != ErrorCode::kUnavailable) co_return;
    asio::steady_timer pause(context_, kPause);
    co_await pause.async_wait(asio::use_awaitable);
  }

  asio::awaitable<void> exchange_or_throw(Connection& connection, TimePoint due) {
    const Request& request = requests_[next_++ % requests_.size()];
    connection.stream.expires_after(endpoint_.timeout);
    if (!connection.is_open) {
      co_await connection.stream.async_connect(where_, asio::use_awaitable);
      connection.stream.socket().set_option(asio::ip::tcp::no_delay(true));
      connection.is_open = true;
    }
    const TimePoint start = Clock::now();
    co_await asio::async_write(connection.stream, asio::buffer(request.bytes), asio::use_awaitable);
    const TimePoint sent = Clock::now();
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxAnswerBytes);
    co_await http::async_read_header(connection.stream, connection.buffer, parser,
                                     asio::use_awaitable);
    const TimePoint header = Clock::now();
    co_await http::async_read(connection.stream, connection.buffer, parser, asio::use_awaitable);
    const TimePoint end = Clock::now();
    record_.last_answer = end;
    const int status = static_cast<int>(parser.get().result_int());
    if (status == 200) {
      record_.latency_ms.push_back(milliseconds(end - due));
      record_.inferences += request.inferences;
      record_.send_ms += milliseconds(sent - start);
      record_.receive_ms += milliseconds(end - header);
    } else {
      record_.fail(status, parser.get().body().substr(0, 500));
    }
    if (!parser.get().keep_alive()) close(connection);
  }

  static void close(Connection& connection) {
    boost::system::error_code ignored;
    connection.stream.socket().close(ignored);
    connection.buffer.clear();
    connection.is_open = false;
  }

  const Endpoint& endpoint_;
  const std::span<const Request> requests_;
  const TrialConfig& config_;
  asio::io_context context_{1};
  std::vector<asio::ip::tcp::endpoint> where_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> idle_;  // the last used first: its caches are warm
  std::deque<TimePoint> waiting_;  // open loop: due, and no connection is free
  std::size_t next_ = 0;
  Record record_;
  std::exception_ptr failure_;
};

void require_valid(std::span<const Request> requests, const TrialConfig& config) {
  const auto refuse = [](const std::string& text) {
    throw Error(ErrorCode::kInvalidArgument, text);
  };
  if (requests.empty()) refuse("there is no request to send");
  if (config.rate && !(*config.rate > 0 && *config.rate <= 1e6))
    refuse("a rate of " + std::to_string(*config.rate) + "; expected up to a million a second");
  if (!config.rate && config.concurrency == 0) refuse("concurrency is 0; expected 1 or more");
  if (config.rate && config.max_connections == 0)
    refuse("max_connections is 0; expected 1 or more");
  if (!(config.seconds > 0)) refuse("the measured time must be positive");
}

}  // namespace

TrialResult run_trial(const Endpoint& endpoint, std::span<const Request> requests,
                      const TrialConfig& config, const ProgressSink& progress,
                      std::stop_token stop) {
  require_valid(requests, config);
  Generator generator(endpoint, requests, config);
  if (config.warmup_seconds > 0) generator.run(config.warmup_seconds, config.seed + 1, {}, stop);
  const auto before = read_counters(endpoint);
  const TimePoint start = Clock::now();
  Record record = generator.run(config.seconds, config.seed, progress, stop);

  TrialResult result;
  result.config = config;
  result.server = times_between(before, read_counters(endpoint));
  result.answered = record.latency_ms.size();
  result.failures = std::move(record.failures);
  for (const auto& [status, count] : result.failures) result.failed += count;
  result.first_failure = std::move(record.first_failure);
  result.seconds = std::max(config.seconds, milliseconds(record.last_answer - start) / 1e3);
  result.inferences_per_second = static_cast<double>(record.inferences) / result.seconds;
  const auto answered = static_cast<double>(std::max<std::size_t>(result.answered, 1));
  result.send_us = record.send_ms * 1e3 / answered;
  result.receive_us = record.receive_ms * 1e3 / answered;
  result.latency_ms = summarize(record.latency_ms);
  std::ranges::sort(record.latency_ms);
  result.p999_ms = quantile(record.latency_ms, 0.999);
  std::ranges::sort(record.lag_ms);
  result.generator_lag_p99_ms = quantile(record.lag_ms, 0.99);
  return result;
}

}  // namespace planish::load
