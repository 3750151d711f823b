#include "store/layout.h"

#include <unistd.h>

#include <atomic>
#include <charconv>

#include "planish/base/error.h"
#include "planish/base/json.h"

namespace planish::store::layout {
namespace {

/// A record that cannot be read is damage of the store.
template <typename Body>
auto read_record(std::string_view text, const Body& body) {
  try {
    return body(parse_json(text, {.max_bytes = kMaxRecordBytes, .max_depth = 8}));
  } catch (const Error& error) {
    throw Error(ErrorCode::kCorrupt, error.message());
  }
}

std::uint64_t number_in(const Json& json, std::string_view key) {
  const auto number = json_get<std::int64_t>(json, key);
  if (number < 0) throw Error(ErrorCode::kCorrupt, "'" + std::string(key) + "' is negative");
  return static_cast<std::uint64_t>(number);
}

Digest digest_in(const Json& json) {
  return Digest::parse(json_get<std::string>(json, "manifest"));
}

}  // namespace

std::string to_record(const Generation& generation) {
  Json json;
  json["generation"] = generation.number;
  json["manifest"] = generation.digest.text();
  json["created"] = generation.created;
  json["by"] = generation.by;
  return to_text(json, 1);
}

Generation generation_from(std::string_view text) {
  return read_record(text, [](const Json& json) {
    Generation generation;
    generation.number = number_in(json, "generation");
    generation.digest = digest_in(json);
    generation.created = json_get<std::string>(json, "created");
    generation.by = json_get<std::string>(json, "by");
    return generation;
  });
}

std::string to_record(const ActiveVersion& active) {
  Json json;
  json["sequence"] = active.sequence;
  json["generation"] = active.generation;
  json["manifest"] = active.digest.text();
  return to_text(json, 1);
}

ActiveVersion active_from(std::string_view text) {
  return read_record(text, [](const Json& json) {
    return ActiveVersion{number_in(json, "sequence"), number_in(json, "generation"),
                         digest_in(json)};
  });
}

std::string to_record(const HistoryEntry& entry) {
  Json json;
  json["sequence"] = entry.sequence;
  json["action"] = name_of(entry.action);
  json["generation"] = entry.generation;
  json["manifest"] = entry.digest.text();
  json["after"] = entry.after;
  json["undo_to"] = entry.undo_to;
  json["time"] = entry.time;
  json["by"] = entry.by;
  json["why"] = entry.why;
  return to_text(json, 1);
}

HistoryEntry history_from(std::string_view text) {
  return read_record(text, [](const Json& json) {
    HistoryEntry entry;
    entry.sequence = number_in(json, "sequence");
    const auto action = json_get<std::string>(json, "action");
    if (action != name_of(HistoryAction::kActivate) && action != name_of(HistoryAction::kRollback))
      throw Error(ErrorCode::kCorrupt, "action '" + action + "'; expected activate or rollback");
    entry.action = action == name_of(HistoryAction::kRollback) ? HistoryAction::kRollback
                                                               : HistoryAction::kActivate;
    entry.generation = number_in(json, "generation");
    entry.digest = digest_in(json);
    entry.after = number_in(json, "after");
    entry.undo_to = number_in(json, "undo_to");
    entry.time = json_get<std::string>(json, "time");
    entry.by = json_get<std::string>(json, "by");
    entry.why = json_get<std::string>(json, "why");
    return entry;
  });
}

std::string label_record(std::uint64_t generation) {
  Json json;
  json["generation"] = generation;
  return to_text(json, 1);
}

std::uint64_t label_from(std::string_view text) {
  return read_record(text, [](const Json& json) { return number_in(json, "generation"); });
}

std::optional<std::uint64_t> number_of(std::string_view file_name) {
  constexpr std::string_view kEnding = ".json";
  if (!file_name.ends_with(kEnding)) return std::nullopt;
  file_name.remove_suffix(kEnding.size());
  std::uint64_t number = 0;
  const char* const end = file_name.data() + file_name.size();
  const auto [stop, failure] = std::from_chars(file_name.data(), end, number);
  if (failure != std::errc() || stop != end || number == 0 || file_name.front() == '0')
    return std::nullopt;
  return number;
}

Path temporary_in(const Path& folder) {
  static std::atomic<std::uint64_t> counter{0};
  return folder / (std::string(kTemporaryPrefix) + std::to_string(::getpid()) + "-" +
                   std::to_string(counter.fetch_add(1)));
}

void write_durably(Files& files, const Path& path, std::string_view content) {
  const Path temporary = temporary_in(path.parent_path());
  try {
    const auto file = files.create(temporary);
    file->write(std::as_bytes(std::span(content)));
    file->sync();
    files.rename(temporary, path);
  } catch (const Error&) {
    try {
      files.remove(temporary);
    } catch (const Error&) {
      // It was renamed already, or cannot be removed: gc sweeps it.
    }
    throw;
  }
  files.sync_folder(path.parent_path());
}

}  // namespace planish::store::layout
