#include "planish/runtime/observed_session.h"

#include <string>
#include <utility>

#include "planish/base/file.h"
#include "planish/onnx/onnx.h"
#include "runtime/observe_op.h"
#include "runtime/observed_graph.h"
#include "runtime/ort_session.h"
#include "runtime/own_weights.h"
#include "runtime/writable.h"

namespace planish {
namespace {

Ort::SessionOptions observing_options(const SessionConfig& config) {
  Ort::SessionOptions options = options_from(config);
  translating(OrtPhase::kLoad, [&] {
    Ort::ThrowOnError(
        Ort::GetApi().AddCustomOpDomain(options, const_cast<OrtCustomOpDomain*>(observe_domain())));
  });
  return options;
}

// What ONNX Runtime makes of `model`, written to `folder` and read back.
Model optimized_for_observers(const Model& model, const SessionConfig& config,
                              const std::filesystem::path& folder) {
  const auto path = folder / "optimized.onnx";
  SessionConfig writing = config;
  writing.optimized_model_path = path;
  writing.entries.insert(
      writing.entries.end(),
      {{"session.optimized_model_external_initializers_file_name", "optimized.data"},
       {"session.optimized_model_external_initializers_min_size_in_bytes", "1024"},
       {"session.disable_prepacking", "1"}});  // this session never runs
  load_into_ort(writable(model), observing_options(writing));
  return load_model(path);
}

// Optimizes first and lets the observers read the memory layout that comes of it, so that they do
// not cost a layout change each.
LoadedModel load_with_own_layouts(const Model& observed, const SessionConfig& config) {
  const TemporaryFolder folder;
  Model optimized = optimized_for_observers(observed, config, folder.path());
  own_weights(optimized, observed);
  observe_blocked_layouts(optimized.graph);
  SessionConfig as_it_stands = config;
  as_it_stands.optimization = GraphOptimization::kNone;
  return load_into_ort(optimized, observing_options(as_it_stands));
}

LoadedModel load_observed(const Model& observed, const SessionConfig& config, ElementOrder order) {
  if (order == ElementOrder::kAny && config.optimization == GraphOptimization::kAll) {
    try {
      return load_with_own_layouts(observed, config);
    } catch (const Error&) {
      // Not every fused node can be written and read. Slower then, and the same values.
    }
  }
  return load_into_ort(observed, observing_options(config));
}

class OrtObservedSession : public ObservedSession {
 public:
  explicit OrtObservedSession(LoadedModel loaded) : loaded_(std::move(loaded)) {
    signature_.inputs = input_specs(loaded_.session);
    const Ort::AllocatorWithDefaultOptions allocator;
    const std::size_t last = loaded_.session.GetOutputCount() - 1;
    fetched_ = loaded_.session.GetOutputNameAllocated(last, allocator).get();
  }

  [[nodiscard]] const Signature& signature() const override { return signature_; }

  using ObservedSession::run;
  void run(std::span<const NamedTensor> inputs, const DimsObserver& observe) override {
    require_match(signature_, inputs);
    ObservedRun run(observe);
    try {
      // ONNX Runtime wants one output to be fetched, and computes all of them.
      const char* const fetched = fetched_.c_str();
      run_ort(loaded_.session, inputs, std::span(&fetched, 1), Ort::RunOptions{nullptr});
    } catch (const Error&) {
      run.rethrow_failure();
      throw;
    }
  }

 private:
  LoadedModel loaded_;
  Signature signature_;
  std::string fetched_;
};

}  // namespace

std::unique_ptr<ObservedSession> open_observed_session(const Model& model,
                                                       std::span<const std::string> values,
                                                       const SessionConfig& config,
                                                       ElementOrder order) {
  const auto env = ort_env();
  return std::make_unique<OrtObservedSession>(
      load_observed(with_observers(model, values), config, order));
}

}  // namespace planish
