// Runs of a model during which chosen values are looked at where they lie, without copying them
// out: what calibration is made of.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "planish/runtime/session.h"

namespace planish {

/// Called with the position of a value among those asked for and its elements, which may be read
/// during the call only. They come in no particular order: ONNX Runtime's own memory layouts are
/// read as they are. What it throws ends the run.
using ValueObserver = std::function<void(std::size_t value, std::span<const float> elements)>;

class ObservedSession {
 public:
  virtual ~ObservedSession() = default;
  /// The model's inputs; there are no outputs.
  [[nodiscard]] virtual const Signature& signature() const = 0;
  /// Runs the model once and calls `observe` for each value, as soon as it is computed, from the
  /// calling thread. Safe from many threads at once.
  /// @throws Error as Session::run; Error(kUnsupported) when a value is not float32; what `observe`
  ///   throws.
  virtual void run(std::span<const NamedTensor> inputs, const ValueObserver& observe) = 0;
};

/// `values` are names of inputs or of values that nodes of the main graph make. The rest of the
/// model is optimized as config.optimization says, so values differ from those of other levels by
/// float rounding. See docs/decisions/0002-calibration-observes-in-place.md.
/// @throws Error as open_session; Error(kNotFound) naming a value that the graph does not have.
std::unique_ptr<ObservedSession> open_observed_session(const Model& model,
                                                       std::span<const std::string> values,
                                                       const SessionConfig& config = {});

}  // namespace planish
