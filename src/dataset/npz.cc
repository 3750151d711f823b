#include <string>
#include <utility>

#include "dataset/zip.h"
#include "planish/base/error.h"
#include "planish/dataset/tensor_files.h"

namespace planish {

std::vector<NamedTensor> parse_npz(std::span<const std::byte> bytes,
                                   const TensorFileLimits& limits) {
  constexpr std::string_view kSuffix = ".npy";
  std::vector<NamedTensor> tensors;
  for (const detail::ZipMember& member : detail::list_zip(bytes, limits)) {
    if (!member.name.ends_with(kSuffix)) continue;
    const auto content = std::make_shared<const std::string>(detail::extract(bytes, member));
    tensors.push_back({.name = member.name.substr(0, member.name.size() - kSuffix.size()),
                       .value = in_context("'" + member.name + "'", [&] {
                         return parse_npy(std::as_bytes(std::span(*content)), content);
                       })});
  }
  return tensors;
}

}  // namespace planish
