#include "planish/store/store.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <map>
#include <set>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/hash.h"
#include "planish/base/json.h"
#include "planish/base/version.h"
#include "store/layout.h"

namespace planish::store {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kFormat = 1;
constexpr std::size_t kMaxDocumentBytes = std::size_t{8} << 20;
constexpr std::size_t kMaxNameLength = 128;
constexpr std::size_t kLeastDigestPrefix = 4;

// Names that are also the last step of a path of the Open Inference Protocol.
constexpr std::array<std::string_view, 9> kReservedNames{
    "stats", "ready", "config", "infer", "index", "load", "unload", "trace", "shadow"};

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength && is_alnum(name.front()) &&
         std::ranges::all_of(
             name, [](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

std::optional<std::uint64_t> as_number(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc() || stop != end || text.empty()) return std::nullopt;
  return number;
}

/// The digits of "sha256:ab12", "sha256-ab12" or "ab12"; nothing when they cannot be of a digest.
std::optional<std::string_view> digest_digits(std::string_view text) {
  if (text.starts_with("sha256:") || text.starts_with("sha256-")) text.remove_prefix(7);
  if (text.size() < kLeastDigestPrefix || text.size() > 64) return std::nullopt;
  if (!std::ranges::all_of(text, is_hex_digit)) return std::nullopt;
  return text;
}

std::string this_author() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const passwd* const user = ::getpwuid(::geteuid());
  return (user != nullptr ? std::string(user->pw_name) : std::to_string(::geteuid())) + "@" +
         host.data();
}

Author complete(Author author) {
  if (author.by.empty()) author.by = this_author();
  return author;
}

std::string list_of(const std::vector<Generation>& generations) {
  std::string text;
  for (const Generation& one : generations) {
    text += (text.empty() ? "" : ", ") + std::to_string(one.number);
    for (const std::string& label : one.labels) text += " (" + label + ")";
  }
  return text.empty() ? "none" : text;
}

}  // namespace

std::string_view name_of(HistoryAction action) {
  return action == HistoryAction::kRollback ? "rollback" : "activate";
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), length};
}

void require_model_name(std::string_view name) {
  const bool reserved = std::ranges::find(kReservedNames, name) != kReservedNames.end();
  if (is_plain_name(name) && !reserved) return;
  throw Error(ErrorCode::kInvalidArgument,
              "model name '" + std::string(name.substr(0, 2 * kMaxNameLength)) + "'" +
                  (reserved ? " is a word of the server's paths; choose another"
                            : "; expected 1 to 128 of A-Z a-z 0-9 . _ - beginning with a letter "
                              "or digit"));
}

void require_label(std::string_view label) {
  if (is_plain_name(label) && !as_number(label) && !digest_digits(label) && label != "active")
    return;
  throw Error(ErrorCode::kInvalidArgument,
              "label '" + std::string(label.substr(0, 2 * kMaxNameLength)) +
                  "'; expected a name such as 'canary' that is neither a number, nor hexadecimal, "
                  "nor 'active'");
}

ModelStore::ModelStore(fs::path root, Files& files, TimeSource time)
    : root_(std::move(root)), files_(&files), time_(std::move(time)) {}

ModelStore ModelStore::create(fs::path root, Files& files, TimeSource time) {
  const fs::path marker = layout::marker(root);
  if (!files.exists(marker)) {
    for (const std::string& name : files.list(root)) {
      if (name.starts_with(layout::kTemporaryPrefix)) continue;  // of a creation that was cut off
      if (name == "lock" || name == "blobs" || name == "models") continue;
      throw Error(ErrorCode::kInvalidArgument,
                  root.string() + " holds other things ('" + name +
                      "'); expected a store, an empty folder, or none");
    }
    files.make_folder(layout::blobs(root));
    files.make_folder(layout::models(root));
    Json json;
    json["format"] = "planish.store";
    json["schema"] = kFormat;
    layout::write_durably(files, marker, to_text(json, 1));
  }
  return open(std::move(root), files, std::move(time));
}

