// Any bytes as a small model and a way to quantize it: every claim of quantization holds
// (claims.h).
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "random_models/claims.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace planish::test;
  Choices choices({data, size});
  const auto naming = choices.one_of({Naming::kPlain, Naming::kHostile});
  const RandomModel random = random_model(choices, naming);
  QuantizationCase quantization = random_case(choices, random.model.opset());
  // The peer's names are what they are, also where a model has them already.
  if (naming == Naming::kHostile) quantization.config.profile = planish::QuantizationProfile::kBest;
  const Claims claims = check_claims(random, quantization);
  if (claims.broken.empty()) return 0;
  std::fprintf(stderr, "%s\n%s\n", to_string(quantization).c_str(), claims.broken.c_str());
  std::abort();
}
