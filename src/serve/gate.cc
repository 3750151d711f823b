#include "planish/serve/gate.h"

#include <charconv>
#include <cstdio>

#include "planish/base/error.h"

namespace planish::serve {
namespace {

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  char text[200];
  std::snprintf(text, sizeof(text), pattern, values...);
  return text;
}

double number_of(std::string_view text, std::string_view what) {
  double value = 0.0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc() || stop != end || !(value >= 0.0)) {
    throw Error(ErrorCode::kInvalidArgument,
                std::string(what) + " '" + std::string(text) + "'; expected a number of 0 or more");
  }
  return value;
}

double share_of(std::string_view text, std::string_view what) {
  const double value = number_of(text, what);
  if (value > 1.0)
    throw Error(ErrorCode::kInvalidArgument,
                std::string(what) + " '" + std::string(text) + "'; expected a share, 0 to 1");
  return value;
}

}  // namespace

double parse_milliseconds(std::string_view text) {
  double unit = 1.0;
  std::string_view number = text;
  if (number.ends_with("ms")) {
    number.remove_suffix(2);
  } else if (number.ends_with('s')) {
    number.remove_suffix(1);
    unit = 1000.0;
  }
  return unit * number_of(number, "duration");
}

GateVerdict judge(const ShadowReport& report, const GateConfig& config) {
  GateVerdict verdict{.passed = true};
  const auto condition = [&](bool holds, const std::string& text) {
    verdict.passed = verdict.passed && holds;
    verdict.why += (verdict.why.empty() ? "" : "; ") + text + (holds ? "" : " (refused)");
  };
  const auto samples = static_cast<unsigned long long>(report.samples);
  const auto wanted = static_cast<unsigned long long>(config.min_samples);
  condition(report.samples >= config.min_samples,
            format("%llu samples, at least %llu wanted", samples, wanted));
  condition(report.top1.low >= config.min_agreement,
            format("same first class in %.4f (95 %%: %.4f to %.4f), lower end at least %.4f wanted",
                   report.top1.share, report.top1.low, report.top1.high, config.min_agreement));
  condition(report.failed == 0, format("%llu requests on which it failed, none wanted",
                                       static_cast<unsigned long long>(report.failed)));
  if (config.max_p99_ms) {
    condition(report.compute_ms.p99 <= *config.max_p99_ms,
              format("p99 of its runs %.3f ms, at most %.3f ms wanted", report.compute_ms.p99,
                     *config.max_p99_ms));
  }
  return verdict;
}

RollbackRule parse_rollback_rule(std::string_view text) {
  RollbackRule rule;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    text.remove_prefix(comma == text.npos ? text.size() : comma + 1);
    const auto equal = item.find('=');
    const std::string_view key = item.substr(0, equal);
    const std::string_view value = equal == item.npos ? "" : item.substr(equal + 1);
    if (key == "p99")
      rule.max_p99_ms = parse_milliseconds(value);
    else if (key == "failures")
      rule.max_failure_share = share_of(value, key);
    else if (key == "agreement")
      rule.min_agreement = share_of(value, key);
    else if (key == "requests")
      rule.min_requests = static_cast<std::uint64_t>(number_of(value, key));
    else if (key == "window")
      rule.window = std::chrono::milliseconds(static_cast<long>(parse_milliseconds(value)));
    else
      throw Error(ErrorCode::kInvalidArgument,
                  "'" + std::string(item) +
                      "'; expected p99=12ms, failures=0.01, agreement=0.98, requests=100 or "
                      "window=30s, with commas between");
  }
  if (!rule.watches_anything())
    throw Error(ErrorCode::kInvalidArgument,
                "nothing to watch; expected one of p99=12ms, failures=0.01, agreement=0.98");
  if (rule.window.count() < 1)
    throw Error(ErrorCode::kInvalidArgument, "the window is shorter than a millisecond");
  return rule;
}

std::optional<std::string> breach(const RollbackRule& rule, const WindowCounts& counts,
                                  const std::optional<ShadowReport>& shadow) {
  const auto requests = static_cast<unsigned long long>(counts.requests);
  if (counts.requests >= rule.min_requests && counts.requests > 0) {
    const double failed =
        static_cast<double>(counts.failures) / static_cast<double>(counts.requests);
    if (rule.max_failure_share && failed > *rule.max_failure_share) {
      return format("%.4f of %llu requests failed, at most %.4f may", failed, requests,
                    *rule.max_failure_share);
    }
    if (rule.max_p99_ms && counts.p99_ms > *rule.max_p99_ms) {
      return format("p99 of %llu requests was %.3f ms, at most %.3f ms may be", requests,
                    counts.p99_ms, *rule.max_p99_ms);
    }
  }
  if (rule.min_agreement && shadow && shadow->samples >= rule.min_requests &&
      shadow->top1.high < *rule.min_agreement) {
    return format(
        "same first class as the shadow in %.4f of %llu (95 %%: up to %.4f), at least "
        "%.4f must be",
        shadow->top1.share, static_cast<unsigned long long>(shadow->samples), shadow->top1.high,
        *rule.min_agreement);
  }
  return std::nullopt;
}

}  // namespace planish::serve
