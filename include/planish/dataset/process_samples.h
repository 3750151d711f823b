// The loop that calibration and comparison share: samples side by side, results in order.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "planish/base/progress.h"
#include "planish/dataset/dataset.h"

namespace planish {

struct ProcessConfig {
  std::size_t threads = 1;  // samples that are read and worked on side by side
  OnBadSample on_bad_sample = OnBadSample::kFail;
  std::string_view stage = "samples";  // of the progress events
  ProgressSink progress = {};
};

/// What is left to do with a sample's result. Completions run one at a time, in the order of the
/// samples, so what they add up does not depend on threads.
using Completion = std::function<void()>;
/// Called from many threads at once.
using SampleWork = std::function<Completion(std::size_t i, const Sample& sample)>;

/// Reads every sample and works on it. At most a few samples per thread are in memory. Returns the
/// samples that could not be read and were left out (only with OnBadSample::kSkip).
/// @throws Error of the first sample, in order, that cannot be read (with kFail, or when none can),
///   or whose work or completion throws; its name is in front. Error(kInvalidArgument)
///   when there is no sample; Error(kCancelled).
std::vector<BadSample> process_samples(const Dataset& data, const ProcessConfig& config,
                                       const SampleWork& work, std::stop_token stop = {});

}  // namespace planish
