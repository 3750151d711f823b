#include "planish/remedy/layer_statistics.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "planish/base/error.h"
#include "planish/base/parallel.h"
#include "planish/dataset/process_samples.h"
#include "planish/graph/graph_index.h"
#include "planish/host/host.h"
#include "planish/runtime/observed_session.h"
#include "remedy/layer_rows.h"
#include "remedy/products.h"
#include "remedy/quantized_layers.h"

namespace planish {
namespace {

using remedy::LayerShape;
using remedy::RowLayout;

/// Rows of several samples wait until they take so much: large products are faster than many small.
constexpr std::size_t kPendingBytes = std::size_t{32} << 20;

/// One layer while samples come in.
struct Layer {
  LayerShape shape;
  std::optional<QuantizationParams> input = {};  // of 8 bits; nothing: rows are taken as they are
  std::uint64_t rows = 0;
  std::vector<double> sums = {};                 // [G, K]
  std::vector<std::int64_t> quantized = {};      // [G, K], of integers less the zero point
  std::vector<std::vector<float>> pending = {};  // by sample, [rows, G, K] each
  std::uint64_t moment_rows = 0;
  std::vector<double> moment_sums = {};  // [G, K]
  std::vector<float> moment = {};        // [G, K, K], upper triangles

  [[nodiscard]] std::size_t groups() const { return shape.weight().groups; }
  [[nodiscard]] std::size_t terms() const { return shape.weight().terms(); }
  [[nodiscard]] std::size_t width() const { return groups() * terms(); }
};

/// What one sample adds to one layer.
struct Contribution {
  std::uint64_t rows = 0;
  std::vector<double> sums = {};
  std::vector<std::int64_t> quantized = {};
  std::vector<float> sampled_rows = {};  // [sampled, G, K]
};

std::vector<std::int16_t> integers_of(std::span<const float> elements,
                                      const QuantizationParams& params) {
  std::vector<std::int16_t> result(elements.size());
  const auto take = [&](const auto& quantized) {
    for (std::size_t i = 0; i < result.size(); ++i)
      result[i] = static_cast<std::int16_t>(quantized[i] - params.zero_point);
  };
  if (params.dtype == DType::kUInt8) {
    take(quantize_u8(elements, params));
  } else {
    take(quantize_s8(elements, params));
  }
  return result;
}

/// `count` of `rows` rows, evenly spread; where they begin moves with the sample, so that all
/// places of an image get their turn.
std::vector<std::size_t> spread_rows(std::size_t rows, std::size_t count, std::size_t sample) {
  count = std::min(count, rows);
  std::vector<std::size_t> result;
  constexpr double kGoldenRatio = 0.61803398874989485;  // fills the gaps between earlier offsets
  const double offset = std::fmod(static_cast<double>(sample) * kGoldenRatio, 1.0);
  for (std::size_t k = 0; k < count; ++k) {
    const double place =
        (static_cast<double>(k) + offset) * static_cast<double>(rows) / static_cast<double>(count);
    result.push_back(std::min(static_cast<std::size_t>(place), rows - 1));
  }
  return result;
}

template <typename Element>
std::vector<float> sampled(std::span<const Element> elements, const RowLayout& layout,
                           std::span<const std::size_t> rows, float scale) {
  const std::size_t width = layout.groups * layout.terms();
  std::vector<float> result(rows.size() * width);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t g = 0; g < layout.groups; ++g) {
      remedy::copy_row(elements, layout, rows[r], g, scale,
                       &result[r * width + g * layout.terms()]);
    }
  }
  return result;
}

void require_finite(std::span<const double> sums, const std::string& name) {
  if (std::ranges::all_of(sums, [](double x) { return std::isfinite(x); })) return;
  throw Error(ErrorCode::kInvalidArgument,
              "value '" + name +
                  "' holds NaN or an infinity; expected finite values. Look at the sample and its "
                  "preprocessing first, then at the model");
}

