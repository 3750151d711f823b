#include "import/prove.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/dataset/tensor_files.h"
#include "planish/prepare/random_inputs.h"
#include "planish/prepare/verify.h"

namespace planish::detail {
namespace {

const Tensor* find_tensor(const std::vector<NamedTensor>& tensors, const std::string& name) {
  const auto found = std::ranges::find(tensors, name, &NamedTensor::name);
  return found == tensors.end() ? nullptr : &found->value;
}

std::string names_of(const std::vector<NamedTensor>& tensors) {
  std::string names;
  for (const NamedTensor& tensor : tensors)
    names += (names.empty() ? "'" : ", '") + tensor.name + "'";
  return names.empty() ? "nothing" : names;
}

bool has_nan(const Tensor& tensor) {
  if (!row_of(tensor.dtype()).is_float || row_of(tensor.dtype()).bits < 16) return false;
  return std::ranges::any_of(tensor.to_floats(), [](float value) { return std::isnan(value); });
}

double max_abs_error(const Tensor& actual, const Tensor& expected) {
  if (actual.dims() != expected.dims() || actual.dtype() != expected.dtype() ||
      !row_of(actual.dtype()).is_float) {
    return actual == expected ? 0.0 : std::numeric_limits<double>::infinity();
  }
  const std::vector<float> a = actual.to_floats();
  const std::vector<float> e = expected.to_floats();
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != e[i]) largest = std::max(largest, std::abs(double{a[i]} - double{e[i]}));
  }
  return largest;
}

std::string kind_of(const Tensor& tensor) {
  return std::string(name_of(tensor.dtype())) + " " + to_string(tensor.dims());
}

/// Empty when shapes and types are the same.
std::string mismatch(const Tensor& actual, const Tensor& expected) {
  if (actual.dims() == expected.dims() && actual.dtype() == expected.dtype()) return {};
  return "it is " + kind_of(actual) + "; the reference is " + kind_of(expected);
}

}  // namespace

std::vector<std::vector<NamedTensor>> example_inputs(const Model& model,
                                                     const std::vector<ExampleSizes>& examples,
                                                     std::uint64_t seed) {
  std::vector<std::vector<NamedTensor>> all;
  for (const ExampleSizes& example : examples) {
    Signature closed;
    for (std::size_t i = 0; i < model.graph.inputs.size(); ++i) {
      const ValueInfo& input = model.graph.inputs[i];
      closed.inputs.push_back({input.name, input.type.tensor()->dtype,
                               Shape(example.inputs.at(i).begin(), example.inputs.at(i).end())});
    }
    auto inputs = random_inputs(closed, OpenDims{}, IntegerFill::kZeroOrOne, seed);
    if (!inputs) throw Error(ErrorCode::kUnsupported, "an input has a type that is not drawn");
    all.push_back(std::move(*inputs));
  }
  return all;
}

std::vector<TriedSizes> prove_sizes(Session& session, const std::vector<ExampleSizes>& examples,
                                    const std::vector<std::vector<NamedTensor>>& inputs,
                                    std::vector<std::string>& notes) {
  std::vector<TriedSizes> tried;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    in_context("with " + examples[i].what, [&] {
      const std::vector<Tensor> outputs = session.run(inputs[i]);
      for (std::size_t k = 0; k < outputs.size(); ++k) {
        const std::string& name = session.signature().outputs.at(k).name;
        const auto& expected = examples[i].outputs.at(k);
        if (expected && outputs[k].dims() != *expected) {
          throw Error(ErrorCode::kUnsupported,
                      "output '" + name + "' has shape " + to_string(outputs[k].dims()) +
                          "; the program declares " + to_string(*expected));
        }
        if (i == 0 && has_nan(outputs[k]))
          notes.push_back("output '" + name + "' is NaN for random inputs");
      }
    });
    tried.push_back({examples[i].what, examples[i].inputs});
  }
  return tried;
}

std::vector<ReferenceOutput> compare_with_reference(Session& session,
                                                    const std::filesystem::path& npz) {
  return in_context(npz.string(), [&] {
    const std::string bytes = read_file(npz);
    const std::vector<NamedTensor> arrays = parse_npz(std::as_bytes(std::span(bytes)));
    std::vector<NamedTensor> inputs;
    for (const TensorSpec& spec : session.signature().inputs) {
      const Tensor* const value = find_tensor(arrays, spec.name);
      if (value == nullptr) {
        throw Error(ErrorCode::kInvalidArgument, "found arrays " + names_of(arrays) +
                                                     "; expected the input '" + spec.name +
                                                     "' among them");
      }
      inputs.push_back({spec.name, *value});
    }
    const std::vector<Tensor> outputs = session.run(inputs);
    std::vector<ReferenceOutput> compared;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const std::string& name = session.signature().outputs[i].name;
      const Tensor* const expected = find_tensor(arrays, name);
      if (expected == nullptr) continue;
      compared.push_back({npz.string(), name, max_abs_error(outputs[i], *expected),
                          relative_error(outputs[i], *expected), mismatch(outputs[i], *expected)});
    }
    if (compared.empty()) {
      throw Error(ErrorCode::kInvalidArgument, "found arrays " + names_of(arrays) +
                                                   "; expected an output of the model too, as '" +
                                                   session.signature().outputs.front().name + "'");
    }
    return compared;
  });
}

}  // namespace planish::detail
