#include "import/prove.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/dataset/tensor_files.h"
#include "planish/host/host.h"
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

Examples examples_of(const Model& model, std::vector<ExampleSizes> sizes, std::uint64_t seed) {
  Examples examples;
  for (const ExampleSizes& example : sizes) {
    Signature closed;
    for (std::size_t i = 0; i < model.graph.inputs.size(); ++i) {
      const ValueInfo& input = model.graph.inputs[i];
      closed.inputs.push_back({input.name, input.type.tensor()->dtype,
                               Shape(example.inputs.at(i).begin(), example.inputs.at(i).end())});
    }
    auto inputs = random_inputs(closed, OpenDims{}, IntegerFill::kZeroOrOne, seed);
    if (!inputs) throw Error(ErrorCode::kUnsupported, "an input has a type that is not drawn");
    examples.inputs.push_back(std::move(*inputs));
  }
  examples.sizes = std::move(sizes);
  return examples;
}

std::unique_ptr<Session> open_for_proof(const Model& model, const ImportConfig& config) {
  return open_session(model,
                      SessionConfig{.threads = static_cast<int>(threads_or_usable(config.threads)),
                                    .optimization = GraphOptimization::kNone,
                                    .memory_pattern = false,
                                    .entries = {{"session.disable_prepacking", "1"}}});
}

Proof prove(const Model& model, const Examples& examples, const ImportConfig& config) {
  const auto session = open_for_proof(model, config);
  Proof proof{session->signature(), {}};
  for (std::size_t i = 0; i < examples.inputs.size(); ++i) {
    in_context("with " + examples.sizes[i].what, [&] {
      proof.answers.push_back(session->run_until(examples.inputs[i], config.stop));
    });
  }
  return proof;
}

std::vector<TriedSizes> check_sizes(const Proof& proof, const Examples& examples,
                                    std::vector<std::string>& notes) {
  std::vector<TriedSizes> tried;
  for (std::size_t i = 0; i < examples.sizes.size(); ++i) {
    const ExampleSizes& example = examples.sizes[i];
    in_context("with " + example.what, [&] {
      for (std::size_t k = 0; k < proof.answers[i].size(); ++k) {
        const Tensor& output = proof.answers[i][k];
        const std::string& name = proof.signature.outputs.at(k).name;
        const auto& expected = example.outputs.at(k);
        if (expected && output.dims() != *expected) {
          throw Error(ErrorCode::kUnsupported,
                      "output '" + name + "' has shape " + to_string(output.dims()) +
                          "; the program declares " + to_string(*expected));
        }
        if (i == 0 && has_nan(output))
          notes.push_back("output '" + name + "' is NaN for random inputs");
      }
    });
    tried.push_back({example.what, example.inputs});
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
