#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "report/svg.h"

namespace planish::report {

std::string range_plot(const RangePlot& plot) {
  constexpr double kWidth = 340;
  constexpr double kLeft = 8;
  constexpr double kInner = kWidth - 2 * kLeft;
  constexpr double kTop = 44;
  constexpr double kHeight = 84;
  constexpr double kBottom = kTop + kHeight;
  // Both the values and the range are to be seen.
  const double low = std::min(plot.low, plot.kept_low);
  const double high = std::max({plot.high, plot.kept_high, low + 1e-30});
  const auto x_of = [&](double value) { return kLeft + kInner * (value - low) / (high - low); };
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"values of {}\" "
      "class=\"small\"><text x=\"{:.0f}\" y=\"15\">{}</text>"
      "<text class=\"note\" x=\"{:.0f}\" y=\"32\">{}</text>",
      kWidth, kBottom + 20, escape_html(plot.label), kLeft, escape_html(plot.label), kLeft,
      escape_html(plot.note));
  double most = 1.0;
  for (const std::uint64_t count : plot.counts)
    most = std::max(most, std::log1p(static_cast<double>(count)));
  const double step =
      (plot.high - plot.low) / static_cast<double>(std::max<std::size_t>(plot.counts.size(), 1));
  for (std::size_t b = 0; b < plot.counts.size(); ++b) {
    if (plot.counts[b] == 0) continue;
    const double from = plot.low + step * static_cast<double>(b);
    const double middle = from + step / 2;
    const bool is_kept = middle >= plot.kept_low && middle <= plot.kept_high;
    const double height =
        std::max(1.5, kHeight * std::log1p(static_cast<double>(plot.counts[b])) / most);
    fmt::format_to(
        std::back_inserter(svg),
        "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\">"
        "<title>{:.4g} to {:.4g}: {}</title></rect>",
        is_kept ? "other" : "cut", x_of(from), kBottom - height,
        std::max(0.8, x_of(from + step) - x_of(from) - 0.6), height, from, from + step,
        plot.counts[b]);
  }
  for (const double bound : {plot.kept_low, plot.kept_high}) {
    fmt::format_to(std::back_inserter(svg),
                   "<line class=\"bound\" x1=\"{0:.1f}\" y1=\"{1:.0f}\" x2=\"{0:.1f}\" "
                   "y2=\"{2:.0f}\"/>",
                   x_of(bound), kTop - 4, kBottom);
  }
  fmt::format_to(std::back_inserter(svg),
                 "<text class=\"note\" x=\"{:.0f}\" y=\"{:.0f}\">{:.4g}</text>"
                 "<text class=\"note\" x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{:.4g}</text>",
                 kLeft, kBottom + 15, low, kLeft + kInner, kBottom + 15, high);
  return svg + "</svg>";
}

}  // namespace planish::report
