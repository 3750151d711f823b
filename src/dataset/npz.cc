#include <string>
#include <utility>

#include "planish/archive/zip.h"
#include "planish/base/error.h"
#include "planish/dataset/tensor_files.h"

namespace planish {

std::vector<NamedTensor> parse_npz(std::span<const std::byte> bytes,
                                   const TensorFileLimits& limits) {
  constexpr std::string_view kSuffix = ".npy";
  std::vector<NamedTensor> tensors;
  const ZipArchive archive(bytes, ".npz", {limits.max_bytes, limits.max_members});
  for (const ZipMember& member : archive.members()) {
    if (!member.name.ends_with(kSuffix)) continue;
    const auto content = std::make_shared<const std::string>(archive.extract(member));
    tensors.push_back({.name = member.name.substr(0, member.name.size() - kSuffix.size()),
                       .value = in_context("'" + member.name + "'", [&] {
                         return parse_npy(std::as_bytes(std::span(*content)), content);
                       })});
  }
  return tensors;
}

}  // namespace planish
