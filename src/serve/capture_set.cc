#include "serve/capture_set.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/hash.h"
#include "planish/base/json.h"
#include "planish/dataset/capture_list.h"
#include "planish/dataset/tensor_files.h"

namespace planish::serve {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kQueue = 64;
constexpr std::chrono::seconds kListEvery{1};

const char* suffix_of(const std::string& image) {
  const auto format = image_format_of(std::as_bytes(std::span(image)));
  return format == ImageFormat::kPng ? ".png" : ".jpg";
}

}  // namespace

CaptureSet::CaptureSet(const ServerConfig& config, std::uint64_t seed)
    : config_(config), random_(seed) {
  if (config.capture.folder.empty()) return;
  if (config.capture.samples == 0)
    throw Error(ErrorCode::kInvalidArgument, "a capture of 0 samples; expected 1 or more");
  std::error_code failure;
  fs::create_directories(config.capture.folder, failure);
  if (failure) {
    throw Error(ErrorCode::kUnavailable,
                "cannot capture into " + config.capture.folder.string() + ": " + failure.message());
  }
  writer_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

CaptureSet::~CaptureSet() {
  if (!writer_.joinable()) return;
  writer_.request_stop();
  writer_.join();
}

void CaptureSet::offer(const LoadedVersion& version, const InferRequest& request) {
  if (config_.capture.folder.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    if (request.images.empty()) {
      if (Item* const item = choose(version, "tensors")) item->tensors = request.inputs;
    }
    for (const std::string& image : request.images) {
      if (Item* const item = choose(version, "images")) item->image = image;
    }
  }
  changed_.notify_one();
}

/// mutex_ is held. A new item of the queue, to be filled; null when this one is not among those
/// that are kept, or the writer is too far behind.
CaptureSet::Item* CaptureSet::choose(const LoadedVersion& version, const std::string& kind) {
  Reservoir& into = reservoir(version.model, kind);
  ++into.seen;
  ++into.counts.seen;
  std::uint64_t slot = into.taken;
  if (into.taken >= config_.capture.samples) {
    slot = std::uniform_int_distribution<std::uint64_t>(0, into.seen - 1)(random_);
    if (slot >= config_.capture.samples) return nullptr;
  }
  if (queue_.size() >= kQueue) {
    ++into.counts.dropped;
    return nullptr;
  }
  if (slot == into.taken) ++into.taken;
  Item& item = queue_.emplace_back();
  item.reservoir = &into;
  item.slot = static_cast<std::size_t>(slot);
  item.version = version.text();
  return &item;
}

/// mutex_ is held. What an earlier process kept is gone on with.
CaptureSet::Reservoir& CaptureSet::reservoir(const std::string& model, const std::string& kind) {
  const fs::path folder = config_.capture.folder / model / kind;
  const auto [at, is_new] = reservoirs_.try_emplace(folder.string());
  Reservoir& one = at->second;
  if (!is_new) return one;
  one.folder = folder;
  one.counts.model = model;
  one.counts.kind = kind;
  try {
    fs::create_directories(folder);
    if (!fs::exists(folder / kCaptureListName)) return one;
    const CaptureList list = read_capture_list(folder);
    one.seen = list.seen;
    for (const CapturedFile& file : list.files) {
      one.files.push_back({file.name, file.bytes, file.version, file.time});
      one.bytes += file.bytes;
    }
  } catch (const std::exception& error) {
    // Begun anew: its list says which files count.
    if (config_.log) {
      config_.log(
          {{"event", "capture-unreadable"}, {"folder", folder.string()}, {"reason", error.what()}});
    }
    one.files.clear();
    one.seen = 0;
    one.bytes = 0;
  }
  if (one.files.size() > config_.capture.samples) one.files.resize(config_.capture.samples);
  one.taken = one.files.size();
  return one;
}

std::vector<CaptureCounts> CaptureSet::counts() const {
  const std::lock_guard lock(mutex_);
  std::vector<CaptureCounts> all;
  for (const auto& [folder, one] : reservoirs_) all.push_back(one.counts);
  return all;
}

void CaptureSet::run(const std::stop_token& stop) {
  const sched_param none{};
  (void)::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &none);
  std::unique_lock lock(mutex_);
  auto listed = std::chrono::steady_clock::now();
  for (bool more = true; more;) {
    changed_.wait_for(lock, stop, kListEvery, [this] { return !queue_.empty(); });
    more = !stop.stop_requested() || !queue_.empty();
    if (!queue_.empty()) {
      Item item = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      write(std::move(item));
      lock.lock();
    }
    if (more && std::chrono::steady_clock::now() - listed < kListEvery) continue;
    lock.unlock();
    write_lists();
    listed = std::chrono::steady_clock::now();
    lock.lock();
  }
}

void CaptureSet::write(Item item) {
  Reservoir& into = *item.reservoir;
  bool is_written = false;
  try {
    const bool is_image = !item.image.empty();
    const std::string content = is_image ? std::move(item.image) : to_npz(item.tensors);
    const std::string name =
        sha256_hex(content) + (is_image ? suffix_of(content) : std::string(".npz"));
    if (into.bytes + content.size() <= config_.capture.max_bytes) {
      write_file_atomically(into.folder / name, content);
      if (into.files.size() <= item.slot) into.files.resize(item.slot + 1);
      File& file = into.files[item.slot];
      into.bytes += content.size() - file.bytes;
      file = {name, content.size(), item.version, store::utc_now()};
      into.changed = true;
      is_written = true;
    }
  } catch (const std::exception& error) {
    if (config_.log) {
      config_.log({{"event", "capture-failed"},
                   {"folder", into.folder.string()},
                   {"reason", error.what()}});
    }
  }
  const std::lock_guard lock(mutex_);
  ++(is_written ? into.counts.written : into.counts.dropped);
}

/// On the writer's thread.
void CaptureSet::write_lists() {
  std::vector<Reservoir*> changed;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [folder, one] : reservoirs_) changed.push_back(&one);
  }
  for (Reservoir* one : changed) {
    if (!std::exchange(one->changed, false)) continue;
    try {
      write_list(*one);
    } catch (const std::exception& error) {
      if (config_.log) {
        config_.log({{"event", "capture-failed"},
                     {"folder", one->folder.string()},
                     {"reason", error.what()}});
      }
    }
  }
}

/// First the list, then the files go that it no longer names.
void CaptureSet::write_list(Reservoir& reservoir) const {
  CaptureList list;
  list.model = reservoir.counts.model;
  {
    const std::lock_guard lock(mutex_);
    list.seen = reservoir.seen;
  }
  for (const File& file : reservoir.files) {
    // A slot whose file was not written; or the same content twice, which is one file.
    const bool is_listed = std::ranges::any_of(
        list.files, [&](const CapturedFile& one) { return one.name == file.name; });
    if (!file.name.empty() && !is_listed)
      list.files.push_back({file.name, file.bytes, file.version, file.time});
  }
  write_capture_list(reservoir.folder, list);
  for (const fs::directory_entry& entry : fs::directory_iterator(reservoir.folder)) {
    const std::string name = entry.path().filename().string();
    const bool is_listed =
        std::ranges::any_of(list.files, [&](const CapturedFile& one) { return one.name == name; });
    if (!is_listed && name != kCaptureListName && !name.starts_with('.')) fs::remove(entry.path());
  }
}

}  // namespace planish::serve
