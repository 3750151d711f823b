// Versions change, processes die and servers drain while clients go on asking. Every answer is held
// to the output of the version that it names.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "process.h"
#include "support/graph_builder.h"
#include "support/http_client.h"

namespace planish::e2e {
namespace {

using namespace std::chrono_literals;
using test::HttpClient;
using test::HttpReply;

const std::string kRequest =
    R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]})";

/// Version n answers x = [1, 2] with [n, 2 n].
Model multiplies_by(int n) {
  return test::GraphBuilder()
      .input("x", DType::kFloat32, {"batch", 2})
      .initializer<float>("n", {1}, {static_cast<float>(n)})
      .node("Mul", {"x", "n"}, {"y"})
      .output("y", DType::kFloat32, {"batch", 2})
      .model();
}

bool is_right(const HttpReply& reply) {
  if (reply.status != 200) return false;
  const Json json = parse_json(reply.body);
  const double n = std::stod(json["model_version"].get<std::string>());
  return json["outputs"][0]["data"] == Json({n, 2 * n});
}

/// Callers that ask one after the other, each on a connection of its own that it opens again when
/// the server ends it, as long as `may_connect` says so.
class Callers {
 public:
  explicit Callers(
      std::uint16_t port, std::function<bool()> may_connect = [] { return true; }) {
    for (int i = 0; i < 3; ++i)
      threads_.emplace_back([this, port, may_connect] { call(port, may_connect); });
  }
  ~Callers() { stop(); }
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;

  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  void wait_for_more_answers(int count) const {
    const int target = answers_ + count;
    for (int i = 0; i < 60'000 && answers_ < target; ++i) std::this_thread::sleep_for(1ms);
    EXPECT_GE(answers_, target) << "callers are stuck";
  }
  [[nodiscard]] int answers() const { return answers_; }
  [[nodiscard]] int wrong() const { return wrong_; }      // answered, but not as it should be
  [[nodiscard]] int cut_off() const { return cut_off_; }  // no answer
  [[nodiscard]] bool all_have_left() const { return left_ == static_cast<int>(threads_.size()); }

 private:
  void call(std::uint16_t port, const std::function<bool()>& may_connect) {
    while (!stopping_ && may_connect()) {
      try {
        HttpClient client(port);
        bool goes_on = true;
        while (goes_on && !stopping_) {
          const HttpReply reply = client.post("/v2/models/net/infer", kRequest);
          wrong_ += is_right(reply) ? 0 : 1;
          ++answers_;
          const auto connection = reply.headers.find("connection");
          goes_on = connection == reply.headers.end() || connection->second != "close";
        }
      } catch (const std::runtime_error&) {
        ++cut_off_;
        std::this_thread::sleep_for(1ms);
      }
    }
    ++left_;
  }

  std::atomic<bool> stopping_{false};
  std::atomic<int> answers_{0}, wrong_{0}, cut_off_{0}, left_{0};
  std::vector<std::thread> threads_;
};

class ServingUnderLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int n = 1; n <= 2; ++n) {
      const auto file = folder_.path() / "model.onnx";
      save_model(multiplies_by(n), file);
      ASSERT_EQ(run_planish({"store", "put", file.string(), "--name", "net", "--store", store()})
                    .exit_status,
                0);
    }
  }
  [[nodiscard]] std::string store() const { return (folder_.path() / "store").string(); }
  void start(const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{"serve",       "--store", store(),       "--http",
                                     "127.0.0.1:0", "--admin", "127.0.0.1:0", "--json"};
    command.insert(command.end(), more.begin(), more.end());
    server_ = std::make_unique<RunningPlanish>(command);
    const Json where = parse_json(server_->read_line());
    http_ = port_in(where["http"]);
    admin_ = port_in(where["admin"]);
    HttpClient client(http_);
    for (int i = 0; i < 6000 && client.get("/v2/health/ready").status != 200; ++i)
      std::this_thread::sleep_for(10ms);
  }
  [[nodiscard]] std::string active_in_store() const {
    const auto listed = run_planish({"store", "list", "--store", store(), "--json"});
    return parse_json(listed.out)[0]["active"]["generation"].dump();
  }

  std::unique_ptr<RunningPlanish> server_;
  std::uint16_t http_ = 0;
  std::uint16_t admin_ = 0;

 private:
  static std::uint16_t port_in(const Json& address) {
    const auto text = address.get<std::string>();
    return static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':') + 1)));
  }
  const TemporaryFolder folder_;
};

