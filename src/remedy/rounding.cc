#include "planish/remedy/rounding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/base/parallel.h"
#include "planish/graph/graph_index.h"
#include "planish/host/host.h"
#include "planish/quantize/sum_layout.h"
#include "remedy/products.h"
#include "remedy/quantized_layers.h"

namespace planish {
namespace {

using remedy::QuantizedLayer;

/// A step must gain more than float arithmetic can feign.
constexpr float kWorthAStep = 0.501F;

/// The second moments that one group of channels is rounded by.
struct Moments {
  std::size_t terms = 0;
  float damping = 0.0F;            // on the diagonal of `matrix`
  std::vector<float> matrix = {};  // [K, K], symmetric
};

Moments moments_of(const LayerStatistics& seen, std::size_t group, std::size_t terms, bool centred,
                   double damping) {
  Moments moments{.terms = terms};
  const auto first =
      seen.second_moment.begin() + static_cast<std::ptrdiff_t>(group * terms * terms);
  moments.matrix.assign(first, first + static_cast<std::ptrdiff_t>(terms * terms));
  const double* mean = &seen.moment_mean[group * terms];
  double trace = 0.0;
  for (std::size_t i = 0; i < terms; ++i) {
    for (std::size_t j = 0; j < terms && centred; ++j) {
      float& element = moments.matrix[i * terms + j];
      element = static_cast<float>(static_cast<double>(element) - mean[i] * mean[j]);
    }
    // A variance that rounding has made negative is none.
    float& diagonal = moments.matrix[i * terms + i];
    diagonal = std::max(diagonal, 0.0F);
    trace += static_cast<double>(diagonal);
  }
  moments.damping = static_cast<float>(damping * trace / static_cast<double>(terms));
  for (std::size_t i = 0; i < terms; ++i) moments.matrix[i * terms + i] += moments.damping;
  return moments;
}

/// products[r, j] = sum over k of rows[r, k] * moments[k, j].
std::vector<float> times_moments(std::span<const float> rows, const Moments& moments) {
  const std::size_t terms = moments.terms;
  const std::size_t count = rows.size() / terms;
  std::vector<float> transposed(rows.size());
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t k = 0; k < terms; ++k) transposed[k * count + r] = rows[r * terms + k];
  }
  std::vector<float> products(rows.size(), 0.0F);
  remedy::add_transposed_product(transposed, moments.matrix, terms, count, terms, products);
  return products;
}

/// row M row without the damping.
double energy(std::span<const float> row, std::span<const float> product, float damping) {
  double sum = 0.0;
  for (std::size_t k = 0; k < row.size(); ++k) {
    sum += static_cast<double>(row[k]) *
           (static_cast<double>(product[k]) - static_cast<double>(damping * row[k]));
  }
  return std::max(sum, 0.0);
}

/// Weights whose products the plan's target adds in 16 bits that saturate.
struct Pairs {
  static constexpr std::size_t kAlone = static_cast<std::size_t>(-1);
  std::vector<std::size_t> neighbours = {};  // [K], by term; empty: nothing saturates
  IntegerLimits limits = {};                 // of the sum of two neighbours

  /// Where integer `k` may go within `limits`, its neighbour as it is. A pair that was too large
  /// before does not grow.
  [[nodiscard]] IntegerLimits room(std::span<const std::int32_t> integers, std::size_t k,
                                   IntegerLimits of_row) const {
    if (neighbours.empty() || neighbours[k] == kAlone) return of_row;
    const std::int32_t neighbour = integers[neighbours[k]];
    return {std::max(of_row.min, std::min(limits.min - neighbour, integers[k])),
            std::min(of_row.max, std::max(limits.max - neighbour, integers[k]))};
  }
};

Pairs pairs_of(const QuantizationPlan& plan, const QuantizedLayer& layer, const Node& node,
               const Tensor& weight) {
  const auto reduction =
      std::ranges::find(plan.reductions, layer.weight.name, &RangeReduction::weight);
  const std::int32_t largest =
      largest_integer(layer.input_plan ? &plan.tensors[*layer.input_plan] : nullptr);
  if (reduction == plan.reductions.end() || largest == 0) return {};
  const auto layout = sum_layout(node, weight.dims());
  if (!layout) return {};
  Pairs pairs{.limits = pair_limits(largest)};
  pairs.neighbours.assign(layer.weight.terms(), Pairs::kAlone);
  // The same terms are neighbours in every output channel.
  for (std::size_t k = 0; k + 1 < layout->length; k += 2) {
    const std::size_t first = layer.weight.term_of(layout->offset(0, k));
    const std::size_t second = layer.weight.term_of(layout->offset(0, k + 1));
    pairs.neighbours[first] = second;
    pairs.neighbours[second] = first;
  }
  return pairs;
}

