#include <array>
#include <cmath>

#include "planish/base/error.h"
#include "planish/load/load.h"

namespace planish::load {
namespace {

struct Row {
  Arrivals arrivals;
  std::string_view name;
};
constexpr std::array kRows{Row{Arrivals::kPoisson, "poisson"},
                           Row{Arrivals::kConstant, "constant"}};

/// SplitMix64 (Steele, Lea, Flood 2014): the same sequence on every platform, which the
/// distributions of <random> do not promise.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

/// In (0, 1], in steps of 2^-53.
double next_uniform(std::uint64_t& state) {
  return static_cast<double>((next_random(state) >> 11) + 1) * 0x1p-53;
}

}  // namespace

std::string_view name_of(Arrivals arrivals) {
  return kRows.at(static_cast<std::size_t>(arrivals)).name;
}

Arrivals arrivals_from(std::string_view name) {
  std::string names;
  for (const Row& row : kRows) {
    if (row.name == name) return row.arrivals;
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  throw Error(ErrorCode::kInvalidArgument,
              "arrivals '" + std::string(name) + "'; expected one of " + names);
}

ArrivalTimes::ArrivalTimes(double rate, Arrivals arrivals, std::uint64_t seed)
    : rate_(rate), arrivals_(arrivals), state_(seed) {}

std::chrono::nanoseconds ArrivalTimes::next() {
  const double at = at_seconds_;
  // Gaps of a Poisson process are exponential.
  const double gap = arrivals_ == Arrivals::kPoisson ? -std::log(next_uniform(state_)) : 1.0;
  at_seconds_ += gap / rate_;
  return std::chrono::nanoseconds(std::llround(at * 1e9));
}

}  // namespace planish::load
