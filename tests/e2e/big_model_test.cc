// A model beyond protobuf's 2 GB on the whole way. Takes minutes, 8 GB of memory and 12 GB in the
// folder of temporary files: only with PLANISH_BIG=1 in the environment.
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <thread>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "process.h"
#include "support/graph_builder.h"
#include "support/http_client.h"
#include "support/random_tensor.h"

namespace planish::e2e {
namespace {

namespace fs = std::filesystem;
using test::GraphBuilder;

constexpr std::int64_t kWidth = 4096;
constexpr std::int64_t kHidden = 16384;
constexpr std::int64_t kClasses = 1000;
constexpr int kBlocks = 4;
// The matrices of the blocks alone are one byte more than a protobuf message may have.
static_assert(kBlocks * 2 * kWidth * kHidden * 4 == std::int64_t{1} << 31);

/// [rows, columns], of standard deviation 1 / sqrt(rows), so that activations keep their size. A
/// few instructions an element: there are half a billion.
Tensor weight(std::int64_t rows, std::int64_t columns, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  const float scale = std::sqrt(12.0F / static_cast<float>(rows)) / 4294967296.0F;
  std::uint64_t state = seed;
  for (float& value : values) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    value = static_cast<float>(static_cast<std::int32_t>(state >> 32U)) * scale;
  }
  return Tensor::of({rows, columns}, values);
}

/// x + W2 relu(W1 normalize(x)), several times, and a classifier.
Model big_model() {
  GraphBuilder builder;
  builder.input("x", DType::kFloat32, {"batch", kWidth});
  builder.initializer<float>("one", {kWidth}, std::vector<float>(kWidth, 1.0F));
  std::string value = "x";
  for (int i = 0; i < kBlocks; ++i) {
    const std::string block = "block" + std::to_string(i) + ".";
    const auto seed = static_cast<std::uint64_t>(2 * i + 1);
    builder.initializer(block + "w1", weight(kWidth, kHidden, seed))
        .initializer(block + "w2", weight(kHidden, kWidth, seed + 1))
        .node("LayerNormalization", {value, "one"}, {block + "norm"})
        .node("MatMul", {block + "norm", block + "w1"}, {block + "up"})
        .node("Relu", {block + "up"}, {block + "relu"})
        .node("MatMul", {block + "relu", block + "w2"}, {block + "down"})
        .node("Add", {value, block + "down"}, {block + "sum"});
    value = block + "sum";
  }
  return builder.initializer("head", weight(kWidth, kClasses, 99))
      .node("MatMul", {value, "head"}, {"y"})
      .output("y", DType::kFloat32, {"batch", kClasses})
      .model();
}

class BigModel : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* const asked = std::getenv("PLANISH_BIG");
    if (asked == nullptr || std::string_view(asked) != "1") {
      GTEST_SKIP() << "takes minutes, 8 GB of memory and 12 GB of disk: set PLANISH_BIG=1";
    }
    save_model(big_model(), path("big.onnx"));
    bytes_ = fs::file_size(path("big.onnx.data"));
    fs::create_directory(path("data"));
    for (int i = 0; i < 4; ++i) {
      write_file_atomically(path("data/" + std::to_string(i) + ".pb"),
                            serialize_tensor({.name = "x", .value = sample(i)}));
    }
  }

  static Tensor sample(int i) {
    return test::random_tensor({1, kWidth}, 100 + static_cast<std::uint64_t>(i));
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_.path() / name).string();
  }

  /// Runs `planish ARGUMENTS`; its peak is at most `copies` times the weights. 512 MB are for the
  /// rest: the program, ONNX Runtime, and a copy of the largest layer, which has 268 MB.
  void run(const std::vector<std::string>& arguments, double copies) {
    constexpr std::uint64_t kRest = std::uint64_t{512} << 20U;
    const Finished done =
        run_planish(arguments, {.folder = folder_.path(), .time_limit = std::chrono::minutes(20)});
    ASSERT_EQ(done.exit_status, 0) << arguments.front() << ": " << done.out << done.err;
    EXPECT_LE(done.peak_bytes,
              static_cast<std::uint64_t>(copies * static_cast<double>(bytes_)) + kRest)
        << arguments.front();
    std::cout << arguments.front() << ": peak " << done.peak_bytes / 1000000 << " MB\n";
  }

  /// Two files, with nearly all in the second.
  void expect_external(const std::string& name) {
    EXPECT_LT(fs::file_size(path(name)), std::uintmax_t{1} << 20U);
    EXPECT_GE(fs::file_size(path(name + ".data")), bytes_ / 2);
  }

  void expect_served(const std::string& store) {
    RunningPlanish server({"serve", "--store", store, "--http", "127.0.0.1:0", "--admin",
                           "127.0.0.1:0", "--workers", "1", "--json"});
    const auto where = parse_json(server.read_line())["http"].get<std::string>();
    test::HttpClient client(
        static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
    for (int i = 0; i < 6000 && client.get("/v2/health/ready").status != 200; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
    const Json request{{"inputs",
                        {{{"name", "x"},
                          {"datatype", "FP32"},
                          {"shape", {1, kWidth}},
                          {"data", sample(0).to_floats()}}}}};
    const test::HttpReply reply = client.post("/v2/models/big/infer", request.dump());
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(parse_json(reply.body)["outputs"][0]["data"].size(), std::size_t{kClasses});
    EXPECT_EQ(server.end_with(SIGTERM), 0);
  }

  std::uint64_t bytes_ = 0;  // of the weights

 private:
  const TemporaryFolder folder_;
};

// The integers are a quarter of the floats. What ONNX Runtime runs, it holds as it packs it.
TEST_F(BigModel, GoesTheWholeWayInBoundedMemory) {
  run({"import", "big.onnx", "-o", "imported.onnx"}, 1.0);
  expect_external("imported.onnx");
  run({"prepare", "imported.onnx", "-o", "prepared.onnx"}, 1.0);
  expect_external("prepared.onnx");
  run({"inspect", "prepared.onnx"}, 1.0);
  run({"quantize", "prepared.onnx", "--mode", "dynamic", "-o", "dynamic.onnx"}, 1.25);
  run({"calibrate", "big.onnx", "--data", "data", "-o", "ranges.json"}, 2.0);
  run({"quantize", "big.onnx", "--calibration", "ranges.json", "-o", "static.onnx"}, 1.25);
  run({"compare", "big.onnx", "static.onnx", "--data", "data", "--max-drop", "1"}, 1.5);
  run({"bench", "big.onnx", "dynamic.onnx", "static.onnx", "--seconds", "0.5"}, 2.0);
  run({"sensitivity", "big.onnx", "--data", "data", "--samples", "1", "-o", "layers.json"}, 4.0);
  run({"auto", "big.onnx", "--data", "data", "--max-drop", "1", "--budget", "30s", "-o", "auto"},
      6.0);
  run({"store", "put", "big.onnx", "--name", "big", "--store", "store"}, 1.0);
  expect_served(path("store"));
}

}  // namespace
}  // namespace planish::e2e
