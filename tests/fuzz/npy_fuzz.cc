// Any bytes as a file of tensors (.npy, .npz, a line of .jsonl): tensors, or an Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "planish/base/error.h"
#include "planish/dataset/tensor_files.h"

namespace {

template <typename Parse>
void expect_tensors_or_error(Parse&& parse) {
  try {
    parse();
  } catch (const planish::Error& error) {
    if (error.code() == planish::ErrorCode::kInternal) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  expect_tensors_or_error([&] { (void)planish::parse_npy(bytes); });
  expect_tensors_or_error([&] { (void)planish::parse_npz(bytes, {.max_bytes = 1 << 20}); });
  expect_tensors_or_error([&] {
    (void)planish::parse_tensor_json({reinterpret_cast<const char*>(data), size});
  });
  return 0;
}
