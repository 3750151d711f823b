// In the place of grpc.cc in a build without gRPC.
#include "planish/rpc/rpc.h"

namespace planish::rpc {
namespace {

[[noreturn]] void refuse() {
  throw Error(ErrorCode::kUnsupported,
              "this build has no gRPC (configured with PLANISH_GRPC=OFF); use HTTP");
}

}  // namespace

bool is_available() { return false; }

class Listener::Impl {};
Listener::Listener(const ListenerConfig&, Handler) { refuse(); }
Listener::~Listener() = default;
std::uint16_t Listener::port() const { refuse(); }
std::size_t Listener::calls() const { refuse(); }
void Listener::stop(std::chrono::milliseconds) { refuse(); }

class Channel::Impl {};
Channel::Channel(const std::string&, std::size_t) { refuse(); }
Channel::~Channel() = default;
void Channel::call(std::string_view, std::string_view, std::chrono::milliseconds,
                   std::function<void(Reply)>) {
  refuse();
}
std::string Channel::call(std::string_view, std::string_view, std::chrono::milliseconds) {
  refuse();
}

}  // namespace planish::rpc
