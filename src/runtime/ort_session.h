// Session on ONNX Runtime's CPU provider.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "planish/runtime/session.h"
#include "runtime/ort.h"

namespace planish {

/// A session of ONNX Runtime with what it needs to live: its environment, and the weights that it
/// reads in place.
struct LoadedModel {
  std::shared_ptr<const Ort::Env> env;
  std::vector<Tensor> weights = {};
  Ort::Session session{nullptr};
};

/// @throws Error as open_session.
LoadedModel load_into_ort(const std::filesystem::path& path, const Ort::SessionOptions& options);
LoadedModel load_into_ort(const Model& model, const Ort::SessionOptions& options);

/// @throws Error(kUnsupported) when one of them is not a tensor.
std::vector<TensorSpec> input_specs(const Ort::Session& session);
std::vector<TensorSpec> output_specs(const Ort::Session& session);

/// Runs `session` on inputs that were checked, and fetches `outputs`.
/// @throws Error as Session::run.
std::vector<Ort::Value> run_ort(Ort::Session& session, std::span<const NamedTensor> inputs,
                                std::span<const char* const> outputs,
                                const Ort::RunOptions& options);

class OrtSession : public Session {
 public:
  /// @throws Error(kUnsupported) when an input or output is not a tensor.
  explicit OrtSession(LoadedModel loaded);

  [[nodiscard]] const Signature& signature() const override { return signature_; }
  std::vector<Tensor> run(std::span<const NamedTensor> inputs) override;
  std::vector<Tensor> run_until(std::span<const NamedTensor> inputs, std::stop_token stop) override;

  /// Ends profiling and says where the profile was written.
  std::filesystem::path take_profile();

 private:
  std::vector<Tensor> run_with(std::span<const NamedTensor> inputs, const Ort::RunOptions& options);

  LoadedModel loaded_;
  Signature signature_;
  std::vector<const char*> output_names_;  // into signature_
};

}  // namespace planish
