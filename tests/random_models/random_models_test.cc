// Random models, quantized in random ways: what must hold of each (claims.h). Seeds are fixed, so
// that a run is the same everywhere; more of them by hand:
//   PLANISH_SEEDS=1000:5000 build/release/bin/random_models_test     seeds 1000 to 4999
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "planish/onnx/onnx.h"
#include "random_models/claims.h"

namespace planish::test {
namespace {

struct Seeds {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
};

/// PLANISH_SEEDS=FIRST:END, else `usual`.
Seeds seeds_or(Seeds usual) {
  const char* const text = std::getenv("PLANISH_SEEDS");
  if (text == nullptr) return usual;
  char* colon = nullptr;
  const std::uint64_t first = std::strtoull(text, &colon, 10);
  return {first, *colon == ':' ? std::strtoull(colon + 1, nullptr, 10) : first + 1};
}

/// With PLANISH_KEEP=FOLDER the float and the quantized model of a failure are written there, to be
/// looked at.
void keep(const Model& model, const Claims& claims, std::uint64_t seed) {
  const char* const variable = std::getenv("PLANISH_KEEP");
  if (variable == nullptr) return;
  const std::filesystem::path folder = variable;
  save_model(model, folder / (std::to_string(seed) + ".onnx"));
  if (claims.quantized)
    save_model(*claims.quantized, folder / (std::to_string(seed) + "_quantized.onnx"));
}

/// How to see the failure again.
std::string command(std::uint64_t seed, const QuantizationCase& quantization) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  return "seed " + std::to_string(seed) + ", " + to_string(quantization) +
         "\nagain: PLANISH_SEEDS=" + std::to_string(seed) +
         " build/release/bin/random_models_test --gtest_filter=" + test->test_suite_name() + "." +
         test->name();
}

struct Tally {
  std::size_t cases = 0;
  std::size_t compared = 0;
  double largest_error = 0.0;
  double largest_spread = 0.0;
};

constexpr std::size_t kCasesPerModel = 4;

void check_seed(std::uint64_t seed, Naming naming, Tally& tally) {
  const std::vector<std::uint8_t> bytes = bytes_from_seed(seed);
  Choices choices(bytes);
  const RandomModel random = random_model(choices, naming);
  for (std::size_t i = 0; i < kCasesPerModel; ++i) {
    QuantizationCase quantization = random_case(choices, random.model.opset());
    // The peer's names are what they are, also where a model has them already.
    if (naming == Naming::kHostile) quantization.config.profile = QuantizationProfile::kBest;
    const Claims claims = check_claims(random, quantization);
    EXPECT_EQ(claims.broken, "") << command(seed, quantization);
    if (!claims.broken.empty()) keep(random.model, claims, seed);
    ++tally.cases;
    tally.compared += claims.compared ? 1 : 0;
    tally.largest_error = std::max(tally.largest_error, claims.largest_error);
    tally.largest_spread = std::max(tally.largest_spread, claims.largest_spread);
  }
}

Tally check_seeds(Seeds seeds, Naming naming) {
  Tally tally;
  for (std::uint64_t seed = seeds.first; seed < seeds.end; ++seed) check_seed(seed, naming, tally);
  std::cout << tally.cases << " quantized models, " << tally.compared
            << " compared with their bounds; largest error " << tally.largest_error
            << " of its bound, largest difference between levels " << tally.largest_spread
            << " of its bound\n";
  return tally;
}

TEST(RandomModels, KeepEveryClaimOfQuantization) {
  const Tally tally = check_seeds(seeds_or({0, 100}), Naming::kPlain);
  // Bounds that nothing comes near would prove little.
  if (tally.cases > 100) {
    EXPECT_GT(tally.largest_error, 0.5);
  }
}

TEST(RandomModels, MayHaveTheNamesThatQuantizationGives) {
  check_seeds(seeds_or({10'000, 10'030}), Naming::kHostile);
}

TEST(RandomModels, StayMended) {
  Tally tally;
  for (const std::uint64_t seed :
       {41'052U,     // a constant that is called like the transposed copy of another
        41'155U,     // an output, its Transpose and an Unsqueeze before integers
        42'718U}) {  // a float Gemm that ONNX Runtime quantizes by itself
    check_seed(seed, Naming::kHostile, tally);
  }
}

}  // namespace
}  // namespace planish::test
