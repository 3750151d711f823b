#include "svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "planish/bench/latency.h"

namespace planish::report {
namespace {

// One user unit is one CSS pixel at full width; the SVG scales down with the page.
constexpr double kWidth = 720;
constexpr double kPlotLeft = 14;
constexpr double kPlotWidth = kWidth - 2 * kPlotLeft;
constexpr double kTextHeight = 24;  // of the line above a row; a phone's larger letters fit
constexpr double kAxisHeight = 48;

std::string open_svg(double height, std::string_view label) {
  return fmt::format(
      "<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\" class=\"plot\">", kWidth,
      height, escape_html(label));
}

/// A step of 1, 2 or 5 times a power of ten that divides `range` into at most `most` parts.
double nice_step(double range, int most) {
  if (!(range > 0)) return 1.0;
  const double raw = range / most;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw) return factor * power;
  }
  return 10.0 * power;
}

class Axis {
 public:
  Axis(double low, double high) : low_(low), high_(high > low ? high : low + 1.0) {}
  [[nodiscard]] double x(double value) const {
    return kPlotLeft + kPlotWidth * (std::clamp(value, low_, high_) - low_) / (high_ - low_);
  }
  void draw(std::string& svg, double top, double bottom, std::string_view unit) const {
    const double step = nice_step(high_ - low_, 6);
    for (double value = std::ceil(low_ / step) * step; value <= high_ + step * 1e-6;
         value += step) {
      fmt::format_to(
          std::back_inserter(svg),
          "<line class=\"grid\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/>"
          "<text class=\"tick\" x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4:.6g}</text>",
          x(value), top, bottom, bottom + 18, std::abs(value) < step * 1e-9 ? 0.0 : value);
    }
    fmt::format_to(
        std::back_inserter(svg),
        "<text class=\"tick\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>",
        kPlotLeft + kPlotWidth / 2, bottom + 40, escape_html(unit));
  }

 private:
  double low_;
  double high_;
};

/// The line above a row: its label on the left, its note on the right.
void draw_row_texts(std::string& svg, std::string_view label, std::string_view note,
                    double baseline) {
  fmt::format_to(std::back_inserter(svg), "<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", kPlotLeft,
                 baseline, escape_html(label));
  fmt::format_to(std::back_inserter(svg),
                 "<text class=\"note\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
                 kPlotLeft + kPlotWidth, baseline, escape_html(note));
}

std::vector<double> counts_in_bins(const std::vector<double>& values, double low, double high,
                                   std::size_t bins) {
  std::vector<double> counts(bins, 0.0);
  const double width = high > low ? (high - low) / static_cast<double>(bins) : 1.0;
  for (const double value : values) {
    if (value < low || value > high) continue;
    const auto bin = static_cast<std::size_t>((value - low) / width);
    counts[std::min(bin, bins - 1)] += 1.0;
  }
  return counts;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        // Control characters are not allowed in HTML, even escaped.
        safe += (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') ? '?' : c;
    }
  }
  return safe;
}

std::string distribution_plot(const std::vector<DistributionRow>& rows, std::string_view unit) {
  constexpr double kHill = 34;
  constexpr double kRowHeight = kTextHeight + kHill + 12;
  constexpr std::size_t kBins = 160;
  std::vector<std::vector<double>> sorted;
  double high = 0.0;
  for (const DistributionRow& row : rows) {
    sorted.push_back(row.values);
    std::ranges::sort(sorted.back());
    high = std::max(high, quantile(sorted.back(), 0.99));
  }
  const Axis axis(0.0, high * 1.03);
  const double bottom = kRowHeight * static_cast<double>(rows.size());
  std::string svg = open_svg(bottom + kAxisHeight, "latency distributions");
  axis.draw(svg, 0, bottom, unit);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const double base = kRowHeight * static_cast<double>(r + 1) - 8;
    const std::vector<double> counts = counts_in_bins(sorted[r], 0.0, high * 1.03, kBins);
    const double most = std::max(1.0, *std::ranges::max_element(counts));
    std::string path = fmt::format("M{:.1f},{:.1f}", kPlotLeft, base);
    for (std::size_t b = 0; b < kBins; ++b) {
      const double left = kPlotLeft + kPlotWidth * static_cast<double>(b) / kBins;
      fmt::format_to(std::back_inserter(path), "L{0:.1f},{2:.1f}L{1:.1f},{2:.1f}", left,
                     left + kPlotWidth / kBins, base - kHill * counts[b] / most);
    }
    fmt::format_to(std::back_inserter(path), "L{:.1f},{:.1f}Z", kPlotLeft + kPlotWidth, base);
    fmt::format_to(std::back_inserter(svg), "<path class=\"{}\" d=\"{}\"/>", rows[r].css_class,
                   path);
    for (const double q : {0.50, 0.95, 0.99}) {
      const double value = quantile(sorted[r], q);
      fmt::format_to(
          std::back_inserter(svg),
          "<line class=\"mark\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\">"
          "<title>p{3:.0f} {4:.4g}</title></line>",
          axis.x(value), base - (q < 0.9 ? kHill : 12), base + 4, q * 100, value);
    }
    draw_row_texts(svg, rows[r].label, rows[r].note, base - kHill - 8);
  }
  return svg + "</svg>";
}

