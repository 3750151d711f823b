// The load generator on real sockets, against the real server and against one that stands still.
#include "planish/load/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/bench/bench.h"
#include "planish/onnx/onnx.h"
#include "planish/rpc/rpc.h"
#include "serve/http_listener.h"
#include "support/graph_builder.h"
#include "support/throws.h"

namespace planish::load {
namespace {

using namespace std::chrono_literals;
using serve::HttpListener;
using serve::HttpRequest;
using serve::HttpResponse;
using serve::Respond;
using test::throws;
using ::testing::HasSubstr;

TrialConfig brief() {
  TrialConfig config;
  config.seconds = 0.2;
  config.warmup_seconds = 0.0;
  return config;
}

Request any_request(const Endpoint& endpoint) {
  const NamedTensor input{"x", Tensor::of<float>({1, 2}, std::vector<float>{1, 2})};
  return tensor_request(endpoint, {&input, 1}, 1);
}

/// The real server with y = 2 x, x [batch, 2].
class RealServer : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto file = folder_.path() / "net.onnx";
    save_model(test::GraphBuilder()
                   .input("x", DType::kFloat32, {"batch", 2})
                   .initializer<float>("two", {1}, {2})
                   .node("Mul", {"x", "two"}, {"y"})
                   .output("y", DType::kFloat32, {"batch", 2})
                   .model(),
               file);
    serve::ServerConfig config;
    config.model = file;
    config.http.port = 0;
    config.admin.port = 0;
    if (rpc::is_available()) config.grpc = serve::Address{"127.0.0.1", 0};
    server_ = std::make_unique<serve::Server>(config);
    server_->wait_until_loaded(60s);
  }
  [[nodiscard]] Endpoint endpoint() const { return {server_->http(), "net", "", 60s}; }
  [[nodiscard]] Endpoint grpc_endpoint() const {
    return {server_->grpc().value(), "net", "", 60s, Transport::kGrpc};
  }
  [[nodiscard]] std::vector<Request> requests() const { return {any_request(endpoint())}; }

 private:
  const TemporaryFolder folder_;
  std::unique_ptr<serve::Server> server_;
};

/// A server that answers every request as `handler` says.
class FakeServer {
 public:
  explicit FakeServer(serve::HttpHandler handler) : listener_({}, {}, std::move(handler)) {}
  [[nodiscard]] Endpoint endpoint() const { return {listener_.address(), "net", "", 60s}; }

 private:
  HttpListener listener_;
};

TEST(ArrivalTimes, ConstantOnesAreOnePeriodApart) {
  ArrivalTimes times(1000.0, Arrivals::kConstant, 1);
  EXPECT_EQ(times.next(), 0ns);
  EXPECT_EQ(times.next(), 1ms);
  EXPECT_EQ(times.next(), 2ms);
}

TEST(ArrivalTimes, PoissonGapsHaveTheMeanAndTheSpreadOfAnExponential) {
  ArrivalTimes times(1000.0, Arrivals::kPoisson, 7);
  constexpr int kCount = 20000;
  double last = 0, sum = 0, squares = 0;
  times.next();
  for (int i = 0; i < kCount; ++i) {
    const double at = std::chrono::duration<double, std::milli>(times.next()).count();
    sum += at - last;
    squares += (at - last) * (at - last);
    last = at;
  }
  // Of an exponential with mean 1 the mean of n has deviation 1/sqrt(n), its mean square 2 has
  // sqrt(20/n); five deviations each.
  EXPECT_NEAR(sum / kCount, 1.0, 5 / std::sqrt(kCount));
  EXPECT_NEAR(squares / kCount, 2.0, 5 * std::sqrt(20.0 / kCount));
}

TEST(ArrivalTimes, AreTheSameForTheSameSeed) {
  ArrivalTimes a(50.0, Arrivals::kPoisson, 3), b(50.0, Arrivals::kPoisson, 3);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
}

TEST_F(RealServer, ItsSignatureIsRead) {
  const Signature signature = fetch_signature(endpoint());
  ASSERT_EQ(signature.inputs.size(), 1U);
  EXPECT_EQ(signature.inputs[0], (TensorSpec{"x", DType::kFloat32, {Dim(), Dim(2)}}));
  EXPECT_EQ(signature.outputs[0].name, "y");
}

TEST_F(RealServer, AModelThatIsNotThereIsNotFound) {
  Endpoint other = endpoint();
  other.model = "no/such model";
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { fetch_signature(other); }, {"no/such model"}));
}

