#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

#include "planish/base/checked.h"
#include "planish/base/error.h"
#include "planish/serve/datatypes.h"
#include "serve/protocol.h"
#include "serve/tensor_reading.h"

namespace planish::serve {
namespace {

namespace od = simdjson::ondemand;

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxRank = 16;
constexpr std::size_t kMaxTensors = 256;

static_assert(kBodyPadding >= simdjson::SIMDJSON_PADDING);

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::kInvalidArgument, text);
}

/// The value of a simdjson result, or an error that says what was expected.
template <typename T>
T expect(simdjson::simdjson_result<T> result, std::string_view what) {
  T value;
  if (const auto failure = std::move(result).get(value)) {
    refuse("expected " + std::string(what) + ": " + simdjson::error_message(failure));
  }
  return value;
}

/// A member that may be absent. (The lookup goes on behind the last one found and wraps around, so
/// members may come in any order.)
std::optional<od::value> find(od::object& object, std::string_view key) {
  od::value value;
  const auto failure = object.find_field_unordered(key).get(value);
  if (failure == simdjson::NO_SUCH_FIELD) return std::nullopt;
  if (failure) refuse("'" + std::string(key) + "': " + simdjson::error_message(failure));
  return value;
}

std::string text_member(od::object& object, std::string_view key) {
  const auto value = find(object, key);
  if (!value) refuse("'" + std::string(key) + "' is missing; expected a string");
  od::value copy = *value;
  return std::string(expect(copy.get_string(), "'" + std::string(key) + "' as a string"));
}

std::optional<std::int64_t> int_parameter(od::object& parameters, std::string_view key) {
  auto value = find(parameters, key);
  if (!value) return std::nullopt;
  return expect(value->get_int64(), "'" + std::string(key) + "' as an integer");
}

std::optional<bool> bool_parameter(od::object& parameters, std::string_view key) {
  auto value = find(parameters, key);
  if (!value) return std::nullopt;
  return expect(value->get_bool(), "'" + std::string(key) + "' as true or false");
}

std::vector<std::int64_t> shape_member(od::object& input) {
  auto value = find(input, "shape");
  if (!value) refuse("'shape' is missing; expected a list of dimensions");
  std::vector<std::int64_t> dims;
  for (auto dim : expect(value->get_array(), "'shape' as a list")) {
    dims.push_back(expect(dim.get_int64(), "a dimension of 'shape' as an integer"));
    if (dims.back() < 0) refuse("'shape' has a negative dimension");
    if (dims.size() > kMaxRank) refuse("'shape' has more than 16 dimensions");
  }
  return dims;
}

/// The elements of 'data', nested or flat, row by row; at most `count`.
template <typename T, typename Read>
class ElementReader {
 public:
  ElementReader(std::size_t count, Read read) : count_(count), read_(read) {
    elements_.reserve(std::min<std::size_t>(count, 1 << 20));
  }
  void array(od::array values, std::size_t depth = 1) {
    if (depth > kMaxDepth) refuse("'data' nests deeper than 32 levels");
    for (auto item : values) {
      od::value value = expect(std::move(item), "an element of 'data'");
      od::json_type type{};
      if (const auto failure = value.type().get(type))
        refuse(std::string("'data': ") + simdjson::error_message(failure));
      if (type == od::json_type::array) {
        array(expect(value.get_array(), "a list"), depth + 1);
        continue;
      }
      if (elements_.size() == count_)
        refuse("'data' has more than the " + std::to_string(count_) + " elements of 'shape'");
      elements_.push_back(read_(value));
    }
  }
  std::vector<T> take() {
    if (elements_.size() != count_) {
      refuse("'data' has " + std::to_string(elements_.size()) + " elements; 'shape' says " +
             std::to_string(count_));
    }
    return std::move(elements_);
  }

 private:
  std::size_t count_;
  Read read_;
  std::vector<T> elements_;
};

template <typename T, typename Read>
std::vector<T> read_elements(od::value& data, std::size_t count, Read read) {
  ElementReader<T, Read> reader(count, read);
  reader.array(expect(data.get_array(), "'data' as a list"));
  return reader.take();
}

template <typename T>
T read_number(od::value& value) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(expect(value.get_double(), "a number"));
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    return expect(value.get_uint64(), "an integer of 0 or more");
  } else {
    const std::int64_t number = expect(value.get_int64(), "an integer");
    if (!std::in_range<T>(number))
      refuse("element " + std::to_string(number) + " is out of the range of its datatype");
    return static_cast<T>(number);
  }
}

template <typename T>
Tensor numbers(od::value& data, std::vector<std::int64_t> dims, std::size_t count) {
  return Tensor::of(std::move(dims), read_elements<T>(data, count, read_number<T>));
}