std::string bar_plot(const std::vector<BarRow>& rows, std::string_view unit) {
  constexpr double kBar = 18;
  constexpr double kRowHeight = kTextHeight + kBar + 6;
  double high = 0.0;
  for (const BarRow& row : rows) {
    double sum = 0.0;
    for (const BarRow::Part& part : row.parts) sum += part.value;
    high = std::max(high, sum);
  }
  const Axis axis(0.0, high > 0 ? high : 1.0);
  const double bottom = kRowHeight * static_cast<double>(rows.size());
  std::string svg = open_svg(bottom + kAxisHeight, unit);
  axis.draw(svg, 0, bottom, unit);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const double top = kRowHeight * static_cast<double>(r) + kTextHeight;
    double start = 0.0;
    for (const BarRow::Part& part : rows[r].parts) {
      fmt::format_to(
          std::back_inserter(svg),
          "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\">"
          "<title>{}</title></rect>",
          part.css_class, axis.x(start), top,
          std::max(0.0, axis.x(start + part.value) - axis.x(start)), kBar, escape_html(part.title));
      start += part.value;
    }
    draw_row_texts(svg, rows[r].label, rows[r].note, top - 6);
  }
  return svg + "</svg>";
}

std::string histogram_plot(const std::vector<double>& values, std::string_view axis_label,
                           std::string_view css_class, std::size_t bins) {
  if (values.empty()) return {};
  const auto [low, high] = std::ranges::minmax(values);
  const double span = high > low ? high - low : std::max(std::abs(high) * 1e-6, 1e-12);
  constexpr double kHeight = 130;
  const std::vector<double> counts = counts_in_bins(values, low, low + span, bins);
  const double most = *std::ranges::max_element(counts);
  const Axis axis(low, low + span);
  std::string svg = open_svg(kHeight + kAxisHeight, axis_label);
  axis.draw(svg, 0, kHeight, axis_label);
  const double width = kPlotWidth / static_cast<double>(bins);
  for (std::size_t b = 0; b < bins; ++b) {
    if (counts[b] == 0) continue;
    const double height = std::max(2.0, (kHeight - 8) * counts[b] / most);
    fmt::format_to(
        std::back_inserter(svg),
        "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\">"
        "<title>{:.0f} samples</title></rect>",
        css_class, kPlotLeft + width * static_cast<double>(b), kHeight - height,
        std::max(1.0, width - 1), height, counts[b]);
  }
  return svg + "</svg>";
}

std::string scatter_plot(const std::vector<ScatterPoint>& points, std::string_view x_unit,
                         std::string_view y_unit) {
  if (points.empty()) return {};
  constexpr double kTop = kTextHeight + 6;
  constexpr double kHeight = 200;
  constexpr double kBottom = kTop + kHeight;
  double left = points.front().x;
  double right = left;
  double high = 0.0;
  for (const ScatterPoint& point : points) {
    left = std::min(left, point.x);
    right = std::max(right, point.x);
    high = std::max(high, point.y);
  }
  const double margin = std::max(0.08 * (right - left), 0.02 * right);
  const Axis axis(left - margin, right + margin);
  const double scale = high > 0.0 ? kHeight * 0.92 / high : 0.0;
  const auto y_of = [&](double y) { return kBottom - 8 - y * scale; };
  std::string svg = open_svg(kBottom + kAxisHeight, fmt::format("{} over {}", y_unit, x_unit));
  draw_row_texts(svg, y_unit, "", kTextHeight - 8);
  axis.draw(svg, kTop, kBottom, x_unit);
  const double step = nice_step(high, 4);
  for (double y = 0.0; high > 0.0 && y <= high * 1.0001; y += step) {
    fmt::format_to(
        std::back_inserter(svg),
        "<line class=\"grid\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{1:.1f}\"/>"
        "<text class=\"tick\" x=\"{0:.1f}\" y=\"{3:.1f}\">{4:.3g}</text>",
        kPlotLeft, y_of(y), kPlotLeft + kPlotWidth, y_of(y) - 3, y);
  }
  std::string path;
  for (const ScatterPoint& point : points)
    path +=
        fmt::format("{}{:.1f},{:.1f}", path.empty() ? "M" : "L", axis.x(point.x), y_of(point.y));
  fmt::format_to(std::back_inserter(svg), "<path class=\"grid\" fill=\"none\" d=\"{}\"/>", path);
  for (const ScatterPoint& point : points) {
    const bool is_right = axis.x(point.x) > kPlotLeft + kPlotWidth / 2;
    fmt::format_to(
        std::back_inserter(svg),
        "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"7\"><title>{}</title></circle>"
        "<text class=\"note\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>",
        point.css_class, axis.x(point.x), y_of(point.y), escape_html(point.title),
        axis.x(point.x) + (is_right ? -12 : 12), y_of(point.y) - 10, is_right ? "end" : "start",
        escape_html(point.label));
  }
  return svg + "</svg>";
}

}  // namespace planish::report
