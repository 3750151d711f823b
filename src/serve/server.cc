#include "planish/serve/server.h"

#include <optional>
#include <thread>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/base/version.h"
#include "planish/host/host.h"
#include "serve/admin_api.h"
#include "serve/grpc_api.h"
#include "serve/http_api.h"
#include "serve/http_listener.h"
#include "serve/rollback_guard.h"

namespace planish::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxAdminBody = std::size_t{1} << 20;
constexpr std::size_t kMaxAdminConnections = 64;
/// A draining server ends when no request came for so long: one that a client sent just before it
/// saw the end of its connection is still answered.
constexpr std::chrono::milliseconds kQuiet{100};

bool is_loopback(const Address& address) {
  return address.host.starts_with("127.") || address.host == "::1";
}

ServerConfig checked(ServerConfig config) {
  if (!is_loopback(config.admin) && config.admin_token.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "the admin port on " + to_string(config.admin) +
                    " can be reached from other machines; set a token, or keep it on 127.0.0.1");
  }
  return config;
}

HttpLimits data_limits(const ServerConfig& config) {
  HttpLimits limits;
  limits.max_body_bytes = config.max_body_bytes;
  limits.max_connections = config.max_connections;
  limits.idle_timeout = config.idle_timeout;
  return limits;
}

HttpLimits admin_limits(const ServerConfig& config) {
  HttpLimits limits = data_limits(config);
  limits.max_body_bytes = kMaxAdminBody;
  limits.max_connections = kMaxAdminConnections;
  return limits;
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(ServerConfig config)
      : config_(checked(std::move(config))),
        registry_(config_, config_.log),
        shadows_(config_, registry_),
        capture_(config_) {
    inference_.emplace(config_, shadows_, capture_);
    serving_.emplace(config_, registry_, *inference_, shadows_, capture_);
    http_api_.emplace(*serving_);
    admin_api_.emplace(*serving_, *http_api_);
    data_.emplace(config_.http, data_limits(config_), [this](HttpRequest request, Respond respond) {
      http_api_->handle(std::move(request), respond);
    });
    admin_.emplace(config_.admin, admin_limits(config_),
                   [this](const HttpRequest& request, const Respond& respond) {
                     admin_api_->handle(request, respond);
                   });
    if (config_.grpc) listen_grpc(*config_.grpc);
    if (config_.auto_rollback) guard_.emplace(config_, registry_, shadows_);
    serving_->connections = [this] { return data_->connections(); };
    const HostReport host = describe_host();
    log({{"event", "start"},
         {"planish", std::string(kVersion)},
         {"http", to_string(data_->address())},
         {"admin", to_string(admin_->address())},
         {"grpc", grpc() ? to_string(*grpc()) : ""},
         {"cores_usable", host.cores_usable},
         {"workers", inference_->executor().workers()},
         {"queue", config_.queue}});
  }

  ~Impl() {
    guard_.reset();
    if (grpc_) grpc_->stop(std::chrono::milliseconds{0});
    // No new requests; then those that are queued, whose answers the listeners let go.
    data_->shut();
    admin_->shut();
    registry_.end();
    admin_api_.reset();
    inference_.reset();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] Address http() const { return data_->address(); }
  [[nodiscard]] Address admin() const { return admin_->address(); }
  [[nodiscard]] std::optional<Address> grpc() const {
    if (!grpc_) return std::nullopt;
    return Address{config_.grpc->host, grpc_->port()};
  }
  void wait_until_loaded(std::chrono::milliseconds limit) { registry_.wait_until_loaded(limit); }

  void stop() {
    serving_->draining = true;
    log({{"event", "drain"}});
    data_->end_connections();
    std::this_thread::sleep_for(config_.drain_delay);
    data_->stop_accepting();
    const auto end = Clock::now() + config_.drain;
    if (grpc_) grpc_->stop(config_.drain);
    auto quiet_since = Clock::now();
    while (data_->connections() > 0 && Clock::now() < end && Clock::now() < quiet_since + kQuiet) {
      if (data_->requests() > 0) quiet_since = Clock::now();
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    log({{"event", "stop"}, {"cut_off", data_->requests()}});
  }

 private:
  void listen_grpc(const Address& address) {
    grpc_api_.emplace(*serving_);
    grpc_.emplace(rpc::ListenerConfig{address.host, address.port, config_.max_body_bytes},
                  [this](rpc::Call call, const rpc::Respond& respond) {
                    grpc_api_->handle(std::move(call), respond);
                  });
  }
  void log(const Json& event) const {
    if (config_.log) config_.log(event);
  }

  const ServerConfig config_;
  ModelRegistry registry_;
  ShadowSet shadows_;
  CaptureSet capture_;
  // Named in the order in which they end, last first.
  std::optional<Serving> serving_;
  std::optional<HttpApi> http_api_;
  std::optional<Inference> inference_;
  std::optional<AdminApi> admin_api_;
  std::optional<GrpcApi> grpc_api_;
  std::optional<HttpListener> data_;
  std::optional<HttpListener> admin_;
  std::optional<rpc::Listener> grpc_;
  std::optional<RollbackGuard> guard_;
};

Server::Server(ServerConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Server::~Server() = default;
Address Server::http() const { return impl_->http(); }
Address Server::admin() const { return impl_->admin(); }
std::optional<Address> Server::grpc() const { return impl_->grpc(); }
void Server::wait_until_loaded(std::chrono::milliseconds limit) { impl_->wait_until_loaded(limit); }
void Server::stop() { impl_->stop(); }

}  // namespace planish::serve
