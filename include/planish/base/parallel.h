// Work on all usable cores, with errors and interruption brought back to the caller.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

namespace planish {

/// Calls body(i) for i in [0, count) on up to `threads` threads (the caller's among them).
///
/// Items are taken one by one, in order. The first exception stops further items from starting and
/// is rethrown here. @throws Error(kCancelled) when `stop` was requested before all items ran.
void parallel_for(std::size_t count, std::size_t threads,
                  const std::function<void(std::size_t)>& body, std::stop_token stop = {});

/// @throws Error(kCancelled) when `stop` was requested.
void throw_if_stopped(const std::stop_token& stop);

}  // namespace planish
