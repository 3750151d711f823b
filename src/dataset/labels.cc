#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "dataset/csv.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/dataset/dataset.h"

namespace planish {
namespace {

constexpr std::size_t kMaxLabelBytes = std::size_t{256} << 20;
constexpr std::int64_t kMaxLabel = 1'000'000'000;

constexpr std::array<std::string_view, 6> kFileHeaders{"file", "filename", "image",
                                                       "name", "path",     "sample"};
constexpr std::array<std::string_view, 5> kLabelHeaders{"label", "class", "index", "class_index",
                                                        "target"};

bool is_one_of(std::string text, std::span<const std::string_view> names) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return std::find(names.begin(), names.end(), text) != names.end();
}

bool is_header(const detail::CsvRow& row) {
  return row.fields.size() == 2 && is_one_of(row.fields[0], kFileHeaders) &&
         is_one_of(row.fields[1], kLabelHeaders);
}

[[noreturn]] void refuse(const detail::CsvRow& row, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "line " + std::to_string(row.line) + ": " + what);
}

std::int64_t label_of(const detail::CsvRow& row) {
  const std::string& text = row.fields[1];
  std::int64_t label = -1;
  const char* end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, label);
  if (failure != std::errc() || stop != end || label < 0 || label > kMaxLabel) {
    refuse(row, "label '" + text.substr(0, 40) +
                    "'; expected a class index: 0, 1, 2, ... (a header would be \"file,label\")");
  }
  return label;
}

/// "./a//b.jpg" as "a/b.jpg".
std::string normal(const std::string& path) {
  return std::filesystem::path(path).lexically_normal().generic_string();
}

std::string_view bare(std::string_view path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

Labels Labels::parse(std::string_view csv) {
  std::vector<detail::CsvRow> rows = detail::parse_csv(csv);
  if (!rows.empty() && is_header(rows.front())) rows.erase(rows.begin());
  if (rows.empty())
    throw Error(ErrorCode::kInvalidArgument, "no labels; expected lines of \"file,label\"");
  Labels labels;
  for (const detail::CsvRow& row : rows) {
    if (row.fields.size() != 2 || row.fields[0].empty()) {
      refuse(row, std::to_string(row.fields.size()) + " fields; expected \"file,label\"");
    }
    const std::string name = normal(row.fields[0]);
    const std::int64_t label = label_of(row);
    const auto [known, added] = labels.by_name_.emplace(name, label);
    if (!added && known->second != label) {
      refuse(row, "'" + name + "' has label " + std::to_string(label) + " here and " +
                      std::to_string(known->second) + " before");
    }
    const auto [shared, first] = labels.by_bare_name_.emplace(bare(name), label);
    if (!first && shared->second != label) shared->second.reset();
  }
  return labels;
}

Labels Labels::load(const std::filesystem::path& path) {
  const std::string csv = read_file(path, kMaxLabelBytes);
  return in_context(path.string(), [&] { return parse(csv); });
}

std::optional<std::int64_t> Labels::find(std::string_view sample_name) const {
  for (std::string_view end = sample_name;;) {
    if (const auto found = by_name_.find(std::string(end)); found != by_name_.end())
      return found->second;
    const std::size_t slash = end.find('/');
    if (slash == std::string_view::npos) break;
    end.remove_prefix(slash + 1);
  }
  // With a folder, another folder's file of the same name is another file.
  if (sample_name.find('/') != std::string_view::npos) return std::nullopt;
  const auto found = by_bare_name_.find(std::string(sample_name));
  return found == by_bare_name_.end() ? std::nullopt : found->second;
}

void Labels::require_match(const Dataset& dataset) const {
  for (std::size_t i = 0; i < dataset.size(); ++i) {
    if (find(dataset.name(i))) return;
  }
  throw Error(ErrorCode::kInvalidArgument, "no sample has a label: samples are named as '" +
                                               dataset.name(0) + "', labels are for files as '" +
                                               by_name_.begin()->first + "'");
}

}  // namespace planish