ModelStore ModelStore::open(fs::path root, Files& files, TimeSource time) {
  const fs::path marker = layout::marker(root);
  if (!files.exists(marker)) {
    throw Error(ErrorCode::kNotFound, root.string() +
                                          " is no model store; make one with `planish store put "
                                          "FILE --name NAME --store DIR`");
  }
  in_context(marker.string(), [&] {
    const Json json = parse_json(files.read(marker, layout::kMaxRecordBytes));
    if (json_get<std::string>(json, "format") != "planish.store")
      throw Error(ErrorCode::kCorrupt, "is not the marker of a store");
    if (json_get<std::int64_t>(json, "schema") != kFormat)
      throw Error(ErrorCode::kUnsupported, "store of a later planish; expected schema 1");
  });
  return {std::move(root), files, std::move(time)};
}

// ------------------------------------------------------------------------------------- reading

fs::path ModelStore::model_folder(std::string_view name) const {
  require_model_name(name);
  fs::path folder = layout::model(root_, name);
  if (!files_->exists(layout::generations(folder))) {
    std::string known;
    for (const ModelListing& one : list()) known += (known.empty() ? "" : ", ") + one.name;
    throw Error(ErrorCode::kNotFound, "no model '" + std::string(name) + "' in " + root_.string() +
                                          "; there are: " + (known.empty() ? "none" : known));
  }
  return folder;
}

fs::path ModelStore::blob_path(const Digest& digest) const {
  fs::path path = layout::blobs(root_) / digest.hex();
  if (!files_->exists(path)) {
    throw Error(ErrorCode::kNotFound, "blob " + digest.text() +
                                          " is not in the store; `planish store verify` says what "
                                          "else is missing");
  }
  return path;
}

fs::path ModelStore::active_path(std::string_view name) const {
  require_model_name(name);
  return layout::active(layout::model(root_, name));
}

std::optional<ActiveVersion> ModelStore::read_active(const fs::path& model) const {
  const fs::path path = layout::active(model);
  if (!files_->exists(path)) return std::nullopt;
  return in_context(path.string(), [&] {
    return layout::active_from(files_->read(path, layout::kMaxRecordBytes));
  });
}

std::vector<Generation> ModelStore::read_generations(const fs::path& model) const {
  std::map<std::uint64_t, Generation> found;
  for (const std::string& name : files_->list(layout::generations(model))) {
    const auto number = layout::number_of(name);
    if (!number) continue;
    const fs::path path = layout::generations(model) / name;
    in_context(path.string(), [&] {
      Generation generation = layout::generation_from(files_->read(path, layout::kMaxRecordBytes));
      if (generation.number != *number)
        throw Error(ErrorCode::kCorrupt, "is of generation " + std::to_string(generation.number));
      found.emplace(*number, std::move(generation));
    });
  }
  for (const std::string& label : files_->list(layout::labels(model))) {
    if (label.starts_with(layout::kTemporaryPrefix)) continue;
    const fs::path path = layout::labels(model) / label;
    const std::uint64_t number = in_context(path.string(), [&] {
      return layout::label_from(files_->read(path, layout::kMaxRecordBytes));
    });
    const auto at = found.find(number);
    if (at != found.end()) at->second.labels.push_back(label);
  }
  if (const auto active = read_active(model)) {
    const auto at = found.find(active->generation);
    if (at != found.end()) at->second.is_active = true;
  }
  std::vector<Generation> generations;
  generations.reserve(found.size());
  for (auto& [number, generation] : found) generations.push_back(std::move(generation));
  return generations;
}

