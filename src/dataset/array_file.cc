#include <algorithm>
#include <optional>
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

/// Parts of `tensor` that the model's fixed batch makes; nothing when it is one whole.
std::optional<std::size_t> parts_for(const Tensor& tensor, const TensorSpec& input) {
  if (input.shape.empty() || tensor.rank() != input.shape.size()) return std::nullopt;
  const auto batch = input.shape.front().number();
  const std::int64_t first = tensor.dims().front();
  if (!batch || *batch < 1 || first <= *batch || first % *batch != 0) return std::nullopt;
  return static_cast<std::size_t>(first / *batch);
}

/// Part `i` of `parts` along axis 0: a view that keeps `tensor` alive.
Tensor part_of(const std::shared_ptr<const Tensor>& tensor, std::size_t i, std::size_t parts) {
  std::vector<std::int64_t> dims = tensor->dims();
  dims.front() /= static_cast<std::int64_t>(parts);
  const std::size_t bytes = tensor->bytes().size() / parts;
  return Tensor(tensor->dtype(), std::move(dims), tensor->bytes().subspan(i * bytes, bytes),
                tensor);
}

struct Array {
  std::string name = {};
  std::shared_ptr<const Tensor> tensor = {};
};

class ArrayFileDataset final : public Dataset {
 public:
  ArrayFileDataset(const fs::path& path, std::vector<NamedTensor> arrays,
                   const Signature& signature, DatasetConfig config)
      : file_name_(path.filename().string()),
        path_(path),
        signature_(signature),
        config_(std::move(config)) {
    for (NamedTensor& array : arrays) {
      arrays_.push_back(
          {std::move(array.name), std::make_shared<const Tensor>(std::move(array.value))});
    }
    parts_ = count_parts();
    size_ = limited(parts_, config_);
  }

  [[nodiscard]] std::size_t size() const override { return size_; }
  [[nodiscard]] std::string name(std::size_t i) const override {
    return parts_ == 1 ? file_name_ : file_name_ + "#" + std::to_string(i);
  }

  [[nodiscard]] Sample read(std::size_t i) const override {
    return in_context(name(i), [&] {
      std::vector<NamedTensor> tensors;
      for (const Array& array : arrays_) {
        tensors.push_back(
            {.name = array.name,
             .value = parts_ == 1 ? *array.tensor : part_of(array.tensor, i, parts_)});
      }
      return Sample{.name = name(i), .inputs = fit_inputs(std::move(tensors), signature_)};
    });
  }

  [[nodiscard]] std::optional<std::string> encoded_image(std::size_t) const override {
    return std::nullopt;
  }

  [[nodiscard]] std::string digest() const override {
    const std::string content = sha256_hex_of_file(path_);
    return digest_samples(*this, config_, [&](std::size_t) { return content; });
  }

 private:
  /// More than 1 only when it is the same for all arrays.
  [[nodiscard]] std::size_t count_parts() const {
    std::optional<std::size_t> common;
    for (const Array& array : arrays_) {
      const TensorSpec* input = input_for(array.name);
      const auto parts = input == nullptr ? std::nullopt : parts_for(*array.tensor, *input);
      if (!parts || (common && *common != *parts)) return 1;
      common = parts;
    }
    return common.value_or(1);
  }

  [[nodiscard]] const TensorSpec* input_for(const std::string& name) const {
    const auto& inputs = signature_.inputs;
    if (inputs.size() == 1) return inputs.data();
    const auto found = std::find_if(inputs.begin(), inputs.end(),
                                    [&](const TensorSpec& s) { return s.name == name; });
    return found == inputs.end() ? nullptr : &*found;
  }

  std::string file_name_;
  fs::path path_;
  Signature signature_;
  DatasetConfig config_;
  std::vector<Array> arrays_;
  std::size_t parts_ = 1;
  std::size_t size_ = 1;
};

}  // namespace

std::unique_ptr<Dataset> open_array_file(const fs::path& path, FileKind kind,
                                         const Signature& signature, const DatasetConfig& config) {
  const auto file = MappedFile::open(path);
  std::vector<NamedTensor> arrays =
      kind == FileKind::kNpz ? parse_npz(file->bytes())
                             : std::vector{NamedTensor{.value = parse_npy(file->bytes(), file)}};
  return std::make_unique<ArrayFileDataset>(path, std::move(arrays), signature, config);
}

}  // namespace planish::detail
