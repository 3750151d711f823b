#include "planish/graph/tensor.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "planish/base/checked.h"
#include "planish/base/error.h"

namespace planish {
namespace {

static_assert(std::endian::native == std::endian::little,
              "tensors are little-endian in ONNX files and are used in place");

std::size_t alignment_of(DType dtype) {
  const int bytes = row_of(dtype).bits / 8;
  return static_cast<std::size_t>(std::clamp(bytes, 1, 8));
}

void require_size(DType dtype, std::span<const std::int64_t> dims, std::size_t count,
                  std::size_t found) {
  const std::size_t expected = byte_count(dtype, count);
  if (found == expected) return;
  throw Error(ErrorCode::kCorrupt, "tensor of type " + std::string(name_of(dtype)) + " and shape " +
                                       to_string(dims) + " has " + std::to_string(found) +
                                       " bytes; expected " + std::to_string(expected));
}

template <typename T>
void append_floats(std::span<const std::byte> bytes, std::vector<float>& out) {
  const std::span<const T> values(reinterpret_cast<const T*>(bytes.data()),
                                  bytes.size() / sizeof(T));
  std::transform(values.begin(), values.end(), std::back_inserter(out),
                 [](T value) { return static_cast<float>(value); });
}

template <typename T>
void append_ints(std::span<const std::byte> bytes, std::vector<std::int64_t>& out) {
  const std::span<const T> values(reinterpret_cast<const T*>(bytes.data()),
                                  bytes.size() / sizeof(T));
  std::transform(values.begin(), values.end(), std::back_inserter(out),
                 [](T value) { return static_cast<std::int64_t>(value); });
}

}  // namespace

std::string to_string(std::span<const std::int64_t> dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  }
  return text + "]";
}

Tensor::Tensor() = default;

Tensor::Tensor(DType dtype, std::vector<std::int64_t> dims, std::vector<std::byte> bytes)
    : dtype_(dtype), dims_(std::move(dims)), element_count_(checked_element_count(dims_)) {
  require_size(dtype_, dims_, element_count_, bytes.size());
  auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const std::span<const std::byte> view = *owner;
  adopt(std::move(owner), view);
}

Tensor::Tensor(DType dtype, std::vector<std::int64_t> dims, std::string bytes)
    : dtype_(dtype), dims_(std::move(dims)), element_count_(checked_element_count(dims_)) {
  require_size(dtype_, dims_, element_count_, bytes.size());
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const auto view = std::as_bytes(std::span(*owner));
  adopt(std::move(owner), view);
}

Tensor::Tensor(DType dtype, std::vector<std::int64_t> dims, std::span<const std::byte> bytes,
               std::shared_ptr<const void> owner)
    : dtype_(dtype), dims_(std::move(dims)), element_count_(checked_element_count(dims_)) {
  require_size(dtype_, dims_, element_count_, bytes.size());
  adopt(std::move(owner), bytes);
}

void Tensor::adopt(std::shared_ptr<const void> owner, std::span<const std::byte> bytes) {
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignment_of(dtype_) != 0) {
    auto copy = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
    bytes_ = *copy;
    owner_ = std::move(copy);
    return;
  }
  bytes_ = bytes;
  owner_ = std::move(owner);
}

Tensor Tensor::of_strings(std::vector<std::int64_t> dims, std::vector<std::string> values) {
  Tensor tensor;
  tensor.dtype_ = DType::kString;
  tensor.dims_ = std::move(dims);
  tensor.element_count_ = checked_element_count(tensor.dims_);
  if (tensor.element_count_ != values.size()) {
    throw Error(ErrorCode::kCorrupt, "string tensor of shape " + planish::to_string(tensor.dims_) +
                                         " has " + std::to_string(values.size()) + " elements");
  }
  tensor.strings_ = std::make_shared<const std::vector<std::string>>(std::move(values));
  return tensor;
}

std::span<const std::string> Tensor::strings() const noexcept {
  return strings_ ? std::span<const std::string>(*strings_) : std::span<const std::string>();
}

void Tensor::check_element_type(DType expected) const {
  if (dtype_ == expected) return;
  throw Error(ErrorCode::kInvalidArgument, "tensor has elements of type " +
                                               std::string(name_of(dtype_)) + "; expected " +
                                               std::string(name_of(expected)));
}

std::vector<float> Tensor::to_floats() const {
  std::vector<float> out;
  out.reserve(element_count_);
  const auto halves = [&](float (*convert)(std::uint16_t)) {
    const std::span<const std::uint16_t> bits(reinterpret_cast<const std::uint16_t*>(bytes_.data()),
                                              element_count_);
    std::transform(bits.begin(), bits.end(), std::back_inserter(out), convert);
  };
  switch (dtype_) {
    case DType::kFloat32:
      append_floats<float>(bytes_, out);
      break;
    case DType::kFloat64:
      append_floats<double>(bytes_, out);
      break;
    case DType::kFloat16:
      halves(float_from_half);
      break;
    case DType::kBFloat16:
      halves(float_from_bfloat16);
      break;
    default:
      throw Error(ErrorCode::kUnsupported, "elements of type " + std::string(name_of(dtype_)) +
                                               "; expected a float type of 16 bits or more");
  }
  return out;
}

std::vector<std::int64_t> Tensor::to_ints() const {
  std::vector<std::int64_t> out;
  out.reserve(element_count_);
  switch (dtype_) {
    case DType::kBool:
    case DType::kUInt8:
      append_ints<std::uint8_t>(bytes_, out);
      break;
    case DType::kInt8:
      append_ints<std::int8_t>(bytes_, out);
      break;
    case DType::kUInt16:
      append_ints<std::uint16_t>(bytes_, out);
      break;
    case DType::kInt16:
      append_ints<std::int16_t>(bytes_, out);
      break;
    case DType::kUInt32:
      append_ints<std::uint32_t>(bytes_, out);
      break;
    case DType::kInt32:
      append_ints<std::int32_t>(bytes_, out);
      break;
    case DType::kUInt64:
      append_ints<std::uint64_t>(bytes_, out);
      break;
    case DType::kInt64:
      append_ints<std::int64_t>(bytes_, out);
      break;
    default:
      throw Error(ErrorCode::kUnsupported, "elements of type " + std::string(name_of(dtype_)) +
                                               "; expected an integer type of 8 bits or more");
  }
  return out;
}

Tensor Tensor::reshaped(std::vector<std::int64_t> dims) const {
  const std::size_t count = checked_element_count(dims);
  if (count != element_count_) {
    throw Error(ErrorCode::kCorrupt, "tensor of shape " + planish::to_string(dims_) +
                                         " cannot have shape " + planish::to_string(dims));
  }
  Tensor result = *this;
  result.dims_ = std::move(dims);
  return result;
}

bool operator==(const Tensor& a, const Tensor& b) {
  if (a.dtype_ != b.dtype_ || a.dims_ != b.dims_) return false;
  if (a.dtype_ == DType::kString) return std::ranges::equal(a.strings(), b.strings());
  // Equal types and dimensions have equally many bytes; copies share them.
  return a.bytes_.empty() || a.bytes_.data() == b.bytes_.data() ||
         std::memcmp(a.bytes_.data(), b.bytes_.data(), a.bytes_.size()) == 0;
}

}  // namespace planish
