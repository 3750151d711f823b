// Keeps a uniform choice of requests on disk, behind the answers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "planish/serve/capture.h"
#include "planish/serve/server.h"
#include "serve/model_registry.h"
#include "serve/protocol.h"

namespace planish::serve {

/// What a capture did since the server started.
struct CaptureCounts {
  std::string model = {};
  std::string kind = {};  // "images" or "tensors"
  std::uint64_t seen = 0;
  std::uint64_t written = 0;
  std::uint64_t dropped = 0;  // chosen, but the disk was too slow or the limit of bytes was reached
};

/// One reservoir for each model and kind (Vitter 1985, algorithm R): at any time every request that
/// came has the same chance to be among those kept. Files are written by one thread of class
/// SCHED_IDLE; what does not fit into its short queue is dropped and counted.
class CaptureSet {
 public:
  explicit CaptureSet(const ServerConfig& config, std::uint64_t seed = std::random_device{}());
  ~CaptureSet();
  CaptureSet(const CaptureSet&) = delete;
  CaptureSet& operator=(const CaptureSet&) = delete;

  /// Offers an answered request. Returns at once. Tensors are shared.
  void offer(const LoadedVersion& version, const InferRequest& request);
  [[nodiscard]] std::vector<CaptureCounts> counts() const;

 private:
  struct File {
    std::string name = {};  // its SHA-256 and a suffix
    std::uint64_t bytes = 0;
    std::string version = {};
    std::string time = {};
  };
  struct Reservoir {
    std::filesystem::path folder = {};
    CaptureCounts counts = {};
    std::uint64_t seen = 0;        // also before the server started
    std::size_t taken = 0;         // slots that are given away
    std::vector<File> files = {};  // the writer's; by slot
    std::uint64_t bytes = 0;       // the writer's
    bool changed = false;          // the writer's
  };
  struct Item {
    Reservoir* reservoir = nullptr;
    std::size_t slot = 0;
    std::string version = {};
    std::string image = {};                 // encoded, or …
    std::vector<NamedTensor> tensors = {};  // … tensors
  };

  Item* choose(const LoadedVersion& version, const std::string& kind);
  Reservoir& reservoir(const std::string& model, const std::string& kind);
  void run(const std::stop_token& stop);
  void write(Item item);
  void write_lists();
  void write_list(Reservoir& reservoir) const;

  const ServerConfig& config_;
  mutable std::mutex mutex_;  // guards what follows, but for what is the writer's
  std::condition_variable_any changed_;
  std::map<std::string, Reservoir> reservoirs_;  // by folder; never removed
  std::deque<Item> queue_;
  std::mt19937_64 random_;
  std::jthread writer_;
};

}  // namespace planish::serve
