#include <fmt/format.h>

#include <algorithm>

#include "diagnose/commands.h"
#include "diagnose/facts.h"

namespace planish::diagnose_detail {
namespace {

/// "FusedConv 71 %, Reshape 12 %": the operators that take most time.
std::string most_time(const std::vector<OperatorTime>& operators) {
  constexpr std::size_t kFew = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(operators.size(), kFew); ++i) {
    text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", operators[i].op_type,
                        100 * operators[i].share);
  }
  return text;
}

void find_no_speed_up(const Facts& facts, Judgement& judgement) {
  if (!facts.speed) {
    judgement.not_checked.push_back(
        {FindingCode::kNotFaster, facts.no_inputs_because.empty()
                                      ? "nothing was measured"
                                      : "random inputs are refused; give --data"});
    return;
  }
  const RatioEstimate ratio = speed_up(facts.speed->fp32, facts.speed->int8);
  if (ratio.high >= 1.05) return;  // it is faster, or that cannot be told
  Finding finding{
      .code = FindingCode::kNotFaster,
      .evidence = fmt::format("{:.2f} ms in FP32, {:.2f} ms in INT8: {:.2f}x ({:.2f} to {:.2f})",
                              facts.speed->fp32.latency_ms.p50, facts.speed->int8.latency_ms.p50,
                              ratio.median, ratio.low, ratio.high),
      .numbers = {{"speed_up", ratio.median}},
      .remedy =
          "follow the other findings; else let `auto` measure every way to INT8 and keep the "
          "fastest that is accurate",
      .commands = {"planish auto " + shell_word(facts.fp32_path) + " --data " +
                   (facts.config.calibration_data
                        ? shell_word(facts.config.calibration_data->string())
                        : std::string("CALIBRATION_DATA")) +
                   " -o out/"}};
  if (facts.lint && facts.lint->time) {
    finding.evidence +=
        fmt::format("; most time in INT8: {}; in FP32: {}", most_time(facts.lint->operators),
                    most_time(facts.fp32_operators));
  }
  judgement.findings.push_back(std::move(finding));
}

/// Less is not worth another batch.
constexpr double kWorthwhileThroughput = 1.2;

/// Samples a second with `other` over those with `given`, by turns that ran side by side.
RatioEstimate throughput_ratio(const BatchTime& given, const BatchTime& other) {
  const RatioEstimate ratio = speed_up(given.bench, other.bench);
  const double samples = static_cast<double>(other.batch) / static_cast<double>(given.batch);
  return {ratio.median * samples, ratio.low * samples, ratio.high * samples};
}

void find_better_batch(const Facts& facts, Judgement& judgement) {
  if (facts.batches.size() < 2) return;
  const BatchTime& given = facts.batches.front();
  const BatchTime* best = nullptr;
  RatioEstimate best_ratio;
  for (std::size_t i = 1; i < facts.batches.size(); ++i) {
    const RatioEstimate ratio = throughput_ratio(given, facts.batches[i]);
    if (ratio.low < kWorthwhileThroughput || ratio.median <= best_ratio.median) continue;
    best = &facts.batches[i];
    best_ratio = ratio;
  }
  if (best == nullptr) return;
  const bool is_small = best->batch > given.batch;
  const double now = given.bench.qps;
  judgement.findings.push_back(
      {.code = is_small ? FindingCode::kBatchTooSmall : FindingCode::kBatchTooLarge,
       .evidence = fmt::format(
           "batch {} takes {:.2f} ms, batch {} {:.2f} ms: {:.2f} times the samples a second "
           "({:.2f} to {:.2f})",
           given.batch, given.bench.latency_ms.p50, best->batch, best->bench.latency_ms.p50,
           best_ratio.median, best_ratio.low, best_ratio.high),
       .numbers = {{"batch", static_cast<double>(given.batch)},
                   {"better_batch", static_cast<double>(best->batch)}},
       .remedy = is_small ? "let requests share a run where latency allows it"
                          : "send fewer samples at once",
       .commands = {compare_command(facts, "bench", fmt::format("--batch {}", best->batch))},
       .gain = Gain{"items_per_s", now, now * best_ratio.median, true}});
}

/// Above this, the model is the smaller part of what a user waits for.
constexpr double kLargePreprocessShare = 0.4;

void find_costly_preprocessing(const Facts& facts, Judgement& judgement) {
  if (!facts.request) {
    judgement.not_checked.push_back(
        {FindingCode::kPreprocessingDominates,
         facts.config.measure ? "needs --data of images" : "nothing was measured"});
    return;
  }
  const double preprocess = facts.request->preprocess.latency_ms.p50;
  const double whole = facts.request->whole.latency_ms.p50;
  const double share = whole > 0 ? preprocess / whole : 0.0;
  if (share < kLargePreprocessShare) return;
  judgement.findings.push_back(
      {.code = FindingCode::kPreprocessingDominates,
       .evidence = fmt::format(
           "{:.2f} ms of {:.2f} ms end to end ({:.0f} %): however fast the model is, a request "
           "gains no more than {:.2f}x from here",
           preprocess, whole, 100 * share, 1.0 / share),
       .numbers = {{"preprocess_ms", preprocess}, {"end_to_end_ms", whole}, {"share", share}},
       .remedy = "send images of the size that the model takes (JPEG decoding and resizing go by "
                 "pixels), or raw tensors; preprocess on other cores than those that infer",
       .commands = {compare_command(facts, "bench", "--end-to-end")},
       .gain = Gain{"latency_ms", whole, std::max(whole - preprocess, 1e-3), false}});
}

}  // namespace

void find_lost_speed(const Facts& facts, Judgement& judgement) {
  find_no_speed_up(facts, judgement);
  find_better_batch(facts, judgement);
  find_costly_preprocessing(facts, judgement);
}

}  // namespace planish::diagnose_detail
