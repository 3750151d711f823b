#include "onnx/external_files.h"

#include <charconv>
#include <utility>

#include "planish/base/checked.h"
#include "planish/base/error.h"

namespace planish {
namespace {

std::uint64_t parse_bytes(std::string_view key, std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorCode::kCorrupt, "external data has " + std::string(key) + " '" +
                                         std::string(text) + "'; expected a number of bytes");
  }
  return number;
}

void put_entry(std::string_view key, std::string value, MetadataField& entries) {
  onnx::StringStringEntryProto& entry = *entries.Add();
  entry.set_key(std::string(key));
  entry.set_value(std::move(value));
}

}  // namespace

ExternalPlace parse_place(const MetadataField& entries) {
  ExternalPlace place;
  for (const onnx::StringStringEntryProto& entry : entries) {
    if (entry.key() == "location")
      place.location = entry.value();
    else if (entry.key() == "offset")
      place.offset = parse_bytes("offset", entry.value());
    else if (entry.key() == "length")
      place.length = parse_bytes("length", entry.value());
  }
  if (place.location.empty()) {
    throw Error(ErrorCode::kCorrupt, "external data has no location; expected the name of a file");
  }
  return place;
}

void put_place(const ExternalPlace& place, MetadataField& entries) {
  put_entry("location", place.location, entries);
  put_entry("offset", std::to_string(place.offset), entries);
  if (place.length) put_entry("length", std::to_string(*place.length), entries);
}

const std::shared_ptr<const MappedFile>& ExternalFiles::map(const std::string& location) {
  if (folder_.empty()) {
    throw Error(ErrorCode::kNotFound,
                "data stands in the file '" + location +
                    "', but this model was not read from a folder; load it from its file");
  }
  auto& file = files_[location];
  if (!file) file = MappedFile::open(resolve_inside(folder_, location));
  return file;
}

std::vector<std::string> ExternalFiles::locations() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.push_back(name);
  return names;
}

Tensor ExternalFiles::read(const ExternalPlace& place, DType dtype,
                           std::vector<std::int64_t> dims) {
  const std::size_t expected = byte_count(dtype, checked_element_count(dims));
  if (place.length.value_or(expected) != expected) {
    throw Error(ErrorCode::kCorrupt, "external data has length " + std::to_string(*place.length) +
                                         "; type and shape need " + std::to_string(expected));
  }
  const std::shared_ptr<const MappedFile>& file = map(place.location);
  const auto bytes = file->bytes();
  if (place.offset > bytes.size() || expected > bytes.size() - place.offset) {
    throw Error(ErrorCode::kCorrupt, "external data ends at byte " +
                                         std::to_string(checked_add(place.offset, expected)) +
                                         " of '" + place.location + "', which has " +
                                         std::to_string(bytes.size()));
  }
  return Tensor(dtype, std::move(dims), bytes.subspan(place.offset, expected), file);
}

}  // namespace planish