Tensor tensor_from_json(od::value& data, DType dtype, std::vector<std::int64_t> dims,
                        std::size_t count) {
  switch (dtype) {
    case DType::kFloat32:
      return numbers<float>(data, std::move(dims), count);
    case DType::kFloat64:
      return numbers<double>(data, std::move(dims), count);
    case DType::kUInt8:
      return numbers<std::uint8_t>(data, std::move(dims), count);
    case DType::kUInt16:
      return numbers<std::uint16_t>(data, std::move(dims), count);
    case DType::kUInt32:
      return numbers<std::uint32_t>(data, std::move(dims), count);
    case DType::kUInt64:
      return numbers<std::uint64_t>(data, std::move(dims), count);
    case DType::kInt8:
      return numbers<std::int8_t>(data, std::move(dims), count);
    case DType::kInt16:
      return numbers<std::int16_t>(data, std::move(dims), count);
    case DType::kInt32:
      return numbers<std::int32_t>(data, std::move(dims), count);
    case DType::kInt64:
      return numbers<std::int64_t>(data, std::move(dims), count);
    case DType::kBool: {
      const auto bits = read_elements<std::uint8_t>(data, count, [](od::value& value) {
        return static_cast<std::uint8_t>(expect(value.get_bool(), "true or false"));
      });
      const auto bytes = std::as_bytes(std::span(bits));
      return {DType::kBool, std::move(dims), std::vector<std::byte>(bytes.begin(), bytes.end())};
    }
    case DType::kString:
      return Tensor::of_strings(std::move(dims),
                                read_elements<std::string>(data, count, [](od::value& value) {
                                  return std::string(expect(value.get_string(), "a string"));
                                }));
    default:
      refuse("datatype " + std::string(datatype_of(dtype)) +
             " has no JSON form; send it as binary data");
  }
}

