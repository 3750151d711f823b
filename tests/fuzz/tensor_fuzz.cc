// Any bytes: parse_tensor throws an Error, or gives a tensor that survives serialization unchanged.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "planish/base/error.h"
#include "planish/onnx/onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  planish::Initializer tensor;
  try {
    tensor = planish::parse_tensor({reinterpret_cast<const char*>(data), size});
  } catch (const planish::Error& error) {
    if (error.code() == planish::ErrorCode::kInternal) std::abort();
    return 0;
  }
  // What was accepted must be written and read again, so an Error here is a finding too.
  const std::string bytes = planish::serialize_tensor(tensor);
  if (!(planish::parse_tensor(bytes) == tensor)) std::abort();
  return 0;
}
