// Unary gRPC calls as bytes: the only code that includes gRPC. What the bytes mean is the caller's,
// so no schema is compiled in, and tensors are read where they lie.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "planish/base/error.h"

namespace planish::rpc {

/// Whether this build has gRPC (CMake option PLANISH_GRPC). Without it everything below throws
/// Error(kUnsupported).
bool is_available();

struct Call {
  std::string method = {};   // "/inference.GRPCInferenceService/ModelInfer"
  std::string message = {};  // one serialized message
  std::chrono::steady_clock::time_point received = {};
  std::optional<std::chrono::steady_clock::time_point> deadline = {};  // the caller's
  std::stop_token gone = {};                                           // the caller cancelled
};

/// A serialized message, or an error.
struct Reply {
  std::string message = {};
  std::optional<Error> error = {};
};

/// Call once, from any thread.
using Respond = std::function<void(Reply)>;
/// Called on a thread of gRPC: must not wait.
using Handler = std::function<void(Call, Respond)>;

struct ListenerConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any that is free
  std::size_t max_message_bytes = std::size_t{64} << 20;
};

/// A port on which every unary method is the handler's.
class Listener {
 public:
  /// @throws Error(kUnavailable) when the port is taken.
  Listener(const ListenerConfig& config, Handler handler);
  /// As stop() without patience.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// Calls whose reply is not sent yet.
  [[nodiscard]] std::size_t calls() const;
  /// Tells clients to go elsewhere and finishes what is under way, for `patience` at the most.
  void stop(std::chrono::milliseconds patience);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A connection to a server. Safe from many threads.
class Channel {
 public:
  /// Connects with the first call. `address`: HOST:PORT.
  Channel(const std::string& address, std::size_t max_message_bytes);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// `done` is called once, on a thread of gRPC. Errors have the code that the status has.
  void call(std::string_view method, std::string_view message, std::chrono::milliseconds timeout,
            std::function<void(Reply)> done);
  /// The same, waiting. @throws Error.
  std::string call(std::string_view method, std::string_view message,
                   std::chrono::milliseconds timeout);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace planish::rpc
