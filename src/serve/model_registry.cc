#include "serve/model_registry.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/onnx/onnx.h"

namespace planish::serve {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kWarmupRuns = 3;
constexpr int kLoaderNice = 10;
constexpr std::int64_t kVariableDim = 1;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Requests run first: a load may take longer, they may not.
void lower_priority_of_this_thread() {
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kLoaderNice);
}

/// Zeros in every input, 1 where a dimension varies. Nothing when a type has no zeros to make.
std::optional<std::vector<NamedTensor>> zeros_for(const Signature& signature) {
  std::vector<NamedTensor> inputs;
  for (const TensorSpec& spec : signature.inputs) {
    std::vector<std::int64_t> dims;
    std::size_t count = 1;
    for (const Dim& dim : spec.shape) {
      dims.push_back(dim.number().value_or(kVariableDim));
      count *= static_cast<std::size_t>(dims.back());
    }
    if (spec.dtype == DType::kString) {
      inputs.push_back({spec.name, Tensor::of_strings(dims, std::vector<std::string>(count))});
      continue;
    }
    if (row_of(spec.dtype).bits == 0) return std::nullopt;
    inputs.push_back(
        {spec.name, Tensor(spec.dtype, dims,
                           std::vector<std::byte>(byte_count(spec.dtype, count), std::byte{0}))});
  }
  return inputs;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

/// The first runs are slow: memory is taken, weights are packed. Users should not wait for that.
void warm_up(LoadedVersion& version) {
  const auto start = Clock::now();
  try {
    if (const auto inputs = zeros_for(version.session->signature())) {
      for (std::size_t i = 0; i < kWarmupRuns; ++i) (void)version.session->run(*inputs);
    }
  } catch (const Error&) {
    // Zeros of size 1 need not be an input that the model can take; real ones will warm it.
  }
  version.warmup_ms = ms_since(start);
}

SessionConfig session_config(int threads) {
  SessionConfig config;
  config.threads = threads;
  return config;
}

}  // namespace

std::string_view name_of(ModelState state) {
  switch (state) {
    case ModelState::kUnavailable:
      return "UNAVAILABLE";
    case ModelState::kLoading:
      return "LOADING";
    case ModelState::kReady:
      break;
  }
  return "READY";
}

ModelRegistry::ModelRegistry(const ServerConfig& config, LogSink log)
    : config_(config), log_(std::move(log)) {
  if (config.store.empty() == config.model.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "expected either a store or a model to serve, and not both");
  }
  if (!config.store.empty()) {
    store_ = store::ModelStore::open(config.store);
    look(true);
  } else {
    const std::string name = config.name.empty() ? config.model.stem().string() : config.name;
    store::require_model_name(name);
    Entry& entry = entries_[name];
    entry.status.name = name;
    entry.status.state = ModelState::kLoading;
    entry.wanted = store::ActiveVersion{.sequence = 1, .generation = 1};
  }
  follower_ = std::jthread([this](const std::stop_token& stop) { follow(stop); });
}

ModelRegistry::~ModelRegistry() { end(); }

void ModelRegistry::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
}

void ModelRegistry::log(const Json& event) const {
  if (log_) log_(event);
}

Version ModelRegistry::acquire(std::string_view name, std::string_view version) const {
  std::unique_lock lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end())
    throw Error(ErrorCode::kNotFound, "unknown model '" + std::string(name) + "'");
  const ModelStatus& status = found->second.status;
  if (version.empty()) {
    if (status.active) return status.active;
    throw Error(ErrorCode::kUnavailable,
                "model '" + std::string(name) + "' is " +
                    (status.state == ModelState::kLoading ? "being loaded"
                                                          : "not loaded: " + status.reason));
  }
  std::vector<Version> loaded{status.active, status.previous};
  loaded.insert(loaded.end(), beside_.begin(), beside_.end());
  std::erase_if(loaded, [&](const Version& one) { return !one || one->model != name; });
  // Generations need no look at the disk.
  for (const Version& one : loaded) {
    if (one->version() == version) return one;
  }
  lock.unlock();
  if (!store_)
    throw Error(ErrorCode::kNotFound, "model '" + std::string(name) + "' has version 1 only");
  const store::Generation generation = store_->resolve(name, version);
  for (const Version& one : loaded) {
    if (one->generation == generation.number) return one;
  }
  throw Error(ErrorCode::kUnavailable, "version " + std::to_string(generation.number) + " of '" +
                                           std::string(name) +
                                           "' is in the store but not loaded; activate it");
}

