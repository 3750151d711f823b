// Measurements of single layers in a file, so that an analysis can go on where it was interrupted.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "planish/base/json.h"
#include "planish/sensitivity/sensitivity.h"

namespace planish::sensitivity_detail {

Json effect_json(const OutputEffect& effect);
/// The members of `layer` that are measured by running it, as JSON and back.
Json measured_json(const LayerSensitivity& layer);
/// @throws Error(kInvalidArgument) when a member is absent or of another type.
void read_measured(const Json& json, LayerSensitivity& layer);

class PartialResults {
 public:
  /// Reads `path` when it is there and was written under `key`; else begins anew. Without a path
  /// nothing is read or written.
  PartialResults(std::optional<std::filesystem::path> path, std::string key);

  /// Fills in what is known of `layer`; says whether it is.
  [[nodiscard]] bool find(LayerSensitivity& layer) const;
  /// Keeps `layer` and writes the file. Safe from many threads.
  void keep(const LayerSensitivity& layer);

 private:
  std::optional<std::filesystem::path> path_;
  std::string key_;
  std::mutex mutex_;  // guards layers_ and the file, once threads call keep()
  std::map<std::string, Json> layers_;
};

}  // namespace planish::sensitivity_detail