std::vector<HistoryEntry> ModelStore::read_history(const fs::path& model) const {
  std::map<std::uint64_t, HistoryEntry> entries;
  for (const std::string& name : files_->list(layout::history(model))) {
    const auto number = layout::number_of(name);
    if (!number) continue;
    const fs::path path = layout::history(model) / name;
    in_context(path.string(), [&] {
      HistoryEntry entry = layout::history_from(files_->read(path, layout::kMaxRecordBytes));
      if (entry.sequence != *number)
        throw Error(ErrorCode::kCorrupt, "is of sequence " + std::to_string(entry.sequence));
      entry.took_effect = false;
      entries.emplace(*number, std::move(entry));
    });
  }
  // An entry took effect when the pointer shows it, or one that did follows on it.
  const auto active = read_active(model);
  std::uint64_t at = active ? active->sequence : 0;
  for (auto found = entries.find(at); found != entries.end(); found = entries.find(at)) {
    found->second.took_effect = true;
    // Numbers only fall, so damage cannot make a circle.
    if (found->second.after >= at) break;
    at = found->second.after;
  }
  std::vector<HistoryEntry> newest_first;
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry)
    newest_first.push_back(std::move(entry->second));
  return newest_first;
}

std::vector<ModelListing> ModelStore::list() const {
  std::vector<ModelListing> listings;
  for (const std::string& name : files_->list(layout::models(root_))) {
    const fs::path model = layout::model(root_, name);
    if (!files_->exists(layout::generations(model))) continue;
    ModelListing listing{.name = name, .generations = 0, .active = read_active(model)};
    for (const std::string& file : files_->list(layout::generations(model))) {
      if (layout::number_of(file)) ++listing.generations;
    }
    if (listing.generations > 0) listings.push_back(std::move(listing));
  }
  return listings;
}

std::vector<Generation> ModelStore::generations(std::string_view name) const {
  return read_generations(model_folder(name));
}

Generation ModelStore::resolve(std::string_view name, std::string_view version) const {
  const std::vector<Generation> all = generations(name);
  const auto number = as_number(version);
  for (const Generation& one : all) {
    if (std::ranges::find(one.labels, version) != one.labels.end() || number == one.number ||
        (version == "active" && one.is_active))
      return one;
  }
  std::vector<Generation> matches;
  if (const auto digits = digest_digits(version)) {
    std::ranges::copy_if(all, std::back_inserter(matches), [&](const Generation& one) {
      return one.digest.hex().starts_with(*digits);
    });
  }
  if (matches.size() == 1) return matches.front();
  if (matches.size() > 1) {
    throw Error(ErrorCode::kInvalidArgument, "'" + std::string(version) +
                                                 "' begins the digests of generations " +
                                                 list_of(matches) + "; give more digits");
  }
  throw Error(ErrorCode::kNotFound, "no version '" + std::string(version.substr(0, 100)) +
                                        "' of '" + std::string(name) +
                                        "'; generations: " + list_of(all));
}

Manifest ModelStore::manifest(const Digest& digest) const {
  return in_context("version " + digest.text(), [&] {
    const std::string text = files_->read(blob_path(digest), kMaxDocumentBytes);
    if (Digest::of(text) != digest)
      throw Error(ErrorCode::kCorrupt, "its manifest was changed; put the model again");
    const ConfigReference config = config_of(text);
    const std::string config_text = files_->read(blob_path(config.digest), kMaxDocumentBytes);
    if (Digest::of(config_text) != config.digest)
      throw Error(ErrorCode::kCorrupt, "its config was changed; put the model again");
    return parse_manifest(text, config_text);
  });
}

std::optional<ActiveVersion> ModelStore::active(std::string_view name) const {
  return read_active(model_folder(name));
}

std::vector<HistoryEntry> ModelStore::history(std::string_view name) const {
  return read_history(model_folder(name));
}

// ------------------------------------------------------------------------------------- writing