/// One output channel: its integers, what they miss of the weights, and that times the moments.
struct Row {
  std::span<std::int32_t> integers;
  std::span<float> error;     // weight - scale * (integer - zero point)
  std::span<float> gradient;  // moments * error
};

/// Coordinate descent on error M error. With the others as they are, the best error of weight k is
/// error[k] - gradient[k] / M[k, k]; the nearest integer to it is taken.
void descend(const Row& row, const Moments& moments, float scale, IntegerLimits limits,
             const Pairs& pairs, std::size_t max_sweeps) {
  const std::size_t terms = moments.terms;
  for (std::size_t sweep = 0; sweep < max_sweeps; ++sweep) {
    bool moved = false;
    for (std::size_t k = 0; k < terms; ++k) {
      const float* column = &moments.matrix[k * terms];
      if (!(column[k] > 0.0F)) continue;
      const float wanted = row.gradient[k] / (scale * column[k]);
      if (!(std::abs(wanted) > kWorthAStep)) continue;
      const float far = static_cast<float>(limits.max - limits.min);
      const auto steps = static_cast<std::int32_t>(std::nearbyint(std::clamp(wanted, -far, far)));
      const IntegerLimits room = pairs.room(row.integers, k, limits);
      const std::int32_t integer = std::clamp(row.integers[k] + steps, room.min, room.max);
      const std::int32_t taken = integer - row.integers[k];
      if (taken == 0) continue;
      row.integers[k] = integer;
      const float change = static_cast<float>(taken) * scale;
      row.error[k] -= change;
      for (std::size_t j = 0; j < terms; ++j) row.gradient[j] -= change * column[j];
      moved = true;
    }
    if (!moved) break;
  }
}

/// One layer on its way from nearest to adapted integers.
class LayerRounding {
 public:
  LayerRounding(const QuantizationPlan& plan, const QuantizedLayer& layer, const Tensor& weight,
                Pairs pairs, const LayerStatistics& seen, bool centred,
                const RoundingConfig& config)
      : plan_(plan),
        layer_(layer),
        pairs_(std::move(pairs)),
        seen_(seen),
        centred_(centred),
        config_(config) {
    weights_ = remedy::weight_by_output(layer.weight, weight);
    const std::vector<float> nearest = remedy::dequantized_weight(plan, layer, weight);
    const std::size_t terms = layer.weight.terms();
    integers_.resize(weights_.size());
    errors_.resize(weights_.size());
    for (std::size_t e = 0; e < weights_.size(); ++e) {
      const QuantizationParams& params = layer.params(plan, e / terms);
      integers_[e] =
          static_cast<std::int32_t>(std::nearbyint(nearest[e] / params.scale)) + params.zero_point;
      errors_[e] = weights_[e] - nearest[e];
    }
    nearest_ = integers_;
    limits_.resize(layer.weight.output_channels);
    for (std::size_t m = 0; m < limits_.size(); ++m) {
      // Within what rounding to nearest uses of the channel, so that rules about its extremes (7
      // bits) still hold.
      const auto row = std::span(nearest_).subspan(m * terms, terms);
      limits_[m] = {*std::ranges::min_element(row), *std::ranges::max_element(row)};
    }
  }

  RoundedLayer run(std::size_t threads, const std::stop_token& stop) {
    const LayerWeight& weight = layer_.weight;
    const std::size_t per_group = weight.output_channels / weight.groups;
    if (weight.groups > 1) {
      before_.assign(weight.groups, {});
      parallel_for(
          weight.groups, threads,
          [&](std::size_t g) {
            const Moments moments = moments_of(seen_, g, weight.terms(), centred_, config_.damping);
            before_[g] = round_rows(g * per_group, (g + 1) * per_group, moments);
          },
          stop);
    } else {
      constexpr std::size_t kRows = 48;  // of one task: enough for a product's tiles
      const Moments moments = moments_of(seen_, 0, weight.terms(), centred_, config_.damping);
      before_.assign((per_group + kRows - 1) / kRows, {});
      parallel_for(
          before_.size(), threads,
          [&](std::size_t i) {
            before_[i] = round_rows(i * kRows, std::min((i + 1) * kRows, per_group), moments);
          },
          stop);
    }
    return report();
  }

