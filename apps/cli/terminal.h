// Progress lines and tables for people at a terminal.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/progress.h"

namespace planish::cli {

/// A sink that redraws one line on stderr when it is a terminal; an empty one (quiet) otherwise.
ProgressSink terminal_progress();
/// Removes the progress line, so that what is printed next starts on a clean one.
void clear_progress();

/// A table with aligned columns: the first left, the others right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// "12.3 MB", "512 B".
std::string human_bytes(std::uint64_t bytes);
/// Fixed point with `digits` decimals.
std::string fixed(double value, int digits);
/// "1.23 ms" with three significant digits or so.
std::string human_ms(double milliseconds);

}  // namespace planish::cli
