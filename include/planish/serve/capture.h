// Inputs of live requests kept as samples, so that the next calibration is made of what really
// comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace planish::serve {

/// Opt-in: requests may hold what nobody should keep. Format: docs/formats/capture.md.
struct CaptureConfig {
  std::filesystem::path folder = {};  // FOLDER/MODEL/images and …/tensors; empty: nothing is kept
  std::size_t samples = 256;          // of each, a uniform choice of all requests that came
  std::uint64_t max_bytes = std::uint64_t{256} << 20;  // of each; what would go beyond is left out
};

}  // namespace planish::serve
