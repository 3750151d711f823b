#include "random_models/claims.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <sstream>
#include <utility>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"
#include "planish/onnx/onnx.h"
#include "planish/quantize/plan.h"
#include "random_models/error_bound.h"

namespace planish::test {
namespace {

struct Level {
  GraphOptimization optimization = GraphOptimization::kNone;
  const char* name = "";
};
constexpr std::array kLevels{
    Level{GraphOptimization::kNone, "none"}, Level{GraphOptimization::kBasic, "basic"},
    Level{GraphOptimization::kExtended, "extended"}, Level{GraphOptimization::kAll, "all"}};

/// A claim that does not hold; caught by check_claims().
struct Broken {
  std::string text = {};
};

void require(bool holds, const std::string& otherwise) {
  if (!holds) throw Broken{otherwise};
}

/// `model` with all its float values as outputs.
Model with_all_values(const Model& model) {
  Model shown = model;
  shown.graph.outputs.clear();
  for (const Node& node : model.graph.nodes) {
    for (const std::string& output : node.outputs) shown.graph.outputs.push_back({.name = output});
  }
  return shown;
}

/// Only the ranges that planish asks for, so that asking for too few shows.
CalibrationTable asked_for(const CalibrationTable& all, const Model& model,
                           const QuantizationConfig& config) {
  CalibrationTable table;
  for (const std::string& name : calibration_targets(model, config)) {
    const auto found = all.ranges.find(name);
    require(found != all.ranges.end(), "asks for a range of '" + name + "', which is no value");
    table.ranges.insert(*found);
  }
  return table;
}

void require_same_signature(const Model& before, const Model& after) {
  require(before.graph.inputs == after.graph.inputs, "the inputs are not the same");
  require(before.graph.outputs == after.graph.outputs, "the outputs are not the same");
}

bool multiplies_activations(const Model& model, const QuantizationPlan& plan) {
  const GraphIndex index(model.graph);
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    const Node& node = model.graph.nodes[i];
    if (plan.nodes[i].quantized && node.op_type == "MatMul" &&
        index.constant(node.input(1)) == nullptr)
      return true;
  }
  return false;
}

/// Whether 16-bit sums of two products fit. Kernels of AVX2 without VNNI add pairs in 16 bits when
/// weights are signed (https://github.com/microsoft/onnxruntime, mlas QgemmU8S8).
bool cannot_saturate(const Model& model, const QuantizationPlan& plan, double largest_activation) {
  constexpr double kMost = 127.0;  // 2 * 127 * 128 < 2^15
  const QuantizationConfig& config = plan.config;
  if (largest_activation <= kMost) return true;
  if (config.activation == DType::kInt8 && multiplies_activations(model, plan)) return false;
  // Convolutions with a scale per channel have signed weights whatever was asked for.
  const bool signed_weights = std::ranges::any_of(plan.tensors, [](const TensorPlan& tensor) {
    return tensor.role == TensorRole::kWeight && tensor.dtype == DType::kInt8;
  });
  return config.reduce_range || !signed_weights;
}

bool is_bias(const Node& node, std::size_t input) {
  return input == 2 && (node.op_type == "Conv" || node.op_type == "Gemm");
}

/// Whether the peer quantizes the bias of `node` wrongly: one that others read too, one of a Gemm
/// that scales or broadcasts it, one that int32 does not hold beside the products.
bool has_broken_bias(const Model& model, const QuantizationPlan& plan, std::size_t i) {
  const GraphIndex index(model.graph);
  const Node& node = model.graph.nodes[i];
  const Initializer* bias = index.constant(node.input(2));
  if (!is_bias(node, 2) || bias == nullptr || !plan.nodes[i].quantized) return false;
  if (index.uses(bias->name).size() > 1 || bias->value.rank() > 1) return true;
  if (node.float_attribute("alpha", 1.0F) != 1.0F || node.float_attribute("beta", 1.0F) != 1.0F)
    return true;
  const auto values = bias->value.values<float>();
  for (const BiasPlan& planned : plan.biases) {
    if (planned.node != i) continue;
    for (std::size_t k = 0; k < values.size(); ++k) {
      const float step = planned.scales[planned.scales.size() == 1 ? 0 : k];
      if (std::abs(values[k]) > 0x1p30F * step) return true;
    }
  }
  return false;
}

/// What profile onnxruntime-1.32 writes as the peer does, wrong as it is (docs/quantization.md).
bool is_broken_by_the_peer(const Model& model, const QuantizationPlan& plan) {
  if (plan.config.profile == QuantizationProfile::kBest) return false;
  const GraphIndex index(model.graph);
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) {
    const Node& node = model.graph.nodes[i];
    const Initializer* weight = index.constant(node.input(1));
    const bool has_scales_along_rows = node.op_type == "MatMul" && weight != nullptr &&
                                       weight->value.rank() != 2 &&
                                       plan.config.weights == Granularity::kPerChannel;
    if (has_scales_along_rows || has_broken_bias(model, plan, i)) return true;
  }
  return false;
}

