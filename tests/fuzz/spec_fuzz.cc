// Any text as a preprocessing description and as labels: what is accepted survives a round trip.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/dataset/dataset.h"
#include "planish/preprocess/preprocess.h"

namespace {

void parse_spec(std::string_view text) {
  const planish::PreprocessSpec spec = planish::parse_preprocess_spec(planish::parse_json(text));
  const planish::Json json = planish::to_json(spec);
  if (planish::parse_preprocess_spec(planish::parse_json(json.dump())) != spec) std::abort();
  const planish::Image image{.height = 2, .width = 1, .channels = 3, .pixels = {1, 2, 3, 4, 5, 6}};
  if (spec.crop && (*spec.crop)[0] * (*spec.crop)[1] < (1 << 16))
    (void)planish::preprocess(image, spec);
}

template <typename Parse>
void expect_value_or_error(Parse&& parse) {
  try {
    parse();
  } catch (const planish::Error& error) {
    if (error.code() == planish::ErrorCode::kInternal) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  expect_value_or_error([&] { parse_spec(text); });
  expect_value_or_error([&] {
    const planish::Labels labels = planish::Labels::parse(text);
    if (labels.size() == 0) std::abort();
    (void)labels.find("a/b.jpg");
  });
  return 0;
}
