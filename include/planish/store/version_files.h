// From the files that a user has to the parts of a version.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "planish/store/store.h"

namespace planish::store {

/// What goes into a version. Paths that are empty: no such part, unless the folder has one.
struct VersionFiles {
  /// An ONNX file (its external data comes with it), or a folder that `planish auto` wrote: then
  /// its report, calibration and preprocessing come with it.
  std::filesystem::path model = {};
  std::string preprocess = {};         // a preset or a file, as load_preprocess_spec takes it
  std::filesystem::path classes = {};  // names of the classes, one a line
  std::filesystem::path calibration = {};
  std::filesystem::path report = {};
  std::optional<int> threads = {};  // of one run
};

/// The parts, checked: the model is ONNX and complete, the preprocessing is one, the class names
/// are text. The rest of the request (name, label) is the caller's.
/// @throws Error as load_model and load_preprocess_spec; kNotFound; kInvalidArgument.
PutRequest version_from(const VersionFiles& files);

}  // namespace planish::store