/// Whether kernels of fused operators compute what Q/DQ pairs say. ONNX Runtime 1.32 makes products
/// of 16-bit activations and 8-bit weights into MatMulNBits, which takes the activations to 8 bits.
bool computes_in_other_integers(const QuantizationPlan& plan, GraphOptimization level) {
  const bool is_wide =
      plan.config.activation == DType::kUInt16 || plan.config.activation == DType::kInt16;
  return is_wide && level != GraphOptimization::kNone && level != GraphOptimization::kBasic;
}

std::string describe(const std::string& output, std::size_t element, double found, double bound) {
  std::ostringstream text;
  text << "output '" << output << "', element " << element << ": off by " << found << "; at most "
       << bound << " is allowed";
  return text.str();
}

class Checker {
 public:
  Checker(const RandomModel& random, const QuantizationCase& quantization)
      : random_(random), case_(quantization) {}

  Claims run() {
    try {
      check();
    } catch (const Broken& broken) {
      claims_.broken = broken.text;
    } catch (const Error& error) {
      claims_.broken = std::string(stage_) + ": " + error.what();
    }
    return claims_;
  }

 private:
  void check() {
    stage_ = "calibrating";
    const CalibrationTable table =
        asked_for(ranges_of_samples(random_, case_.headroom), random_.model, case_.config);
    stage_ = "planning";
    const QuantizationPlan plan = plan_quantization(random_.model, table, case_.config);
    require(plan == plan_quantization(random_.model, table, case_.config),
            "two plans of one model differ");
    stage_ = "applying";
    const Model quantized = apply(plan, random_.model);
    claims_.quantized = quantized;
    require(quantized == apply(plan, random_.model), "a plan applied twice gives two models");
    require(parse_model(serialize_model(quantized)) == quantized,
            "what is written is not what is read");
    require_same_signature(random_.model, quantized);
    if (is_broken_by_the_peer(random_.model, plan)) return;
    stage_ = "bounding";
    std::vector<Bounds> bounds;
    for (const auto& sample : random_.samples) {
      bounds.push_back(bounds_of(random_.model, plan, sample));
    }
    std::vector<std::vector<Tensor>> plain;  // answers of the first level
    for (const Level& level : kLevels) {
      stage_ = level.name;
      const auto session =
          open_session(quantized, {.optimization = level.optimization, .memory_pattern = false});
      for (std::size_t s = 0; s < random_.samples.size(); ++s) {
        const std::vector<Tensor> answers = session->run(random_.samples[s]);
        if (plain.size() == s) plain.push_back(answers);
        check_answers(plan, bounds[s], answers, plain[s], level);
      }
    }
  }

  void check_answers(const QuantizationPlan& plan, const Bounds& bounds,
                     const std::vector<Tensor>& answers, const std::vector<Tensor>& plain,
                     const Level& level) {
    const bool exact = cannot_saturate(random_.model, plan, bounds.largest_activation) &&
                       !computes_in_other_integers(plan, level.optimization);
    // Q/DQ pairs that are not fused compute in floats.
    const bool in_floats = plan.config.mode == QuantizationMode::kStatic &&
                           plan.config.format == QuantizationFormat::kQdq &&
                           level.optimization == GraphOptimization::kNone;
    claims_.compared = claims_.compared || exact;
    for (std::size_t k = 0; k < answers.size(); ++k) {
      const OutputBound& bound = bounds.outputs[k];
      require(answers[k].dims() == bound.value.dims(),
              "output '" + bound.name + "' has another shape at level " + level.name);
      const auto found = answers[k].values<float>();
      const auto expected = bound.value.values<float>();
      const auto first = plain[k].values<float>();
      for (std::size_t i = 0; i < found.size(); ++i) {
        require(std::isfinite(found[i]), "output '" + bound.name + "' is not finite");
        if (exact || in_floats) {
          compare(found[i], expected[i], bound.error.values<float>()[i], claims_.largest_error,
                  [&](double off, double most) {
                    return std::string("not as near to the float model, level ") + level.name +
                           ": " + describe(bound.name, i, off, most);
                  });
        }
        if (exact) {
          compare(found[i], first[i], bound.spread.values<float>()[i], claims_.largest_spread,
                  [&](double off, double most) {
                    return std::string("differs from level none at level ") + level.name + ": " +
                           describe(bound.name, i, off, most);
                  });
        }
      }
    }
  }

