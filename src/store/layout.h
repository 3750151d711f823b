// Where things are below a store's folder, and the small documents that stand there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "planish/store/store.h"

namespace planish::store::layout {

using Path = std::filesystem::path;

inline constexpr std::string_view kMarker = "store.json";
inline constexpr std::string_view kTemporaryPrefix = ".new-";  // swept by gc
inline constexpr std::size_t kMaxRecordBytes = std::size_t{1} << 20;

inline Path marker(const Path& root) { return root / kMarker; }
/// Shared by whoever adds content, exclusive for gc.
inline Path store_lock(const Path& root) { return root / "lock"; }
inline Path blobs(const Path& root) { return root / "blobs" / "sha256"; }
inline Path models(const Path& root) { return root / "models"; }
inline Path model(const Path& root, std::string_view name) { return models(root) / name; }
/// Exclusive for whoever changes what stands below the model.
inline Path model_lock(const Path& model) { return model / "lock"; }
inline Path active(const Path& model) { return model / "active"; }
inline Path generations(const Path& model) { return model / "generations"; }
inline Path labels(const Path& model) { return model / "labels"; }
inline Path history(const Path& model) { return model / "history"; }

/// The document of a generation; its labels and whether it is active stand elsewhere.
std::string to_record(const Generation& generation);
Generation generation_from(std::string_view text);
std::string to_record(const ActiveVersion& active);
ActiveVersion active_from(std::string_view text);
std::string to_record(const HistoryEntry& entry);
HistoryEntry history_from(std::string_view text);
/// A label's document: the generation that it names.
std::string label_record(std::uint64_t generation);
std::uint64_t label_from(std::string_view text);

/// "7" of a file named "7.json"; nothing for other names.
std::optional<std::uint64_t> number_of(std::string_view file_name);
inline std::string numbered(std::uint64_t number) { return std::to_string(number) + ".json"; }

/// `content` at `path`, whole or not at all, on the disk when this returns.
void write_durably(Files& files, const Path& path, std::string_view content);
/// A name in `folder` that no other writer uses.
Path temporary_in(const Path& folder);

}  // namespace planish::store::layout