Contribution contribution_of(const Layer& layer, const ObservedValue& value, std::size_t sample,
                             std::size_t rows_per_sample) {
  const RowLayout layout = layer.shape.layout(value.dims);
  Contribution made{.rows = layout.rows()};
  made.sums.assign(layer.width(), 0.0);
  if (made.rows == 0) return made;
  remedy::add_row_sums(value.elements, layout, std::span(made.sums));
  const auto places = spread_rows(made.rows, rows_per_sample, sample);
  if (!layer.input) {
    made.sampled_rows = sampled(value.elements, layout, places, 1.0F);
    return made;
  }
  const std::vector<std::int16_t> integers = integers_of(value.elements, *layer.input);
  made.quantized.assign(layer.width(), 0);
  remedy::add_row_sums(std::span<const std::int16_t>(integers), layout, std::span(made.quantized));
  made.sampled_rows =
      sampled(std::span<const std::int16_t>(integers), layout, places, layer.input->scale);
  return made;
}

class Observation {
 public:
  Observation(const Model& model, std::span<const LayerToObserve> layers,
              const ObserveLayersConfig& config)
      : model_(model), config_(config) {
    const GraphIndex index(model.graph);
    for (const LayerToObserve& layer : layers) {
      auto shape = layer.node < model.graph.nodes.size()
                       ? LayerShape::of(model.graph.nodes[layer.node], index)
                       : std::nullopt;
      if (!shape) {
        throw Error(ErrorCode::kInvalidArgument,
                    "node " + std::to_string(layer.node) +
                        " to observe; expected a Conv of one or two spatial axes, a Gemm or a "
                        "MatMul with a constant weight");
      }
      names_.push_back(model.graph.nodes[layer.node].input(0));
      layers_.push_back({.shape = std::move(*shape)});
      Layer& added = layers_.back();
      added.sums.assign(added.width(), 0.0);
      if (!layer.input ||
          (layer.input->dtype != DType::kUInt8 && layer.input->dtype != DType::kInt8))
        continue;  // 16-bit integers hold floats well enough
      added.input = layer.input;
      added.quantized.assign(added.width(), 0);
    }
  }

  void run(const Dataset& data, const ProgressSink& progress, const std::stop_token& stop) {
    threads_ = threads_or_usable(config_.run.threads);
    for (std::size_t first = 0; first < layers_.size();) {
      const std::size_t last = config_.second_moments ? end_of_pass(first) : layers_.size();
      observe(first, last, data, progress, stop);
      first = last;
    }
  }

  [[nodiscard]] std::vector<LayerStatistics> results() {
    std::vector<LayerStatistics> results;
    for (Layer& layer : layers_) results.push_back(finished(layer));
    return results;
  }

 private:
  [[nodiscard]] std::size_t end_of_pass(std::size_t first) const {
    std::size_t bytes = 0;
    std::size_t last = first;
    while (last < layers_.size()) {
      bytes += layers_[last].width() * layers_[last].terms() * sizeof(float);
      if (last > first && bytes > config_.max_bytes) break;
      ++last;
    }
    return last;
  }

  void observe(std::size_t first, std::size_t last, const Dataset& data,
               const ProgressSink& progress, const std::stop_token& stop) {
    const std::vector<std::string> names(names_.begin() + static_cast<std::ptrdiff_t>(first),
                                         names_.begin() + static_cast<std::ptrdiff_t>(last));
    const auto session =
        open_observed_session(model_, names, {.threads = 1}, ElementOrder::kRowMajor);
    const std::size_t sampled_rows = config_.second_moments ? config_.rows_per_sample : 0;
    for (std::size_t i = first; i < last && config_.second_moments; ++i) {
      layers_[i].moment.assign(layers_[i].width() * layers_[i].terms(), 0.0F);
      layers_[i].moment_sums.assign(layers_[i].width(), 0.0);
    }
    const auto work = [&](std::size_t sample, const Sample& inputs) -> Completion {
      auto made = std::make_shared<std::vector<Contribution>>(names.size());
      session->run(inputs.inputs, DimsObserver([&](const ObservedValue& value) {
                     Contribution& of = (*made)[value.index];
                     of =
                         contribution_of(layers_[first + value.index], value, sample, sampled_rows);
                     require_finite(of.sums, names[value.index]);
                   }));
      return [this, made, first, last] { take(*made, first, last); };
    };
    process_samples(data,
                    {.threads = threads_,
                     .on_bad_sample = config_.run.on_bad_sample,
                     .stage = "layers",
                     .progress = progress},
                    work, stop);
    add_pending(first, last);
  }

