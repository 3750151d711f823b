#include "serve/grpc_api.h"

#include <array>
#include <utility>

#include "planish/base/json.h"
#include "planish/base/version.h"
#include "serve/grpc_protocol.h"
#include "serve/metrics.h"
#include "serve/wire.h"

namespace planish::serve {
namespace {

constexpr std::string_view kService = "/inference.GRPCInferenceService/";
constexpr std::string_view kHealthCheck = "/grpc.health.v1.Health/Check";
/// The extensions of the protocol that this port has.
constexpr std::array kExtensions{"classification", "model_repository", "parameters", "statistics"};

/// {bool = 1}; false is what is not written.
std::string truth(bool value) {
  std::string message;
  if (value) append_uint(message, 1, 1);
  return message;
}

/// An inference that came over gRPC.
class GrpcInference final : public InferenceCall {
 public:
  GrpcInference(std::string message, rpc::Respond respond)
      : body_(make_body(std::move(message))), respond_(std::move(respond)) {}

  InferRequest read(const InferContext& context) override {
    InferRequest request = parse_grpc_infer(body_, context);
    body_.reset();  // tensors hold what they view
    return request;
  }
  void write(const InferRequest& request, const LoadedVersion& loaded,
             const std::vector<Tensor>& outputs) override {
    message_ = write_grpc_infer(request, loaded.session->signature(), outputs,
                                {loaded.model, loaded.version(), request.id, loaded.classes});
  }
  void send() override { respond_({std::move(message_), std::nullopt}); }
  void fail(const Error& error) override { respond_({{}, error}); }

 private:
  Body body_;
  rpc::Respond respond_;
  std::string message_;
};

}  // namespace

void GrpcApi::handle(rpc::Call call, const rpc::Respond& respond) {
  try {
    if (call.method == std::string(kService) + "ModelInfer")
      return submit(std::move(call), respond);
    respond({answer(call.method, call.message), std::nullopt});
  } catch (const Error& error) {
    respond({{}, error});
  } catch (const std::exception& error) {
    respond({{}, Error(ErrorCode::kInternal, error.what())});
  }
}

void GrpcApi::submit(rpc::Call call, const rpc::Respond& respond) {
  const NamedModel model = parse_named_model(call.message);
  auto inference = std::make_shared<GrpcInference>(std::move(call.message), respond);
  inference->version = serving_.registry.acquire(model.name, model.version);
  inference->received = call.received;
  inference->deadline = call.deadline;
  inference->gone = call.gone;
  serving_.inference.submit(std::move(inference));
}

bool GrpcApi::is_ready() const { return !serving_.draining && serving_.registry.is_ready(); }

std::string GrpcApi::answer(const std::string& method, const std::string& message) const {
  if (method == kHealthCheck) {
    constexpr std::uint64_t kServing = 1;
    constexpr std::uint64_t kNotServing = 2;
    std::string health;
    append_uint(health, 1, is_ready() ? kServing : kNotServing);
    return health;
  }
  if (!method.starts_with(kService))
    throw Error(ErrorCode::kUnsupported, "no such method: " + method);
  const std::string_view name = std::string_view(method).substr(kService.size());
  if (name == "ServerLive") return truth(true);
  if (name == "ServerReady") return truth(is_ready());
  if (name == "ServerMetadata") {
    std::string out;
    append_bytes(out, 1, "planish");
    append_bytes(out, 2, kVersion);
    for (const char* extension : kExtensions) append_bytes(out, 3, extension);
    return out;
  }
  if (name == "RepositoryIndex") return index(message);
  if (name == "RepositoryModelLoad" || name == "RepositoryModelUnload") {
    throw Error(ErrorCode::kUnsupported,
                "load and unload are for the admin port, over HTTP: POST "
                "/v2/repository/models/NAME/load");
  }
  const NamedModel model = parse_named_model(message);
  if (name == "ModelReady") {
    try {
      (void)serving_.registry.acquire(model.name, model.version);
      return truth(!serving_.draining);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kUnavailable) return truth(false);
      throw;
    }
  }
  if (name == "ModelStatistics" && model.name.empty())
    return write_grpc_statistics(parse_json(write_statistics(serving_.registry.statuses())));
  if (name == "ModelMetadata" || name == "ModelStatistics") {
    const Version version = serving_.registry.acquire(model.name, model.version);
    if (name == "ModelMetadata")
      return write_grpc_metadata(version->model, {version->version()},
                                 version->session->signature());
    ModelStatus one;
    one.active = version;
    return write_grpc_statistics(parse_json(write_statistics({one})));
  }
  throw Error(ErrorCode::kUnsupported, "no such method: " + method);
}

/// RepositoryIndexRequest: ready = 2; response: models = 1 {name = 1, version = 2, state = 3,
/// reason = 4}.
std::string GrpcApi::index(const std::string& message) const {
  bool only_ready = false;
  WireReader reader(message);
  while (const auto field = reader.next()) only_ready |= field->number == 2 && field->varint != 0;
  std::string out;
  for (const ModelStatus& model : serving_.registry.statuses()) {
    if (only_ready && model.state != ModelState::kReady) continue;
    std::string one;
    append_bytes(one, 1, model.name);
    if (model.active) append_bytes(one, 2, model.active->version());
    append_bytes(one, 3, name_of(model.state));
    append_bytes(one, 4, model.reason);
    append_bytes(out, 1, one);
  }
  return out;
}

}  // namespace planish::serve
