// Small versions to put into stores.
#pragma once

#include <filesystem>
#include <string>

#include "planish/base/file.h"
#include "planish/store/store.h"

namespace planish::store {

/// Files to put, in a folder that goes with the object.
class Sources {
 public:
  /// A version whose model file has `content`.
  [[nodiscard]] PutRequest version(const std::string& content,
                                   const std::string& name = "m") const {
    const auto file = folder_.path() / (content + ".onnx");
    write_file_atomically(file, content);
    PutRequest request;
    request.name = name;
    request.parts = {{PartKind::kModel, "", file, {}}};
    return request;
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const {
    return folder_.path() / name;
  }

 private:
  TemporaryFolder folder_;
};

inline std::string fixed_time() { return "2026-11-25T00:00:00Z"; }

}  // namespace planish::store
