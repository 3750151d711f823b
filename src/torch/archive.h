// The zip archive that torch.export.save writes (torch/export/pt2_archive, archive version 0).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "planish/archive/zip.h"
#include "planish/graph/tensor.h"
#include "torch/exported_program.h"

namespace planish::torch {

/// Names of inputs and outputs, in the order of forward() and of what it returns.
struct ArchiveNames {
  std::vector<std::string> inputs = {};
  std::vector<std::string> outputs = {};
};

class Archive {
 public:
  /// @throws Error(kUnsupported) for PyTorch's other archives, with the recipe that makes the right
  ///   one; Error(kCorrupt), Error(kExhausted).
  Archive(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

  /// The program of that name, or the only one when `name` is empty.
  /// @throws Error(kInvalidArgument) when there is none, or several and no name is given.
  [[nodiscard]] ExportedProgram program(const std::string& name);

  /// What planish_export.export wrote into the archive: names that the user gave; nothing
  /// otherwise.
  /// @throws Error(kCorrupt).
  [[nodiscard]] std::optional<ArchiveNames> names() const;

  /// The weight, buffer or constant of that fully qualified name; nothing when the archive has
  /// none. It views the mapped file when it is stored row-major.
  /// @throws Error(kCorrupt) when the bytes do not agree with the declared sizes or checksum;
  ///   Error(kUnsupported) for pickled tensor subclasses; Error(kExhausted) when far more is made
  ///   of an archive than it stores.
  [[nodiscard]] std::optional<Tensor> tensor(const std::string& fqn);

 private:
  struct Content {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
    std::uint64_t unused = 0;  // bytes that no weight has used yet
  };

  void refuse_other_archives() const;
  [[nodiscard]] const ZipMember* find(const std::string& path) const;
  [[nodiscard]] std::string text(const std::string& path) const;
  [[nodiscard]] std::string model_name(const std::string& wanted) const;
  void read_payloads(const std::string& model, const char* folder);
  Content& content(const std::string& path);
  /// Counts `made` bytes against the `stored` ones that they are made of, and what they are more
  /// against the whole archive's allowance. @throws Error(kExhausted) when that is used up.
  void grow(std::uint64_t made, std::uint64_t& stored);

  std::shared_ptr<const void> owner_;
  ZipArchive zip_;
  std::unordered_map<std::string_view, const ZipMember*> members_;
  std::string root_;                                                           // "resnet18/"
  std::uint64_t growth_left_;                                                  // bytes
  std::unordered_map<std::string, std::pair<std::string, Payload>> payloads_;  // fqn: folder, where
  std::unordered_map<std::string, Content> contents_;  // by path: checked once
  // By path_name: folder, view, what was made of it.
  std::unordered_map<std::string, std::vector<std::tuple<std::string, TensorMeta, Tensor>>>
      tensors_;
};

}  // namespace planish::torch