TEST_F(ServingUnderLoad, RollingBackFailsNoRequest) {
  start();
  Callers callers(http_);
  HttpClient admin(admin_);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(admin.post("/v2/models/net/activate", R"({"version":"2"})").status, 200);
    callers.wait_for_more_answers(5);
    EXPECT_EQ(admin.post("/v2/models/net/rollback", R"({"why":"test"})").status, 200);
    EXPECT_EQ(parse_json(HttpClient(http_).get("/v2/models/net").body)["versions"][0], "1")
        << "the version before is warm: there is nothing to wait for";
    callers.wait_for_more_answers(5);
  }
  callers.stop();
  EXPECT_EQ(callers.wrong(), 0) << "of " << callers.answers();
  EXPECT_EQ(callers.cut_off(), 0) << "of " << callers.answers();
}

TEST_F(ServingUnderLoad, KilledWhileVersionsChangeItComesBackWithTheActiveOne) {
  start();
  for (int life = 0; life < 3; ++life) {
    Callers callers(http_);
    callers.wait_for_more_answers(5);
    std::thread operator_of_it([port = admin_] {
      try {
        HttpClient admin(port);
        while (true) {
          admin.post("/v2/models/net/activate", R"({"version":"2"})");
          admin.post("/v2/models/net/activate", R"({"version":"1"})");
        }
      } catch (const std::runtime_error&) {
        // It was killed.
      }
    });
    callers.wait_for_more_answers(50);
    EXPECT_EQ(server_->end_with(SIGKILL), 128 + SIGKILL);
    callers.stop();
    operator_of_it.join();
    EXPECT_EQ(callers.wrong(), 0) << "of " << callers.answers();
    EXPECT_EQ(run_planish({"store", "verify", "--store", store()}).exit_status, 0);
    start();
    const HttpReply reply = HttpClient(http_).post("/v2/models/net/infer", kRequest);
    EXPECT_TRUE(is_right(reply)) << reply.body;
    EXPECT_EQ(parse_json(reply.body)["model_version"], active_in_store());
  }
}

TEST_F(ServingUnderLoad, AVersionIsPromotedWhenItsShadowAgreesEnough) {
  start({"--shadow", "net=2:1"});
  const std::string admin = "127.0.0.1:" + std::to_string(admin_);
  const auto promote = [&](const std::string& agreement, const std::string& samples,
                           const std::string& p99) {
    return run_planish({"store", "activate", "net", "2", "--store", store(), "--if-agreement",
                        agreement, "--min-samples", samples, "--p99", p99, "--admin", admin,
                        "--why", "release", "--json"});
  };
  Callers callers(http_);
  HttpClient client(http_);
  for (int i = 0; i < 6000; ++i) {
    const Json shadows = parse_json(client.get("/v2/models/net/shadow").body)["shadows"];
    if (!shadows.empty() && shadows[0]["samples"] >= 200) break;
    std::this_thread::sleep_for(10ms);
  }
  const auto too_few = promote("0.9", "1000000000", "60s");
  EXPECT_EQ(too_few.exit_status, 1) << too_few.err;
  EXPECT_NE(parse_json(too_few.out)["gate"].get<std::string>().find("refused"), std::string::npos);
  EXPECT_EQ(active_in_store(), "1");
  EXPECT_EQ(promote("0.9", "200", "0.0001ms").exit_status, 1) << "too slow";
  // 2 x has the order of x: all of 200 agree, and the interval begins at 200 / (200 + 1.96^2).
  const auto promoted = promote("0.98", "200", "60s");
  EXPECT_EQ(promoted.exit_status, 0) << promoted.out << promoted.err;
  EXPECT_EQ(active_in_store(), "2");
  const auto history = run_planish({"store", "show", "net", "--store", store(), "--json"});
  EXPECT_NE(parse_json(history.out)["history"][0]["why"].get<std::string>().find("release; gate: "),
            std::string::npos);
  callers.stop();
  EXPECT_EQ(callers.wrong() + callers.cut_off(), 0) << "of " << callers.answers();
}

TEST_F(ServingUnderLoad, DrainingCutsNobodyOff) {
  start({"--drain-delay", "3"});
  // A load balancer: sends new connections for as long as the server says that it is ready.
  std::atomic<bool> is_ready{true};
  std::jthread balancer([&, port = http_](const std::stop_token& stop) {
    while (!stop.stop_requested() && is_ready) {
      is_ready = HttpClient(port).get("/v2/health/ready").status == 200;
      std::this_thread::sleep_for(5ms);
    }
  });
  Callers callers(http_, [&] { return is_ready.load(); });
  callers.wait_for_more_answers(50);
  EXPECT_EQ(server_->end_with(SIGTERM), 0);
  for (int i = 0; i < 60'000 && !callers.all_have_left(); ++i) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(callers.all_have_left()) << "each was told to look for another server";
  EXPECT_EQ(callers.wrong(), 0) << "of " << callers.answers();
  EXPECT_EQ(callers.cut_off(), 0) << "of " << callers.answers();
}

}  // namespace
}  // namespace planish::e2e
