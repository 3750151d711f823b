// What the sections of report.html are written with: the page, and numbers as it shows them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace planish::report {

/// "12.5 %" of a share in [0, 1].
std::string percent(double share, int digits = 1);
/// The same, or a dash.
std::string optional_percent(const std::optional<double>& share);
std::string milliseconds(double value);
std::string megabytes(std::uint64_t bytes);
/// SQNR in decibels of a relative noise, or a dash.
std::string decibels(const std::optional<double>& relative_noise);

/// Writes HTML into one string; text is escaped here and nowhere else.
class Page {
 public:
  Page& raw(std::string_view html);
  Page& heading(std::string_view text);
  Page& paragraph(std::string_view text, std::string_view css_class = "");
  Page& table_header(const std::vector<std::string>& cells);
  /// Cells that start with "~" are long texts: left-aligned, wrapped, without the mark.
  Page& row(const std::vector<std::string>& cells, std::string_view css_class = "");
  Page& table_end();
  std::string take() { return std::move(html_); }

 private:
  std::string html_;
};

/// Everything up to the first section: head, style, and `title` as the heading.
void begin_page(Page& page, std::string_view title);

}  // namespace planish::report
