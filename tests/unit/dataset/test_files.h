// Files that the tests of data sets write and read.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/dataset/dataset.h"
#include "support/paths.h"

namespace planish::test_files {

inline std::string golden(const std::string& name) {
  return read_file(test::test_data_folder() / "dataset" / name);
}

inline std::span<const std::byte> as_span(const std::string& bytes) {
  return std::as_bytes(std::span(bytes));
}

/// An image of 53 x 37 pixels, and others of tests/data/preprocess/images.
inline std::string image(const std::string& name = "rgb_420.jpg") {
  return read_file(test::test_data_folder() / "preprocess/images" / name);
}

/// A .npy as NumPy writes it. `descr`: "<f4"; `shape`: "(1, 3,)".
inline std::string npy(const std::string& descr, const std::string& shape,
                       const std::string& elements) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(117, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\0\x76\0", 10) + header + elements;
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A folder that files are put into by name.
class Folder {
 public:
  [[nodiscard]] std::filesystem::path path() const { return folder_.path(); }
  std::filesystem::path put(const std::string& name, const std::string& bytes) const {
    const std::filesystem::path file = path() / name;
    std::filesystem::create_directories(file.parent_path());
    write_file_atomically(file, bytes);
    return file;
  }

 private:
  TemporaryFolder folder_;
};

inline Signature one_input(DType dtype, Shape shape, const std::string& name = "x") {
  return {.inputs = {{.name = name, .dtype = dtype, .shape = std::move(shape)}}};
}

inline std::vector<std::string> names_of(const Dataset& dataset) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < dataset.size(); ++i) names.push_back(dataset.name(i));
  return names;
}

/// The message of the Error that `body` throws; its code goes to `code`.
template <typename Body>
std::string message_of(Body&& body, ErrorCode* code = nullptr) {
  try {
    body();
  } catch (const Error& error) {
    if (code != nullptr) *code = error.code();
    return error.message();
  }
  return "(no error)";
}

}  // namespace planish::test_files
