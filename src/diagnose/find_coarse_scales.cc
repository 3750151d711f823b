// Sums that saturate, and scales that serve too much at once.
#include <fmt/format.h>

#include <algorithm>

#include "diagnose/commands.h"
#include "diagnose/facts.h"

namespace planish::diagnose_detail {
namespace {

/// Less is lost in the noise of other samples.
constexpr double kWorthwhileDb = 1.0;

void find_saturation(const Facts& facts, Judgement& judgement) {
  if (!facts.fitted) return;
  const RangeReductionTotals totals = totals_of(facts.fitted->report.reductions);
  if (totals.reduced == 0) return;
  Finding finding{
      .code = FindingCode::kSaturation,
      .evidence = fmt::format("pairs of products can exceed 16 bits in {} of {} output channels",
                              totals.reduced, totals.channels),
      .numbers = {{"channels", static_cast<double>(totals.channels)},
                  {"channels_at_risk", static_cast<double>(totals.reduced)}},
      .remedy = "give up range in just those channels, by up to " +
                fmt::format("{:.2f}x", totals.largest_ratio) +
                "; from the FP32 model it loses less than from the INT8 one",
      .commands = {fit_command(facts), quantize_command(facts)}};
  for (const RangeReduction& weight : facts.fitted->report.reductions) {
    if (weight.reduced > 0) finding.places.push_back(weight.node);
  }
  if (facts.answers && facts.answers->fitted) {
    const AccuracyReport& now = facts.answers->int8;
    const AccuracyReport& then = *facts.answers->fitted;
    if (then.sqnr_db - now.sqnr_db < kWorthwhileDb) return;  // not on this data
    finding.gain = Gain{"sqnr_db", now.sqnr_db, then.sqnr_db, true};
    if (now.int8_top1 && then.int8_top1) {
      finding.evidence +=
          fmt::format("; without, top-1 is {:.1f} %, not {:.1f} % (FP32 {:.1f} %)",
                      100 * *then.int8_top1, 100 * *now.int8_top1, 100 * now.fp32_top1.value_or(0));
    }
  } else {
    finding.evidence += facts.config.data ? "" : "; whether they do shows with --data";
  }
  judgement.findings.push_back(std::move(finding));
}

/// Channels of a weight that one scale leaves with few integers.
struct StarvedChannels {
  const Int8Layer* layer = nullptr;
  std::size_t starved = 0;
  std::size_t channels = 0;
};

/// Rounding to whole numbers has an error of 1/12: a channel whose integers have a mean square of
/// less than this is known to less than 20 dB.
constexpr double kLeastMeanSquare = 100.0 / 12.0;
constexpr double kStarvedShare = 0.1;

StarvedChannels starved_channels(const Int8Layer& layer) {
  StarvedChannels result{&layer, 0, 0};
  const Tensor& weight = *layer.weight;
  const auto channels = static_cast<std::size_t>(weight.dims()[layer.channel_axis]);
  std::size_t inner = 1;
  for (std::size_t i = layer.channel_axis + 1; i < weight.rank(); ++i)
    inner *= static_cast<std::size_t>(weight.dims()[i]);
  const std::vector<std::int64_t> values = weight.to_ints();
  const std::int64_t zero = layer.zero_point.value_or(0);
  std::vector<double> square(channels);
  for (std::size_t k = 0; k < values.size(); ++k) {
    const auto q = static_cast<double>(values[k] - zero);
    square[k / inner % channels] += q * q;
  }
  const double count = static_cast<double>(values.size()) / static_cast<double>(channels);
  for (const double sum : square) {
    if (sum == 0.0) continue;  // nothing to know
    ++result.channels;
    result.starved += sum / count < kLeastMeanSquare ? 1 : 0;
  }
  return result;
}

void find_wide_weights(const Facts& facts, Judgement& judgement) {
  std::vector<StarvedChannels> starved;
  for (const Int8Layer& layer : facts.layers) {
    const bool has_one_scale = layer.weight && layer.scales.size() == 1 &&
                               layer.weight->rank() > layer.channel_axis &&
                               layer.weight->dims()[layer.channel_axis] > 1;
    if (!has_one_scale) continue;
    const StarvedChannels found = starved_channels(layer);
    if (static_cast<double>(found.starved) > kStarvedShare * static_cast<double>(found.channels))
      starved.push_back(found);
  }
  if (starved.empty()) return;
  std::ranges::stable_sort(starved, std::ranges::greater(), &StarvedChannels::starved);
  Finding finding{
      .code = FindingCode::kWeightRangesWide,
      .evidence = fmt::format(
          "{} weights have one scale each that leaves many channels below 20 dB; the worst: {} of "
          "{} channels of '{}'",
          starved.size(), starved.front().starved, starved.front().channels,
          starved.front().layer->node),
      .numbers = {{"weights", static_cast<double>(starved.size())},
                  {"channels", static_cast<double>(starved.front().starved)}},
      .remedy = "one scale per output channel: the default of `planish quantize`",
      .commands = {quantize_command(facts)}};
  for (const StarvedChannels& found : starved) finding.places.push_back(found.layer->node);
  judgement.findings.push_back(std::move(finding));
}

/// Five of the eight bits.
constexpr float kWideRatio = 32.0F;

void find_wide_activations(const Facts& facts, Judgement& judgement) {
  std::vector<ChannelSpread> wide;
  for (const ChannelSpread& spread : facts.channel_spreads) {
    if (spread.widest > kWideRatio * spread.median) wide.push_back(spread);
  }
  if (wide.empty()) return;
  std::ranges::stable_sort(wide, std::ranges::greater(),
                           [](const ChannelSpread& s) { return s.widest / s.median; });
  const ChannelSpread& worst = wide.front();
  Finding finding{
      .code = FindingCode::kActivationRangesWide,
      .evidence = fmt::format("{} activations; the worst is '{}': its widest channel reaches "
                              "{:.3g}, the median one of {} {:.3g}: {:.0f} times less",
                              wide.size(), worst.tensor, worst.widest, worst.channels, worst.median,
                              worst.widest / worst.median),
      .numbers = {{"activations", static_cast<double>(wide.size())},
                  {"ratio", worst.widest / worst.median}},
      .remedy = "let the scales of channels move into the weights around them",
      .commands = {quantize_command(facts, "--equalize")}};
  for (const ChannelSpread& spread : wide) finding.places.push_back(spread.tensor);
  judgement.findings.push_back(std::move(finding));
}

}  // namespace

void find_coarse_scales(const Facts& facts, Judgement& judgement) {
  find_saturation(facts, judgement);
  find_wide_weights(facts, judgement);
  find_wide_activations(facts, judgement);
}

}  // namespace planish::diagnose_detail