  template <typename Describe>
  static void compare(float found, float expected, float bound, double& largest,
                      const Describe& otherwise) {
    const double off = std::abs(static_cast<double>(found) - static_cast<double>(expected));
    if (off > static_cast<double>(bound)) throw Broken{otherwise(off, bound)};
    if (bound > 0.0F) largest = std::max(largest, off / static_cast<double>(bound));
  }

  const RandomModel& random_;
  const QuantizationCase& case_;
  Claims claims_;
  const char* stage_ = "";
};

}  // namespace

QuantizationCase random_case(Choices& choices, std::int64_t opset) {
  using Types = std::pair<DType, DType>;
  QuantizationCase made;
  QuantizationConfig& config = made.config;
  config.profile = choices.one_of({QuantizationProfile::kBest, QuantizationProfile::kBest,
                                   QuantizationProfile::kOnnxRuntime132});
  config.mode = choices.one_of(
      {QuantizationMode::kStatic, QuantizationMode::kStatic, QuantizationMode::kDynamic});
  config.format = choices.one_of({QuantizationFormat::kQdq, QuantizationFormat::kQOperator});
  config.weights = choices.one_of({Granularity::kPerChannel, Granularity::kPerTensor});
  const Types types = choices.one_of<Types>({{DType::kUInt8, DType::kInt8},
                                             {DType::kUInt8, DType::kInt8},
                                             {DType::kUInt8, DType::kUInt8},
                                             {DType::kInt8, DType::kInt8},
                                             {DType::kUInt16, DType::kInt8},
                                             {DType::kInt16, DType::kInt16}});
  const bool wide = types.first == DType::kUInt16 || types.first == DType::kInt16;
  const bool qdq =
      config.mode == QuantizationMode::kStatic && config.format == QuantizationFormat::kQdq;
  // From opset 21 on ONNX Runtime 1.32 refuses some models with s8 activations: a Q that it moves
  // is given an output_dtype, which another of its passes, from s8 to u8, then contradicts.
  const bool refused = types.first == DType::kInt8 && opset >= 21;
  if (wide ? qdq && opset >= 21 : !refused) std::tie(config.activation, config.weight) = types;
  if (config.mode == QuantizationMode::kDynamic) config.activation = DType::kUInt8;
  // Only Arm's kernels multiply s8 activations; on x86 profile best refuses them.
  if (config.activation == DType::kInt8) config.target = Target::kArmDotprod;
  config.reduce_range = choices.chance(40);
  config.symmetric_activations = choices.chance(10);
  if (!config.reduce_range) made.headroom = choices.one_of({1.0F, 2.2F});
  return made;
}

std::string to_string(const QuantizationCase& quantization) {
  const QuantizationConfig& config = quantization.config;
  std::ostringstream text;
  text << name_of(config.profile) << ' ' << name_of(config.mode) << ' ' << name_of(config.format)
       << ' ' << name_of(config.weights) << ' ' << short_name_of(config.activation) << '/'
       << short_name_of(config.weight) << (config.reduce_range ? ", reduced range" : "")
       << (config.symmetric_activations ? ", symmetric activations" : "") << ", headroom "
       << quantization.headroom;
  return text.str();
}

CalibrationTable ranges_of_samples(const RandomModel& random, float headroom) {
  CalibrationTable table;
  const auto observe = [&](const std::string& name, const Tensor& value) {
    if (value.dtype() != DType::kFloat32) return;
    for (const float x : value.values<float>()) {
      const auto [range, is_new] = table.ranges.try_emplace(name, TensorRange{x, x});
      range->second.min = std::min(range->second.min, x);
      range->second.max = std::max(range->second.max, x);
    }
  };
  const Model shown = with_all_values(random.model);
  const auto session =
      open_session(shown, {.optimization = GraphOptimization::kNone, .memory_pattern = false});
  for (const auto& sample : random.samples) {
    const std::vector<Tensor> values = session->run(sample);
    for (std::size_t k = 0; k < values.size(); ++k) {
      observe(shown.graph.outputs[k].name, values[k]);
    }
    for (const NamedTensor& input : sample) observe(input.name, input.value);
  }
  for (auto& [name, range] : table.ranges) range.max += (headroom - 1) * (range.max - range.min);
  return table;
}

Claims check_claims(const RandomModel& random, const QuantizationCase& quantization) {
  return Checker(random, quantization).run();
}

}  // namespace planish::test