TEST_F(RealServer, AClosedLoopIsAnsweredAndKnowsTheServersOwnTimes) {
  TrialConfig config = brief();
  config.concurrency = 3;
  const TrialResult result = run_trial(endpoint(), requests(), config);
  EXPECT_GT(result.answered, 3U);
  EXPECT_EQ(result.failed, 0U) << result.first_failure;
  EXPECT_EQ(result.latency_ms.count, result.answered);
  ASSERT_TRUE(result.server.has_value());
  EXPECT_GT(result.server->infer_us, 0.0);
  EXPECT_GT(result.inferences_per_second, 0.0);
}

TEST_F(RealServer, BothLoopsGoOverGrpcToo) {
  if (!rpc::is_available()) GTEST_SKIP() << "this build has no gRPC";
  const Endpoint endpoint = grpc_endpoint();
  EXPECT_EQ(fetch_signature(endpoint).inputs[0],
            (TensorSpec{"x", DType::kFloat32, {Dim(), Dim(2)}}));
  const std::vector<Request> requests{any_request(endpoint)};
  TrialConfig config = brief();
  config.concurrency = 3;
  const TrialResult closed = run_trial(endpoint, requests, config);
  EXPECT_GT(closed.answered, 3U);
  EXPECT_EQ(closed.failed, 0U) << closed.first_failure;
  config.rate = 200.0;
  config.arrivals = Arrivals::kConstant;
  const TrialResult open = run_trial(endpoint, requests, config);
  EXPECT_EQ(open.answered, 40U);
  Endpoint other = endpoint;
  other.model = "nobody";
  EXPECT_TRUE(throws(ErrorCode::kNotFound, [&] { fetch_signature(other); }));
}

TEST_F(RealServer, AnOpenLoopSendsWhatIsDue) {
  TrialConfig config = brief();
  config.rate = 200.0;
  config.arrivals = Arrivals::kConstant;
  const TrialResult result = run_trial(endpoint(), requests(), config);
  // Due at 0, 5, … 195 ms.
  EXPECT_EQ(result.answered, 40U);
  EXPECT_EQ(result.failed, 0U) << result.first_failure;
}

TEST_F(RealServer, TensorsOfSeveralRequestsKeepTheirBatch) {
  const auto inputs = random_inputs(fetch_signature(endpoint()), 4);
  const std::vector<Request> four{tensor_request(endpoint(), inputs, 4)};
  const TrialResult result = run_trial(endpoint(), four, brief());
  EXPECT_NEAR(result.inferences_per_second * result.seconds,
              4.0 * static_cast<double>(result.answered), 1e-6);
}

TEST_F(RealServer, ASearchEndsAtARateThatKeepsTheLimit) {
  SearchConfig search;
  search.trial = brief();
  search.limits.p99_ms = 60'000;  // whatever the machine does
  search.precision = 0.3;
  const SearchResult result = find_highest_rate(endpoint(), requests(), search);
  ASSERT_TRUE(result.rate.has_value());
  const auto& trial = *std::ranges::find_if(
      result.trials, [&](const TrialResult& one) { return one.config.rate == result.rate; });
  EXPECT_FALSE(violation(trial, search.limits));
}

TEST_F(RealServer, ASearchSaysThatNoRateKeepsAnImpossibleLimit) {
  SearchConfig search;
  search.trial = brief();
  search.trial.seconds = 0.05;
  search.limits.p99_ms = 1e-6;
  EXPECT_FALSE(find_highest_rate(endpoint(), requests(), search).rate.has_value());
}

TEST_F(RealServer, AStoppedTrialIsCancelled) {
  std::stop_source stop;
  TrialConfig config = brief();
  config.seconds = 3600;
  const std::jthread later([&] {
    std::this_thread::sleep_for(50ms);
    stop.request_stop();
  });
  EXPECT_TRUE(throws(ErrorCode::kCancelled,
                     [&] { run_trial(endpoint(), requests(), config, {}, stop.get_token()); },
                     {"interrupted"}));
}

