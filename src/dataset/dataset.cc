#include "planish/dataset/dataset.h"

#include <system_error>
#include <utility>

#include "dataset/sources.h"
#include "planish/base/error.h"
#include "planish/dataset/capture_list.h"

namespace planish {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Dataset> open_file(const fs::path& path, const Signature& signature,
                                   const DatasetConfig& config) {
  const std::string suffix = path.extension().string();
  if (suffix == ".txt" || suffix == ".lst")
    return detail::open_files(detail::list_lines(path), signature, config);
  if (suffix == ".jsonl") return detail::open_json_lines(path, signature, config);
  const auto kind = detail::kind_of(path);
  if (!kind) {
    throw Error(ErrorCode::kInvalidArgument,
                "neither an image (JPEG, PNG), tensors (.npy, .npz, .pb, .jsonl), "
                "a list of files (.txt, .lst) nor a folder");
  }
  if (*kind == detail::FileKind::kNpy || *kind == detail::FileKind::kNpz) {
    return detail::open_array_file(path, *kind, signature, config);
  }
  return detail::open_files({{.name = path.filename().string(), .kind = *kind, .files = {path}}},
                            signature, config);
}

std::unique_ptr<Dataset> open_folder(const fs::path& path, const Signature& signature,
                                     const DatasetConfig& config) {
  const bool is_capture = fs::exists(path / kCaptureListName);
  return detail::open_files(is_capture ? detail::list_capture(path) : detail::list_folder(path),
                            signature, config);
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const fs::path& path, const Signature& signature,
                                      const DatasetConfig& config) {
  return in_context(path.string(), [&] {
    std::error_code failure;
    const fs::file_status status = fs::status(path, failure);
    if (!fs::exists(status)) throw Error(ErrorCode::kNotFound, "no such file or folder");
    std::unique_ptr<Dataset> dataset = fs::is_directory(status)
                                           ? open_folder(path, signature, config)
                                           : open_file(path, signature, config);
    // A sample that does not fit is better told now than after minutes of other work.
    if (config.on_bad_sample == OnBadSample::kFail) (void)dataset->read(0);
    return dataset;
  });
}

}  // namespace planish
