#include <charconv>

#include "planish/base/error.h"
#include "planish/serve/server.h"

namespace planish::serve {

Address parse_address(std::string_view text) {
  const auto refuse = [&] {
    throw Error(ErrorCode::kInvalidArgument,
                "address '" + std::string(text) + "'; expected HOST:PORT, as in 127.0.0.1:8080");
  };
  Address address;
  const auto colon = text.rfind(':');
  std::string_view port = text;
  if (colon != text.npos) {
    std::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (host.empty()) refuse();
    address.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  }
  const char* const end = port.data() + port.size();
  const auto [stop, failure] = std::from_chars(port.data(), end, address.port);
  if (failure != std::errc() || stop != end || port.empty()) refuse();
  return address;
}

std::string to_string(const Address& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace planish::serve