Digest ModelStore::add_blob(std::span<const std::byte> content) {
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  const fs::path folder = layout::blobs(root_);
  const fs::path temporary = layout::temporary_in(folder);
  const auto drop = [&] {
    try {
      files_->remove(temporary);
    } catch (const Error&) {
      // It never came to be, or gc sweeps it.
    }
  };
  try {
    const auto file = files_->create(temporary);
    Sha256 hash;
    std::vector<std::byte> chunk;
    // Hashed is what is written, even when a mapped source changes meanwhile.
    for (std::size_t at = 0; at < content.size(); at += kChunk) {
      const auto part = content.subspan(at, std::min(kChunk, content.size() - at));
      chunk.assign(part.begin(), part.end());
      hash.update(std::span<const std::byte>(chunk));
      file->write(chunk);
    }
    const Digest digest = Digest::from_hex(hash.hex());
    const fs::path path = folder / digest.hex();
    if (files_->exists(path) && files_->sha256(path) == digest.hex()) {
      drop();
      // Another writer may have renamed it and died before its folder was synced.
      files_->sync_folder(folder);
      return digest;
    }
    file->sync();
    files_->rename(temporary, path);
    files_->sync_folder(folder);
    return digest;
  } catch (const Error&) {
    drop();
    throw;
  }
}

Generation ModelStore::add_generation(const fs::path& model, const Digest& digest,
                                      const Author& author, bool& was_there) {
  std::uint64_t last = 0;
  for (Generation& one : read_generations(model)) {
    last = std::max(last, one.number);
    if (one.digest != digest) continue;
    was_there = true;
    return std::move(one);
  }
  // Numbers of generations that gc forgot are not given again: the history speaks of them.
  for (const HistoryEntry& entry : read_history(model)) last = std::max(last, entry.generation);
  was_there = false;
  Generation generation{.number = last + 1, .digest = digest, .created = time_(), .by = author.by};
  layout::write_durably(*files_, layout::generations(model) / layout::numbered(generation.number),
                        layout::to_record(generation));
  return generation;
}

PutResult ModelStore::put(const PutRequest& request, const Author& who) {
  require_model_name(request.name);
  if (request.label) require_label(*request.label);
  if (request.parts.empty() || request.parts.front().kind != PartKind::kModel)
    throw Error(ErrorCode::kInvalidArgument, "a version needs a model, as its first part");
  const Author author = complete(who);
  const auto store_lock = files_->lock(layout::store_lock(root_), LockKind::kShared);

  Manifest manifest;
  manifest.config = request.config;
  for (const PartSource& source : request.parts) {
    const auto file = source.content ? nullptr : MappedFile::open(source.file);
    const auto bytes = file ? file->bytes() : std::as_bytes(std::span(*source.content));
    const std::string name =
        source.name.empty() ? std::string(row_of(source.kind).file_name) : source.name;
    manifest.parts.push_back(
        Part{.kind = source.kind, .name = name, .digest = add_blob(bytes), .bytes = bytes.size()});
  }
  const ManifestDocuments documents = serialize(manifest);
  // Refuses what could not be read back: names that leave the folder, two of one name.
  try {
    parse_manifest(documents.manifest, documents.config);
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidArgument, error.message());
  }
  (void)add_blob(std::as_bytes(std::span(documents.config)));
  const Digest digest = add_blob(std::as_bytes(std::span(documents.manifest)));

  const fs::path model = layout::model(root_, request.name);
  for (const fs::path& folder :
       {layout::generations(model), layout::labels(model), layout::history(model)})
    files_->make_folder(folder);
  const auto model_lock = files_->lock(layout::model_lock(model), LockKind::kExclusive);
  PutResult result;
  result.generation = add_generation(model, digest, author, result.was_there);
  const std::uint64_t number = result.generation.number;
  if (request.label)
    layout::write_durably(*files_, layout::labels(model) / *request.label,
                          layout::label_record(number));
  if (request.activate || !read_active(model)) {
    HistoryEntry entry;
    entry.generation = number;
    entry.digest = digest;
    move_pointer(model, entry, author);
  }
  for (Generation& one : read_generations(model)) {
    if (one.number == number) result.generation = std::move(one);
  }
  return result;
}

