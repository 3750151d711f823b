#include "planish/runtime/session.h"

#include <algorithm>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/parallel.h"
#include "planish/onnx/onnx.h"
#include "runtime/ort_session.h"
#include "runtime/writable.h"

namespace planish {
namespace {

[[noreturn]] void fail(const NamedTensor& input, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "input '" + input.name + "' " + what);
}

std::string names_of(std::span<const TensorSpec> specs) {
  std::string names;
  for (const TensorSpec& spec : specs) names += (names.empty() ? "'" : ", '") + spec.name + "'";
  return names.empty() ? "none" : names;
}

bool fits(const Shape& shape, std::span<const std::int64_t> dims) {
  if (shape.empty()) return true;  // a scalar or of unknown rank: ONNX Runtime knows which
  return std::equal(shape.begin(), shape.end(), dims.begin(), dims.end(),
                    [](const Dim& dim, std::int64_t found) {
                      const auto expected = dim.number();
                      return !expected || *expected == found;
                    });
}

void require_match(const TensorSpec& spec, const NamedTensor& input) {
  if (input.value.dtype() != spec.dtype) {
    fail(input, "is " + std::string(name_of(input.value.dtype())) + "; expected " +
                    std::string(name_of(spec.dtype)));
  }
  if (!fits(spec.shape, input.value.dims())) {
    fail(input,
         "has shape " + to_string(input.value.dims()) + "; expected " + to_string(spec.shape));
  }
}

}  // namespace

std::vector<Tensor> Session::run_until(std::span<const NamedTensor> inputs, std::stop_token stop) {
  throw_if_stopped(stop);
  return run(inputs);
}

void require_match(const Signature& signature, std::span<const NamedTensor> inputs) {
  const auto named = [](std::string_view name) {
    return [name](const auto& candidate) { return candidate.name == name; };
  };
  for (auto input = inputs.begin(); input != inputs.end(); ++input) {
    const auto spec =
        std::find_if(signature.inputs.begin(), signature.inputs.end(), named(input->name));
    if (spec == signature.inputs.end()) {
      fail(*input, "is unknown; the model's inputs: " + names_of(signature.inputs));
    }
    if (std::any_of(inputs.begin(), input, named(input->name))) fail(*input, "is given twice");
    require_match(*spec, *input);
  }
  for (const TensorSpec& spec : signature.inputs) {
    if (std::none_of(inputs.begin(), inputs.end(), named(spec.name))) {
      throw Error(ErrorCode::kInvalidArgument, "input '" + spec.name + "' is missing; expected " +
                                                   std::string(name_of(spec.dtype)) + " " +
                                                   to_string(spec.shape));
    }
  }
}

std::unique_ptr<Session> open_session(const std::filesystem::path& path,
                                      const SessionConfig& config) {
  return in_context(path.string(), [&] {
    // ONNX Runtime names this differently from version to version.
    if (!std::filesystem::exists(path)) throw Error(ErrorCode::kNotFound, "no such file");
    const auto env = ort_env();  // first: options need the library's API
    return std::make_unique<OrtSession>(load_into_ort(path, options_from(config)));
  });
}

std::unique_ptr<Session> open_session(const Model& model, const SessionConfig& config) {
  const auto env = ort_env();
  return std::make_unique<OrtSession>(load_into_ort(model, options_from(config)));
}

Model optimized_model(const Model& model, GraphOptimization optimization) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "optimized.onnx";
  SessionConfig config{.optimization = optimization, .optimized_model_path = path};
  // Beside the model, so that weights beyond protobuf's limit can be written too; both are mapped
  // by load_model, so they may lose their names.
  config.entries = {{"session.optimized_model_external_initializers_file_name", "optimized.data"},
                    {"session.optimized_model_external_initializers_min_size_in_bytes", "1024"}};
  const auto env = ort_env();
  const LoadedModel loaded = load_into_ort(writable(model), options_from(config));
  return load_model(path);
}

}  // namespace planish