std::vector<ModelStatus> ModelRegistry::statuses() const {
  const std::lock_guard lock(mutex_);
  std::vector<ModelStatus> all;
  for (const auto& [name, entry] : entries_) all.push_back(entry.status);
  return all;
}

bool ModelRegistry::is_ready() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::all_of(entries_, [](const auto& entry) {
    return entry.second.status.state == ModelState::kReady || !entry.second.wanted ||
           entry.second.unloaded;
  });
}

void ModelRegistry::wait_until_loaded(std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  const bool done = changed_.wait_for(lock, limit, [this] {
    return std::ranges::none_of(entries_, [](const auto& entry) {
      return entry.second.status.state == ModelState::kLoading;
    });
  });
  if (!done)
    throw Error(ErrorCode::kDeadline,
                "models are still being loaded after " + std::to_string(limit.count()) + " ms");
}

store::ActiveVersion ModelRegistry::activate(std::string_view name, std::string_view version,
                                             const store::Author& author) {
  if (!store_) throw Error(ErrorCode::kUnsupported, "a model served from a file has one version");
  const store::ActiveVersion active = store_->activate(name, version, author);
  look(false);
  return active;
}

store::ActiveVersion ModelRegistry::rollback(std::string_view name, const store::Author& author) {
  if (!store_) throw Error(ErrorCode::kUnsupported, "a model served from a file has one version");
  const store::ActiveVersion active = store_->rollback(name, author);
  look(false);
  return active;
}

void ModelRegistry::unload(std::string_view name) {
  ModelStatus before;  // sessions end outside the lock
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end())
      throw Error(ErrorCode::kNotFound, "unknown model '" + std::string(name) + "'");
    Entry& entry = found->second;
    entry.unloaded = true;
    before = entry.status;
    entry.status.state = ModelState::kUnavailable;
    entry.status.reason = "unloaded; load it to serve it again";
    entry.status.active.reset();
    entry.status.previous.reset();
  }
  changed_.notify_all();
}

void ModelRegistry::load_again(std::string_view name) {
  if (store_) look(true);
  std::unique_lock lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end())
    throw Error(ErrorCode::kNotFound, "unknown model '" + std::string(name) + "'");
  Entry& entry = found->second;  // entries are never removed
  entry.unloaded = false;
  entry.failed.reset();
  if (!entry.status.active && entry.wanted) entry.status.state = ModelState::kLoading;
  if (!entry.wanted) entry.status.reason = "no version of it is active";
  changed_.notify_all();
  const auto has_ended = [&] {
    return entry.unloaded || !entry.wanted || entry.failed ||
           (entry.status.active && entry.status.active->generation == entry.wanted->generation);
  };
  changed_.wait(lock, [&] { return ending_ || has_ended(); });
  if (entry.status.reason.empty() && !ending_) return;
  throw Error(ErrorCode::kUnavailable, "model '" + std::string(name) + "' is not loaded: " +
                                           (ending_ ? "the server ends" : entry.status.reason));
}

Version ModelRegistry::load_beside(std::string_view name, std::string_view version) {
  if (!store_) throw Error(ErrorCode::kUnsupported, "a shadow needs a store");
  const store::Generation generation = store_->resolve(name, version);
  {
    const std::lock_guard lock(mutex_);
    for (const Version& one : beside_) {
      if (one->model == name && one->generation == generation.number) return one;
    }
  }
  Version loaded = load(std::string(name), generation.number, generation.digest);
  const std::lock_guard lock(mutex_);
  beside_.push_back(loaded);
  return loaded;
}

// ---------------------------------------------------------------------------------- following

void ModelRegistry::follow(const std::stop_token& stop) {
  lower_priority_of_this_thread();
  constexpr int kLooksBetweenListings = 20;
  int looks = 0;
  load_wanted();
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, config_.poll);
    lock.unlock();
    if (stop.stop_requested()) return;
    try {
      if (store_) look(++looks % kLooksBetweenListings == 0);
      load_wanted();
    } catch (const Error& error) {
      log(Json{{"event", "store-unreadable"}, {"reason", error.what()}});
    }
  }
}

/// Reads the pointers; swaps at once to what is warm.
void ModelRegistry::look(bool names_too) {
  std::vector<std::string> names;
  if (names_too) {
    for (const store::ModelListing& listing : store_->list()) names.push_back(listing.name);
  } else {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, entry] : entries_) names.push_back(name);
  }
  for (const std::string& name : names) {
    const auto active = store_->active(name);
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[name];
    entry.status.name = name;
    if (active == entry.wanted) continue;
    entry.wanted = active;
    entry.failed.reset();
    if (entry.unloaded) continue;
    if (!swap_if_warm(entry) && !entry.status.active)
      entry.status.state = active ? ModelState::kLoading : ModelState::kUnavailable;
  }
  changed_.notify_all();
}

