// The gRPC port: its messages, and the real thing over a real channel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"
#include "planish/rpc/rpc.h"
#include "planish/serve/client.h"
#include "planish/serve/server.h"
#include "planish/store/store.h"
#include "serve/grpc_protocol.h"
#include "serve/wire.h"
#include "support/graph_builder.h"
#include "support/http_client.h"
#include "support/throws.h"

namespace planish::serve {
namespace {

using namespace std::chrono_literals;
using test::throws;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr auto kPatience = 60000ms;

const Signature& signature() {
  static const Signature one{{{"x", DType::kFloat32, {Dim{}, Dim{std::int64_t{2}}}},
                              {"n", DType::kInt64, {Dim{std::int64_t{1}}}}},
                             {{"y", DType::kFloat32, {}}}};
  return one;
}

std::string message_of(std::uint32_t number, const std::string& bytes) {
  std::string out;
  append_bytes(out, number, bytes);
  return out;
}

/// InferInputTensor, with `more` behind it.
std::string input(const std::string& name, const std::string& datatype,
                  std::vector<std::int64_t> dims, const std::string& more = "") {
  std::string message = message_of(1, name) + message_of(2, datatype);
  append_packed(message, 3, dims);
  return message_of(5, message + more);
}

/// InferTensorContents of one packed member.
std::string contents(std::uint32_t member, const std::vector<std::int64_t>& values) {
  std::string out;
  append_packed(out, member, values);
  return message_of(5, out);
}

std::string floats(std::initializer_list<float> values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

InferRequest parse(const std::string& message) {
  return parse_grpc_infer(make_body(message), {.signature = signature()});
}

const std::string kN = input("n", "INT64", {1}, contents(3, {-7}));

TEST(GrpcInferRequest, TakesContents) {
  const InferRequest request =
      parse(message_of(3, "id-1") +
            input("x", "FP32", {1, 2}, message_of(5, message_of(6, floats({1.5F, -2})))) + kN);
  EXPECT_EQ(request.id, "id-1");
  EXPECT_THAT(request.inputs[0].value.values<float>(), ElementsAre(1.5F, -2));
  EXPECT_THAT(request.inputs[1].value.values<std::int64_t>(), ElementsAre(-7));
}

TEST(GrpcInferRequest, TakesWhatAClientWrites) {
  const std::vector<NamedTensor> inputs{{"x", Tensor::of<float>({2, 2}, {1, 2, 3, 4})},
                                        {"n", Tensor::of<std::int64_t>({1}, {9})}};
  const std::string message = write_grpc_request("net", "3", inputs);
  EXPECT_EQ(parse_named_model(message).name, "net");
  EXPECT_EQ(parse_named_model(message).version, "3");
  const InferRequest request = parse(message);
  EXPECT_THAT(request.inputs[0].value.values<float>(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(request.inputs[1].value.values<std::int64_t>(), ElementsAre(9));
}

TEST(GrpcInferRequest, RefusesWhatTheProtocolForbids) {
  const std::string x = message_of(5, message_of(6, floats({1, 2})));
  const std::string good = input("x", "FP32", {1, 2}, x);
  const struct {
    const char* why;
    std::string message;
    const char* said;
  } refusals[] = {
      {"cut off", good.substr(0, good.size() - 3), "no message"},
      {"a group", std::string("\x0b", 1), "no message"},
      {"an endless number", std::string(11, '\xff'), "no message"},
      {"a field of another type", std::string("\x28\x01", 2), "wire type"},
      {"unknown input", input("z", "FP32", {1, 2}, x) + kN, "'z'"},
      {"missing input", good, "'n'"},
      {"twice", good + good + kN, "twice"},
      {"other datatype", input("x", "FP64", {1, 2}) + kN, ""},
      {"unknown datatype", input("x", "F", {1, 2}, x) + kN, "'F'"},
      {"negative dim", input("x", "FP32", {-1, 2}, x) + kN, "negative"},
      {"overflow", input("x", "FP32", {4611686018427387904, 4}, x) + kN, "'shape'"},
      {"too few", input("x", "FP32", {2, 2}, x) + kN, "2 elements"},
      {"too many", input("x", "FP32", {1, 1}, x) + kN, "more than"},
      {"another member", input("x", "FP32", {1, 2}, contents(3, {1, 2})) + kN, "field 3"},
      {"no contents", input("x", "FP32", {1, 2}) + kN, "neither"},
      {"raw for one of two",
       input("x", "FP32", {1, 2}) + input("n", "INT64", {1}) + message_of(7, floats({1, 2})),
       "1 entries for 2"},
      {"raw and contents", good + kN + message_of(7, floats({1, 2})) + message_of(7, "12345678"),
       "beside"},
      {"raw of another size",
       input("x", "FP32", {1, 2}) + input("n", "INT64", {1}) + message_of(7, "123") +
           message_of(7, "12345678"),
       "3 bytes"},
      {"unknown output", good + kN + message_of(6, message_of(1, "q")), "'q'"},
  };
  for (const auto& refusal : refusals) {
    EXPECT_TRUE(
        throws(ErrorCode::kInvalidArgument, [&] { parse(refusal.message); }, {refusal.said}))
        << refusal.why;
  }
}

TEST(GrpcInferRequest, ElementsOutOfTheRangeOfTheirTypeAreRefused) {
  const Signature bytes{{{"b", DType::kInt8, {Dim{}}}}, {}};
  const auto read = [&](std::int64_t value) {
    const Body body = make_body(input("b", "INT8", {1}, contents(2, {value})));
    return parse_grpc_infer(body, {.signature = bytes}).inputs[0].value.values<std::int8_t>()[0];
  };
  EXPECT_EQ(read(127), 127);
  EXPECT_EQ(read(-128), -128);
  for (const std::int64_t value : {128, -129})
    EXPECT_TRUE(throws(ErrorCode::kInvalidArgument, [&] { read(value); }, {"range"}));
}

class GrpcServer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!rpc::is_available()) GTEST_SKIP() << "this build has no gRPC";
    // y = 2 x.
    const Model model = test::GraphBuilder()
                            .input("x", DType::kFloat32, {"batch", 2})
                            .initializer<float>("f", {1}, {2})
                            .node("Mul", {"x", "f"}, {"y"})
                            .output("y", DType::kFloat32, {"batch", 2})
                            .model();
    save_model(model, folder_.path() / "net.onnx");
    ServerConfig config;
    config.model = folder_.path() / "net.onnx";
    config.http.port = 0;
    config.admin.port = 0;
    config.grpc = Address{"127.0.0.1", 0};
    server_ = std::make_unique<Server>(config);
    server_->wait_until_loaded(kPatience);
    channel_ = std::make_unique<rpc::Channel>(to_string(*server_->grpc()), std::size_t{1} << 20);
  }
  std::string call(const std::string& method, const std::string& message = "") {
    return channel_->call("/inference.GRPCInferenceService/" + method, message, kPatience);
  }
  static std::string infer_message() {
    return write_grpc_request("net", "",
                              std::vector<NamedTensor>{{"x", Tensor::of<float>({1, 2}, {1, -4})}});
  }

  const TemporaryFolder folder_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<rpc::Channel> channel_;
};

TEST_F(GrpcServer, Infers) {
  const std::string answer = call("ModelInfer", infer_message() + message_of(3, "r1"));
  EXPECT_EQ(parse_named_model(answer).name, "net");
  EXPECT_EQ(parse_named_model(answer).version, "1");
  std::string id;
  std::string raw;
  WireReader reader(answer);
  while (const auto field = reader.next()) {
    if (field->number == 3) id = field->bytes;
    if (field->number == 6) raw = field->bytes;
  }
  EXPECT_EQ(id, "r1");
  EXPECT_EQ(raw, floats({2, -8}));
}

TEST_F(GrpcServer, TellsWhatItIs) {
  const std::string yes("\x08\x01", 2);
  EXPECT_EQ(call("ServerLive"), yes);
  EXPECT_EQ(call("ServerReady"), yes);
  EXPECT_EQ(call("ModelReady", message_of(1, "net")), yes);
  EXPECT_EQ(channel_->call("/grpc.health.v1.Health/Check", "", kPatience), yes);
  EXPECT_THAT(call("ServerMetadata"), HasSubstr("planish"));
  const Signature signature = parse_grpc_metadata(call("ModelMetadata", message_of(1, "net")));
  EXPECT_EQ(signature.inputs[0], (TensorSpec{"x", DType::kFloat32, {Dim(), Dim(2)}}));
  EXPECT_EQ(signature.outputs[0].name, "y");
  call("ModelInfer", infer_message());
  EXPECT_THAT(call("ModelStatistics", message_of(1, "net")), HasSubstr("net"));
  EXPECT_THAT(call("RepositoryIndex"), HasSubstr("READY"));
}

TEST_F(GrpcServer, EveryErrorHasItsStatus) {
  const auto fails = [&](ErrorCode code, const std::string& method, const std::string& message) {
    return throws(code, [&] { call(method, message); });
  };
  EXPECT_TRUE(fails(ErrorCode::kNotFound, "ModelInfer", message_of(1, "other")));
  EXPECT_TRUE(fails(ErrorCode::kNotFound, "ModelMetadata", message_of(1, "other")));
  EXPECT_TRUE(fails(ErrorCode::kInvalidArgument, "ModelInfer", message_of(1, "net")));
  EXPECT_TRUE(fails(ErrorCode::kInvalidArgument, "ModelInfer", "\x0b"));
  EXPECT_TRUE(fails(ErrorCode::kUnsupported, "Nothing", ""));
  EXPECT_TRUE(fails(ErrorCode::kUnsupported, "RepositoryModelUnload", ""));
  EXPECT_EQ(parse_named_model(call("ModelInfer", infer_message())).name, "net") << "still there";
}

TEST_F(GrpcServer, ASpentDeadlineIsToldAtOnce) {
  EXPECT_TRUE(throws(ErrorCode::kDeadline, [&] {
    channel_->call("/inference.GRPCInferenceService/ModelInfer", infer_message(), 0ms);
  }));
}

TEST_F(GrpcServer, StopEndsIt) {
  call("ModelInfer", infer_message());
  server_->stop();
  EXPECT_TRUE(throws(ErrorCode::kUnavailable, [&] { call("ServerLive"); }));
}

}  // namespace
}  // namespace planish::serve
