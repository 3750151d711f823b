#include "torch/archive.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "planish/base/error.h"
#include "torch/json_reader.h"
#include "torch/other_files.h"
#include "torch/printable.h"
#include "torch/strided.h"

namespace planish::torch {
namespace {

// Weights are viewed where they lie, so their size costs nothing; what takes memory beyond the size
// of the archive is bounded by text() and grow().
constexpr ZipLimits kZipLimits{.max_bytes = std::uint64_t{1} << 44,
                               .max_members = std::size_t{1} << 20};
// The graph of a model of thousands of layers has a tenth of this.
constexpr std::uint64_t kMaxTextBytes = std::uint64_t{256} << 20;
// What weights may take together beyond twice the size of the archive: torch.export.save stores
// without compression, and few weights share or repeat their elements.
constexpr std::uint64_t kSpareBytes = std::uint64_t{256} << 20;

constexpr std::string_view kWeights = "data/weights/";
constexpr std::string_view kConstants = "data/constants/";
constexpr std::string_view kNames = "extra/planish.json";

/// "resnet18/" of "resnet18/archive_format"; all members stand below it.
std::string root_of(const ZipArchive& zip) {
  if (zip.members().empty()) return {};
  const std::string& name = zip.members().front().name;
  return name.substr(0, name.find('/') + 1);
}

}  // namespace

Archive::Archive(std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
    : owner_(std::move(owner)),
      zip_(refuse_other_files(bytes), "PyTorch archive", kZipLimits),
      root_(root_of(zip_)),
      growth_left_(bytes.size() + kSpareBytes) {
  for (const ZipMember& member : zip_.members()) {
    if (!members_.emplace(member.name, &member).second)
      throw Error(ErrorCode::kCorrupt, "two members are called '" + printable(member.name) + "'");
  }
  refuse_other_archives();
  const std::string byte_order = text("byteorder");
  if (byte_order != "little") {
    throw Error(ErrorCode::kUnsupported,
                "weights in byte order '" + printable(byte_order) + "'; expected little");
  }
}

void Archive::refuse_other_archives() const {
  const auto has = [&](std::string_view path) {
    return std::ranges::any_of(zip_.members(), [&](const ZipMember& member) {
      return member.name == path || member.name == root_ + std::string(path);
    });
  };
  const auto has_folder = [&](std::string_view path) {
    return std::ranges::any_of(zip_.members(), [&](const ZipMember& member) {
      return member.name.starts_with(root_ + std::string(path));
    });
  };
  if (has("archive_format")) {
    if (text("archive_format") != "pt2")
      refuse_with_recipe("is an archive of an unknown format of PyTorch.");
    if (has_folder("models/")) return;
    if (has_folder("data/aotinductor/")) {
      refuse_with_recipe(
          "holds a program that AOTInductor compiled, not its graph. Save the graph instead:");
    }
    throw Error(ErrorCode::kCorrupt, "archive of torch.export without a program: no 'models/'");
  }
  if (has("serialized_exported_program.json")) {
    refuse_with_recipe(
        "was saved by torch.export of torch 2.7 or older. Save it again with torch 2.8 or newer:");
  }
  if (has("constants.pkl") || has_folder("code/")) {
    refuse_with_recipe(
        "is TorchScript (torch.jit), which PyTorch has deprecated. Export the model instead:");
  }
  if (has("data.pkl")) {
    refuse_with_recipe(
        "is what torch.save writes: weights or a pickled module, without a graph. Export the model "
        "instead, after model.load_state_dict(torch.load(...)):");
  }
  refuse_with_recipe("is a zip archive that PyTorch did not write. A model is saved so:");
}

const ZipMember* Archive::find(const std::string& path) const {
  const auto found = members_.find(root_ + path);
  return found == members_.end() ? nullptr : found->second;
}

std::string Archive::text(const std::string& path) const {
  const ZipMember* const member = find(path);
  if (member == nullptr) throw Error(ErrorCode::kCorrupt, "'" + printable(path) + "' is missing");
  if (member->bytes > kMaxTextBytes) {
    throw Error(ErrorCode::kExhausted, "'" + path + "' of " + std::to_string(member->bytes) +
                                           " bytes; at most " + std::to_string(kMaxTextBytes) +
                                           " are read");
  }
  return zip_.extract(*member);
}

std::string Archive::model_name(const std::string& wanted) const {
  constexpr std::string_view kSuffix = ".json";
  const std::string folder = root_ + "models/";
  std::vector<std::string> names;
  for (const ZipMember& member : zip_.members()) {
    if (!member.name.starts_with(folder) || !member.name.ends_with(kSuffix)) continue;
    if (member.name.size() <= folder.size() + kSuffix.size()) continue;
    names.push_back(
        member.name.substr(folder.size(), member.name.size() - folder.size() - kSuffix.size()));
  }
  if (names.empty()) throw Error(ErrorCode::kCorrupt, "no program in 'models/'");
  if (wanted.empty() && names.size() == 1) return names.front();
  if (std::ranges::find(names, wanted) != names.end()) return wanted;
  std::string list;
  for (const std::string& name : names)
    list += (list.empty() ? "'" : ", '") + printable(name) + "'";
  throw Error(ErrorCode::kInvalidArgument,
              wanted.empty()
                  ? "the archive holds several programs: " + list + "; name one (--program)"
                  : "no program '" + wanted + "' in the archive; it holds " + list);
}

ExportedProgram Archive::program(const std::string& name) {
  const std::string model = model_name(name);
  read_payloads(model, kWeights.data());
  read_payloads(model, kConstants.data());
  const std::string path = "models/" + model + ".json";
  return in_context(path, [&] { return parse_exported_program(text(path)); });
}

std::optional<ArchiveNames> Archive::names() const {
  const std::string path(kNames);
  if (find(path) == nullptr) return std::nullopt;
  return in_context(path, [&]() -> std::optional<ArchiveNames> {
    const JsonMap json = parse_json_map(text(path));
    const auto list = [&](const char* key) {
      std::vector<std::string> names;
      for (const JsonMap& name : array_member(json, key))
        names.push_back(checked_name(text_of(name, key)));
      return names;
    };
    return ArchiveNames{list("inputs"), list("outputs")};
  });
}

void Archive::read_payloads(const std::string& model, const char* folder) {
  const bool weights = folder == kWeights;
  const std::string path =
      folder + model + (weights ? "_weights_config.json" : "_constants_config.json");
  if (find(path) == nullptr) return;  // then a parameter that is needed is named
  in_context(path, [&] {
    for (auto& [fqn, payload] : parse_payload_config(text(path)))
      payloads_.try_emplace(fqn, folder, std::move(payload));
  });
}

void Archive::grow(std::uint64_t made, std::uint64_t& stored) {
  const std::uint64_t covered = std::min(made, stored);
  stored -= covered;
  if (made - covered > growth_left_) {
    throw Error(
        ErrorCode::kExhausted,
        "the weights take far more memory than the archive has bytes: they are compressed, "
        "or share or repeat their elements; torch.export.save does not write such archives");
  }
  growth_left_ -= made - covered;
}

Archive::Content& Archive::content(const std::string& path) {
  const auto known = contents_.find(path);
  if (known != contents_.end()) return known->second;
  const ZipMember* const member = find(path);
  if (member == nullptr) throw Error(ErrorCode::kCorrupt, "'" + printable(path) + "' is missing");
  Content content;
  if (member->stored()) {
    content.bytes = zip_.view(*member);
    content.owner = owner_;
  } else {
    std::uint64_t packed = member->packed_bytes;
    grow(member->bytes, packed);
    const auto unpacked = std::make_shared<const std::string>(zip_.extract(*member));
    content.bytes = std::as_bytes(std::span(*unpacked));
    content.owner = unpacked;
  }
  content.unused = content.bytes.size();
  return contents_.emplace(path, std::move(content)).first->second;
}

std::optional<Tensor> Archive::tensor(const std::string& fqn) {
  const auto found = payloads_.find(fqn);
  if (found == payloads_.end()) return std::nullopt;
  return in_context("'" + printable(fqn) + "'", [&] {
    const auto& [folder, payload] = found->second;
    if (payload.use_pickle || !payload.meta) {
      throw Error(ErrorCode::kUnsupported,
                  "is stored as a pickle (a tensor subclass or a custom object); expected a plain "
                  "tensor");
    }
    // Tied weights are one view of one storage, and share their bytes here too.
    for (const auto& [path, meta, tensor] : tensors_[payload.path_name]) {
      if (path == folder && meta == *payload.meta) return tensor;
    }
    Content& stored = content(folder + payload.path_name);
    Tensor tensor = strided_tensor(*payload.meta, stored.bytes, stored.owner,
                                   [&](std::size_t bytes) { grow(bytes, stored.unused); });
    tensors_[payload.path_name].emplace_back(folder, *payload.meta, tensor);
    return tensor;
  });
}

}  // namespace planish::torch
