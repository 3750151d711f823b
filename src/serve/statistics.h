// What is counted for each version: the statistics extension and the metrics read it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "serve/latency_histogram.h"

namespace planish::serve {

/// Runs by batch size, for the statistics extension.
class BatchCounts {
 public:
  static constexpr std::size_t kLargest = 64;  // larger ones count as this one
  struct Row {
    std::atomic<std::uint64_t> runs{0};
    std::atomic<std::uint64_t> input_ns{0}, infer_ns{0}, output_ns{0};
  };

  void record(std::size_t batch, std::chrono::nanoseconds input, std::chrono::nanoseconds infer,
              std::chrono::nanoseconds output) noexcept {
    Row& row = rows_[std::min(batch, kLargest)];
    row.runs.fetch_add(1, std::memory_order_relaxed);
    row.input_ns.fetch_add(static_cast<std::uint64_t>(input.count()), std::memory_order_relaxed);
    row.infer_ns.fetch_add(static_cast<std::uint64_t>(infer.count()), std::memory_order_relaxed);
    row.output_ns.fetch_add(static_cast<std::uint64_t>(output.count()), std::memory_order_relaxed);
  }
  [[nodiscard]] const std::array<Row, kLargest + 1>& rows() const noexcept { return rows_; }

 private:
  std::array<Row, kLargest + 1> rows_{};  // by batch size
};

/// Safe from many threads; readers see each number by itself.
struct VersionStatistics {
  std::atomic<std::uint64_t> inferences{0};      // batch elements
  std::atomic<std::uint64_t> executions{0};      // runs
  std::atomic<std::uint64_t> failures{0};        // the model or the server could not do it
  std::atomic<std::uint64_t> bad_requests{0};    // the caller got it wrong
  std::atomic<std::uint64_t> rejections{0};      // queue full, too late, out of memory
  std::atomic<std::uint64_t> cancellations{0};   // the caller went away before the answer
  std::atomic<std::uint64_t> auto_rollbacks{0};  // it was taken back by the server itself
  std::atomic<std::int64_t> last_request_ms{0};  // since the epoch
  LatencyHistogram request;                      // from the whole request read to the response made
  LatencyHistogram queue;
  LatencyHistogram input;    // parsing, decoding, preprocessing
  LatencyHistogram compute;  // the run itself
  LatencyHistogram output;   // writing the response
  BatchCounts batches;
};

}  // namespace planish::serve
