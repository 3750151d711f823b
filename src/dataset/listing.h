// Which files make which samples.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace planish::detail {

enum class FileKind { kImage, kNpy, kNpz, kPb };

/// By its suffix, else an image by its first bytes; nothing when it is neither image nor tensor.
std::optional<FileKind> kind_of(const std::filesystem::path& path);

/// The file or files of one sample.
struct SampleFiles {
  std::string name = {};  // relative to the data set, so that moving it changes nothing
  FileKind kind = FileKind::kImage;
  /// One file; for ONNX's test_data_set_N the files input_0.pb, input_1.pb, …: one per input.
  std::vector<std::filesystem::path> files = {};
  std::string sha256 = {};  // that the file must have; "": whatever it has
};

/// All samples below `folder`, in the byte order of their names. Hidden files, unknown files and
/// ONNX's output_K.pb are left out; links to folders are not followed.
/// @throws Error(kInvalidArgument) when there is none, or when images and tensors are mixed.
std::vector<SampleFiles> list_folder(const std::filesystem::path& folder);

/// The files that a folder's capture.json lists, in the order of their names.
/// @throws Error as read_capture_list; kInvalidArgument when it lists none.
std::vector<SampleFiles> list_capture(const std::filesystem::path& folder);

/// The samples of a text file with one path a line, relative to its folder, in its order.
std::vector<SampleFiles> list_lines(const std::filesystem::path& path);

}  // namespace planish::detail
