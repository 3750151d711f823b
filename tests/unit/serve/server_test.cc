// The server on real sockets, with real models in a real store.
#include "planish/serve/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "planish/store/store.h"
#include "support/graph_builder.h"
#include "support/http_client.h"
#include "support/throws.h"

namespace planish::serve {
namespace {

using namespace std::chrono_literals;
using test::HttpClient;
using test::HttpReply;
using ::testing::HasSubstr;

constexpr auto kPatience = 60000ms;  // far beyond what anything here takes

/// y = factor * x, x [batch, 2].
Model scaled_by(float factor) {
  return test::GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 2})
      .initializer<float>("f", {1}, {factor})
      .node("Mul", {"x", "f"}, {"y"})
      .output("y", DType::kFloat32, {"batch", 2})
      .model();
}

const std::string kRequest =
    R"({"id":"r1","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]})";

class ServerTest : public ::testing::Test {
 protected:
  store::ModelStore store() { return store::ModelStore::create(folder_.path() / "store"); }

  void put(float factor) {
    const auto file = folder_.path() / "model.onnx";
    save_model(scaled_by(factor), file);
    store::PutRequest request;
    request.name = "net";
    request.parts = {{store::PartKind::kModel, "", file, {}}};
    store().put(request);
  }

  std::unique_ptr<Server> serve(std::vector<ShadowConfig> shadows = {}, ServerConfig config = {}) {
    config.store = folder_.path() / "store";
    config.http.port = 0;
    config.admin.port = 0;
    config.shadows = std::move(shadows);
    config.poll = 10ms;
    config.workers = 2;
    auto server = std::make_unique<Server>(config);
    server->wait_until_loaded(kPatience);
    return server;
  }

  /// The first element of the answer to kRequest: the factor of the version that gave it.
  static double answer(HttpClient& client, const char* path = "/v2/models/net/infer") {
    const HttpReply reply = client.post(path, kRequest);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return parse_json(reply.body)["outputs"][0]["data"][0].get<double>();
  }

  template <typename Condition>
  static bool comes_true(const Condition& condition) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      if (condition()) return true;
      std::this_thread::sleep_for(2ms);
    }
    return false;
  }

  const TemporaryFolder folder_;
};

TEST_F(ServerTest, AnswersTheProtocol) {
  put(3);
  const auto server = serve();
  HttpClient client(server->http().port);
  EXPECT_EQ(parse_json(client.get("/v2/health/live").body)["live"], true);
  EXPECT_EQ(parse_json(client.get("/v2/health/ready").body)["ready"], true);
  EXPECT_EQ(parse_json(client.get("/v2").body)["name"], "planish");
  EXPECT_EQ(client.get("/v2/models/net/ready").status, 200);
  const Json metadata = parse_json(client.get("/v2/models/net").body);
  EXPECT_EQ(metadata["platform"], "onnx_onnxv1");
  EXPECT_EQ(metadata["inputs"][0]["shape"], Json({-1, 2}));
  EXPECT_EQ(metadata["versions"], Json({"1"}));
  const HttpReply reply = client.post("/v2/models/net/infer", kRequest);
  const Json response = parse_json(reply.body);
  EXPECT_EQ(response["id"], "r1");
  EXPECT_EQ(response["model_version"], "1");
  EXPECT_EQ(response["outputs"][0]["data"], Json({3.0, 6.0}));
  EXPECT_EQ(answer(client, "/v2/models/net/versions/1/infer"), 3.0);
  const Json stats = parse_json(client.get("/v2/models/net/stats").body)["model_stats"][0];
  EXPECT_EQ(stats["inference_count"], 2);
  EXPECT_GT(stats["latency_ms"]["p50"].get<double>(), 0.0);
  EXPECT_EQ(parse_json(client.post("/v2/repository/index", "{}").body)[0]["state"], "READY");
  EXPECT_THAT(client.get("/metrics").body,
              HasSubstr("planish_executions_total{model=\"net\",version=\"1\"} 2"));
  EXPECT_THAT(client.get("/").body, HasSubstr("<title>planish serve</title>"));
}

