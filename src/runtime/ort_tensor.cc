#include "runtime/ort_tensor.h"

#include <string>
#include <utility>
#include <vector>

#include "planish/base/checked.h"

namespace planish {
namespace {

// Both enumerations are numbered as onnx.TensorProto.DataType is.
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT == static_cast<int>(DType::kFloat32));
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 == static_cast<int>(DType::kInt64));
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING == static_cast<int>(DType::kString));
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL == static_cast<int>(DType::kBool));
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 == static_cast<int>(DType::kFloat16));
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16 == static_cast<int>(DType::kBFloat16));
static_assert(ONNX_TENSOR_ELEMENT_DATA_TYPE_INT4 == static_cast<int>(DType::kInt4));

const OrtMemoryInfo* cpu_memory() {
  static const Ort::MemoryInfo info = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeCPU);
  return info;
}

DType dtype_from(ONNXTensorElementDataType type) {
  const auto dtype = dtype_from_onnx(static_cast<std::int32_t>(type));
  if (!dtype || *dtype == DType::kUndefined) {
    throw Error(ErrorCode::kUnsupported,
                "element type " + std::to_string(static_cast<int>(type)) + " of ONNX Runtime");
  }
  return *dtype;
}

Ort::Value string_value(const Tensor& tensor) {
  Ort::AllocatorWithDefaultOptions allocator;
  Ort::Value value = Ort::Value::CreateTensor(allocator, tensor.dims().data(), tensor.dims().size(),
                                              ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING);
  std::vector<const char*> pointers;
  pointers.reserve(tensor.element_count());
  for (const std::string& text : tensor.strings()) pointers.push_back(text.c_str());
  value.FillStringTensor(pointers.data(), pointers.size());
  return value;
}

Tensor string_tensor(const Ort::Value& value, std::vector<std::int64_t> dims, std::size_t count) {
  std::vector<std::string> texts;
  texts.reserve(count);
  for (std::size_t i = 0; i < count; ++i) texts.push_back(value.GetStringTensorElement(i));
  return Tensor::of_strings(std::move(dims), std::move(texts));
}

// A runtime value and, where it is only a view, the tensor whose memory it views.
struct OutputOwner {
  Ort::Value value;
  Tensor viewed = {};
};

Tensor input_that_holds(const void* data, std::span<const NamedTensor> inputs) {
  for (const NamedTensor& input : inputs) {
    if (!input.value.bytes().empty() && input.value.bytes().data() == data) return input.value;
  }
  return {};
}

Shape shape_from(const Ort::ConstTensorTypeAndShapeInfo& info) {
  const std::vector<std::int64_t> numbers = info.GetShape();
  std::vector<const char*> symbols(numbers.size());
  info.GetSymbolicDimensions(symbols.data(), symbols.size());
  Shape shape;
  shape.reserve(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] >= 0) {
      shape.emplace_back(numbers[i]);
    } else if (symbols[i] != nullptr && *symbols[i] != '\0') {
      shape.emplace_back(symbols[i]);
    } else {
      shape.emplace_back();
    }
  }
  return shape;
}

std::string_view name_of(ONNXType type) {
  switch (type) {
    case ONNX_TYPE_SEQUENCE:
      return "a sequence";
    case ONNX_TYPE_MAP:
      return "a map";
    case ONNX_TYPE_OPTIONAL:
      return "an optional value";
    case ONNX_TYPE_SPARSETENSOR:
      return "a sparse tensor";
    default:
      return "of unknown type";
  }
}

}  // namespace

Ort::Value view_as_ort_value(const Tensor& tensor) {
  if (tensor.dtype() == DType::kString) return string_value(tensor);
  // ONNX Runtime takes no null pointer, not even for no elements, and does not write inputs.
  static std::byte nothing{};
  const auto bytes = tensor.bytes();
  void* data = bytes.empty() ? &nothing : const_cast<std::byte*>(bytes.data());
  return Ort::Value::CreateTensor(cpu_memory(), data, bytes.size(), tensor.dims().data(),
                                  tensor.dims().size(),
                                  static_cast<ONNXTensorElementDataType>(tensor.dtype()));
}

Tensor tensor_from(Ort::Value value, std::span<const NamedTensor> inputs) {
  const auto info = value.GetTensorTypeAndShapeInfo();
  const DType dtype = dtype_from(info.GetElementType());
  std::vector<std::int64_t> dims = info.GetShape();
  const std::size_t count = checked_element_count(dims);
  if (dtype == DType::kString) return string_tensor(value, std::move(dims), count);
  const auto* data = static_cast<const std::byte*>(value.GetTensorRawData());
  auto owner = std::make_shared<const OutputOwner>(
      OutputOwner{.value = std::move(value), .viewed = input_that_holds(data, inputs)});
  return Tensor(dtype, std::move(dims), std::span(data, byte_count(dtype, count)),
                std::move(owner));
}

TensorSpec spec_from(std::string_view name, const Ort::TypeInfo& type) {
  if (type.GetONNXType() != ONNX_TYPE_TENSOR) {
    throw Error(ErrorCode::kUnsupported,
                "'" + std::string(name) + "' is " + std::string(name_of(type.GetONNXType())) +
                    "; expected a tensor. Export the model with tensors as inputs and outputs "
                    "(scikit-learn: without ZipMap)");
  }
  const auto info = type.GetTensorTypeAndShapeInfo();
  return {.name = std::string(name),
          .dtype = dtype_from(info.GetElementType()),
          .shape = shape_from(info)};
}

}  // namespace planish
