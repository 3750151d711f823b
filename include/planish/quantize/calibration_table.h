// The ranges that the values of a model took on calibration data: a file that people can read and
// edit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/base/json_fwd.h"
#include "planish/graph/dtype.h"

namespace planish {

/// [min, max] that the elements of one tensor took. Both finite, min <= max.
struct TensorRange {
  float min = 0.0F;
  float max = 0.0F;
  friend bool operator==(const TensorRange&, const TensorRange&) = default;
};

/// How a range is chosen from what a tensor held. Equations: docs/calibration.md.
enum class CalibrationMethod {
  kMinMax,         // the least and the greatest element
  kMovingAverage,  // the means of the samples' least and greatest elements
  kEntropy,        // least Kullback-Leibler divergence (Migacz, 2017)
  kPercentile,     // all but a share of the elements
  kMse,            // least expected squared error of quantization
  kAuto,           // per tensor: the widest range whose expected error is next to the least
};

/// "minmax", "moving-average", … as on the command line.
std::string_view name_of(CalibrationMethod method);
std::optional<CalibrationMethod> calibration_method_from(std::string_view name);
/// All names, in the order of the enumeration.
std::vector<std::string> calibration_method_names();

/// What the methods are told besides.
struct RangeOptions {
  double percentile = 99.999;  // of the elements that a range of kPercentile covers; in (0, 100]
  std::size_t bins = 2048;     // that kEntropy compares, at least: a power of two, 256 to 2048
  bool symmetric = false;      // ranges [-T, T]: for symmetric activations
  DType activation = DType::kUInt8;  // the integers by which errors are reckoned
  friend bool operator==(const RangeOptions&, const RangeOptions&) = default;
};
/// @throws Error(kInvalidArgument) naming the option, what it is and what was expected.
void validate(const RangeOptions& options);

/// What one tensor held, for reports. Only `observed` and `elements` are known without a histogram.
struct TensorObservation {
  TensorRange observed = {};                     // least and greatest element of all samples
  std::uint64_t elements = 0;                    // of all samples
  double clipped = 0.0;                          // share of the elements that its range cuts off
  std::optional<double> sqnr_db = {};            // expected of quantizing it by its range
  std::optional<CalibrationMethod> method = {};  // that kAuto chose
  std::vector<std::uint64_t> histogram = {};     // counts in bins of equal width over `observed`
  friend bool operator==(const TensorObservation&, const TensorObservation&) = default;
};

/// Ranges by tensor name, with what they were made from. Format: docs/formats/calibration.md.
struct CalibrationTable {
  CalibrationMethod method = CalibrationMethod::kMinMax;
  std::string model_sha256 = {};  // digest_of the model whose tensors these are
  std::string data_sha256 = {};   // Dataset::digest
  std::uint64_t samples = 0;
  std::string planish_version = {};
  std::map<std::string, TensorRange, std::less<>> ranges = {};
  std::optional<RangeOptions> options = {};                                 // nothing: not recorded
  std::map<std::string, TensorObservation, std::less<>> observations = {};  // may be fewer

  [[nodiscard]] std::optional<TensorRange> find(std::string_view tensor) const;
  friend bool operator==(const CalibrationTable&, const CalibrationTable&) = default;
};

Json to_json(const CalibrationTable& table);
/// @throws Error(kCorrupt, kInvalidArgument) naming the member and what was expected.
CalibrationTable parse_calibration_table(const Json& json);
/// Reads the format above, or a cache of onnxruntime.quantization (calibration_cache.h).
/// @throws Error kNotFound, and what parsing throws.
CalibrationTable load_calibration_table(const std::filesystem::path& path);
void save_calibration_table(const CalibrationTable& table, const std::filesystem::path& path);

}  // namespace planish
