// How fast weights are read for their ranges and quantized, in bytes of float32 a second, against
// the speed at which this machine reads memory: in turns of one run.
//
//   weights_bench [MEGABYTES] [ROUNDS]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "planish/base/parallel.h"
#include "planish/host/host.h"
#include "planish/quantize/params.h"

namespace planish {
namespace {

double seconds_of(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Adds all 64-bit words, on all cores.
void read_all(const Tensor& tensor) {
  const auto bytes = tensor.bytes();
  const auto* words = reinterpret_cast<const std::uint64_t*>(bytes.data());
  const std::size_t count = bytes.size() / sizeof(std::uint64_t);
  const auto parts = static_cast<std::size_t>(usable_cores());
  std::vector<std::uint64_t> sums(parts);
  parallel_for(parts, parts, [&](std::size_t i) {
    sums[i] = std::accumulate(words + count * i / parts, words + count * (i + 1) / parts,
                              std::uint64_t{0});
  });
  volatile std::uint64_t kept = sums.front();
  static_cast<void>(kept);
}

void run(std::size_t megabytes, int rounds) {
  constexpr std::int64_t kColumns = 4096;
  const auto rows = static_cast<std::int64_t>((megabytes << 20U) / sizeof(float) / kColumns);
  std::vector<float> values(static_cast<std::size_t>(rows * kColumns));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i * 2654435761U % 65536) / 65536 - 0.5F;
  const Tensor weight = Tensor::of({rows, kColumns}, values);
  const auto bytes = static_cast<double>(weight.bytes().size());
  const std::vector<QuantizationParams> by_row(static_cast<std::size_t>(rows),
                                               {0.5F / 127, 0, DType::kInt8});
  const std::vector<QuantizationParams> by_column(kColumns, {0.5F / 127, 0, DType::kInt8});
  struct Work {
    const char* name = nullptr;
    std::function<void()> body = {};
    double best = 0;
  };
  std::vector<Work> works{
      {"read", [&] { read_all(weight); }},
      {"range of all", [&] { range_of(weight.values<float>()); }},
      {"ranges of rows", [&] { ranges_per_channel(weight, 0); }},
      {"ranges of columns", [&] { ranges_per_channel(weight, 1); }},
      {"quantize", [&] { quantize(weight, by_row.front()); }},
      {"quantize by rows", [&] { quantize_per_channel(weight, by_row, 0); }},
      {"quantize by columns", [&] { quantize_per_channel(weight, by_column, 1); }},
  };
  for (int round = 0; round < rounds; ++round) {
    for (Work& work : works) work.best = std::max(work.best, bytes / seconds_of(work.body));
  }
  std::printf("%lld x %lld float32, %d cores, best of %d rounds\n", static_cast<long long>(rows),
              static_cast<long long>(kColumns), usable_cores(), rounds);
  for (const Work& work : works)
    std::printf("%-20s %7.2f GB/s  %5.2f of reading\n", work.name, work.best / 1e9,
                work.best / works.front().best);
}

}  // namespace
}  // namespace planish

int main(int argc, char** argv) {
  try {
    const int megabytes = argc > 1 ? std::atoi(argv[1]) : 256;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 10;
    if (megabytes < 1 || rounds < 1)
      throw std::invalid_argument("usage: weights_bench [MB] [ROUNDS]");
    planish::run(static_cast<std::size_t>(megabytes), rounds);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "weights_bench: %s\n", failure.what());
    return 1;
  }
  return 0;
}
