#include <algorithm>
#include <string_view>
#include <utility>

#include "dataset/fit.h"
#include "dataset/sources.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/hash.h"
#include "planish/dataset/tensor_files.h"

namespace planish::detail {
namespace {

namespace fs = std::filesystem;

/// A line that holds a sample.
struct Line {
  std::size_t number = 0;  // from 1
  std::string_view text = {};
};

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines.push_back({number, line});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

class JsonLinesDataset final : public Dataset {
 public:
  JsonLinesDataset(const fs::path& path, const Signature& signature, DatasetConfig config)
      : file_name_(path.filename().string()),
        file_(MappedFile::open(path)),
        signature_(signature),
        config_(std::move(config)) {
    const auto bytes = file_->bytes();
    lines_ = lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (lines_.empty())
      throw Error(ErrorCode::kInvalidArgument, "no sample: expected one JSON object a line");
    lines_.resize(limited(lines_.size(), config_));
  }

  [[nodiscard]] std::size_t size() const override { return lines_.size(); }
  [[nodiscard]] std::string name(std::size_t i) const override {
    return file_name_ + "#" + std::to_string(lines_.at(i).number);
  }

  [[nodiscard]] Sample read(std::size_t i) const override {
    return in_context(name(i), [&] {
      return Sample{.name = name(i),
                    .inputs = fit_inputs(parse_tensor_json(lines_.at(i).text), signature_)};
    });
  }

  [[nodiscard]] std::optional<std::string> encoded_image(std::size_t) const override {
    return std::nullopt;
  }

  [[nodiscard]] std::string digest() const override {
    return digest_samples(*this, config_,
                          [&](std::size_t i) { return sha256_hex(lines_[i].text); });
  }

 private:
  std::string file_name_;
  std::shared_ptr<const MappedFile> file_;
  Signature signature_;
  DatasetConfig config_;
  std::vector<Line> lines_;  // views of file_
};

}  // namespace

std::unique_ptr<Dataset> open_json_lines(const fs::path& path, const Signature& signature,
                                         const DatasetConfig& config) {
  return std::make_unique<JsonLinesDataset>(path, signature, config);
}

}  // namespace planish::detail
