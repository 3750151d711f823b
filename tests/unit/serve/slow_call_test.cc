// What becomes of requests that wait: the workers are held by a model that takes as long as it is
// told to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "planish/serve/server.h"
#include "support/graph_builder.h"
#include "support/http_client.h"

namespace planish::serve {
namespace {

using namespace std::chrono_literals;
using test::HttpClient;
using test::HttpReply;
using ::testing::HasSubstr;

constexpr auto kPatience = 60000ms;

/// y = x after n rounds of a loop. Rounds are what a run can be cancelled between.
Model looping() {
  test::GraphBuilder body;
  body.input("i", DType::kInt64, {})
      .input("go_in", DType::kBool, {})
      .input("x_in", DType::kFloat32, {2})
      .node("Identity", {"go_in"}, {"go_out"})
      .node("Identity", {"x_in"}, {"x_out"})
      .output("go_out", DType::kBool, {})
      .output("x_out", DType::kFloat32, {2});
  return test::GraphBuilder()
      .input("n", DType::kInt64, {})
      .input("x", DType::kFloat32, {2})
      .initializer("go", Tensor(DType::kBool, {}, {std::byte{1}}))
      .node("Loop", {"n", "go", "x"}, {"y"}, {{"body", Box<Graph>(body.graph())}})
      .output("y", DType::kFloat32, {2})
      .model();
}

/// Far more rounds than the patience of any test has time for.
constexpr const char* kForever = "1000000000000";

std::string request(const std::string& rounds, const std::string& more = "") {
  return R"({"inputs":[{"name":"n","shape":[],"datatype":"INT64","data":[)" + rounds +
         R"(]},{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}])" + more + "}";
}

class SlowCall : public ::testing::Test {
 protected:
  void SetUp() override { save_model(looping(), folder_.path() / "net.onnx"); }

  Server& serve(ServerConfig config) {
    config.model = folder_.path() / "net.onnx";
    config.http.port = 0;
    config.admin.port = 0;
    config.workers = 1;
    server_ = std::make_unique<Server>(config);
    server_->wait_until_loaded(kPatience);
    return *server_;
  }
  /// Sends a request that would run forever; returns when it runs. Ends with the client.
  std::unique_ptr<HttpClient> occupy() {
    auto client = std::make_unique<HttpClient>(server_->http().port);
    post(*client, request(kForever));
    wait_for_metric("planish_requests_running 1");
    return client;
  }
  static void post(HttpClient& client, const std::string& body) {
    client.send("POST /v2/models/net/infer HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  void wait_for_metric(const std::string& line) {
    HttpClient client(server_->admin().port);
    const auto end = std::chrono::steady_clock::now() + kPatience;
    std::string text;
    while (std::chrono::steady_clock::now() < end) {
      text = client.get("/metrics").body;
      if (text.find(line + "\n") != std::string::npos) return;
      std::this_thread::sleep_for(2ms);
    }
    FAIL() << line << " never came true:\n" << text;
  }

 private:
  const TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
};

TEST_F(SlowCall, EndsWhenItsCallerGoesAway) {
  Server& server = serve({});
  {
    const auto running = occupy();
    HttpClient waiting(server.http().port);
    post(waiting, request("1"));
    wait_for_metric("planish_requests_waiting 1");
  }
  // Both: the one that ran, between two operators, and the one that waited.
  wait_for_metric("planish_request_cancellations_total{model=\"net\",version=\"1\"} 2");
  HttpClient client(server.http().port);
  EXPECT_EQ(client.post("/v2/models/net/infer", request("1")).status, 200);
}

TEST_F(SlowCall, AFullQueueIs429WithRetryAfter) {
  ServerConfig config;
  config.queue = 1;
  Server& server = serve(config);
  const auto running = occupy();
  HttpClient waiting(server.http().port);
  post(waiting, request("1"));
  wait_for_metric("planish_requests_waiting 1");
  HttpClient client(server.http().port);
  const HttpReply reply = client.post("/v2/models/net/infer", request("1"));
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.headers.at("retry-after"), "1");
  wait_for_metric("planish_request_rejections_total{model=\"net\",version=\"1\"} 1");
}

TEST_F(SlowCall, TheQueueTimeoutIsKeptWhileEveryWorkerIsBusy) {
  ServerConfig config;
  config.queue_timeout = 20ms;
  Server& server = serve(config);
  const auto running = occupy();
  HttpClient client(server.http().port);
  EXPECT_EQ(client.post("/v2/models/net/infer", request("1")).status, 504);
}

TEST_F(SlowCall, AnImpatientClientsNextRequestIsNoEndOfTheFirst) {
  Server& server = serve({});
  HttpClient client(server.http().port);
  post(client, request("1"));
  post(client, request("2"));
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_EQ(client.receive().status, 200);
}

TEST_F(SlowCall, DrainAnswersWhatIsUnderWayAndClosesConnections) {
  Server& server = serve({});
  HttpClient busy(server.http().port);
  HttpClient idle(server.http().port);
  EXPECT_EQ(idle.post("/v2/models/net/infer", request("1")).status, 200);
  post(busy, request("400000"));  // about a second
  wait_for_metric("planish_requests_running 1");
  server.stop();
  const HttpReply reply = busy.receive();
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.headers.at("connection"), "close");
}

}  // namespace
}  // namespace planish::serve
