// How long work tells where it is. The library reports; only the application prints.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace planish {

/// One step forward of a named stage. `total` is 0 when it is not known.
struct ProgressEvent {
  std::string_view stage = {};
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};

/// Called from one thread at a time. Must not throw. Empty: nobody listens.
using ProgressSink = std::function<void(const ProgressEvent&)>;

}  // namespace planish
