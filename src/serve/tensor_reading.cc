#include "serve/tensor_reading.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "planish/base/checked.h"
#include "planish/base/error.h"
#include "planish/serve/datatypes.h"
#include "serve/json_text.h"

namespace planish::serve {
namespace {

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::kInvalidArgument, text);
}

/// BYTES: each element a 4-byte little-endian length and so many bytes.
std::vector<std::string> read_bytes_elements(std::string_view bytes, std::size_t count) {
  std::vector<std::string> elements;
  while (elements.size() < count) {
    std::uint32_t length = 0;
    if (bytes.size() < sizeof(length)) refuse("a BYTES element ends before its length");
    std::memcpy(&length, bytes.data(), sizeof(length));
    bytes.remove_prefix(sizeof(length));
    if (length > bytes.size()) {
      refuse("a BYTES element says " + std::to_string(length) + " bytes; " +
             std::to_string(bytes.size()) + " are left");
    }
    elements.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  if (!bytes.empty())
    refuse(std::to_string(bytes.size()) + " bytes are left behind the last BYTES element");
  return elements;
}

/// Images of one batch, each preprocessed as the version says, stacked along the first dimension.
Tensor images_to_tensor(const Tensor& images, const InferContext& context) {
  std::vector<std::byte> bytes;
  std::vector<std::int64_t> dims;
  DType dtype = DType::kFloat32;
  for (std::size_t i = 0; i < images.strings().size(); ++i) {
    const Tensor one = in_context("image " + std::to_string(i), [&] {
      return preprocess_encoded(std::as_bytes(std::span(images.strings()[i])), *context.preprocess,
                                context.images);
    });
    if (i > 0 && one.dims() != dims) refuse("images of one request give tensors of other shapes");
    dims = one.dims();
    dtype = one.dtype();
    if (i == 0) bytes.reserve(checked_mul(one.bytes().size(), images.strings().size()));
    bytes.insert(bytes.end(), one.bytes().begin(), one.bytes().end());
  }
  if (dims.empty()) refuse("no image; expected one or more");
  dims.front() = static_cast<std::int64_t>(images.strings().size());
  return {dtype, std::move(dims), std::move(bytes)};
}

}  // namespace

const TensorSpec& input_spec(const std::string& name, const Signature& signature) {
  const auto found = std::ranges::find(signature.inputs, name, &TensorSpec::name);
  if (found == signature.inputs.end()) {
    std::string known;
    for (const TensorSpec& input : signature.inputs)
      known += (known.empty() ? "'" : ", '") + input.name + "'";
    refuse("unexpected inference input '" + name + "'; the model's inputs are " + known);
  }
  return *found;
}

std::size_t counted_elements(const std::vector<std::int64_t>& dims, const InferContext& context) {
  std::size_t count = 0;
  try {
    count = checked_element_count(dims);
  } catch (const Error& error) {
    refuse("'shape': " + error.message());
  }
  if (count > context.max_elements) {
    throw Error(ErrorCode::kExhausted, std::to_string(count) + " elements; at most " +
                                           std::to_string(context.max_elements) + " are taken");
  }
  return count;
}

Tensor tensor_from_binary(const Body& body, std::string_view bytes, DType dtype,
                          std::vector<std::int64_t> dims, std::size_t count) {
  if (dtype == DType::kString)
    return Tensor::of_strings(std::move(dims), read_bytes_elements(bytes, count));
  const std::size_t expected = byte_count(dtype, count);
  if (bytes.size() != expected) {
    refuse("binary data of " + std::to_string(bytes.size()) + " bytes; shape and datatype need " +
           std::to_string(expected));
  }
  if (dtype == DType::kBool && bytes.find_first_not_of(std::string_view("\0\1", 2)) != bytes.npos)
    refuse("a BOOL element is neither 0 nor 1");
  return {dtype, std::move(dims), std::as_bytes(std::span(bytes)), body};
}

bool takes_images(const TensorSpec& spec, const InferContext& context) {
  return spec.dtype != DType::kString && context.preprocess != nullptr;
}

Tensor fitted(Tensor tensor, const TensorSpec& spec, const InferContext& context,
              std::vector<std::string>& images) {
  if (tensor.dtype() == DType::kString && takes_images(spec, context)) {
    Tensor pixels = images_to_tensor(tensor, context);
    images.insert(images.end(), tensor.strings().begin(), tensor.strings().end());
    tensor = std::move(pixels);
  }
  if (tensor.dtype() != spec.dtype) {
    refuse("datatype " + std::string(datatype_of(tensor.dtype())) + "; the model expects " +
           std::string(datatype_of(spec.dtype)));
  }
  return tensor;
}

Tensor classified(const Tensor& tensor, std::size_t k, const std::vector<std::string>& labels) {
  if (!row_of(tensor.dtype()).is_float) {
    throw Error(ErrorCode::kInvalidArgument, "classification of datatype " +
                                                 std::string(datatype_of(tensor.dtype())) +
                                                 "; expected floats");
  }
  const std::vector<float> values = tensor.to_floats();
  const auto rows =
      tensor.rank() > 1 ? static_cast<std::size_t>(tensor.dims().front()) : std::size_t{1};
  const std::size_t columns = rows == 0 ? 0 : values.size() / rows;
  k = std::min(k, columns);
  std::vector<std::string> best;
  std::vector<std::size_t> order(columns);
  for (std::size_t row = 0; row < rows; ++row) {
    const float* const at = values.data() + row * columns;
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::partial_sort(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(),
        [at](std::size_t a, std::size_t b) { return at[a] > at[b] || (at[a] == at[b] && a < b); });
    for (std::size_t i = 0; i < k; ++i) {
      std::string text;
      append_float(text, at[order[i]]);
      text += ':' + std::to_string(order[i]);
      if (order[i] < labels.size()) text += ':' + labels[order[i]];
      best.push_back(std::move(text));
    }
  }
  return Tensor::of_strings({static_cast<std::int64_t>(rows), static_cast<std::int64_t>(k)},
                            std::move(best));
}

}  // namespace planish::serve
