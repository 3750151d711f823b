// Runs of a model during which chosen values are looked at where they lie, without copying them
// out: what calibration is made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "planish/runtime/session.h"

namespace planish {

/// In which order an observer sees the elements of a value.
enum class ElementOrder {
  kAny,       // as they lie in ONNX Runtime's own memory layouts: fastest, right for extremes
  kRowMajor,  // as the model's dimensions say: right for statistics by channel
};

/// A value of one run, in place: `elements` and `dims` may be read during the call only.
struct ObservedValue {
  std::size_t index = 0;  // position among the values asked for
  std::span<const float> elements = {};
  std::span<const std::int64_t> dims = {};  // with ElementOrder::kAny those of the memory layout
};

/// What either throws ends the run. The first is for those who need no dimensions.
using ValueObserver = std::function<void(std::size_t value, std::span<const float> elements)>;
using DimsObserver = std::function<void(const ObservedValue& value)>;

class ObservedSession {
 public:
  virtual ~ObservedSession() = default;
  /// The model's inputs; there are no outputs.
  [[nodiscard]] virtual const Signature& signature() const = 0;
  /// Runs the model once and calls `observe` for each value, as soon as it is computed, from the
  /// calling thread. Safe from many threads at once.
  /// @throws Error as Session::run; Error(kUnsupported) when a value is not float32; what `observe`
  ///   throws.
  virtual void run(std::span<const NamedTensor> inputs, const DimsObserver& observe) = 0;
  void run(std::span<const NamedTensor> inputs, const ValueObserver& observe) {
    run(inputs,
        DimsObserver([&](const ObservedValue& value) { observe(value.index, value.elements); }));
  }
};

/// `values` are names of inputs or of what nodes make; in a body (If, Loop, Scan) a value is seen
/// as often as it runs. The rest is optimized as config.optimization says, so values differ from
/// those of other levels by rounding. See docs/decisions/0002-calibration-observes-in-place.md.
/// @throws Error as open_session; Error(kNotFound) naming a value that the graph does not have.
std::unique_ptr<ObservedSession> open_observed_session(const Model& model,
                                                       std::span<const std::string> values,
                                                       const SessionConfig& config = {},
                                                       ElementOrder order = ElementOrder::kAny);

}  // namespace planish