TEST_F(ServerTest, BinaryTensorsGoBothWays) {
  put(2);
  const auto server = serve();
  HttpClient client(server->http().port);
  const std::string json =
      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],)"
      R"("parameters":{"binary_data_output":true}})";
  const float values[] = {1.5F, -4.0F};
  const std::string data(reinterpret_cast<const char*>(values), sizeof(values));
  const HttpReply reply =
      client.post("/v2/models/net/infer", json + data,
                  {{"Inference-Header-Content-Length", std::to_string(json.size())}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const std::size_t head = std::stoul(reply.headers.at("inference-header-content-length"));
  float answer[2];
  ASSERT_EQ(reply.body.size(), head + sizeof(answer));
  std::memcpy(answer, reply.body.data() + head, sizeof(answer));
  EXPECT_EQ(answer[0], 3.0F);
  EXPECT_EQ(answer[1], -8.0F);
}

TEST_F(ServerTest, EveryErrorIsAnswered) {
  put(1);
  const auto server = serve();
  HttpClient client(server->http().port);
  EXPECT_EQ(client.get("/nothing").status, 404);
  EXPECT_EQ(client.get("/v2/models/other").status, 404);
  EXPECT_EQ(client.get("/v2/models/net/versions/9").status, 404);
  EXPECT_EQ(client.get("/v2/models/net/infer").status, 405);
  EXPECT_EQ(client.post("/v2/models/other/infer", kRequest).status, 404);
  const HttpReply bad = client.post("/v2/models/net/infer", "{\"inputs\":[]}");
  EXPECT_EQ(bad.status, 400);
  EXPECT_TRUE(parse_json(bad.body).contains("error"));
  EXPECT_EQ(
      client.post("/v2/models/net/infer", kRequest, {{"Inference-Header-Content-Length", "x"}})
          .status,
      400);
  EXPECT_EQ(client.post("/v2/models/net/infer", kRequest, {{"Content-Encoding", "gzip"}}).status,
            400);
  // The connection is still good.
  EXPECT_EQ(answer(client), 1.0);
  HttpClient hostile(server->http().port);
  hostile.send("GET / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n");
  EXPECT_EQ(hostile.receive().status, 413);
  HttpClient nonsense(server->http().port);
  nonsense.send("\x16\x03\x01 hello\r\n\r\n");
  EXPECT_EQ(nonsense.receive().status, 400);
}

TEST_F(ServerTest, FollowsTheStoreHoweverItWasMoved) {
  put(1);
  put(2);
  const auto server = serve();
  HttpClient client(server->http().port);
  EXPECT_EQ(answer(client), 1.0);
  store().activate("net", "2");
  EXPECT_TRUE(comes_true([&] { return answer(client) == 2.0; }));
  store().rollback("net");
  EXPECT_TRUE(comes_true([&] { return answer(client) == 1.0; }));
}

TEST_F(ServerTest, AVersionThatDoesNotLoadLeavesTheOneThatAnswers) {
  put(1);
  const auto file = folder_.path() / "bad.onnx";
  write_file_atomically(file, "no model");
  store::PutRequest request;
  request.name = "net";
  request.parts = {{store::PartKind::kModel, "", file, {}}};
  request.activate = true;
  const auto server = serve();
  store().put(request);
  HttpClient client(server->http().port);
  EXPECT_TRUE(comes_true([&] {
    return !parse_json(client.post("/v2/repository/index", "").body)[0]["reason"]
                .get<std::string>()
                .empty();
  }));
  EXPECT_EQ(answer(client), 1.0);
  store().rollback("net");
  EXPECT_TRUE(comes_true(
      [&] { return parse_json(client.post("/v2/repository/index", "").body)[0]["reason"] == ""; }));
  EXPECT_EQ(answer(client), 1.0);
}

TEST_F(ServerTest, TheAdminPortActivatesAndRollsBackAtOnce) {
  put(1);
  put(2);
  const auto server = serve();
  HttpClient data(server->http().port);
  HttpClient admin(server->admin().port);
  EXPECT_EQ(admin.post("/v2/models/net/activate", R"({"version":"2","why":"test"})").status, 200);
  EXPECT_TRUE(comes_true([&] { return answer(data) == 2.0; }));
  const HttpReply back = admin.post("/v2/models/net/rollback", "{}");
  EXPECT_EQ(back.status, 200) << back.body;
  EXPECT_EQ(answer(data), 1.0) << "the version before is warm: no wait";
  EXPECT_EQ(store().history("net").front().by, "admin port");
  EXPECT_EQ(data.post("/v2/models/net/rollback", "{}").status, 405) << "not on the data port";
}

TEST_F(ServerTest, TheAdminPortRefusesOtherSitesPages) {
  put(1);
  const auto server = serve();
  HttpClient admin(server->admin().port);
  EXPECT_EQ(admin.post("/v2/models/net/rollback", "{}", {{"Content-Type", "text/plain"}}).status,
            415);
  EXPECT_EQ(admin
                .post("/v2/models/net/rollback", "{}",
                      {{"Content-Type", "application/json"}, {"Host", "evil.example:8082"}})
                .status,
            403);
}

TEST_F(ServerTest, AnAdminPortForOthersNeedsAToken) {
  put(1);
  ServerConfig config;
  config.store = folder_.path() / "store";
  config.http.port = 0;
  config.admin = {"0.0.0.0", 0};
  EXPECT_TRUE(test::throws(ErrorCode::kInvalidArgument, [&] { Server server(config); }, {"token"}));
  config.admin_token = "secret";
  const Server server(config);
  HttpClient admin(server.admin().port);
  EXPECT_EQ(admin.post("/v2/models/net/rollback", "{}").status, 401);
  EXPECT_EQ(admin
                .post("/v2/models/net/rollback", "{}",
                      {{"Content-Type", "application/json"}, {"Authorization", "Bearer secret"}})
                .status,
            404)
      << "nothing to go back to";
}

TEST_F(ServerTest, NoRequestFailsWhileVersionsChange) {
  put(1);
  put(2);
  const auto server = serve();
  std::atomic<bool> done{false};
  std::atomic<int> answers{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      HttpClient client(server->http().port);
      while (!done) {
        const HttpReply reply = client.post("/v2/models/net/infer", kRequest);
        const Json json = parse_json(reply.body);
        // Each answer is that of the version which it says gave it.
        const bool right =
            reply.status == 200 && json["outputs"][0]["data"][0].get<double>() ==
                                       std::stod(json["model_version"].get<std::string>());
        wrong += right ? 0 : 1;
        ++answers;
      }
    });
  }
  HttpClient admin(server->admin().port);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(admin.post("/v2/models/net/activate", R"({"version":"2"})").status, 200);
    EXPECT_EQ(admin.post("/v2/models/net/rollback", "{}").status, 200);
  }
  EXPECT_TRUE(comes_true([&] { return answers > 100; }));
  done = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0) << "of " << answers;
}

