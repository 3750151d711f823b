#include <sched.h>

#include <algorithm>
#include <vector>

#include "dataset/sources.h"
#include "planish/base/hash.h"
#include "planish/base/json.h"
#include "planish/base/parallel.h"

namespace planish::detail {

std::size_t limited(std::size_t count, const DatasetConfig& config) {
  return config.max_samples == 0 ? count : std::min(count, config.max_samples);
}

std::size_t threads_of(const DatasetConfig& config) {
  if (config.threads > 0) return static_cast<std::size_t>(config.threads);
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) return 1;  // more CPUs than the set holds
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&usable)));
}

std::string digest_samples(const Dataset& dataset, const DatasetConfig& config,
                           const std::function<std::string(std::size_t)>& content_hash) {
  std::vector<std::string> hashes(dataset.size());
  parallel_for(hashes.size(), threads_of(config),
               [&](std::size_t i) { hashes[i] = content_hash(i); });
  Sha256 sha;
  sha.update("planish data set 1\n").update(to_json(config.preprocess).dump()).update("\n");
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    // The length keeps a name that holds a line break from passing for two samples.
    const std::string name = dataset.name(i);
    sha.update(std::to_string(name.size()) + " ").update(name).update(" " + hashes[i] + "\n");
  }
  return sha.hex();
}

}  // namespace planish::detail
