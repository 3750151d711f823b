// The server as users start it: the real command, a store, a signal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "process.h"
#include "support/http_client.h"
#include "support/paths.h"

namespace planish::e2e {
namespace {

using test::HttpClient;
using test::HttpReply;

std::string example(const char* name) {
  return (test::source_folder() / "examples/cifar10" / name).string();
}

class Serving : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* threads : {"1", "2"}) {
      ASSERT_EQ(
          run_planish({"store", "put", example("resnet8x4.onnx"), "--name", "net", "--threads",
                       threads, "--preprocess", example("preprocess.json"), "--store", store()})
              .exit_status,
          0);
    }
  }
  [[nodiscard]] std::string store() const { return (folder_.path() / "store").string(); }
  [[nodiscard]] std::vector<std::string> command() const {
    return {"serve",       "--store", store(),       "--http",
            "127.0.0.1:0", "--admin", "127.0.0.1:0", "--json"};
  }
  static void wait_until_ready(HttpClient& client) {
    for (int i = 0; i < 6000 && client.get("/v2/health/ready").status != 200; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }

 private:
  const TemporaryFolder folder_;
};

std::uint16_t port_of(const Json& where, const char* which) {
  const auto text = where[which].get<std::string>();
  return static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
}

TEST_F(Serving, ServesImagesRollsBackAndEndsOnSigterm) {
  RunningPlanish server(command());
  const Json where = parse_json(server.read_line());
  HttpClient data(port_of(where, "http"));
  HttpClient admin(port_of(where, "admin"));
  wait_until_ready(data);
  const std::string image =
      read_file(test::source_folder() / "examples/cifar10/evaluation/00047_airplane.png");
  const HttpReply raw =
      data.post("/v2/models/net/infer", image, {{"Inference-Header-Content-Length", "0"}});
  ASSERT_EQ(raw.status, 200) << raw.body;
  EXPECT_TRUE(raw.headers.contains("inference-header-content-length"));
  EXPECT_EQ(admin.post("/v2/models/net/activate", R"({"version":"2","why":"test"})").status, 200);
  for (int i = 0; i < 6000; ++i) {
    if (parse_json(data.get("/v2/models/net").body)["versions"][0] == "2") break;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  ASSERT_EQ(run_planish({"store", "rollback", "net", "--store", store()}).exit_status, 0);
  for (int i = 0; i < 6000; ++i) {
    if (parse_json(data.get("/v2/models/net").body)["versions"][0] == "1") break;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  EXPECT_EQ(parse_json(data.get("/v2/models/net").body)["versions"][0], "1");
  EXPECT_EQ(server.end_with(SIGTERM), 0);
}

TEST_F(Serving, LoadSendsImagesAtARateAndWritesPerfAnalyzersColumns) {
  RunningPlanish server(command());
  const std::uint16_t port = port_of(parse_json(server.read_line()), "http");
  HttpClient data(port);
  wait_until_ready(data);
  const TemporaryFolder folder;
  const std::string csv = (folder.path() / "load.csv").string();
  const auto load =
      run_planish({"load", "--model", "net", "--url", "127.0.0.1:" + std::to_string(port), "--data",
                   example("evaluation"), "--encoded", "--rate", "50", "--distribution", "constant",
                   "--seconds", "0.2", "--warmup", "0", "--csv", csv, "--json"});
  ASSERT_EQ(load.exit_status, 0) << load.err;
  const Json trial = parse_json(load.out)["trials"][0];
  EXPECT_EQ(trial["answered"], 10) << "due at 0, 20, … 180 ms";
  EXPECT_EQ(trial["failed"], 0);
  EXPECT_GT(trial["server_us"]["compute_infer"].get<double>(), 0.0);
  EXPECT_EQ(read_file(csv).substr(0, 30), "Request Rate,Inferences/Second");
  EXPECT_EQ(run_planish({"load", "--model", "nobody", "--url", "127.0.0.1:" + std::to_string(port)})
                .exit_status,
            3);
}

TEST_F(Serving, WhatItCapturesCalibratesTheNextModel) {
  const TemporaryFolder folder;
  const std::string captured = (folder.path() / "captured").string();
  std::vector<std::string> capturing = command();
  capturing.insert(capturing.end(), {"--capture", captured, "--capture-samples", "8"});
  {
    RunningPlanish server(capturing);
    const std::uint16_t port = port_of(parse_json(server.read_line()), "http");
    HttpClient data(port);
    wait_until_ready(data);
    const auto load = run_planish(
        {"load", "--model", "net", "--url", "127.0.0.1:" + std::to_string(port), "--data",
         example("evaluation"), "--encoded", "--rate", "100", "--seconds", "0.3", "--warmup", "0"});
    ASSERT_EQ(load.exit_status, 0) << load.err;
    EXPECT_EQ(server.end_with(SIGTERM), 0);
  }
  const std::string out = (folder.path() / "calibration.json").string();
  const auto calibrate =
      run_planish({"calibrate", example("resnet8x4.onnx"), "--data", captured + "/net/images",
                   "--preprocess", example("preprocess.json"), "-o", out, "--json"});
  ASSERT_EQ(calibrate.exit_status, 0) << calibrate.err;
  EXPECT_EQ(parse_json(calibrate.out)["samples"], 8) << calibrate.out.substr(0, 500);
}

TEST_F(Serving, KilledItComesBackWithTheActiveVersion) {
  ASSERT_EQ(run_planish({"store", "activate", "net", "2", "--store", store()}).exit_status, 0);
  for (int life = 0; life < 2; ++life) {
    RunningPlanish server(command());
    HttpClient data(port_of(parse_json(server.read_line()), "http"));
    wait_until_ready(data);
    EXPECT_EQ(parse_json(data.get("/v2/models/net").body)["versions"][0], "2");
    EXPECT_EQ(server.end_with(SIGKILL), 128 + SIGKILL);
  }
}

}  // namespace
}  // namespace planish::e2e
