#include "random_models/choices.h"

#include <algorithm>
#include <random>

namespace planish::test {

std::vector<std::uint8_t> bytes_from_seed(std::uint64_t seed) {
  constexpr std::size_t kEnough = 4096;
  std::mt19937_64 engine(seed);
  std::vector<std::uint8_t> bytes(kEnough);
  std::ranges::generate(bytes, [&] { return static_cast<std::uint8_t>(engine() >> 56U); });
  return bytes;
}

}  // namespace planish::test
