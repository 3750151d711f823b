// A plan for people and for programs.
#include <array>
#include <charconv>
#include <map>

#include "planish/base/json.h"
#include "planish/quantize/plan.h"

namespace planish {
namespace {

std::string_view name_of(NodeAction action) {
  switch (action) {
    case NodeAction::kLeave:
      return "leave";
    case NodeAction::kQuantize:
      return "quantize";
    case NodeAction::kAbsorb:
      return "absorb";
    case NodeAction::kReread:
      return "reread";
  }
  return "leave";
}

/// The shortest decimal that reads back as the same float.
std::string shortest(float value) {
  std::array<char, 48> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

std::string params_text(const QuantizationParams& params) {
  return "scale " + shortest(params.scale) + ", zero point " + std::to_string(params.zero_point);
}

std::string tensor_text(const TensorPlan& tensor) {
  std::string text = "  " + std::string(name_of(tensor.role)) + " '" + tensor.tensor +
                     "': " + short_name_of(tensor.dtype);
  if (tensor.clamp) {
    text += ", integers of '" + tensor.clamp->of + "' between " +
            std::to_string(tensor.clamp->bounds.min) + " and " +
            std::to_string(tensor.clamp->bounds.max);
  }
  if (!tensor.shares.empty()) {
    text += (tensor.shares_converted ? ", as converted '" : ", as '") + tensor.shares + "'";
  } else if (tensor.axis) {
    text += ", " + std::to_string(tensor.params.size()) + " channels of axis " +
            std::to_string(*tensor.axis);
    if (!tensor.params.empty()) text += ", first: " + params_text(tensor.params.front());
  } else if (!tensor.params.empty()) {
    text += ", " + params_text(tensor.params.front());
  }
  if (tensor.range)
    text += ", range [" + shortest(tensor.range->min) + ", " + shortest(tensor.range->max) + "]";
  if (tensor.conversion) {
    text += "; to " + short_name_of(tensor.conversion->params.dtype) + ", " +
            params_text(tensor.conversion->params);
    if (tensor.conversion->readers)
      text += ", for " + std::to_string(tensor.conversion->readers->size()) + " readers";
  }
  if (tensor.integers) text += ", integers chosen by adaptive rounding";
  return text + "\n";
}

Json params_json(const TensorPlan& tensor) {
  Json json;
  Json scales = Json::array();
  Json zero_points = Json::array();
  for (const QuantizationParams& one : tensor.params) {
    scales.push_back(one.scale);
    zero_points.push_back(one.zero_point);
  }
  json["scales"] = std::move(scales);
  json["zero_points"] = std::move(zero_points);
  return json;
}

Json conversion_json(const Conversion& conversion) {
  Json json{{"dtype", short_name_of(conversion.params.dtype)},
            {"scale", conversion.params.scale},
            {"zero_point", conversion.params.zero_point}};
  if (conversion.readers) json["readers"] = *conversion.readers;
  return json;
}

std::string plan_text(const QuantizationPlan& plan) {
  std::map<std::string_view, std::size_t> counts;
  for (const NodeDecision& node : plan.nodes) ++counts[name_of(node.action)];
  std::string text =
      "plan: " + std::string(name_of(plan.config.mode)) + ", " + std::to_string(plan.nodes.size()) +
      " nodes: " + std::to_string(counts["quantize"]) + " quantized, " +
      std::to_string(counts["absorb"]) + " absorbed, " + std::to_string(counts["reread"]) +
      " reread, " + std::to_string(counts["leave"]) + " left\nnodes:\n";
  for (const NodeDecision& node : plan.nodes) {
    text += "  " + std::string(name_of(node.action)) + " " + node.op_type + " '" + node.node + "'";
    if (node.action == NodeAction::kLeave) text += ": " + node.reason;
    if (node.float_output) text += ", writes floats";
    text += "\n";
  }
  text += "tensors:\n";
  for (const TensorPlan& tensor : plan.tensors) text += tensor_text(tensor);
  for (const BiasPlan& bias : plan.biases) {
    if (bias.scales.empty()) continue;
    text += "  bias '" + bias.copy + "': s32, " + std::to_string(bias.scales.size()) +
            (bias.scales.size() == 1 ? " scale" : " scales") +
            ", first: " + shortest(bias.scales.front()) + "\n";
  }
  for (const CorrectedConstant& constant : plan.corrected) {
    text += "  corrected '" + constant.name +
            "': " + std::to_string(constant.value.element_count()) + " elements\n";
  }
  if (!plan.reductions.empty())
    text += "saturation: " + explain(plan.reductions, plan.config.target) + "\n";
  for (const RangeReduction& weight : plan.reductions) {
    if (weight.reduced == 0) continue;
    text += "  " + weight.op_type + " '" + weight.node + "': " + std::to_string(weight.reduced) +
            " of " + std::to_string(weight.channels) + ", up to " + shortest(weight.largest_ratio) +
            "x\n";
  }
  return text;
}

}  // namespace

std::string_view name_of(TensorRole role) {
  switch (role) {
    case TensorRole::kActivation:
      return "activation";
    case TensorRole::kConstant:
      return "constant";
    case TensorRole::kWeight:
      return "weight";
    case TensorRole::kBias:
      return "bias";
  }
  return "activation";
}

std::string to_string(const QuantizationPlan& plan) {
  std::string text;
  for (const PlacedPlan& placed : plans_in(plan)) {
    if (!placed.in.empty()) text += "in " + placed.in + ", ";
    text += plan_text(*placed.plan);
  }
  return text;
}

Json to_json(const QuantizationPlan& plan) {
  Json json;
  json["schema"] = 1;
  json["config"] = to_json(plan.config);
  Json nodes = Json::array();
  for (const NodeDecision& node : plan.nodes) {
    Json entry{{"node", node.node}, {"op", node.op_type}, {"action", name_of(node.action)}};
    if (node.action == NodeAction::kLeave) {
      entry["code"] = name_of(node.code);
      entry["reason"] = node.reason;
    }
    if (node.float_output) entry["float_output"] = true;
    nodes.push_back(std::move(entry));
  }
  json["nodes"] = std::move(nodes);
  Json tensors = Json::array();
  for (const TensorPlan& tensor : plan.tensors) {
    Json entry{{"tensor", tensor.tensor},
               {"role", name_of(tensor.role)},
               {"dtype", short_name_of(tensor.dtype)}};
    if (tensor.shares.empty()) {
      entry.update(params_json(tensor));
    } else {
      entry["shares"] = tensor.shares;
      if (tensor.shares_converted) entry["shares_converted"] = true;
    }
    if (tensor.axis) entry["axis"] = *tensor.axis;
    if (tensor.range) entry["range"] = {tensor.range->min, tensor.range->max};
    if (tensor.conversion) entry["conversion"] = conversion_json(*tensor.conversion);
    if (tensor.clamp) {
      entry["clamp"] = {{"of", tensor.clamp->of},
                        {"min", tensor.clamp->bounds.min},
                        {"max", tensor.clamp->bounds.max}};
    }
    if (tensor.integers) entry["rounding"] = "adaptive";
    tensors.push_back(std::move(entry));
  }
  json["tensors"] = std::move(tensors);
  Json biases = Json::array();
  for (const BiasPlan& bias : plan.biases) {
    biases.push_back(Json{{"bias", bias.bias}, {"as", bias.copy}, {"scales", bias.scales}});
  }
  json["biases"] = std::move(biases);
  if (!plan.reductions.empty()) json["saturation"] = to_json(plan.reductions, plan.config.target);
  if (!plan.corrected.empty()) {
    Json corrected = Json::array();
    for (const CorrectedConstant& constant : plan.corrected) {
      corrected.push_back(
          Json{{"constant", constant.name}, {"values", constant.value.to_floats()}});
    }
    json["corrected"] = std::move(corrected);
  }
  if (!plan.bodies.empty()) {
    Json bodies = Json::array();
    for (const BodyPlan& body : plan.bodies) {
      bodies.push_back(Json{{"node", plan.nodes.at(body.place.node).node},
                            {"attribute", body.place.attribute},
                            {"position", body.place.position},
                            {"plan", to_json(body.plan)}});
    }
    json["bodies"] = std::move(bodies);
  }
  return json;
}

}  // namespace planish
