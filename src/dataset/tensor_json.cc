#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "dataset/convert.h"
#include "planish/base/checked.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/dataset/tensor_files.h"

namespace planish {
namespace {

struct Datatype {
  std::string_view name;
  DType dtype;
};
/// Tensor data types of the Open Inference Protocol; BYTES has no use here.
constexpr std::array kDatatypes{
    Datatype{"BOOL", DType::kBool},     Datatype{"UINT8", DType::kUInt8},
    Datatype{"UINT16", DType::kUInt16}, Datatype{"UINT32", DType::kUInt32},
    Datatype{"UINT64", DType::kUInt64}, Datatype{"INT8", DType::kInt8},
    Datatype{"INT16", DType::kInt16},   Datatype{"INT32", DType::kInt32},
    Datatype{"INT64", DType::kInt64},   Datatype{"FP16", DType::kFloat16},
    Datatype{"FP32", DType::kFloat32},  Datatype{"FP64", DType::kFloat64},
    Datatype{"BF16", DType::kBFloat16},
};

/// The numbers of nested arrays in row-major order, and the shape that the nesting says.
class Numbers {
 public:
  explicit Numbers(const Json& json) {
    read_shape(json);
    read(json, 0);
  }

  [[nodiscard]] const std::vector<std::int64_t>& dims() const { return dims_; }
  [[nodiscard]] Tensor tensor(std::vector<std::int64_t> dims) const {
    if (checked_element_count(dims) != doubles_.size()) {
      throw Error(ErrorCode::kInvalidArgument, std::to_string(doubles_.size()) +
                                                   " numbers; expected as many as shape " +
                                                   to_string(dims) + " has");
    }
    return integers_.size() == doubles_.size() ? Tensor::of(std::move(dims), integers_)
                                               : Tensor::of(std::move(dims), doubles_);
  }

 private:
  void read_shape(const Json& json) {
    for (const Json* level = &json; level->is_array(); level = &level->front()) {
      dims_.push_back(static_cast<std::int64_t>(level->size()));
      if (level->empty()) break;
    }
  }

  void read(const Json& json, std::size_t depth) {
    if (!json.is_array()) return read_number(json, depth);
    if (depth >= dims_.size() || json.size() != static_cast<std::size_t>(dims_[depth]))
      refuse_ragged();
    for (const Json& item : json) read(item, depth + 1);
  }

  void read_number(const Json& json, std::size_t depth) {
    if (depth != dims_.size()) refuse_ragged();
    const bool in_range =
        !json.is_number_unsigned() ||
        json.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
    if (json.is_boolean()) {
      integers_.push_back(json.get<bool>() ? 1 : 0);
    } else if (json.is_number_integer() && in_range) {
      integers_.push_back(json.get<std::int64_t>());
    } else if (!json.is_number()) {
      throw Error(ErrorCode::kInvalidArgument,
                  std::string("found ") + json.type_name() + "; expected numbers");
    }
    doubles_.push_back(json.is_boolean() ? static_cast<double>(json.get<bool>())
                                         : json.get<double>());
  }

  [[noreturn]] static void refuse_ragged() {
    throw Error(ErrorCode::kInvalidArgument,
                "arrays of unequal length or depth; expected a full tensor");
  }

  std::vector<std::int64_t> dims_;
  std::vector<std::int64_t> integers_;  // as long as doubles_ while all numbers are integers
  std::vector<double> doubles_;
};

std::vector<std::int64_t> shape_from(const Json& object) {
  const Json shape = json_get<Json>(object, "shape");
  const bool valid =
      shape.is_array() && std::all_of(shape.begin(), shape.end(), [](const Json& dim) {
        return dim.is_number_integer() &&
               (dim.is_number_unsigned() || dim.get<std::int64_t>() >= 0);
      });
  if (!valid) throw Error(ErrorCode::kInvalidArgument, "'shape' is not an array of sizes");
  std::vector<std::int64_t> dims;
  for (const Json& dim : shape) dims.push_back(dim.get<std::int64_t>());
  return dims;
}

Tensor tensor_from(const Json& json) {
  if (!json.is_object()) {
    const Numbers numbers(json);
    return numbers.tensor(numbers.dims());
  }
  require_known_keys(json, {"shape", "data"});
  return Numbers(json_get<Json>(json, "data")).tensor(shape_from(json));
}

NamedTensor tensor_from_protocol(const Json& json) {
  const std::string name = json_get<std::string>(json, "name");
  return in_context("'" + name + "'", [&] {
    const std::string datatype = json_get<std::string>(json, "datatype");
    const auto row = std::find_if(kDatatypes.begin(), kDatatypes.end(),
                                  [&](const Datatype& d) { return d.name == datatype; });
    if (row == kDatatypes.end()) {
      throw Error(ErrorCode::kUnsupported,
                  "datatype '" + datatype + "'; expected BOOL, INT8 to UINT64 or FP16 to FP64");
    }
    const Tensor tensor = Numbers(json_get<Json>(json, "data")).tensor(shape_from(json));
    return NamedTensor{.name = name, .value = detail::convert(tensor, row->dtype)};
  });
}

/// A request has an array of objects in "inputs"; a tensor of that name has numbers.
bool is_protocol(const Json& json) {
  const auto inputs = json.find("inputs");
  return inputs != json.end() && inputs->is_array() && !inputs->empty() &&
         inputs->front().is_object();
}

}  // namespace

std::vector<NamedTensor> parse_tensor_json(std::string_view line) {
  const Json json = parse_json(line);
  if (!json.is_object()) {
    throw Error(ErrorCode::kInvalidArgument, std::string("found ") + json.type_name() +
                                                 "; expected an object of tensors by name");
  }
  std::vector<NamedTensor> tensors;
  if (is_protocol(json)) {
    for (const Json& input : json["inputs"]) tensors.push_back(tensor_from_protocol(input));
    return tensors;
  }
  for (const auto& [name, value] : json.items()) {
    const Json& tensor = value;  // structured bindings cannot be captured
    tensors.push_back(
        {.name = name, .value = in_context("'" + name + "'", [&] { return tensor_from(tensor); })});
  }
  return tensors;
}

}  // namespace planish
