// Any bytes as an archive of torch.export: an Error, or a model that can be written and read again.
//
// A byte that changes in an archive breaks a checksum, so inputs are also read as the parts of an
// archive that this program puts together: program, table of weights and bytes of weights, with a
// line "---" between them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "planish/base/error.h"
#include "planish/onnx/onnx.h"
#include "planish/torch/import.h"
#include "support/zip_writer.h"

namespace {

/// The text up to the next line "---", which is taken from `rest`.
std::string take_part(std::string_view& rest) {
  constexpr std::string_view kLine = "\n---\n";
  const std::size_t end = rest.find(kLine);
  const std::string part(rest.substr(0, end));
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + kLine.size());
  return part;
}

std::string archive_of_parts(std::string_view input) {
  const std::string program = take_part(input);
  const std::string weights = take_part(input);
  return planish::test::zip_of(
      {{.name = "net/data/weights/model_weights_config.json", .content = weights},
       {.name = "net/data/weights/weight_0", .content = std::string(input)},
       {.name = "net/models/model.json", .content = program},
       {.name = "net/archive_format", .content = "pt2"},
       {.name = "net/byteorder", .content = "little"}});
}

void expect_model_or_error(std::string_view archive) {
  planish::Model model;
  try {
    const auto bytes = std::as_bytes(std::span(archive));
    model = planish::import_torch_export(bytes, nullptr).model;
  } catch (const planish::Error& error) {
    if (error.code() == planish::ErrorCode::kInternal) std::abort();
    return;
  }
  // What was accepted must be a graph: an Error here is a finding too.
  if (!(planish::parse_model(planish::serialize_model(model)) == model)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  expect_model_or_error(input);
  expect_model_or_error(archive_of_parts(input));
  return 0;
}
