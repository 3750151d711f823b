#include "torch/other_files.h"

#include <algorithm>

#include "planish/base/byte_reader.h"
#include "planish/base/error.h"

namespace planish::torch {
namespace {

using namespace std::string_view_literals;

// torch/serialization.py: the first pickle of the format before torch 1.6, a long integer.
constexpr std::string_view kOldTorchSave = "\x80\x02\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19."sv;

// Protocol 2 and later begin with the opcode PROTO and their number (Python, pickletools).
constexpr char kProto = '\x80';
constexpr char kMinProtocol = 2;
constexpr char kMaxProtocol = 5;

/// The length of a header of JSON, 8 bytes, and the header.
bool is_safetensors(std::span<const std::byte> bytes) {
  if (bytes.size() < 10) return false;
  ByteReader reader(bytes, "safetensors");
  const std::uint64_t header_bytes = reader.take_integer(8);
  return header_bytes <= reader.left() && reader.take_text(2) == "{\"";
}

}  // namespace

void refuse_with_recipe(const std::string& what) {
  throw Error(ErrorCode::kUnsupported, what + "\n" + std::string(kExportRecipe));
}

std::string_view kind_of_weights(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with(kOldTorchSave)) return "what torch.save of torch 1.5 or older wrote";
  const bool is_pickle =
      text.size() >= 2 && text[0] == kProto && text[1] >= kMinProtocol && text[1] <= kMaxProtocol;
  if (is_pickle) return "a pickle";
  return is_safetensors(bytes) ? "a file of safetensors" : "";
}

std::span<const std::byte> refuse_other_files(std::span<const std::byte> bytes) {
  const std::string_view kind = kind_of_weights(bytes);
  if (!kind.empty()) {
    refuse_with_recipe("is " + std::string(kind) +
                       ": weights without a graph. Export the model that they belong to, after "
                       "loading them into it:");
  }
  return bytes;
}

}  // namespace planish::torch
