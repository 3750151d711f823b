// The three kinds of data sets behind open_dataset.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataset/listing.h"
#include "planish/dataset/dataset.h"

namespace planish::detail {

/// One sample per entry: images, .npy, .npz or .pb files. @throws Error(kInvalidArgument) when
/// images cannot feed `signature`.
std::unique_ptr<Dataset> open_files(std::vector<SampleFiles> samples, const Signature& signature,
                                    const DatasetConfig& config);

/// One .npy or .npz file: one sample; or, when the model's batch is fixed to B and every array has
/// a first dimension of k * B, the k samples "file#0", "file#1", …
std::unique_ptr<Dataset> open_array_file(const std::filesystem::path& path, FileKind kind,
                                         const Signature& signature, const DatasetConfig& config);

/// One sample per line of a .jsonl file that is not blank: "file#LINE", counted from 1.
std::unique_ptr<Dataset> open_json_lines(const std::filesystem::path& path,
                                         const Signature& signature, const DatasetConfig& config);

/// `count`, or the number of samples that `config` allows.
std::size_t limited(std::size_t count, const DatasetConfig& config);

/// `config.threads`, or as many as the process may use.
std::size_t threads_of(const DatasetConfig& config);

/// SHA-256 over the preprocessing and, for each sample, its name and the hash of its content.
std::string digest_samples(const Dataset& dataset, const DatasetConfig& config,
                           const std::function<std::string(std::size_t)>& content_hash);

}  // namespace planish::detail