  void take(std::vector<Contribution>& made, std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      Layer& layer = layers_[i];
      Contribution& of = made[i - first];
      layer.rows += of.rows;
      for (std::size_t k = 0; k < of.sums.size(); ++k) layer.sums[k] += of.sums[k];
      for (std::size_t k = 0; k < of.quantized.size(); ++k) layer.quantized[k] += of.quantized[k];
      pending_bytes_ += of.sampled_rows.size() * sizeof(float);
      if (!of.sampled_rows.empty()) layer.pending.push_back(std::move(of.sampled_rows));
    }
    if (pending_bytes_ >= kPendingBytes) add_pending(first, last);
  }

  /// Each layer's products are added by one thread, in the order of the samples.
  void add_pending(std::size_t first, std::size_t last) {
    pending_bytes_ = 0;
    parallel_for(last - first, threads_, [&](std::size_t i) { add_pending(layers_[first + i]); });
  }

  static void add_pending(Layer& layer) {
    const std::size_t width = layer.width();
    const std::size_t terms = layer.terms();
    std::size_t rows = 0;
    for (const std::vector<float>& of_sample : layer.pending) {
      rows += of_sample.size() / width;
      for (std::size_t row = 0; row < of_sample.size(); row += width) {
        for (std::size_t k = 0; k < width; ++k)
          layer.moment_sums[k] += static_cast<double>(of_sample[row + k]);
      }
    }
    std::vector<float> of_group(rows * terms);
    for (std::size_t g = 0; g < layer.groups() && rows > 0; ++g) {
      float* to = of_group.data();
      for (const std::vector<float>& of_sample : layer.pending) {
        for (std::size_t row = 0; row < of_sample.size(); row += width)
          to = std::copy_n(&of_sample[row + g * terms], terms, to);
      }
      remedy::add_transposed_product(
          of_group, of_group, rows, terms, terms,
          std::span(layer.moment).subspan(g * terms * terms, terms * terms), remedy::Part::kUpper);
    }
    layer.moment_rows += rows;
    layer.pending.clear();
  }

  static LayerStatistics finished(Layer& layer) {
    LayerStatistics result{.rows = layer.rows, .mean = std::move(layer.sums)};
    const double rows = static_cast<double>(std::max<std::uint64_t>(layer.rows, 1));
    for (double& mean : result.mean) mean /= rows;
    result.quantized_mean = result.mean;
    for (std::size_t k = 0; k < layer.quantized.size(); ++k) {
      result.quantized_mean[k] =
          static_cast<double>(layer.quantized[k]) / rows * static_cast<double>(layer.input->scale);
    }
    result.moment_rows = layer.moment_rows;
    result.second_moment = std::move(layer.moment);
    const double moment_rows = static_cast<double>(std::max<std::uint64_t>(layer.moment_rows, 1));
    result.moment_mean = std::move(layer.moment_sums);
    for (double& mean : result.moment_mean) mean /= moment_rows;
    for (float& product : result.second_moment)
      product = static_cast<float>(static_cast<double>(product) / moment_rows);
    const std::size_t terms = layer.terms();
    for (std::size_t g = 0; g < layer.groups() && !result.second_moment.empty(); ++g) {
      remedy::mirror_upper(
          std::span(result.second_moment).subspan(g * terms * terms, terms * terms), terms);
    }
    return result;
  }

  const Model& model_;
  const ObserveLayersConfig& config_;
  std::size_t threads_ = 1;
  std::vector<std::string> names_;
  std::vector<Layer> layers_;
  std::size_t pending_bytes_ = 0;
};

}  // namespace

std::vector<LayerToObserve> layers_to_observe(const QuantizationPlan& plan, const Model& model) {
  std::vector<LayerToObserve> result;
  for (const remedy::QuantizedLayer& layer : remedy::quantized_layers(plan, model)) {
    result.push_back({layer.node, layer.input});
  }
  return result;
}

std::vector<LayerStatistics> observe_layers(const Model& model, const Dataset& data,
                                            std::span<const LayerToObserve> layers,
                                            const ObserveLayersConfig& config,
                                            const ProgressSink& progress, std::stop_token stop) {
  if (layers.empty()) return {};
  Observation observation(model, layers, config);
  observation.run(data, progress, stop);
  return observation.results();
}

}  // namespace planish
