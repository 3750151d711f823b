#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "planish/rpc/rpc.h"

namespace planish::rpc {
namespace {

using Steady = std::chrono::steady_clock;
using System = std::chrono::system_clock;

struct StatusRow {
  ErrorCode code = ErrorCode::kInternal;
  grpc::StatusCode status = grpc::StatusCode::UNKNOWN;
};
constexpr std::array kStatuses{
    StatusRow{ErrorCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT},
    StatusRow{ErrorCode::kNotFound, grpc::StatusCode::NOT_FOUND},
    StatusRow{ErrorCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS},
    StatusRow{ErrorCode::kUnsupported, grpc::StatusCode::UNIMPLEMENTED},
    StatusRow{ErrorCode::kCorrupt, grpc::StatusCode::DATA_LOSS},
    StatusRow{ErrorCode::kExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
    StatusRow{ErrorCode::kUnavailable, grpc::StatusCode::UNAVAILABLE},
    StatusRow{ErrorCode::kDeadline, grpc::StatusCode::DEADLINE_EXCEEDED},
    StatusRow{ErrorCode::kCancelled, grpc::StatusCode::CANCELLED},
    StatusRow{ErrorCode::kInternal, grpc::StatusCode::INTERNAL},
};
static_assert(kStatuses.size() == kErrorCodes.size(), "kStatuses: one row per ErrorCode");

grpc::Status status_of(const Error& error) {
  for (const StatusRow& row : kStatuses) {
    if (row.code == error.code()) return {row.status, error.message()};
  }
  return {grpc::StatusCode::UNKNOWN, error.message()};
}

Error error_of(const grpc::Status& status) {
  for (const StatusRow& row : kStatuses) {
    if (row.status == status.error_code()) return {row.code, status.error_message()};
  }
  return {ErrorCode::kInternal, status.error_message()};
}

std::string bytes_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

/// The buffer owns the string: nothing is copied.
grpc::ByteBuffer buffer_of(std::string bytes) {
  auto* const owned = new std::string(std::move(bytes));
  const grpc::Slice slice(
      owned->data(), owned->size(), [](void* text) { delete static_cast<std::string*>(text); },
      owned);
  return {&slice, 1};
}

}  // namespace

bool is_available() { return true; }

class Listener::Impl : private grpc::CallbackGenericService {
 public:
  Impl(const ListenerConfig& config, rpc::Handler handler) : handler_(std::move(handler)) {
    grpc::ServerBuilder builder;
    int port = 0;
    const bool is_v6 = config.host.find(':') != std::string::npos;
    const std::string address =
        (is_v6 ? "[" + config.host + "]" : config.host) + ":" + std::to_string(config.port);
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetMaxReceiveMessageSize(static_cast<int>(config.max_message_bytes));
    builder.SetMaxSendMessageSize(-1);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
    if (!server_ || port == 0)
      throw Error(ErrorCode::kUnavailable, "cannot listen on " + address + " (gRPC)");
    port_ = static_cast<std::uint16_t>(port);
  }
  ~Impl() override { stop(std::chrono::milliseconds{0}); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t calls() const { return calls_; }
  void stop(std::chrono::milliseconds patience) {
    server_->Shutdown(System::now() + patience);
    server_->Wait();
  }

 private:
  /// One call. gRPC calls back; the reply may come from any thread, also after a cancellation.
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    Reactor(Impl& owner, grpc::GenericCallbackServerContext& context)
        : owner_(owner), context_(context) {
      ++owner_.calls_;
      StartRead(&request_);
    }
    void OnReadDone(bool ok) override {
      if (!ok) return Finish({grpc::StatusCode::INVALID_ARGUMENT, "no message; expected one"});
      Call call;
      call.method = context_.method();
      call.message = bytes_of(request_);
      call.received = Steady::now();
      request_.Clear();
      if (context_.deadline() != System::time_point::max())
        call.deadline = call.received + (context_.deadline() - System::now());
      call.gone = gone_.get_token();
      owner_.handler_(std::move(call), [this](Reply reply) { finish(std::move(reply)); });
    }
    void OnCancel() override { gone_.request_stop(); }
    void OnDone() override {
      --owner_.calls_;
      delete this;
    }

   private:
    void finish(Reply reply) {
      if (reply.error) return Finish(status_of(*reply.error));
      response_ = buffer_of(std::move(reply.message));
      StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
    }

    Impl& owner_;
    grpc::GenericCallbackServerContext& context_;
    grpc::ByteBuffer request_;
    grpc::ByteBuffer response_;
    std::stop_source gone_;
  };

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    return new Reactor(*this, *context);
  }

  const rpc::Handler handler_;
  std::atomic<std::size_t> calls_{0};
  std::unique_ptr<grpc::Server> server_;
  std::uint16_t port_ = 0;
};

Listener::Listener(const ListenerConfig& config, Handler handler)
    : impl_(std::make_unique<Impl>(config, std::move(handler))) {}
Listener::~Listener() = default;
std::uint16_t Listener::port() const { return impl_->port(); }
std::size_t Listener::calls() const { return impl_->calls(); }
void Listener::stop(std::chrono::milliseconds patience) { impl_->stop(patience); }

class Channel::Impl {
 public:
  Impl(const std::string& address, std::size_t max_message_bytes)
      : stub_(channel_to(address, max_message_bytes)) {}

  void call(std::string_view method, std::string_view message, std::chrono::milliseconds timeout,
            std::function<void(Reply)> done) {
    struct Under {
      grpc::ClientContext context;
      grpc::ByteBuffer request;
      grpc::ByteBuffer response;
    };
    auto under = std::make_shared<Under>();
    under->context.set_deadline(System::now() + timeout);
    under->request = buffer_of(std::string(message));
    stub_.UnaryCall(&under->context, std::string(method), grpc::StubOptions(), &under->request,
                    &under->response, [under, done = std::move(done)](const grpc::Status& status) {
                      if (status.ok()) return done({bytes_of(under->response), std::nullopt});
                      done({{}, error_of(status)});
                    });
  }

 private:
  static std::shared_ptr<grpc::Channel> channel_to(const std::string& address,
                                                   std::size_t max_message_bytes) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(static_cast<int>(max_message_bytes));
    arguments.SetMaxSendMessageSize(-1);
    // Channels of one process share connections otherwise, and a load would go over one.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }

  grpc::GenericStub stub_;
};

Channel::Channel(const std::string& address, std::size_t max_message_bytes)
    : impl_(std::make_unique<Impl>(address, max_message_bytes)) {}
Channel::~Channel() = default;

void Channel::call(std::string_view method, std::string_view message,
                   std::chrono::milliseconds timeout, std::function<void(Reply)> done) {
  impl_->call(method, message, timeout, std::move(done));
}

std::string Channel::call(std::string_view method, std::string_view message,
                          std::chrono::milliseconds timeout) {
  std::promise<Reply> promise;
  impl_->call(method, message, timeout, [&](Reply reply) { promise.set_value(std::move(reply)); });
  Reply reply = promise.get_future().get();
  if (reply.error) throw *reply.error;
  return std::move(reply.message);
}

}  // namespace planish::rpc
