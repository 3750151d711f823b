// The versions that are loaded, and which of them answers.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "planish/base/file.h"
#include "planish/preprocess/preprocess.h"
#include "planish/runtime/session.h"
#include "planish/serve/server.h"
#include "planish/store/store.h"
#include "serve/statistics.h"

namespace planish::serve {

/// A version in memory, warm. Alive while anybody holds it; never changes but for its counts.
struct LoadedVersion {
  std::string model = {};
  std::uint64_t generation = 0;
  std::string digest = {};  // "sha256:…"; "" of a model served from a file
  std::unique_ptr<Session> session = {};
  std::optional<PreprocessSpec> preprocess = {};
  std::vector<std::string> classes = {};
  int threads = 1;
  double load_ms = 0.0;
  double warmup_ms = 0.0;
  mutable VersionStatistics statistics = {};
  std::optional<TemporaryFolder> files = {};  // where external data was put beside the model

  [[nodiscard]] std::string version() const { return std::to_string(generation); }
  /// Generation and digest, as ShadowReport names a version.
  [[nodiscard]] std::string text() const { return version() + " " + digest; }
};
using Version = std::shared_ptr<const LoadedVersion>;

enum class ModelState {
  kUnavailable,  // nothing is active, or it could not be loaded; `reason` says why
  kLoading,      // the first version is being loaded
  kReady,        // answers; a newer version may be loading behind it
};
std::string_view name_of(ModelState state);  // "UNAVAILABLE", … as the repository extension says

struct ModelStatus {
  std::string name = {};
  ModelState state = ModelState::kUnavailable;
  std::string reason = {};
  Version active = {};
  Version previous = {};  // warm: a rollback to it takes no load
};

/// Follows a store's active pointers: a new active version is loaded by a thread of low priority,
/// warmed, and then swapped in; the one before stays warm. A version that fails to load leaves the
/// one that answers in its place.
class ModelRegistry {
 public:
  ModelRegistry(const ServerConfig& config, LogSink log);
  ~ModelRegistry();

  /// The version that answers for `name`, or the one named. @throws Error(kNotFound) when there is
  /// no such model; kUnavailable when it is not loaded (yet), saying why.
  [[nodiscard]] Version acquire(std::string_view name, std::string_view version = {}) const;
  [[nodiscard]] std::vector<ModelStatus> statuses() const;
  /// Every model that has an active version is ready.
  [[nodiscard]] bool is_ready() const;
  void wait_until_loaded(std::chrono::milliseconds limit) const;

  /// Moves the store's pointer and follows it before it returns, when the version is warm.
  /// @throws Error as ModelStore; kUnsupported without a store.
  store::ActiveVersion activate(std::string_view name, std::string_view version,
                                const store::Author& author);
  store::ActiveVersion rollback(std::string_view name, const store::Author& author);
  /// The model stops answering until load_again(); what runs is finished. The store is not changed,
  /// and a server that starts again loads it again. @throws Error(kNotFound).
  void unload(std::string_view name);
  /// Undoes unload(), tries again what failed, finds what is new in the store; returns when the
  /// model answers. @throws Error(kNotFound); kUnavailable saying why it could not be loaded.
  void load_again(std::string_view name);
  /// Whoever waits in load_again() is told to go.
  void end();
  /// Loads a version beside the active one (for a shadow) and keeps it.
  [[nodiscard]] Version load_beside(std::string_view name, std::string_view version);
  [[nodiscard]] const store::ModelStore* store() const { return store_ ? &*store_ : nullptr; }

 private:
  struct Entry {
    ModelStatus status = {};
    std::optional<store::ActiveVersion> wanted = {};  // what the pointer says
    std::optional<store::Digest> failed = {};         // do not try this one again and again
    bool unloaded = false;                            // by unload(): not loaded though wanted
  };

  void follow(const std::stop_token& stop);
  void look(bool names_too);
  void load_wanted();
  bool swap_if_warm(Entry& entry);
  [[nodiscard]] Version load(const std::string& name, std::uint64_t generation,
                             const store::Digest& digest) const;
  void read_stored(LoadedVersion& version, const store::Digest& digest) const;
  void read_model(LoadedVersion& version) const;
  void log(const Json& event) const;

  const ServerConfig& config_;
  const LogSink log_;
  std::optional<store::ModelStore> store_;
  mutable std::mutex mutex_;  // guards entries_, beside_ and ending_
  mutable std::condition_variable changed_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<Version> beside_;
  bool ending_ = false;
  std::jthread follower_;
};

}  // namespace planish::serve
