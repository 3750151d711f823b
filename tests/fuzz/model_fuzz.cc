// Any bytes: parse_model throws an Error, or gives a model that survives serialization unchanged.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "planish/base/error.h"
#include "planish/onnx/onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  planish::Model model;
  try {
    model = planish::parse_model({reinterpret_cast<const char*>(data), size});
  } catch (const planish::Error& error) {
    if (error.code() == planish::ErrorCode::kInternal) std::abort();
    return 0;
  }
  // What was accepted must be written and read again, so an Error here is a finding too.
  const std::string bytes = planish::serialize_model(model);
  const planish::Model again = planish::parse_model(bytes);
  if (!(again == model)) std::abort();
  if (planish::serialize_model(again) != bytes) std::abort();
  return 0;
}