TEST_F(ServerTest, TheAdminPortUnloadsAndLoads) {
  put(3);
  const auto server = serve();
  HttpClient data(server->http().port);
  HttpClient admin(server->admin().port);
  // As tritonclient sends it: no content type.
  EXPECT_EQ(admin.post("/v2/repository/models/net/unload", "", {}).status, 200);
  EXPECT_EQ(data.post("/v2/models/net/infer", kRequest).status, 503);
  EXPECT_EQ(data.get("/v2/models/net/ready").status, 503);
  EXPECT_EQ(data.get("/v2/health/ready").status, 200) << "what was unloaded is not missed";
  const Json index = parse_json(data.post("/v2/repository/index", "").body);
  EXPECT_EQ(index[0]["state"], "UNAVAILABLE");
  EXPECT_THAT(index[0]["reason"].get<std::string>(), HasSubstr("unloaded"));
  EXPECT_EQ(parse_json(data.post("/v2/repository/index", R"({"ready":true})").body), Json::array());
  EXPECT_EQ(admin.post("/v2/repository/models/net/load", "{}", {}).status, 200);
  EXPECT_EQ(answer(data), 3.0) << "load answers when the model does";
  EXPECT_EQ(admin.post("/v2/repository/models/other/load", "", {}).status, 404);
  EXPECT_EQ(admin.post("/v2/repository/models/other/unload", "", {}).status, 404);
  EXPECT_EQ(
      admin.post("/v2/repository/models/net/load", R"({"parameters":{"config":"{}"}})", {}).status,
      422)
      << "files and settings come from the store";
  EXPECT_EQ(data.post("/v2/repository/models/net/unload", "").status, 405) << "the admin port's";
}

