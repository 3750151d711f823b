// Weights that stand in files beside the model.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "onnx/proto.h"
#include "planish/base/file.h"

namespace planish {

/// Where the elements of one tensor stand, as TensorProto.external_data says it.
struct ExternalPlace {
  std::string location = {};                 // relative to the folder of the model
  std::uint64_t offset = 0;                  // bytes
  std::optional<std::uint64_t> length = {};  // bytes; nothing: as many as the tensor has
};

/// @throws Error(kCorrupt) for a missing location, and numbers that are none. Other keys (checksum)
///   say how a file stores a tensor; they are not kept.
ExternalPlace parse_place(const MetadataField& entries);
void put_place(const ExternalPlace& place, MetadataField& entries);

/// The files of external data of one model, each mapped once.
class ExternalFiles {
 public:
  /// An empty `folder` has no files.
  explicit ExternalFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// A tensor that views its part of the file.
  /// @throws Error kNotFound (no such file), kCorrupt (leaves the folder, or the file is too short,
  ///   or `length` does not agree with the tensor).
  Tensor read(const ExternalPlace& place, DType dtype, std::vector<std::int64_t> dims);

  /// The files that were read from, as the model names them, sorted.
  [[nodiscard]] std::vector<std::string> locations() const;

 private:
  const std::shared_ptr<const MappedFile>& map(const std::string& location);

  std::filesystem::path folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;  // by location
};

}  // namespace planish
