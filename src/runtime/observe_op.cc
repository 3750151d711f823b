#include "runtime/observe_op.h"

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/observed_graph.h"

namespace planish {
namespace {

thread_local ObservedRun* current_run = nullptr;

std::span<const float> float_elements(const Ort::ConstValue& tensor) {
  const auto info = tensor.GetTensorTypeAndShapeInfo();
  if (info.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
    throw Error(ErrorCode::kUnsupported,
                "a value of element type " +
                    std::string(name_of(static_cast<DType>(info.GetElementType()))) +
                    "; expected float32 to observe");
  }
  return {tensor.GetTensorData<float>(), info.GetElementCount()};
}

class ObserveKernel {
 public:
  explicit ObserveKernel(const OrtKernelInfo* info)
      : index_(static_cast<std::size_t>(
            Ort::ConstKernelInfo(info).GetAttribute<std::int64_t>("index"))) {}

  OrtStatusPtr ComputeV2(OrtKernelContext* raw) noexcept {
    try {
      const Ort::KernelContext context(raw);
      const std::int64_t one = 1;
      *context.GetOutput(0, &one, 1).GetTensorMutableData<bool>() = true;
      ObservedRun* const run = ObservedRun::current();
      if (run == nullptr || run->show(index_, context.GetInput(0))) return nullptr;
      return Ort::Status("stopped by the observer", ORT_FAIL).release();
    } catch (const std::exception& exception) {
      return Ort::Status(exception.what(), ORT_FAIL).release();
    }
  }

 private:
  std::size_t index_;
};

struct ObserveOp : Ort::CustomOpBase<ObserveOp, ObserveKernel, /*WithStatus=*/true> {
  // Names and signature as Ort::CustomOpBase demands them.
  OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** kernel) const {
    try {
      *kernel = new ObserveKernel(info);  // NOLINT: ONNX Runtime owns it; KernelDestroy deletes it
      return nullptr;
    } catch (const std::exception& exception) {
      return Ort::Status(exception.what(), ORT_FAIL).release();
    }
  }
  const char* GetName() const { return kObserveOp.data(); }
  std::size_t GetInputTypeCount() const { return 2; }
  // Any type: values that are not float32 are then named by us, not refused by number.
  ONNXTensorElementDataType GetInputType(std::size_t) const {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  }
  std::size_t GetOutputTypeCount() const { return 1; }
  ONNXTensorElementDataType GetOutputType(std::size_t) const {
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL;
  }
};

}  // namespace

ObservedRun::ObservedRun(const DimsObserver& observe) : observe_(&observe), outer_(current_run) {
  current_run = this;
}

ObservedRun::~ObservedRun() { current_run = outer_; }

ObservedRun* ObservedRun::current() { return current_run; }

bool ObservedRun::show(std::size_t value, const Ort::ConstValue& tensor) noexcept {
  try {
    const std::vector<std::int64_t> dims = tensor.GetTensorTypeAndShapeInfo().GetShape();
    (*observe_)({.index = value, .elements = float_elements(tensor), .dims = dims});
    return true;
  } catch (...) {
    failure_ = std::current_exception();
    return false;
  }
}

void ObservedRun::rethrow_failure() const {
  if (failure_) std::rethrow_exception(failure_);
}

const OrtCustomOpDomain* observe_domain() {
  struct Domain {
    ObserveOp op;
    Ort::CustomOpDomain domain{kObserveDomain.data()};
    Domain() { domain.Add(&op); }
  };
  static const Domain* const kept = new Domain;  // sessions in static storage may outlive statics
  return kept->domain;
}

}  // namespace planish
