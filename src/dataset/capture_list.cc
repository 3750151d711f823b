#include "planish/dataset/capture_list.h"

#include <algorithm>
#include <string_view>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"

namespace planish {
namespace {

constexpr std::int64_t kSchema = 1;
constexpr std::size_t kMaxListBytes = std::size_t{64} << 20;
constexpr std::size_t kHexDigits = 64;

/// So that a list cannot name a file elsewhere.
bool is_captured_name(std::string_view name) {
  const std::string_view digits = name.substr(0, kHexDigits);
  const std::string_view suffix = name.substr(digits.size());
  return digits.size() == kHexDigits &&
         digits.find_first_not_of("0123456789abcdef") == digits.npos &&
         (suffix == ".jpg" || suffix == ".png" || suffix == ".npz");
}

std::uint64_t count_in(const Json& json, std::string_view key) {
  const auto count = json_get<std::int64_t>(json, key);
  if (count < 0) {
    throw Error(ErrorCode::kCorrupt,
                "'" + std::string(key) + "' is " + std::to_string(count) + "; expected 0 or more");
  }
  return static_cast<std::uint64_t>(count);
}

CaptureList parse(const Json& json) {
  if (const std::int64_t schema = json_get<std::int64_t>(json, "schema"); schema != kSchema) {
    throw Error(ErrorCode::kUnsupported,
                "schema " + std::to_string(schema) + "; expected " + std::to_string(kSchema));
  }
  CaptureList list;
  list.model = json_get<std::string>(json, "model");
  list.seen = count_in(json, "seen");
  for (const Json& file : json_get<Json>(json, "files")) {
    list.files.push_back({json_get<std::string>(file, "file"), count_in(file, "bytes"),
                          json_get<std::string>(file, "version"),
                          json_get<std::string>(file, "time")});
    if (!is_captured_name(list.files.back().name)) {
      throw Error(ErrorCode::kCorrupt, "file '" + list.files.back().name +
                                           "'; expected a SHA-256 and .jpg, .png or .npz");
    }
  }
  return list;
}

}  // namespace

CaptureList read_capture_list(const std::filesystem::path& folder) {
  return in_context(kCaptureListName, [&] {
    const std::string text = read_file(folder / kCaptureListName, kMaxListBytes);
    try {
      return parse(parse_json(text));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kInvalidArgument) throw;
      throw Error(ErrorCode::kCorrupt, error.message());
    }
  });
}

void write_capture_list(const std::filesystem::path& folder, const CaptureList& list) {
  Json json;
  json["schema"] = kSchema;
  json["model"] = list.model;
  json["seen"] = list.seen;
  json["files"] = Json::array();
  for (const CapturedFile& file : list.files) {
    json["files"].push_back({{"file", file.name},
                             {"bytes", file.bytes},
                             {"version", file.version},
                             {"time", file.time}});
  }
  write_file_atomically(folder / kCaptureListName, to_text(json));
}

}  // namespace planish
