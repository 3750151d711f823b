// Comma-separated values (RFC 4180).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace planish::detail {

struct CsvRow {
  std::size_t line = 0;  // where it begins, from 1
  std::vector<std::string> fields = {};
};

/// Rows that are not blank. Fields may be quoted, with "" for a quote; lines end in LF or CRLF; a
/// byte order mark is skipped. Spaces around a field without quotes are dropped.
/// @throws Error(kInvalidArgument) naming the line of a quote that is not closed or misplaced.
std::vector<CsvRow> parse_csv(std::string_view text);

}  // namespace planish::detail
