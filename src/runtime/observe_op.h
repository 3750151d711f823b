// The operator that shows a value to whoever runs the session; ONNX Runtime calls it in between.
#pragma once

#include <exception>

#include "planish/runtime/observed_session.h"
#include "runtime/ort.h"

namespace planish {

/// The run that the calling thread is in. ONNX Runtime's sequential executor calls kernels from the
/// thread that called Run, so the operator finds it by thread.
class ObservedRun {
 public:
  explicit ObservedRun(const DimsObserver& observe);
  ~ObservedRun();
  ObservedRun(const ObservedRun&) = delete;
  ObservedRun& operator=(const ObservedRun&) = delete;

  /// Rethrows what the observer threw, if it did.
  void rethrow_failure() const;
  /// Shows the value; keeps what the observer throws. Says whether the run should go on.
  bool show(std::size_t value, const Ort::ConstValue& tensor) noexcept;
  static ObservedRun* current();

 private:
  const DimsObserver* observe_;
  ObservedRun* outer_;
  std::exception_ptr failure_;
};

/// Domain kObserveDomain with its one operator; lives as long as the process.
const OrtCustomOpDomain* observe_domain();

}  // namespace planish
