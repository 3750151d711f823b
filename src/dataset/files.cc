#include <algorithm>
#include <utility>

#include "dataset/fit.h"
#include "dataset/sources.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/hash.h"
#include "planish/dataset/tensor_files.h"
#include "planish/onnx/onnx.h"

namespace planish::detail {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxImageBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxPbBytes = std::size_t{2} << 30;

std::vector<NamedTensor> read_arrays(const fs::path& path, FileKind kind) {
  const auto file = MappedFile::open(path);
  if (kind == FileKind::kNpz) return parse_npz(file->bytes());
  return {NamedTensor{.value = parse_npy(file->bytes(), file)}};
}

/// input_K.pb of a test_data_set goes to input K, unless its name says otherwise; so does a lone
/// .pb.
std::vector<NamedTensor> read_pb(const std::vector<fs::path>& files, const Signature& signature) {
  std::vector<NamedTensor> tensors;
  for (std::size_t i = 0; i < files.size(); ++i) {
    Initializer tensor = parse_tensor(read_file(files[i], kMaxPbBytes));
    const auto& inputs = signature.inputs;
    const bool known = std::any_of(inputs.begin(), inputs.end(),
                                   [&](const TensorSpec& s) { return s.name == tensor.name; });
    if (!known && (files.size() > 1 || inputs.size() == 1) && i < inputs.size())
      tensor.name = inputs[i].name;
    tensors.push_back({.name = std::move(tensor.name), .value = std::move(tensor.value)});
  }
  return tensors;
}

class FileDataset final : public Dataset {
 public:
  FileDataset(std::vector<SampleFiles> samples, const Signature& signature, DatasetConfig config)
      : samples_(std::move(samples)), signature_(signature), config_(std::move(config)) {
    samples_.resize(limited(samples_.size(), config_));
  }

  [[nodiscard]] std::size_t size() const override { return samples_.size(); }
  [[nodiscard]] std::string name(std::size_t i) const override { return samples_.at(i).name; }

  [[nodiscard]] Sample read(std::size_t i) const override {
    const SampleFiles& sample = samples_.at(i);
    return in_context(sample.name,
                      [&] { return Sample{.name = sample.name, .inputs = read_inputs(sample)}; });
  }

  [[nodiscard]] std::optional<std::string> encoded_image(std::size_t i) const override {
    const SampleFiles& sample = samples_.at(i);
    if (sample.kind != FileKind::kImage) return std::nullopt;
    return in_context(sample.name, [&] { return read_file(sample.files.front(), kMaxImageBytes); });
  }

  [[nodiscard]] std::string digest() const override {
    return digest_samples(*this, config_, [&](std::size_t i) { return content_hash(samples_[i]); });
  }

 private:
  [[nodiscard]] std::vector<NamedTensor> read_inputs(const SampleFiles& sample) const {
    require_unchanged(sample);
    switch (sample.kind) {
      case FileKind::kImage:
        return {read_image(sample.files.front())};
      case FileKind::kPb:
        return fit_inputs(read_pb(sample.files, signature_), signature_);
      default:
        return fit_inputs(read_arrays(sample.files.front(), sample.kind), signature_);
    }
  }

  static void require_unchanged(const SampleFiles& sample) {
    if (sample.sha256.empty()) return;
    if (sha256_hex_of_file(sample.files.front()) == sample.sha256) return;
    throw Error(ErrorCode::kCorrupt,
                "its content was changed after it was captured; remove it from capture.json");
  }

  [[nodiscard]] NamedTensor read_image(const fs::path& path) const {
    const std::string bytes = read_file(path, kMaxImageBytes);
    const Tensor tensor = preprocess_encoded(std::as_bytes(std::span(bytes)), config_.preprocess);
    return fit_image(tensor, image_input(signature_, config_.preprocess));
  }

  /// A file that cannot be read has no content; whether that matters is read()'s to say.
  [[nodiscard]] static std::string content_hash(const SampleFiles& sample) {
    std::string hashes;
    for (const fs::path& file : sample.files) {
      try {
        hashes += sha256_hex_of_file(file);
      } catch (const Error&) {
        hashes += "unreadable";
      }
    }
    return hashes;
  }

  std::vector<SampleFiles> samples_;
  Signature signature_;
  DatasetConfig config_;
};

}  // namespace

std::unique_ptr<Dataset> open_files(std::vector<SampleFiles> samples, const Signature& signature,
                                    const DatasetConfig& config) {
  const bool images = std::any_of(samples.begin(), samples.end(),
                                  [](const SampleFiles& s) { return s.kind == FileKind::kImage; });
  if (images) {
    validate(config.preprocess);
    image_input(signature, config.preprocess);
  }
  return std::make_unique<FileDataset>(std::move(samples), signature, config);
}

}  // namespace planish::detail
