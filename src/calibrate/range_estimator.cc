#include "calibrate/range_estimator.h"

#include <algorithm>
#include <string>

#include "planish/base/error.h"

namespace planish {
namespace {

/// The least and the greatest element of all samples.
class MinMax : public RangeEstimator {
 public:
  void observe(std::span<const float>, TensorRange range) override { include(range); }
  void merge(const RangeEstimator& next) override {
    if (const auto range = next.range()) include(*range);
  }
  [[nodiscard]] std::optional<TensorRange> range() const override { return range_; }

 private:
  void include(TensorRange range) {
    if (!range_) {
      range_ = range;
      return;
    }
    range_->min = std::min(range_->min, range.min);
    range_->max = std::max(range_->max, range.max);
  }

  std::optional<TensorRange> range_;
};

}  // namespace

std::unique_ptr<RangeEstimator> make_range_estimator(CalibrationMethod method) {
  if (method == CalibrationMethod::kMinMax) return std::make_unique<MinMax>();
  throw Error(ErrorCode::kUnsupported, "calibration method '" + std::string(name_of(method)) +
                                           "' is not in this version; expected minmax");
}

}  // namespace planish
