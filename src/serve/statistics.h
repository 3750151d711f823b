// What is counted for each version: the statistics extension and the metrics read it.
#pragma once

#include <atomic>
#include <cstdint>

#include "serve/latency_histogram.h"

namespace planish::serve {

/// Safe from many threads; readers see each number by itself.
struct VersionStatistics {
  std::atomic<std::uint64_t> inferences{0};      // batch elements
  std::atomic<std::uint64_t> executions{0};      // runs
  std::atomic<std::uint64_t> failures{0};        // requests that ended in an error of the model
  std::atomic<std::uint64_t> rejections{0};      // queue full, or too late
  std::atomic<std::int64_t> last_request_ms{0};  // since the epoch
  LatencyHistogram request;                      // from the whole request read to the response made
  LatencyHistogram queue;
  LatencyHistogram input;    // parsing, decoding, preprocessing
  LatencyHistogram compute;  // the run itself
  LatencyHistogram output;   // writing the response
};

}  // namespace planish::serve