/// Where binary tensors are taken from, in the order in which the JSON names them.
class BinaryTail {
 public:
  explicit BinaryTail(std::string_view bytes) : bytes_(bytes) {}
  std::string_view take(std::int64_t size) {
    if (size < 0 || static_cast<std::uint64_t>(size) > bytes_.size()) {
      refuse("'binary_data_size' is " + std::to_string(size) + "; " +
             std::to_string(bytes_.size()) + " bytes of the body are left");
    }
    const std::string_view taken = bytes_.substr(0, static_cast<std::size_t>(size));
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  void require_end() const {
    if (!bytes_.empty())
      refuse("unexpected additional input data: " + std::to_string(bytes_.size()) + " bytes");
  }

 private:
  std::string_view bytes_;
};

NamedTensor read_input(od::object& input, BinaryTail& tail, const Body& body,
                       const InferContext& context, std::vector<std::string>& images) {
  const std::string name = text_member(input, "name");
  return in_context("input '" + name + "'", [&] {
    const TensorSpec& spec = input_spec(name, context.signature);
    const std::string datatype = text_member(input, "datatype");
    const auto dtype = dtype_from_datatype(datatype);
    if (!dtype) refuse("unknown datatype '" + datatype + "'");
    std::vector<std::int64_t> dims = shape_member(input);
    const std::size_t count = counted_elements(dims, context);
    std::optional<std::int64_t> binary;
    if (auto parameters = find(input, "parameters")) {
      od::object object = expect(parameters->get_object(), "'parameters' as an object");
      binary = int_parameter(object, "binary_data_size");
    }
    auto data = find(input, "data");
    if (binary && data) refuse("has both 'data' and 'binary_data_size'; expected one of them");
    if (!binary && !data) refuse("has neither 'data' nor 'binary_data_size'");
    Tensor tensor =
        binary ? tensor_from_binary(body, tail.take(*binary), *dtype, std::move(dims), count)
               : tensor_from_json(*data, *dtype, std::move(dims), count);
    return NamedTensor{name, fitted(std::move(tensor), spec, context, images)};
  });
}

OutputRequest read_output(od::object& output, const Signature& signature) {
  OutputRequest request;
  request.name = text_member(output, "name");
  if (std::ranges::find(signature.outputs, request.name, &TensorSpec::name) ==
      signature.outputs.end())
    refuse("unexpected inference output '" + request.name + "'");
  if (auto parameters = find(output, "parameters")) {
    od::object object = expect(parameters->get_object(), "'parameters' as an object");
    request.binary = bool_parameter(object, "binary_data");
    if (const auto classes = int_parameter(object, "classification")) {
      if (*classes < 1)
        refuse("'classification' is " + std::to_string(*classes) + "; expected 1 or more");
      request.classes = static_cast<std::size_t>(*classes);
    }
  }
  return request;
}

void read_parameters(od::object& parameters, InferRequest& request) {
  request.binary_outputs = bool_parameter(parameters, "binary_data_output").value_or(false);
  if (const auto timeout = int_parameter(parameters, "timeout"); timeout && *timeout > 0)
    request.timeout = std::chrono::microseconds(*timeout);
}

/// The parser reads what it is asked for and would not see what follows behind the object.
void require_one_object(od::object& root, std::string_view text) {
  const std::string_view object = expect(root.raw_json(), "a JSON object");
  const auto end = static_cast<std::size_t>(object.data() + object.size() - text.data());
  if (text.find_first_not_of(" \t\r\n", end) != text.npos)
    refuse("not valid JSON: more follows behind the object");
}

InferRequest read_document(od::document& document, std::string_view text, BinaryTail& tail,
                           const Body& body, const InferContext& context) {
  InferRequest request;
  od::object root = expect(document.get_object(), "a JSON object");
  require_one_object(root, text);
  if (auto id = find(root, "id")) request.id = expect(id->get_string(), "'id' as a string");
  if (auto parameters = find(root, "parameters")) {
    od::object object = expect(parameters->get_object(), "'parameters' as an object");
    read_parameters(object, request);
  }
  if (auto outputs = find(root, "outputs")) {
    for (auto item : expect(outputs->get_array(), "'outputs' as a list")) {
      od::object output = expect(item.get_object(), "an output as an object");
      request.outputs.push_back(read_output(output, context.signature));
      if (request.outputs.size() > kMaxTensors) refuse("more than 256 outputs");
    }
  }
  auto inputs = find(root, "inputs");
  if (!inputs) refuse("'inputs' is missing; expected a list of tensors");
  std::set<std::string> names;
  for (auto item : expect(inputs->get_array(), "'inputs' as a list")) {
    od::object input = expect(item.get_object(), "an input as an object");
    request.inputs.push_back(read_input(input, tail, body, context, request.images));
    if (!names.insert(request.inputs.back().name).second)
      refuse("input '" + request.inputs.back().name + "' is given twice");
  }
  tail.require_end();
  return request;
}

/// The whole body is the one input of the model; its one variable dimension follows from the size.
InferRequest read_raw(const Body& body, const InferContext& context) {
  if (context.signature.inputs.size() != 1) {
    refuse("a raw request (" + std::string("Inference-Header-Content-Length: 0") +
           ") needs a model of one input; it has " +
           std::to_string(context.signature.inputs.size()));
  }
  const TensorSpec& spec = context.signature.inputs.front();
  InferRequest request;
  request.binary_outputs = true;
  if (spec.dtype == DType::kString || takes_images(spec, context)) {
    Tensor one = Tensor::of_strings({1}, {*body});
    request.inputs.push_back({spec.name, fitted(std::move(one), spec, context, request.images)});
    return request;
  }
  std::vector<std::int64_t> dims;
  std::optional<std::size_t> variable;
  for (const Dim& dim : spec.shape) {
    if (!dim.number() && !dims.empty()) {
      if (variable) refuse("a raw request needs a shape with one variable dimension at the most");
      variable = dims.size();
    }
    // The batch of a raw request is 1.
    dims.push_back(dim.number().value_or(1));
  }
  if (variable) {
    const std::size_t step = byte_count(spec.dtype, checked_element_count(dims));
    dims[*variable] = static_cast<std::int64_t>(step == 0 ? 0 : body->size() / step);
  }
  const std::size_t count = checked_element_count(dims);
  request.inputs.push_back(
      {spec.name, tensor_from_binary(body, *body, spec.dtype, std::move(dims), count)});
  return request;
}

}  // namespace

Body make_body(std::string bytes) {
  bytes.reserve(bytes.size() + kBodyPadding);
  return std::make_shared<const std::string>(std::move(bytes));
}

InferRequest parse_infer_request(const Body& body, std::optional<std::size_t> json_bytes,
                                 const InferContext& context) {
  const std::size_t length = json_bytes.value_or(body->size());
  if (length > body->size()) {
    refuse("Inference-Header-Content-Length is " + std::to_string(length) + "; the body has " +
           std::to_string(body->size()) + " bytes");
  }
  InferRequest request;
  if (json_bytes == std::size_t{0}) {
    request = read_raw(body, context);
  } else {
    // A parser keeps buffers of the size of the largest document; one a thread.
    thread_local od::parser parser;
    const simdjson::padded_string_view text(body->data(), length, body->capacity());
    od::document document;
    if (const auto failure = parser.iterate(text).get(document))
      refuse(std::string("not valid JSON: ") + simdjson::error_message(failure));
    BinaryTail tail(std::string_view(*body).substr(length));
    request =
        read_document(document, std::string_view(*body).substr(0, length), tail, body, context);
  }
  require_match(context.signature, request.inputs);
  return request;
}

}  // namespace planish::serve