TEST_F(ServerTest, LoadSaysWhyAModelCannotBeLoaded) {
  const auto file = folder_.path() / "bad.onnx";
  write_file_atomically(file, "no model");
  store::PutRequest request;
  request.name = "net";
  request.parts = {{store::PartKind::kModel, "", file, {}}};
  store().put(request);
  const auto server = serve();
  HttpClient admin(server->admin().port);
  const HttpReply reply = admin.post("/v2/repository/models/net/load", "");
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("not loaded"));
  EXPECT_EQ(admin.get("/v2/health/ready").status, 503);
}

TEST_F(ServerTest, ConfigAndStatisticsHaveWhatClientsRead) {
  put(1);
  const auto server = serve();
  HttpClient client(server->http().port);
  EXPECT_EQ(answer(client), 1.0);
  const Json config = parse_json(client.get("/v2/models/net/config").body);
  EXPECT_EQ(config["input"][0],
            Json({{"name", "x"}, {"data_type", "TYPE_FP32"}, {"dims", {-1, 2}}}));
  const Json stats = parse_json(client.get("/v2/models/net/stats").body)["model_stats"][0];
  EXPECT_EQ(stats["batch_stats"][0]["batch_size"], 1);
  EXPECT_EQ(stats["batch_stats"][0]["compute_infer"]["count"], 1);
  EXPECT_EQ(client.post("/v2/models/net/infer", "{}").status, 400);
  EXPECT_EQ(parse_json(client.get("/v2/models/net/stats")
                           .body)["model_stats"][0]["inference_stats"]["fail"]["count"],
            1);
  EXPECT_THAT(client.get("/metrics").body,
              HasSubstr("planish_request_invalid_total{model=\"net\",version=\"1\"} 1"));
}

TEST_F(ServerTest, ClassificationNamesTheHighest) {
  put(1);
  const auto server = serve();
  HttpClient client(server->http().port);
  const Json response = parse_json(
      client
          .post("/v2/models/net/infer",
                R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}],)"
                R"("outputs":[{"name":"y","parameters":{"classification":1}}]})")
          .body);
  EXPECT_EQ(response["outputs"][0]["datatype"], "BYTES");
  EXPECT_EQ(response["outputs"][0]["shape"], Json({1, 1}));
  EXPECT_EQ(response["outputs"][0]["data"], Json({"2:1"}));
}

TEST_F(ServerTest, StopEndsAnIdleServerAtOnce) {
  put(1);
  auto server = serve();
  HttpClient client(server->http().port);
  EXPECT_EQ(answer(client), 1.0);
  std::thread stopper([&] { server->stop(); });
  stopper.join();
  server.reset();
}

