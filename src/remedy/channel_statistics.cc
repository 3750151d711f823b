#include "planish/remedy/channel_statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>

#include "planish/base/error.h"
#include "planish/dataset/process_samples.h"
#include "planish/host/host.h"
#include "planish/runtime/observed_session.h"

namespace planish {
namespace {

/// Sums of one value in one sample.
struct Sums {
  std::uint64_t count = 0;  // elements of each channel
  std::vector<float> min = {};
  std::vector<float> max = {};
  std::vector<double> squares = {};

  void resize(std::size_t channels) {
    min.assign(channels, std::numeric_limits<float>::infinity());
    max.assign(channels, -std::numeric_limits<float>::infinity());
    squares.assign(channels, 0.0);
  }
};

/// Running mean and sum of squared deviations (Welford 1962): exact where all numbers are equal.
struct Moments {
  double mean = 0.0;
  double squares = 0.0;

  void add(double x, double count) {
    const double step = x - mean;
    mean += step / count;
    squares += step * (x - mean);
  }
};

/// One value over the samples so far.
struct Running {
  std::uint64_t samples = 0;
  Sums sums = {};
  std::vector<Moments> least = {};
  std::vector<Moments> greatest = {};

  void merge(const Sums& next) {
    if (next.count == 0) return;
    if (samples++ == 0) {
      sums.resize(next.min.size());
      least.resize(next.min.size());
      greatest.resize(next.min.size());
    }
    sums.count += next.count;
    for (std::size_t c = 0; c < next.min.size(); ++c) {
      sums.min[c] = std::min(sums.min[c], next.min[c]);
      sums.max[c] = std::max(sums.max[c], next.max[c]);
      sums.squares[c] += next.squares[c];
      least[c].add(next.min[c], static_cast<double>(samples));
      greatest[c].add(next.max[c], static_cast<double>(samples));
    }
  }

  [[nodiscard]] ChannelStatistics finished() {
    ChannelStatistics result{.min = std::move(sums.min),
                             .max = std::move(sums.max),
                             .mean_square = std::move(sums.squares),
                             .samples = samples};
    if (samples == 0) return result;
    const auto count = static_cast<double>(samples);
    for (double& square : result.mean_square) square /= static_cast<double>(sums.count);
    const auto extremes = [&](const std::vector<Moments>& from) {
      std::vector<ExtremeStatistics> to;
      for (const Moments& one : from) to.push_back({one.mean, std::sqrt(one.squares / count)});
      return to;
    };
    result.least = extremes(least);
    result.greatest = extremes(greatest);
    result.elements = static_cast<double>(sums.count) / count;
    return result;
  }
};

/// Adds the adjacent elements of one channel.
void add_run(std::span<const float> run, std::size_t channel, Sums& sums) {
  float min = sums.min[channel];
  float max = sums.max[channel];
  double squares = 0.0;
  for (const float x : run) {
    min = std::min(min, x);
    max = std::max(max, x);
    squares += static_cast<double>(x) * static_cast<double>(x);
  }
  sums.min[channel] = min;
  sums.max[channel] = max;
  sums.squares[channel] += squares;
}

/// Adds one element of every channel.
void add_row(std::span<const float> row, Sums& sums) {
  for (std::size_t c = 0; c < row.size(); ++c) {
    sums.min[c] = std::min(sums.min[c], row[c]);
    sums.max[c] = std::max(sums.max[c], row[c]);
    sums.squares[c] += static_cast<double>(row[c]) * static_cast<double>(row[c]);
  }
}

Sums sums_of(const ObservedValue& value, const ChannelsOfValue& of) {
  if (of.axis >= value.dims.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                "value '" + of.name + "' is of rank " + std::to_string(value.dims.size()) +
                    "; expected channels along axis " + std::to_string(of.axis));
  }
  const auto channels = static_cast<std::size_t>(value.dims[of.axis]);
  Sums sums;
  if (value.elements.empty()) return sums;
  sums.resize(channels);
  sums.count = value.elements.size() / channels;
  std::size_t inner = 1;
  for (std::size_t d = of.axis + 1; d < value.dims.size(); ++d) {
    inner *= static_cast<std::size_t>(value.dims[d]);
  }
  for (std::size_t begin = 0; begin < value.elements.size(); begin += channels * inner) {
    if (inner == 1) {
      add_row(value.elements.subspan(begin, channels), sums);
      continue;
    }
    for (std::size_t c = 0; c < channels; ++c) {
      add_run(value.elements.subspan(begin + c * inner, inner), c, sums);
    }
  }
  return sums;
}

/// A NaN fails every comparison and so shows in the squares only; no finite float overflows there.
void require_finite(const Sums& sums, const std::string& name) {
  const auto finite = [](double x) { return std::isfinite(x); };
  if (std::ranges::all_of(sums.squares, finite)) return;
  throw Error(ErrorCode::kInvalidArgument,
              "value '" + name +
                  "' holds NaN or an infinity; expected finite values. Look at the "
                  "sample and its preprocessing first, then at the model");
}

void require_same_channels(const Sums& sums, const Sums& next, const std::string& name) {
  if (sums.count == 0 || next.count == 0 || sums.min.size() == next.min.size()) return;
  throw Error(ErrorCode::kInvalidArgument,
              "value '" + name + "' has " + std::to_string(next.min.size()) + " channels; " +
                  std::to_string(sums.min.size()) + " in the samples before");
}

}  // namespace

std::vector<ChannelStatistics> observe_channels(const Model& model, const Dataset& data,
                                                std::span<const ChannelsOfValue> values,
                                                const ObserveConfig& config,
                                                const ProgressSink& progress,
                                                std::stop_token stop) {
  if (values.empty()) return {};
  std::vector<std::string> names;
  for (const ChannelsOfValue& value : values) names.push_back(value.name);
  const auto session = open_observed_session(model, names, {.threads = 1}, ElementOrder::kRowMajor);
  std::vector<Running> running(values.size());

  const auto work = [&](std::size_t, const Sample& sample) -> Completion {
    auto seen = std::make_shared<std::vector<Sums>>(values.size());
    session->run(sample.inputs, DimsObserver([&](const ObservedValue& value) {
                   (*seen)[value.index] = sums_of(value, values[value.index]);
                   require_finite((*seen)[value.index], names[value.index]);
                 }));
    return [&running, &names, seen] {
      for (std::size_t i = 0; i < names.size(); ++i) {
        require_same_channels(running[i].sums, (*seen)[i], names[i]);
        running[i].merge((*seen)[i]);
      }
    };
  };
  const ProcessConfig process{.threads = threads_or_usable(config.threads),
                              .on_bad_sample = config.on_bad_sample,
                              .stage = "channels",
                              .progress = progress};
  process_samples(data, process, work, stop);

  std::vector<ChannelStatistics> result;
  for (Running& value : running) result.push_back(value.finished());
  return result;
}

}  // namespace planish
