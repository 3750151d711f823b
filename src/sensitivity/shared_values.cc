#include "sensitivity/shared_values.h"

#include "planish/base/error.h"
#include "planish/base/parallel.h"
#include "planish/graph/graph_index.h"

namespace planish::sensitivity_detail {

SampleValues inputs_of(const Sample& sample) {
  SampleValues values;
  for (const NamedTensor& input : sample.inputs) values.emplace(input.name, input.value);
  return values;
}

SampleValues run_on(Session& session, const SampleValues& values, const std::stop_token& stop) {
  std::vector<NamedTensor> inputs;
  for (const TensorSpec& input : session.signature().inputs) {
    const auto found = values.find(input.name);
    if (found == values.end()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "no value '" + input.name + "'; expected one for each input of the model");
    }
    inputs.push_back({.name = input.name, .value = found->second});
  }
  std::vector<Tensor> outputs = session.run_until(inputs, stop);
  SampleValues result;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    result.emplace(session.signature().outputs[i].name, std::move(outputs[i]));
  return result;
}

std::unique_ptr<Session> open_single(const Model& model) {
  return open_session(model, {.threads = 1});
}

bool makes_integers(const QuantizationPlan& plan, std::size_t i) {
  return plan.nodes[i].quantized && !plan.nodes[i].float_output;
}

ShownModel show_float(const Model& model, std::span<const std::string> values) {
  const GraphIndex index(model.graph);
  std::vector<std::string> outputs;
  for (const std::string& value : values) {
    if (!index.is_graph_input(value)) outputs.push_back(value);
  }
  ShownModel shown{.model = with_outputs(model, outputs)};
  for (const std::string& value : outputs) shown.shown_as.emplace(value, value);
  return shown;
}

ShownModel show_quantized(const Model& model, const QuantizationPlan& plan,
                          std::span<const std::string> values) {
  ShownModel shown{.model = apply(plan, model)};
  const GraphIndex index(model.graph);
  QuantizedValues quantized(shown.model);
  std::vector<std::string> outputs;
  for (const std::string& value : values) {
    if (index.is_graph_input(value) || shown.shown_as.contains(value)) continue;
    const auto maker = index.producer(value);
    const auto view = quantized.view(value, maker && makes_integers(plan, *maker));
    if (!view) continue;
    shown.shown_as.emplace(value, *view);
    outputs.push_back(*view);
  }
  shown.model = with_outputs(shown.model, outputs);
  return shown;
}

std::vector<SampleValues> values_of(const ShownModel& shown, std::span<const Sample> samples,
                                    std::size_t threads, const std::stop_token& stop) {
  std::vector<SampleValues> result(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) result[i] = inputs_of(samples[i]);
  if (shown.shown_as.empty()) return result;
  const auto session = open_single(shown.model);
  parallel_for(
      samples.size(), threads,
      [&](std::size_t i) {
        const SampleValues made = run_on(*session, result[i], stop);
        for (const auto& [value, name] : shown.shown_as) result[i].emplace(value, made.at(name));
      },
      stop);
  return result;
}

}  // namespace planish::sensitivity_detail
