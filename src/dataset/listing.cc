#include "dataset/listing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/dataset/capture_list.h"
#include "planish/preprocess/preprocess.h"

namespace planish::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxListBytes = std::size_t{256} << 20;

struct Suffix {
  std::string_view text;
  FileKind kind;
};
constexpr std::array kSuffixes{
    Suffix{".jpg", FileKind::kImage}, Suffix{".jpeg", FileKind::kImage},
    Suffix{".png", FileKind::kImage}, Suffix{".npy", FileKind::kNpy},
    Suffix{".npz", FileKind::kNpz},   Suffix{".pb", FileKind::kPb},
};

std::string lower_suffix(const fs::path& path) {
  std::string suffix = path.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return suffix;
}

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool starts_as_image(const fs::path& path) {
  std::array<char, 8> head{};
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), head.size());
  const auto read = static_cast<std::size_t>(file.gcount());
  return image_format_of(std::as_bytes(std::span(head).first(read))).has_value();
}

/// The relative path of a sample; as it was written when it lies outside the folder.
std::string name_in(const fs::path& folder, const fs::path& path, const std::string& written) {
  const fs::path relative = path.lexically_normal().lexically_relative(folder.lexically_normal());
  if (relative.empty() || *relative.begin() == "..") return written;
  return relative.generic_string();
}

/// K of "input_K.pb".
std::optional<std::size_t> input_number(const fs::path& path) {
  constexpr std::string_view kPrefix = "input_";
  const std::string stem = path.stem().string();
  if (!stem.starts_with(kPrefix)) return std::nullopt;
  std::size_t number = 0;
  const char* end = stem.data() + stem.size();
  const auto [stop, failure] = std::from_chars(stem.data() + kPrefix.size(), end, number);
  if (failure != std::errc() || stop != end) return std::nullopt;
  return number;
}

bool is_test_data_set(const fs::path& folder) {
  return folder.filename().string().starts_with("test_data_set_");
}

/// Collects the files of a folder into samples.
class Listing {
 public:
  explicit Listing(fs::path root) : root_(std::move(root)) {}

  void add(const fs::path& path) {
    const std::optional<FileKind> kind = kind_of(path);
    if (!kind) {
      if (ignored_.empty()) ignored_ = path.filename().string();
      return;
    }
    const fs::path relative = path.lexically_relative(root_);
    if (*kind == FileKind::kPb && is_test_data_set(path.parent_path())) {
      if (const auto number = input_number(path)) test_data_[path.parent_path()][*number] = path;
      return;  // output_K.pb and the like
    }
    samples_.push_back({.name = relative.generic_string(), .kind = *kind, .files = {path}});
  }

  std::vector<SampleFiles> finish() && {
    for (auto& [folder, inputs] : test_data_) add_test_data(folder, inputs);
    check();
    std::sort(samples_.begin(), samples_.end(),
              [](const SampleFiles& a, const SampleFiles& b) { return a.name < b.name; });
    return std::move(samples_);
  }

 private:
  void add_test_data(const fs::path& folder, const std::map<std::size_t, fs::path>& inputs) {
    SampleFiles sample{.name = folder.lexically_relative(root_.parent_path()).generic_string(),
                       .kind = FileKind::kPb};
    if (folder != root_) sample.name = folder.lexically_relative(root_).generic_string();
    for (const auto& [number, path] : inputs) {
      if (number != sample.files.size()) {
        throw Error(
            ErrorCode::kNotFound,
            sample.name + "/input_" + std::to_string(sample.files.size()) + ".pb is missing");
      }
      sample.files.push_back(path);
    }
    samples_.push_back(std::move(sample));
  }

  void check() const {
    if (samples_.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "no sample: expected images (JPEG, PNG) or tensors (.npy, .npz, .pb)" +
                      (ignored_.empty() ? std::string() : "; found '" + ignored_ + "'"));
    }
    const auto is_image = [](const SampleFiles& sample) { return sample.kind == FileKind::kImage; };
    const auto image = std::find_if(samples_.begin(), samples_.end(), is_image);
    const auto tensor = std::find_if_not(samples_.begin(), samples_.end(), is_image);
    if (image != samples_.end() && tensor != samples_.end()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "both images ('" + image->name + "') and tensors ('" + tensor->name +
                      "'); expected a folder of one kind, or a list of files");
    }
  }

  fs::path root_;
  std::string ignored_;  // the first file that is neither image nor tensor
  std::vector<SampleFiles> samples_;
  std::map<fs::path, std::map<std::size_t, fs::path>> test_data_;  // folder, K, file
};

/// A link whose target is gone is listed, so that it is reported and not silently left out.
bool is_candidate(const fs::directory_entry& entry) {
  std::error_code ignored;
  if (entry.is_regular_file(ignored)) return true;
  return entry.is_symlink(ignored) && !entry.exists(ignored);
}

std::string trimmed(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(line.substr(first, line.find_last_not_of(" \t\r") - first + 1));
}

}  // namespace

std::optional<FileKind> kind_of(const fs::path& path) {
  const std::string suffix = lower_suffix(path);
  const auto row = std::find_if(kSuffixes.begin(), kSuffixes.end(),
                                [&](const Suffix& s) { return s.text == suffix; });
  if (row != kSuffixes.end()) return row->kind;
  if (starts_as_image(path)) return FileKind::kImage;
  return std::nullopt;
}

std::vector<SampleFiles> list_folder(const fs::path& folder) {
  std::error_code failure;
  const fs::path root = fs::canonical(folder, failure);
  Listing listing(root);
  fs::recursive_directory_iterator entries(root, failure);
  while (!failure && entries != fs::recursive_directory_iterator()) {
    if (is_hidden(entries->path())) {
      entries.disable_recursion_pending();
    } else if (is_candidate(*entries)) {
      listing.add(entries->path());
    }
    entries.increment(failure);
  }
  if (failure) throw Error(ErrorCode::kUnavailable, "cannot be listed: " + failure.message());
  return std::move(listing).finish();
}

std::vector<SampleFiles> list_capture(const fs::path& folder) {
  std::vector<SampleFiles> samples;
  for (const CapturedFile& file : read_capture_list(folder).files) {
    const fs::path path = folder / file.name;
    samples.push_back({.name = file.name,
                       .kind = kind_of(path).value_or(FileKind::kImage),
                       .files = {path},
                       .sha256 = path.stem().string()});
  }
  if (samples.empty())
    throw Error(ErrorCode::kInvalidArgument, "the capture is empty; let the server see requests");
  std::ranges::sort(samples, {}, &SampleFiles::name);
  return samples;
}

std::vector<SampleFiles> list_lines(const fs::path& path) {
  const std::string text = read_file(path, kMaxListBytes);
  const fs::path folder = fs::absolute(path).parent_path();
  std::string_view rest = text;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);
  std::vector<SampleFiles> samples;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    const fs::path file = (folder / line).lexically_normal();
    // What is listed is meant: a file of another kind fails as an image, by name.
    samples.push_back({.name = name_in(folder, file, line),
                       .kind = kind_of(file).value_or(FileKind::kImage),
                       .files = {file}});
  }
  if (samples.empty())
    throw Error(ErrorCode::kInvalidArgument, "no sample: expected one path a line");
  return samples;
}

}  // namespace planish::detail
