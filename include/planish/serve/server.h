// A server of the Open Inference Protocol over the versions of a store, or over one model file.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/serve/capture.h"
#include "planish/serve/gate.h"
#include "planish/serve/shadow.h"

namespace planish::serve {

struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any that is free
};
/// "HOST:PORT", "PORT", "[::1]:PORT". @throws Error(kInvalidArgument).
Address parse_address(std::string_view text);
std::string to_string(const Address& address);

/// One line of the log: an event and its fields, as JSON.
using LogSink = std::function<void(const Json&)>;

struct ServerConfig {
  std::filesystem::path store = {};  // follow the active versions of this store, …
  std::filesystem::path model = {};  // … or serve this one file
  std::string name = {};             // of `model`; "": its file name
  std::string preprocess = {};       // of `model`; "": none
  Address http = {"127.0.0.1", 8080};
  Address admin = {"127.0.0.1", 8082};  // metrics, activate, rollback; keep it off the network
  std::string admin_token = {};         // wanted as "Authorization: Bearer"; must be set when
                                        // admin is not on the loopback
  int workers = 0;                      // runs side by side, each of the version's own threads;
                                        // 0: the usable cores divided by those threads
  std::size_t queue = 256;              // requests that wait; more are refused with 429
  std::chrono::milliseconds queue_timeout{30000};  // how long a request may wait for a worker
  std::size_t max_body_bytes = std::size_t{64} << 20;
  std::size_t max_connections = 1024;
  std::chrono::milliseconds poll{50};        // how often the store is looked at
  std::chrono::seconds idle_timeout{75};     // a connection that sends nothing is closed
  std::chrono::milliseconds drain{10000};    // how long stop() waits for requests under way
  std::chrono::milliseconds drain_delay{0};  // how long it still accepts after it says "not ready"
  std::optional<Address> grpc = {};          // nothing: HTTP only
  std::vector<ShadowConfig> shadows = {};
  CaptureConfig capture = {};
  std::optional<RollbackRule> auto_rollback = {};  // nothing: versions change by hand only
  LogSink log = {};
};

/// Running from its construction until stop(). Loads in the background; a model answers once it is
/// warm. The destructor stops at once.
class Server {
 public:
  /// @throws Error(kUnavailable) when a port is taken; kNotFound; kInvalidArgument.
  explicit Server(ServerConfig config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Where it listens, with the ports that were free.
  [[nodiscard]] Address http() const;
  [[nodiscard]] Address admin() const;
  [[nodiscard]] std::optional<Address> grpc() const;
  /// Waits until every model is ready, or failed to load. @throws Error(kDeadline).
  void wait_until_loaded(std::chrono::milliseconds limit);
  /// In this order: says "not ready", goes on answering for drain_delay, accepts no more, finishes
  /// what is under way (for `drain` at the most), and ends.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace planish::serve
