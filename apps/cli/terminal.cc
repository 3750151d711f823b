#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace planish::cli {
namespace {

constexpr std::string_view kEraseLine = "\r\x1b[K";

/// Columns that `text` takes: one per code point, which is right for what planish prints.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::size_t terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

ProgressSink terminal_progress() {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [last = std::chrono::steady_clock::time_point{}](const ProgressEvent& event) mutable {
    const auto now = std::chrono::steady_clock::now();
    const bool is_final = event.total != 0 && event.done >= event.total;
    if (!is_final && now - last < std::chrono::milliseconds(80)) return;
    last = now;
    std::string line = std::string(event.stage);
    if (event.total != 0) {
      line += fmt::format(" {:3}%", 100 * std::min(event.done, event.total) / event.total);
    } else if (event.done != 0) {
      line += fmt::format(" {}", event.done);
    }
    line.resize(std::min(line.size(), terminal_columns() - 1));
    std::fprintf(stderr, "%s%s", kEraseLine.data(), line.c_str());
  };
}

void clear_progress() {
  if (isatty(STDERR_FILENO) != 0) std::fputs(kEraseLine.data(), stderr);
}

void TextTable::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      if (i != 0) line += "  ";
      line += i == 0 ? row[i] + padding : padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  for (const std::string_view unit : {"kB", "MB", "GB"}) {
    value /= 1000.0;
    if (value < 1000.0 || unit == "GB") return fmt::format("{:.3g} {}", value, unit);
  }
  return {};
}

std::string fixed(double value, int digits) { return fmt::format("{:.{}f}", value, digits); }

std::string human_ms(double milliseconds) {
  const int digits = milliseconds < 1 ? 3 : milliseconds < 100 ? 2 : 1;
  return fixed(milliseconds, digits);
}

}  // namespace planish::cli
