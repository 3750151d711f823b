#include "runtime/ort_session.h"

#include <cstdint>
#include <string>
#include <utility>

#include "planish/base/file.h"
#include "planish/base/parallel.h"
#include "planish/onnx/onnx.h"
#include "runtime/ort_tensor.h"

namespace planish {
namespace {

// Smaller ones go into the message: shape inference reads them there.
constexpr std::uint64_t kMinBorrowedBytes = 1024;

// Weights given by AddExternalInitializers are used where they lie; without it they are copied.
// Libraries that do not know the key copy.
constexpr const char* kUseInPlace = "session.use_external_initializer_file_buffers_directly";

}  // namespace

LoadedModel load_into_ort(const std::filesystem::path& path, const Ort::SessionOptions& options) {
  return translating(OrtPhase::kLoad, [&] {
    LoadedModel loaded{.env = ort_env()};
    loaded.session = Ort::Session(*loaded.env, path.c_str(), options);
    return loaded;
  });
}

LoadedModel load_into_ort(const Model& model, const Ort::SessionOptions& options) {
  const DetachedModel detached = serialize_detached(model, kMinBorrowedBytes);
  return translating(OrtPhase::kLoad, [&] {
    LoadedModel loaded{.env = ort_env()};
    std::vector<std::string> names;
    std::vector<Ort::Value> values;
    for (const Initializer* weight : detached.weights) {
      loaded.weights.push_back(weight->value);
      names.push_back(weight->name);
      values.push_back(view_as_ort_value(weight->value));
    }
    Ort::SessionOptions with_weights = options.Clone();
    if (!names.empty()) {
      with_weights.AddExternalInitializers(names, values);
      with_weights.AddConfigEntry(kUseInPlace, "1");
    }
    loaded.session =
        Ort::Session(*loaded.env, detached.message.data(), detached.message.size(), with_weights);
    return loaded;
  });
}

std::vector<TensorSpec> input_specs(const Ort::Session& session) {
  return translating(OrtPhase::kLoad, [&] {
    const Ort::AllocatorWithDefaultOptions allocator;
    std::vector<TensorSpec> specs;
    for (std::size_t i = 0; i < session.GetInputCount(); ++i) {
      const auto name = session.GetInputNameAllocated(i, allocator);
      specs.push_back(spec_from(name.get(), session.GetInputTypeInfo(i)));
    }
    return specs;
  });
}

std::vector<TensorSpec> output_specs(const Ort::Session& session) {
  return translating(OrtPhase::kLoad, [&] {
    const Ort::AllocatorWithDefaultOptions allocator;
    std::vector<TensorSpec> specs;
    for (std::size_t i = 0; i < session.GetOutputCount(); ++i) {
      const auto name = session.GetOutputNameAllocated(i, allocator);
      specs.push_back(spec_from(name.get(), session.GetOutputTypeInfo(i)));
    }
    return specs;
  });
}

std::vector<Ort::Value> run_ort(Ort::Session& session, std::span<const NamedTensor> inputs,
                                std::span<const char* const> outputs,
                                const Ort::RunOptions& options) {
  return translating(OrtPhase::kRun, [&] {
    std::vector<const char*> names;
    std::vector<Ort::Value> values;
    names.reserve(inputs.size());
    values.reserve(inputs.size());
    for (const NamedTensor& input : inputs) {
      names.push_back(input.name.c_str());
      values.push_back(view_as_ort_value(input.value));
    }
    return session.Run(options, names.data(), values.data(), values.size(), outputs.data(),
                       outputs.size());
  });
}

OrtSession::OrtSession(LoadedModel loaded) : loaded_(std::move(loaded)) {
  signature_.inputs = input_specs(loaded_.session);
  signature_.outputs = output_specs(loaded_.session);
  for (const TensorSpec& output : signature_.outputs) output_names_.push_back(output.name.c_str());
}

std::vector<Tensor> OrtSession::run(std::span<const NamedTensor> inputs) {
  return run_with(inputs, Ort::RunOptions{nullptr});
}

std::vector<Tensor> OrtSession::run_until(std::span<const NamedTensor> inputs,
                                          std::stop_token stop) {
  throw_if_stopped(stop);
  Ort::RunOptions options;
  const std::stop_callback terminate(stop, [&] { options.SetTerminate(); });
  try {
    return run_with(inputs, options);
  } catch (const Error&) {
    throw_if_stopped(stop);
    throw;
  }
}

std::vector<Tensor> OrtSession::run_with(std::span<const NamedTensor> inputs,
                                         const Ort::RunOptions& options) {
  require_match(signature_, inputs);
  std::vector<Ort::Value> outputs = run_ort(loaded_.session, inputs, output_names_, options);
  return translating(OrtPhase::kRun, [&] {
    std::vector<Tensor> tensors;
    tensors.reserve(outputs.size());
    for (Ort::Value& output : outputs) tensors.push_back(tensor_from(std::move(output), inputs));
    return tensors;
  });
}

std::filesystem::path OrtSession::take_profile() {
  return translating(OrtPhase::kRun, [&] {
    Ort::AllocatorWithDefaultOptions allocator;
    return std::filesystem::path(loaded_.session.EndProfilingAllocated(allocator).get());
  });
}

}  // namespace planish