TEST_F(ServerTest, AShadowComparesWithAnotherVersion) {
  put(1);
  put(-1);
  const auto server = serve({{"net", "2", 1.0}});
  HttpClient client(server->http().port);
  ASSERT_TRUE(comes_true([&] {
    (void)answer(client);
    return parse_json(client.get("/v2/models/net/shadow").body)["shadows"].size() == 1 &&
           parse_json(client.get("/v2/models/net/shadow").body)["shadows"][0]["samples"] > 0;
  }));
  const Json shadow = parse_json(client.get("/v2/models/net/shadow").body)["shadows"][0];
  EXPECT_EQ(shadow["top1_agreement"]["share"], 0.0) << "the order of -x is that of x reversed";
  EXPECT_NEAR(shadow["cosine_mean"].get<double>(), -1.0, 1e-12);
  EXPECT_EQ(shadow["max_abs_error"], 4.0);
  EXPECT_EQ(shadow["worst"][0]["id"], "r1");
  EXPECT_THAT(client.get("/metrics").body, HasSubstr("planish_shadow_samples_total"));
}

TEST_F(ServerTest, AShadowBeginsAnewBesideAnotherVersion) {
  put(1);
  put(-1);
  put(2);
  const auto server = serve({{"net", "3", 1.0}});
  HttpClient client(server->http().port);
  const auto shadow = [&] {
    return parse_json(client.get("/v2/models/net/shadow").body)["shadows"];
  };
  ASSERT_TRUE(comes_true([&] {
    (void)answer(client);
    return shadow().size() == 1 && shadow()[0]["samples"] > 2;
  }));
  EXPECT_EQ(shadow()[0]["top1_agreement"]["share"], 1.0);
  store().activate("net", "2");
  ASSERT_TRUE(comes_true([&] { return answer(client) == -1.0; }));
  ASSERT_TRUE(comes_true([&] {
    (void)answer(client);
    return shadow()[0]["live"].get<std::string>().starts_with("2 ");
  }));
  EXPECT_EQ(shadow()[0]["top1_agreement"]["share"], 0.0) << "nothing of the pair before is in it";
  EXPECT_GT(shadow()[0]["compute_ms"]["runs"], 0);
}

TEST_F(ServerTest, AVersionThatBreaksTheRuleIsTakenBackOnce) {
  put(1);
  put(-1);
  ServerConfig config;
  // Every answer of -x differs from that of x: surely fewer than nine in ten agree.
  config.auto_rollback = RollbackRule{.min_agreement = 0.9, .min_requests = 20, .window = 50ms};
  const auto server = serve({{"net", "1", 1.0}}, config);
  HttpClient client(server->http().port);
  ASSERT_TRUE(comes_true([&] {
    (void)answer(client);
    return parse_json(client.get("/v2/models/net/shadow").body)["shadows"].size() == 1;
  }));
  store().activate("net", "2");
  ASSERT_TRUE(comes_true([&] { return answer(client) == -1.0; }));
  ASSERT_TRUE(comes_true([&] { return answer(client) == 1.0; })) << "taken back";
  const store::HistoryEntry entry = store().history("net").front();
  EXPECT_EQ(entry.action, store::HistoryAction::kRollback);
  EXPECT_EQ(entry.by, "planish serve");
  EXPECT_THAT(entry.why, HasSubstr("automatic: same first class as the shadow in 0.0000"));
  EXPECT_EQ(store().history("net").size(), 3U) << "put, activate, rollback";
}

TEST_F(ServerTest, AutomaticRollbackNeedsAStore) {
  save_model(scaled_by(1), folder_.path() / "net.onnx");
  ServerConfig config;
  config.model = folder_.path() / "net.onnx";
  config.http.port = 0;
  config.admin.port = 0;
  config.auto_rollback = RollbackRule{.max_p99_ms = 1.0};
  EXPECT_TRUE(
      test::throws(ErrorCode::kInvalidArgument, [&] { const Server server(config); }, {"store"}));
}

}  // namespace
}  // namespace planish::serve
