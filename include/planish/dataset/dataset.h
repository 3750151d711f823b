// Samples to calibrate, compare and measure with: images or tensors, readable many times over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "planish/preprocess/preprocess.h"
#include "planish/runtime/session.h"

namespace planish {

/// One inference's inputs. `name` says where it comes from ("photos/cat.jpg", "inputs.npz#3").
struct Sample {
  std::string name = {};
  std::vector<NamedTensor> inputs = {};
};

/// What to do with a sample that cannot be read.
enum class OnBadSample { kFail, kSkip };

struct DatasetConfig {
  PreprocessSpec preprocess = {};  // applied to images, not to tensors
  OnBadSample on_bad_sample = OnBadSample::kFail;
  std::size_t max_samples = 0;  // 0: all. The first ones in the order of names
  int threads = 0;              // decoding threads; 0: as many as the process may use
};

/// A sample that was left out, and why.
struct BadSample {
  std::string name = {};
  std::string reason = {};
};

/// A list of samples that can be read in any order, from many threads.
class Dataset {
 public:
  virtual ~Dataset() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  /// Names without reading: sample i's, as Sample::name will be.
  [[nodiscard]] virtual std::string name(std::size_t i) const = 0;
  /// Reads, decodes and preprocesses sample i. Safe from many threads.
  /// @throws Error naming the sample.
  [[nodiscard]] virtual Sample read(std::size_t i) const = 0;
  /// Sample i as it was before preprocessing: its encoded image. Nothing when it is a tensor.
  [[nodiscard]] virtual std::optional<std::string> encoded_image(std::size_t i) const = 0;
  /// SHA-256 over names and contents of all samples and the preprocessing: what a calibration is
  /// keyed by.
  [[nodiscard]] virtual std::string digest() const = 0;
};

/// Opens DATA of the command line: a folder (searched in depth, in the order of names) of JPEG/PNG
/// images or of .npy/.npz/.pb tensors, one such file, a .jsonl file of tensors, or a text file
/// (.txt, .lst) with one path a line. docs/formats/dataset.md says all of it.
///
/// Tensors go to the inputs of `signature`: an .npz or .jsonl member by its name, a .npy or .pb
/// file to the only input (or to the name that the .pb tensor carries); a folder of ONNX's
/// test_data_set_N/input_K.pb gives one sample per test_data_set_N. Images go to the only input of
/// rank 3 or 4. A tensor lacking the batch dimension gets one of 1. Elements are converted where no
/// meaning is lost: between floats, between integers that fit, from integers to floats.
/// With OnBadSample::kFail the first sample is read at once, so that a mistake shows before work.
/// @throws Error kNotFound; kInvalidArgument when there is no sample, or samples do not fit the
///   signature (rank, channels, element type: found and expected); kCorrupt.
std::unique_ptr<Dataset> open_dataset(const std::filesystem::path& path, const Signature& signature,
                                      const DatasetConfig& config = {});

/// Reads samples ahead on `config.threads` threads and calls visit(i, sample) in order, from the
/// caller's thread; at most a few samples are in memory. Returns the samples that were left out
/// (only with OnBadSample::kSkip).
/// @throws Error of the first bad sample with kFail, or when all are bad; what `visit` throws;
///   Error(kCancelled).
std::vector<BadSample> for_each_sample(const Dataset& dataset, const DatasetConfig& config,
                                       const std::function<void(std::size_t, const Sample&)>& visit,
                                       std::stop_token stop = {});

/// LABELS of the command line: lines "file,label", with or without a header. The label is a class
/// index. `file` is matched by its path below the data folder, or by its bare name.
class Labels {
 public:
  /// @throws Error kNotFound, kInvalidArgument naming line and what was expected.
  static Labels load(const std::filesystem::path& path);
  /// The same from text.
  static Labels parse(std::string_view csv);
  /// By the whole name, else by its end: a label for "cat.jpg" serves "pets/cat.jpg". A sample
  /// without folder also takes the label of the only path (or of paths that agree) that ends in its
  /// name.
  [[nodiscard]] std::optional<std::int64_t> find(std::string_view sample_name) const;
  [[nodiscard]] std::size_t size() const { return by_name_.size(); }
  /// @throws Error(kInvalidArgument) when no sample of `dataset` has a label, naming one of each
  /// side.
  void require_match(const Dataset& dataset) const;

 private:
  std::unordered_map<std::string, std::int64_t> by_name_;
  /// Paths without their folders; nothing where they disagree.
  std::unordered_map<std::string, std::optional<std::int64_t>> by_bare_name_;
};

}  // namespace planish
