#include "dataset/csv.h"

#include <algorithm>
#include <utility>

#include "planish/base/error.h"

namespace planish::detail {
namespace {

class CsvParser {
 public:
  explicit CsvParser(std::string_view text) : rest_(text) {
    if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
  }

  std::vector<CsvRow> parse() {
    std::vector<CsvRow> rows;
    while (!rest_.empty()) {
      CsvRow row{.line = line_};
      do {
        row.fields.push_back(field());
      } while (skip(','));
      end_line();
      const bool blank = row.fields.size() == 1 && row.fields.front().empty();
      if (!blank) rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool skip(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void skip_spaces() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size()));
  }

  std::string field() {
    skip_spaces();
    if (skip('"')) return quoted_field();
    const std::size_t end = std::min(rest_.find_first_of(",\r\n"), rest_.size());
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return std::string(text.substr(0, text.find_last_not_of(" \t") + 1));
  }

  std::string quoted_field() {
    const std::size_t first_line = line_;
    std::string text;
    for (;;) {
      const std::size_t end = rest_.find('"');
      if (end == std::string_view::npos) fail(first_line, "a quote that is not closed");
      line_ += static_cast<std::size_t>(
          std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
      text += rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      if (!skip('"')) break;
      text += '"';
    }
    skip_spaces();
    return text;
  }

  void end_line() {
    skip('\r');
    if (!rest_.empty() && !skip('\n'))
      fail(line_, "text behind a closing quote, or a stray carriage return");
    ++line_;
  }

  [[noreturn]] static void fail(std::size_t line, const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument, "line " + std::to_string(line) + ": " + what);
  }

  std::string_view rest_;
  std::size_t line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(std::string_view text) { return CsvParser(text).parse(); }

}  // namespace planish::detail
