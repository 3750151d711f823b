// Counts of durations, recorded without a lock.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace planish::serve {

/// Log-linear buckets (as HdrHistogram): 16 steps to each power of two, so that a quantile is at
/// most 1/16 above the true one. From 1 us to 2^40 us; shorter counts as 1 us, longer as the last.
class LatencyHistogram {
 public:
  static constexpr std::size_t kStepBits = 4;
  static constexpr std::size_t kSteps = std::size_t{1} << kStepBits;
  static constexpr std::size_t kBuckets = (40 - kStepBits + 1) * kSteps;

  struct Snapshot {
    std::array<std::uint64_t, kBuckets> counts{};
    std::uint64_t count = 0;
    std::uint64_t total_ns = 0;

    /// What was recorded after `earlier`, a snapshot of the same histogram.
    [[nodiscard]] Snapshot since(const Snapshot& earlier) const {
      Snapshot difference;
      for (std::size_t i = 0; i < kBuckets; ++i)
        difference.counts[i] = counts[i] - earlier.counts[i];
      difference.count = count - earlier.count;
      difference.total_ns = total_ns - earlier.total_ns;
      return difference;
    }
    /// The upper end of the bucket that holds quantile `q` in (0, 1]; 0 when nothing was recorded.
    [[nodiscard]] std::chrono::microseconds quantile(double q) const {
      if (count == 0) return std::chrono::microseconds{0};
      const double rank = q * static_cast<double>(count);
      std::uint64_t seen = 0;
      for (std::size_t i = 0; i < kBuckets; ++i) {
        seen += counts[i];
        if (static_cast<double>(seen) >= rank && seen > 0)
          return std::chrono::microseconds{upper_end(i)};
      }
      return std::chrono::microseconds{upper_end(kBuckets - 1)};
    }
  };

  void record(std::chrono::nanoseconds duration) noexcept {
    const auto us = static_cast<std::uint64_t>(duration.count() < 0 ? 0 : duration.count()) / 1000;
    counts_[bucket_of(us)].fetch_add(1, std::memory_order_relaxed);
    total_ns_.fetch_add(static_cast<std::uint64_t>(duration.count()), std::memory_order_relaxed);
  }

  [[nodiscard]] Snapshot snapshot() const noexcept {
    Snapshot copy;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      copy.counts[i] = counts_[i].load(std::memory_order_relaxed);
      copy.count += copy.counts[i];
    }
    copy.total_ns = total_ns_.load(std::memory_order_relaxed);
    return copy;
  }

  /// Values below kSteps have a bucket each; above, the top kStepBits + 1 bits choose it.
  static constexpr std::size_t bucket_of(std::uint64_t us) noexcept {
    if (us < kSteps) return static_cast<std::size_t>(us);
    const auto exponent = static_cast<std::size_t>(std::bit_width(us)) - 1 - kStepBits;
    const std::size_t bucket =
        (exponent + 1) * kSteps + static_cast<std::size_t>(us >> exponent) - kSteps;
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }
  /// The largest value of a bucket, in microseconds.
  static constexpr std::uint64_t upper_end(std::size_t bucket) noexcept {
    if (bucket < kSteps) return bucket;
    const std::size_t exponent = bucket / kSteps - 1;
    const std::uint64_t step = bucket % kSteps + kSteps;
    return ((step + 1) << exponent) - 1;
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> counts_{};
  std::atomic<std::uint64_t> total_ns_{0};
};

}  // namespace planish::serve