/// mutex_ is held.
bool ModelRegistry::swap_if_warm(Entry& entry) {
  if (!entry.wanted) return false;
  const auto is_wanted = [&](const Version& one) {
    return one && one->model == entry.status.name && one->generation == entry.wanted->generation;
  };
  ModelStatus& status = entry.status;
  if (is_wanted(status.active)) {
    status.reason.clear();
    return true;
  }
  Version warm = is_wanted(status.previous) ? status.previous : nullptr;
  for (const Version& one : beside_) {
    if (is_wanted(one)) warm = one;
  }
  if (!warm) return false;
  status.previous = std::move(status.active);
  status.active = std::move(warm);
  status.state = ModelState::kReady;
  status.reason.clear();
  return true;
}

void ModelRegistry::load_wanted() {
  struct Wish {
    std::string name = {};
    store::ActiveVersion version = {};
  };
  std::vector<Wish> wishes;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, entry] : entries_) {
      if (!entry.wanted || entry.unloaded || entry.failed == entry.wanted->digest ||
          swap_if_warm(entry))
        continue;
      wishes.push_back({name, *entry.wanted});
    }
  }
  for (const Wish& wish : wishes) {
    Json event{{"model", wish.name}, {"generation", wish.version.generation}};
    Version loaded;
    std::string reason;
    try {
      loaded = load(wish.name, wish.version.generation, wish.version.digest);
    } catch (const std::exception& error) {  // a worker thread ends here
      reason = error.what();
    }
    {
      const std::lock_guard lock(mutex_);
      Entry& entry = entries_[wish.name];
      if (!loaded) {
        entry.failed = wish.version.digest;
        entry.status.reason = reason;
        if (!entry.status.active) entry.status.state = ModelState::kUnavailable;
      } else if (entry.wanted == wish.version && !entry.unloaded) {
        entry.status.previous = std::move(entry.status.active);
        entry.status.active = loaded;
        entry.status.state = ModelState::kReady;
        entry.status.reason.clear();
      }
    }
    changed_.notify_all();
    event["event"] = loaded ? "ready" : "load-failed";
    if (loaded) {
      event["load_ms"] = loaded->load_ms;
      event["warmup_ms"] = loaded->warmup_ms;
    } else {
      event["reason"] = reason;
    }
    log(event);
  }
}

Version ModelRegistry::load(const std::string& name, std::uint64_t generation,
                            const store::Digest& digest) const {
  const auto start = Clock::now();
  auto version = std::make_shared<LoadedVersion>();
  version->model = name;
  version->generation = generation;
  if (store_)
    read_stored(*version, digest);
  else
    read_model(*version);
  version->load_ms = ms_since(start);
  warm_up(*version);
  return version;
}

void ModelRegistry::read_model(LoadedVersion& version) const {
  version.session = open_session(config_.model, session_config(1));
  if (!config_.preprocess.empty()) version.preprocess = load_preprocess_spec(config_.preprocess);
}

void ModelRegistry::read_stored(LoadedVersion& version, const store::Digest& digest) const {
  version.digest = digest.text();
  const store::Manifest manifest = store_->manifest(digest);
  version.threads = manifest.config.threads.value_or(1);
  const store::Part& model = *manifest.find(store::PartKind::kModel);
  fs::path path = store_->blob_path(model.digest);
  if (manifest.find(store::PartKind::kExternalData) != nullptr) {
    // ONNX Runtime looks for external data beside the model, by the names that the model has.
    version.files.emplace(store_->root());
    for (const store::Part& part : manifest.parts) {
      const bool is_needed =
          part.kind == store::PartKind::kModel || part.kind == store::PartKind::kExternalData;
      if (!is_needed) continue;
      const fs::path target = version.files->path() / part.name;
      fs::create_directories(target.parent_path());
      std::error_code failure;
      fs::create_hard_link(store_->blob_path(part.digest), target, failure);
      if (failure) fs::copy_file(store_->blob_path(part.digest), target);
    }
    path = version.files->path() / model.name;
  }
  version.session = open_session(path, session_config(version.threads));
  if (const store::Part* part = manifest.find(store::PartKind::kPreprocess)) {
    version.preprocess =
        parse_preprocess_spec(parse_json(read_file(store_->blob_path(part->digest))));
  }
  if (const store::Part* part = manifest.find(store::PartKind::kClasses))
    version.classes = lines_of(read_file(store_->blob_path(part->digest)));
}

}  // namespace planish::serve
