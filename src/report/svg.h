// Small plots as inline SVG. Colours come from CSS classes, so that they follow light and dark.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace planish::report {

/// Text made safe inside HTML and SVG, in content and in quoted attributes.
std::string escape_html(std::string_view text);

/// One row of a distribution plot: its values are drawn as a filled outline, its quantiles as
/// ticks.
struct DistributionRow {
  std::string label = {};
  std::vector<double> values = {};
  std::string css_class = {};
  std::string note = {};  // right of the row
};

/// Rows of distributions over one shared axis that starts at 0. `unit` labels the axis. Values
/// beyond each row's 99th percentile are not drawn, only counted in the summary by whoever calls.
std::string distribution_plot(const std::vector<DistributionRow>& rows, std::string_view unit);

/// One bar made of parts, left to right.
struct BarRow {
  struct Part {
    double value = 0.0;
    std::string css_class = {};
    std::string title = {};  // shown on hover
  };
  std::string label = {};
  std::vector<Part> parts = {};
  std::string note = {};
};

/// Horizontal bars over one shared axis that starts at 0.
std::string bar_plot(const std::vector<BarRow>& rows, std::string_view unit);

/// Counts of `values` in equal bins from the least to the greatest.
std::string histogram_plot(const std::vector<double>& values, std::string_view axis_label,
                           std::string_view css_class, std::size_t bins = 24);

/// A point of a scatter plot; `title` is shown on hover.
struct ScatterPoint {
  double x = 0.0;
  double y = 0.0;
  std::string css_class = {};
  std::string label = {};  // beside the point, when not empty
  std::string title = {};
};

/// Points over two axes; that of y starts at 0, at the bottom. A line joins points in their order.
std::string scatter_plot(const std::vector<ScatterPoint>& points, std::string_view x_unit,
                         std::string_view y_unit);

/// What a tensor held, and the part of it that integers hold.
struct RangePlot {
  std::string label = {};
  double low = 0.0;  // edges of the counts
  double high = 0.0;
  std::vector<std::uint64_t> counts = {};  // in bins of equal width
  double kept_low = 0.0;                   // may lie outside of [low, high]
  double kept_high = 0.0;
  std::string note = {};
};

/// A small histogram with logarithmic heights, since a tail of few elements is what matters; bins
/// that are not kept have the class "cut".
std::string range_plot(const RangePlot& plot);

}  // namespace planish::report