TEST(OpenLoop, AStallShowsInEveryRequestThatWasDueMeanwhile) {
  std::atomic<bool> stalled{false};
  const FakeServer server([&](const HttpRequest& request, const Respond& respond) {
    if (request.method == "POST" && !stalled.exchange(true)) std::this_thread::sleep_for(500ms);
    respond(HttpResponse{});
  });
  TrialConfig config = brief();
  config.seconds = 0.6;
  config.rate = 100.0;
  config.arrivals = Arrivals::kConstant;
  config.max_connections = 1;
  const std::vector<Request> requests{any_request(server.endpoint())};
  const TrialResult result = run_trial(server.endpoint(), requests, config);
  EXPECT_EQ(result.answered, 60U);
  // 50 requests were due in the 500 ms, 40 of them more than 100 ms before its end: two
  // thirds of all. A generator that only sent the next one when it had an answer would show
  // one.
  EXPECT_GT(result.latency_ms.p50, 100.0);
}

TEST(ClosedLoop, FailuresAreCountedByStatusAndTheFirstOneIsKept) {
  std::atomic<int> calls{0};
  const FakeServer server([&](const HttpRequest&, const Respond& respond) {
    HttpResponse response;
    if (calls++ % 2 == 0) {
      response.status = 429;
      response.body = "full";
    }
    respond(response);
  });
  const std::vector<Request> requests{any_request(server.endpoint())};
  const TrialResult result = run_trial(server.endpoint(), requests, brief());
  EXPECT_GT(result.failures.at(429), 0U);
  EXPECT_EQ(result.first_failure, "full");
  EXPECT_GT(result.answered, 0U);
  EXPECT_FALSE(result.server.has_value()) << "it has no statistics";
  EXPECT_THAT(violation(result, {}).value_or(""), HasSubstr("failed (full)"));
}

TEST(ClosedLoop, AServerThatIsGoneIsAFailureWithoutAnAnswer) {
  Endpoint endpoint;
  {
    const FakeServer server([](const HttpRequest&, const Respond& respond) { respond({}); });
    endpoint = server.endpoint();
  }
  EXPECT_TRUE(
      throws(ErrorCode::kUnavailable, [&] { fetch_signature(endpoint); }, {"is the server"}));
  const std::vector<Request> requests{any_request(endpoint)};
  const TrialResult result = run_trial(endpoint, requests, brief());
  EXPECT_EQ(result.answered, 0U);
  EXPECT_GT(result.failures.at(0), 0U);
}

TEST(Trials, AreRefusedWhenTheyMakeNoSense) {
  const Endpoint endpoint;
  const std::vector<Request> one{any_request(endpoint)};
  TrialConfig config = brief();
  EXPECT_TRUE(
      throws(ErrorCode::kInvalidArgument, [&] { run_trial(endpoint, {}, config); }, {"request"}));
  config.rate = 0.0;
  EXPECT_TRUE(
      throws(ErrorCode::kInvalidArgument, [&] { run_trial(endpoint, one, config); }, {"rate"}));
  config.rate.reset();
  config.concurrency = 0;
  EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { run_trial(endpoint, one, config); },
                     {"concurrency"}));
}

TEST(Csv, HasTheColumnsOfPerfAnalyzerInMicroseconds) {
  TrialResult trial;
  trial.config.concurrency = 2;
  trial.inferences_per_second = 1234.5;
  trial.latency_ms.mean = 1.0;
  trial.latency_ms.p50 = 0.9;
  trial.latency_ms.p90 = 1.1;
  trial.latency_ms.p95 = 1.2;
  trial.latency_ms.p99 = 1.3;
  trial.send_us = 10;
  trial.receive_us = 20;
  trial.server = ServerTimes{100, 30, 500, 40};
  EXPECT_EQ(to_csv({&trial, 1}),
            "Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,"
            "Server Compute Input,Server Compute Infer,Server Compute Output,Client Recv,"
            "p50 latency,p90 latency,p95 latency,p99 latency\n"
            "2,1234.50,10,300,100,30,500,40,20,900,1100,1200,1300\n");
  trial.config.rate = 50.0;
  EXPECT_THAT(to_csv({&trial, 1}), ::testing::StartsWith("Request Rate,"));
}

TEST(Limits, NameWhatIsBroken) {
  TrialResult trial;
  trial.answered = 10;
  trial.latency_ms.p99 = 14.2;
  EXPECT_EQ(violation(trial, {.p99_ms = 15.0}), std::nullopt);
  EXPECT_EQ(violation(trial, {.p99_ms = 12.0}), "p99 14.200 ms > 12 ms");
  trial.failed = 1;
  EXPECT_THAT(violation(trial, {}).value_or(""), HasSubstr("1 of 11 requests failed"));
  EXPECT_EQ(violation(trial, {.failure_share = 0.1}), std::nullopt);
}

}  // namespace
}  // namespace planish::load
