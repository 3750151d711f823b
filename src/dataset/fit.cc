#include "dataset/fit.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "dataset/convert.h"
#include "planish/base/error.h"
#include "planish/base/json.h"

namespace planish::detail {
namespace {

std::string names_of(const Signature& signature) {
  std::string names;
  for (const TensorSpec& input : signature.inputs)
    names += (names.empty() ? "'" : ", '") + input.name + "'";
  return names;
}

[[noreturn]] void refuse(const std::string& found, const TensorSpec& input) {
  throw Error(ErrorCode::kInvalidArgument, "found " + found + "; expected " + describe(input));
}

bool dims_agree(const std::vector<std::int64_t>& dims, const Shape& shape) {
  return std::equal(
      dims.begin(), dims.end(), shape.begin(), shape.end(),
      [](std::int64_t size, const Dim& dim) { return !dim.number() || *dim.number() == size; });
}

/// `tensor` with the rank of `input`, whose shape is empty when its rank is not known.
Tensor fit_rank(const Tensor& tensor, const TensorSpec& input) {
  if (input.shape.empty() || tensor.rank() + 1 != input.shape.size()) return tensor;
  std::vector<std::int64_t> dims = tensor.dims();
  dims.insert(dims.begin(), 1);
  return tensor.reshaped(std::move(dims));
}

Tensor fit(const Tensor& tensor, const TensorSpec& input) {
  const Tensor ranked = fit_rank(tensor, input);
  if (!input.shape.empty() && !dims_agree(ranked.dims(), input.shape)) {
    refuse("a tensor of shape " + to_string(tensor.dims()), input);
  }
  return in_context("input '" + input.name + "'", [&] { return convert(ranked, input.dtype); });
}

/// K of "arr_K".
std::optional<std::size_t> position_in(const std::string& name) {
  constexpr std::string_view kPrefix = "arr_";
  if (!name.starts_with(kPrefix) || name.size() > kPrefix.size() + 4) return std::nullopt;
  const std::string digits = name.substr(kPrefix.size());
  if (digits.empty() ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  return std::stoul(digits);
}

/// Which input `name` means.
std::size_t index_of(const std::string& name, const Signature& signature) {
  const auto& inputs = signature.inputs;
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const TensorSpec& i) { return i.name == name; });
  if (found != inputs.end()) return static_cast<std::size_t>(found - inputs.begin());
  if (name.empty() && inputs.size() == 1) return 0;
  if (const auto position = position_in(name); position && *position < inputs.size())
    return *position;
  const std::string what =
      name.empty() ? "a tensor without a name" : "a tensor named '" + name + "'";
  throw Error(ErrorCode::kInvalidArgument,
              "found " + what + "; the model's inputs are " + names_of(signature));
}

/// A hint for the mistake that is made most.
std::string layout_hint(const PreprocessSpec& spec, const Shape& shape) {
  const bool nchw = spec.layout == PreprocessSpec::Layout::kNchw;
  const auto channels = channels_of(spec);
  const std::size_t axis = nchw ? shape.size() - 1 : shape.size() - 3;
  if (shape[axis].number() != channels) return {};
  return nchw ? " (set \"layout\" to \"nhwc\"?)" : " (set \"layout\" to \"nchw\"?)";
}

std::string to_text(std::span<const std::optional<std::int64_t>> dims) {
  std::string text = "[";
  for (const auto& dim : dims)
    text += (text.size() > 1 ? ", " : "") + (dim ? std::to_string(*dim) : "?");
  return text + "]";
}

}  // namespace

std::string describe(const TensorSpec& input) {
  return "input '" + input.name + "' of type " + std::string(name_of(input.dtype)) +
         (input.shape.empty() ? std::string() : " and shape " + to_string(input.shape));
}

std::vector<NamedTensor> fit_inputs(std::vector<NamedTensor> tensors, const Signature& signature) {
  std::vector<std::optional<Tensor>> values(signature.inputs.size());
  for (NamedTensor& tensor : tensors) {
    const std::size_t i = index_of(tensor.name, signature);
    if (values[i]) {
      throw Error(ErrorCode::kInvalidArgument, "two tensors for " + describe(signature.inputs[i]));
    }
    values[i] = fit(tensor.value, signature.inputs[i]);
  }
  std::vector<NamedTensor> fitted;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const TensorSpec& input = signature.inputs[i];
    if (!values[i]) throw Error(ErrorCode::kInvalidArgument, "no tensor for " + describe(input));
    fitted.push_back({.name = input.name, .value = *std::move(values[i])});
  }
  return fitted;
}

NamedTensor fit_image(const Tensor& tensor, const TensorSpec& input) {
  const bool drops_batch = input.shape.size() == 3;
  std::vector<std::int64_t> dims = tensor.dims();
  if (drops_batch) dims.erase(dims.begin());
  return {.name = input.name,
          .value = fit(drops_batch ? tensor.reshaped(std::move(dims)) : tensor, input)};
}

const TensorSpec& image_input(const Signature& signature, const PreprocessSpec& spec) {
  if (signature.inputs.size() != 1) {
    throw Error(ErrorCode::kInvalidArgument, "images feed models of one input; this one has " +
                                                 std::to_string(signature.inputs.size()) + ": " +
                                                 names_of(signature) +
                                                 ". Give tensors (.npz, .jsonl) instead");
  }
  const TensorSpec& input = signature.inputs.front();
  if (!is_convertible(spec.dtype, input.dtype)) {
    refuse("preprocessing to " + std::string(name_of(spec.dtype)) + " (its \"dtype\")", input);
  }
  if (input.shape.empty()) return input;
  const std::size_t rank = input.shape.size();
  if (rank != 3 && rank != 4) refuse("images", input);
  const auto dims = output_dims(spec);
  const std::span<const std::optional<std::int64_t>> tail = std::span(dims).last(rank);
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const auto wanted = input.shape[axis].number();
    if (wanted && tail[axis] && *wanted != *tail[axis]) {
      refuse("preprocessing to " + to_text(tail) + layout_hint(spec, input.shape), input);
    }
  }
  return input;
}

}  // namespace planish::detail