  /// The integers in the layout of the initializer.
  [[nodiscard]] Tensor integers(const std::vector<std::int64_t>& dims, DType dtype) const {
    const std::size_t terms = layer_.weight.terms();
    const std::size_t width = byte_count(dtype, 1);
    std::vector<std::byte> bytes(integers_.size() * width);
    for (std::size_t e = 0; e < integers_.size(); ++e) {
      // The low bytes of an int32 are those of the narrower integer.
      const std::int32_t value =
          integers_[layer_.weight.output_of(e) * terms + layer_.weight.term_of(e)];
      std::memcpy(&bytes[e * width], &value, width);
    }
    return Tensor(dtype, dims, std::move(bytes));
  }

 private:
  struct Energies {
    double signal = 0.0;
    double before = 0.0;
    double after = 0.0;
  };

  /// Output channels [first, last), of one group.
  Energies round_rows(std::size_t first, std::size_t last, const Moments& moments) {
    const std::size_t terms = moments.terms;
    const std::size_t count = (last - first) * terms;
    const auto weights = std::span(weights_).subspan(first * terms, count);
    const auto errors = std::span(errors_).subspan(first * terms, count);
    const std::vector<float> outputs = times_moments(weights, moments);
    std::vector<float> gradients = times_moments(errors, moments);
    Energies sum;
    for (std::size_t m = first; m < last; ++m) {
      const std::size_t at = (m - first) * terms;
      const Row row{.integers = std::span(integers_).subspan(m * terms, terms),
                    .error = errors.subspan(at, terms),
                    .gradient = std::span(gradients).subspan(at, terms)};
      sum.signal += energy(weights.subspan(at, terms), std::span(outputs).subspan(at, terms),
                           moments.damping);
      sum.before += energy(row.error, row.gradient, moments.damping);
      descend(row, moments, layer_.params(plan_, m).scale, limits_[m], pairs_, config_.max_sweeps);
      sum.after += energy(row.error, row.gradient, moments.damping);
    }
    return sum;
  }

  [[nodiscard]] RoundedLayer report() const {
    RoundedLayer report{.node = layer_.name, .elements = integers_.size()};
    Energies sum;
    for (const Energies& part : before_) {
      sum.signal += part.signal;
      sum.before += part.before;
      sum.after += part.after;
    }
    if (sum.signal > 0.0) {
      report.error_before = sum.before / sum.signal;
      report.error_after = sum.after / sum.signal;
    }
    for (std::size_t e = 0; e < integers_.size(); ++e)
      report.changed += integers_[e] != nearest_[e];
    return report;
  }

  const QuantizationPlan& plan_;
  const QuantizedLayer& layer_;
  const Pairs pairs_;
  const LayerStatistics& seen_;
  bool centred_;
  const RoundingConfig& config_;
  std::vector<float> weights_;          // [M, K]
  std::vector<std::int32_t> integers_;  // [M, K]
  std::vector<std::int32_t> nearest_;
  std::vector<float> errors_;
  std::vector<IntegerLimits> limits_;  // [M]
  std::vector<Energies> before_;       // by task
};

}  // namespace

RoundingReport adapt_rounding(QuantizationPlan& plan, const Model& model,
                              std::span<const LayerStatistics> statistics, MeanError mean_error,
                              const RoundingConfig& config, std::stop_token stop) {
  const auto layers = remedy::layers_of_statistics(plan, model, statistics.size());
  const auto threads = threads_or_usable(config.threads);
  const GraphIndex index(model.graph);
  RoundingReport report;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const QuantizedLayer& layer = layers[i];
    if (!layer.owns_weight || statistics[i].moment_rows == 0) continue;
    remedy::require_second_moments(layer, statistics[i]);
    const Tensor& values = index.constant(layer.weight.name)->value;
    LayerRounding rounding(plan, layer, values,
                           pairs_of(plan, layer, model.graph.nodes[layer.node], values),
                           statistics[i], remedy::is_mean_corrected(layer, mean_error), config);
    report.layers.push_back(rounding.run(threads, stop));
    TensorPlan& tensor = plan.tensors[layer.weight_plan];
    tensor.integers = rounding.integers(values.dims(), tensor.dtype);
  }
  return report;
}

Json to_json(const RoundingReport& report) {
  Json layers = Json::array();
  for (const RoundedLayer& layer : report.layers) {
    layers.push_back(Json{{"node", layer.node},
                          {"error_before", layer.error_before},
                          {"error_after", layer.error_after},
                          {"changed", layer.changed},
                          {"elements", layer.elements}});
  }
  return layers;
}

}  // namespace planish
