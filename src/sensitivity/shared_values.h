// Values of the float and of the INT8 model that the measurements of several layers start from.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "planish/dataset/dataset.h"
#include "planish/quantize/plan.h"
#include "planish/runtime/session.h"
#include "sensitivity/subgraph.h"

namespace planish::sensitivity_detail {

/// Values of one sample by name, the model's inputs among them.
using SampleValues = std::unordered_map<std::string, Tensor>;

SampleValues inputs_of(const Sample& sample);

/// What `session` gives for the inputs among `values`, by the names of its outputs.
/// @throws Error as Session::run_until, kInvalidArgument when an input is not there.
SampleValues run_on(Session& session, const SampleValues& values, const std::stop_token& stop);

/// One thread a run; layers and samples run side by side.
std::unique_ptr<Session> open_single(const Model& model);

/// Whether `plan` makes the output of node `i` in integers.
bool makes_integers(const QuantizationPlan& plan, std::size_t i);

/// A model whose values are to be seen, and the names under which they are.
struct ShownModel {
  Model model = {};
  std::unordered_map<std::string, std::string> shown_as = {};  // by name in the float model
};
/// The model's inputs are left out: values_of has them.
ShownModel show_float(const Model& model, std::span<const std::string> values);
/// Values that the quantized model does not have are left out.
ShownModel show_quantized(const Model& model, const QuantizationPlan& plan,
                          std::span<const std::string> values);

/// Runs every sample through `shown`. One result per sample: its inputs, and the values under their
/// names in the float model.
std::vector<SampleValues> values_of(const ShownModel& shown, std::span<const Sample> samples,
                                    std::size_t threads, const std::stop_token& stop);

}  // namespace planish::sensitivity_detail
