// What Pillow and torchvision made of the images in tests/data/preprocess (see its make_golden.py).
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "planish/base/file.h"
#include "planish/base/json.h"
#include "planish/preprocess/preprocess.h"
#include "support/paths.h"

namespace planish::golden {

inline std::string data_path(const std::string& name) {
  return (test::test_data_folder() / "preprocess" / name).string();
}

inline std::string image_bytes(const std::string& name) {
  return read_file(data_path("images/" + name));
}

inline std::span<const std::byte> as_span(const std::string& bytes) {
  return std::as_bytes(std::span(bytes));
}

inline const Json& cases(const std::string& kind) {
  static const Json all = parse_json(read_file(data_path("cases.json")));
  return all.at(kind);
}

/// The recorded elements of a case.
template <typename T>
std::vector<T> expected(const Json& one) {
  static const std::string bytes = read_file(data_path("expected.bin"));
  std::size_t count = 1;
  for (const Json& dim : one.at("dims")) count *= dim.get<std::size_t>();
  std::vector<T> values(count);
  std::memcpy(values.data(), bytes.data() + one.at("offset").get<std::size_t>(), count * sizeof(T));
  return values;
}

inline Image expected_image(const Json& one) {
  const Json& dims = one.at("dims");
  return {.height = dims.at(0),
          .width = dims.at(1),
          .channels = dims.at(2),
          .pixels = expected<std::uint8_t>(one)};
}

}  // namespace planish::golden