/// First the history entry, then the pointer: the rename of the pointer is the moment when it
/// happens. `entry`: action, generation, digest, and for a rollback undo_to.
ActiveVersion ModelStore::move_pointer(const fs::path& model, HistoryEntry entry,
                                       const Author& author) {
  const auto before = read_active(model);
  std::uint64_t last = before ? before->sequence : 0;
  for (const std::string& name : files_->list(layout::history(model)))
    last = std::max(last, layout::number_of(name).value_or(0));
  entry.sequence = last + 1;
  entry.after = before ? before->sequence : 0;
  if (entry.action == HistoryAction::kActivate) entry.undo_to = entry.after;
  entry.time = time_();
  entry.by = author.by;
  entry.why = author.why;
  layout::write_durably(*files_, layout::history(model) / layout::numbered(entry.sequence),
                        layout::to_record(entry));
  const ActiveVersion active{entry.sequence, entry.generation, entry.digest};
  layout::write_durably(*files_, layout::active(model), layout::to_record(active));
  return active;
}

void ModelStore::require_parts(const Digest& digest) const {
  for (const Part& part : manifest(digest).parts) {
    const std::uint64_t bytes = files_->size(blob_path(part.digest));
    if (bytes != part.bytes) {
      throw Error(ErrorCode::kCorrupt, "part '" + part.name + "' of version " + digest.text() +
                                           " has " + std::to_string(bytes) + " bytes; expected " +
                                           std::to_string(part.bytes) + ": put the model again");
    }
  }
}

ActiveVersion ModelStore::activate(std::string_view name, std::string_view version,
                                   const Author& author) {
  const fs::path model = model_folder(name);
  const auto lock = files_->lock(layout::model_lock(model), LockKind::kExclusive);
  const Generation target = resolve(name, version);
  require_parts(target.digest);
  const auto now = read_active(model);
  if (now && now->generation == target.number) return *now;
  HistoryEntry entry;
  entry.generation = target.number;
  entry.digest = target.digest;
  return move_pointer(model, entry, complete(author));
}

ActiveVersion ModelStore::rollback(std::string_view name, const Author& author) {
  const fs::path model = model_folder(name);
  const auto lock = files_->lock(layout::model_lock(model), LockKind::kExclusive);
  const auto now = read_active(model);
  const std::vector<HistoryEntry> entries = read_history(model);
  const auto entry_of = [&](std::uint64_t sequence) {
    return std::ranges::find(entries, sequence, &HistoryEntry::sequence);
  };
  const auto current = now ? entry_of(now->sequence) : entries.end();
  const auto target = current != entries.end() ? entry_of(current->undo_to) : entries.end();
  if (target == entries.end()) {
    throw Error(ErrorCode::kNotFound, "'" + std::string(name) +
                                          "' has no version to go back to; `planish store show` "
                                          "lists its history, activate names any version");
  }
  require_parts(target->digest);
  HistoryEntry entry;
  entry.action = HistoryAction::kRollback;
  entry.generation = target->generation;
  entry.digest = target->digest;
  // As if the version that is left had never been: the next rollback goes one further.
  entry.undo_to = target->undo_to;
  return move_pointer(model, entry, complete(author));
}

void ModelStore::set_label(std::string_view name, std::string_view label,
                           std::string_view version) {
  require_label(label);
  const fs::path model = model_folder(name);
  const auto lock = files_->lock(layout::model_lock(model), LockKind::kExclusive);
  const Generation target = resolve(name, version);
  layout::write_durably(*files_, layout::labels(model) / label,
                        layout::label_record(target.number));
}

void ModelStore::remove_label(std::string_view name, std::string_view label) {
  require_label(label);
  const fs::path model = model_folder(name);
  const auto lock = files_->lock(layout::model_lock(model), LockKind::kExclusive);
  if (!files_->exists(layout::labels(model) / label)) {
    throw Error(ErrorCode::kNotFound,
                "'" + std::string(name) + "' has no label '" + std::string(label) + "'");
  }
  files_->remove(layout::labels(model) / label);
  files_->sync_folder(layout::labels(model));
}

}  // namespace planish::store
