// What the channels of a model's values hold on the user's samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "planish/base/progress.h"
#include "planish/dataset/dataset.h"
#include "planish/graph/model.h"

namespace planish {

/// A value and the axis of its channels.
struct ChannelsOfValue {
  std::string name = {};
  std::size_t axis = 1;
};

/// Mean and standard deviation, over the samples, of a sample's extreme: what a sample that was not
/// seen may reach.
struct ExtremeStatistics {
  double mean = 0.0;
  double deviation = 0.0;
};

/// Of one value, over all samples: an entry per channel.
struct ChannelStatistics {
  std::vector<float> min = {};
  std::vector<float> max = {};
  std::vector<double> mean_square = {};
  std::vector<ExtremeStatistics> least = {};     // of the samples' minima
  std::vector<ExtremeStatistics> greatest = {};  // of the samples' maxima
  double elements = 0.0;                         // of one channel in one sample, on average
  std::uint64_t samples = 0;
};

/// How samples are run when a model is observed.
struct ObserveConfig {
  OnBadSample on_bad_sample = OnBadSample::kFail;
  int threads = 0;  // samples run side by side; 0: usable_cores()
};

/// Runs every sample of `data` once. The result is in the order of `values`, does not depend on
/// threads, and takes memory by channels, not by samples. A value that never had an element has
/// empty lists.
/// @throws Error(kInvalidArgument) naming sample and value that holds NaN or an infinity, or whose
///   number of channels changes between samples; Error(kNotFound) for a value that the model does
///   not have; what reading and running throw; Error(kCancelled).
std::vector<ChannelStatistics> observe_channels(const Model& model, const Dataset& data,
                                                std::span<const ChannelsOfValue> values,
                                                const ObserveConfig& config = {},
                                                const ProgressSink& progress = {},
                                                std::stop_token stop = {});

}  // namespace planish
