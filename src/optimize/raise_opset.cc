// Models of opsets 7 to 12 at opset 13, where DequantizeLinear has an axis.
//
// Sources: onnx/docs/Changelog.md, operator by operator; where that leaves a choice, ONNX Runtime's
// kernels (core/providers/cpu/tensor/upsample.h for Upsample and Resize-10).
#include "planish/optimize/raise_opset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/graph/bodies.h"

namespace planish {
namespace {

constexpr std::int64_t kLowest = 7;  // what ONNX Runtime is made for
constexpr std::int64_t kTarget = 13;
constexpr std::int64_t kTargetIr = 7;  // of the ONNX version that brought opset 13

/// Why a node cannot be raised: "Scan 'x' of an older form".
struct Refusal {
  std::string reason = {};
};

/// One node on its way: what it may ask, and what it is replaced with.
class Raising {
 public:
  Raising(Node given, const GraphIndex& index, NameScope& names, Graph& constants)
      : node(std::move(given)), index_(index), names_(names), constants_(constants) {}

  Node node;                      // rewritten in place
  std::vector<Node> before = {};  // nodes that come before it
  std::vector<Node> after = {};

  [[nodiscard]] const GraphIndex& index() const { return index_; }
  std::string fresh(const std::string& wish) { return names_.fresh(wish); }

  std::string constant(const char* suffix, Tensor value) {
    const std::string wish = node.output(0) + suffix;
    return rewrite::add_initializer(constants_, names_, wish, std::move(value));
  }
  std::string ints(const char* suffix, const std::vector<std::int64_t>& values) {
    return constant(suffix, Tensor::of({static_cast<std::int64_t>(values.size())}, values));
  }

  /// Attribute `name`, integers, becomes input `position`, where it is given.
  void ints_to_input(const char* name, std::size_t position) {
    if (node.find_attribute(name) == nullptr) return;
    const auto values = node.ints_attribute(name);
    node.remove_attribute(name);
    set_input(position, ints((std::string("/") + name).c_str(), values));
  }
  void set_input(std::size_t position, std::string value) {
    if (node.inputs.size() <= position) node.inputs.resize(position + 1);
    node.inputs[position] = std::move(value);
  }
  /// A scalar of the element type of input 0.
  std::string scalar(const char* suffix, float value) {
    const DType dtype = rewrite::dtype_of(index_, node.input(0)).value_or(DType::kFloat32);
    switch (dtype) {
      case DType::kFloat32:
        return constant(suffix, Tensor::scalar(value));
      case DType::kFloat64:
        return constant(suffix, Tensor::scalar(static_cast<double>(value)));
      case DType::kFloat16: {
        const std::uint16_t bits = half_from_float(value);
        std::vector<std::byte> bytes(sizeof bits);
        std::copy_n(reinterpret_cast<const std::byte*>(&bits), sizeof bits, bytes.begin());
        return constant(suffix, Tensor(dtype, {}, std::move(bytes)));
      }
      default:
        throw Refusal{"of element type " + std::string(name_of(dtype))};
    }
  }

 private:
  const GraphIndex& index_;
  NameScope& names_;
  Graph& constants_;
};

/// It matters in training only.
void drop_ratio(Raising& at) { at.node.remove_attribute("ratio"); }

/// The mask is bool since.
void refuse_mask(Raising& at) {
  if (!at.node.output(1).empty()) throw Refusal{"with a mask of floats"};
}

void drop_spatial(Raising& at) {
  if (at.node.int_attribute("spatial", 1) != 1) throw Refusal{"with spatial = 0"};
  at.node.remove_attribute("spatial");
}

void clip_bounds(Raising& at) {
  const auto bound = [&](const char* name, std::size_t position, float none) {
    const float value = at.node.float_attribute(name, none);
    at.node.remove_attribute(name);
    if (value != none) at.set_input(position, at.scalar(position == 1 ? "/min" : "/max", value));
  };
  bound("min", 1, std::numeric_limits<float>::lowest());
  bound("max", 2, std::numeric_limits<float>::max());
}

void pad_amounts(Raising& at) {
  at.ints_to_input("pads", 1);
  const float value = at.node.float_attribute("value", 0.0F);
  at.node.remove_attribute("value");
  if (value != 0.0F) at.set_input(2, at.scalar("/value", value));
}

void slice_ends(Raising& at) {
  at.ints_to_input("starts", 1);
  at.ints_to_input("ends", 2);
  at.ints_to_input("axes", 3);
}

void top_k_count(Raising& at) {
  const std::int64_t k = at.node.int_attribute("k", 0);
  at.node.remove_attribute("k");
  at.set_input(1, at.ints("/k", {k}));
}

void axes_to_input(Raising& at) { at.ints_to_input("axes", 1); }
void split_to_input(Raising& at) { at.ints_to_input("split", 1); }

void as_scatter_elements(Raising& at) { at.node.op_type = "ScatterElements"; }

/// From the attribute of opset 7 to the input of opset 9.
void upsample_scales(Raising& at) {
  const Attribute* scales = at.node.find_attribute("scales");
  const auto* values =
      scales == nullptr ? nullptr : std::get_if<std::vector<float>>(&scales->value);
  if (values == nullptr) throw Refusal{"without scales"};
  const std::vector<float> copy = *values;
  at.node.remove_attribute("scales");
  at.set_input(1,
               at.constant("/scales", Tensor::of({static_cast<std::int64_t>(copy.size())}, copy)));
}

/// Positions are x / scale, rounded down for mode "nearest".
void as_resize(Raising& at, const char* nearest_mode) {
  Node& node = at.node;
  node.op_type = "Resize";
  node.inputs = {node.input(0), "", node.input(1)};
  node.set_attribute("coordinate_transformation_mode", std::string("asymmetric"));
  if (node.string_attribute("mode", "nearest") == "nearest")
    node.set_attribute("nearest_mode", std::string(nearest_mode));
}

void upsample_as_resize(Raising& at) { as_resize(at, "floor"); }

/// Resize-10 with mode "nearest" rounds down where it enlarges, and up where it shrinks.
void resize_positions(Raising& at) {
  if (at.node.string_attribute("mode", "nearest") != "nearest") return as_resize(at, "floor");
  const Initializer* scales = at.index().constant(at.node.input(1));
  if (scales == nullptr || scales->value.dtype() != DType::kFloat32)
    throw Refusal{"of mode 'nearest' with computed scales"};
  const auto values = scales->value.values<float>();
  const bool shrinks = std::ranges::any_of(values, [](float scale) { return scale < 1; });
  const bool enlarges = std::ranges::any_of(values, [](float scale) { return scale > 1; });
  if (shrinks && enlarges)
    throw Refusal{"of mode 'nearest' that shrinks one axis and enlarges another"};
  as_resize(at, shrinks ? "ceil" : "floor");
}

/// Softmax, LogSoftmax and Hardmax took the axes from `axis` (1) on together; now one axis (-1).
void normalize_one_axis(Raising& at) {
  Node& node = at.node;
  const std::int64_t axis = node.int_attribute("axis", 1);
  const auto shape = rewrite::shape_of(at.index(), node.input(0));
  const auto rank = shape ? std::optional(static_cast<std::int64_t>(shape->size())) : std::nullopt;
  if (axis == -1 || (rank && axis == *rank - 1)) {
    node.set_attribute("axis", std::int64_t{-1});
    return;
  }
  const std::string x = node.input(0);
  const std::string y = node.output(0);
  const auto make = [&](const char* op_type, std::vector<std::string> inputs, std::string output) {
    Node made{.op_type = op_type, .inputs = std::move(inputs), .outputs = {std::move(output)}};
    made.name = at.fresh((node.name.empty() ? y : node.name) + "/" + op_type);
    return made;
  };
  const std::string dims = at.fresh(y + "/shape");
  const std::string rows = at.fresh(y + "/rows");
  const std::string normalized = at.fresh(y + "/normalized");
  at.before.push_back(make("Shape", {x}, dims));
  Node flatten = make("Flatten", {x}, rows);
  flatten.set_attribute("axis", axis);
  at.before.push_back(std::move(flatten));
  node.inputs[0] = rows;
  node.outputs[0] = normalized;
  node.set_attribute("axis", std::int64_t{-1});
  at.after.push_back(make("Reshape", {normalized, dims}, y));
}

[[noreturn]] void refuse(Raising&) { throw Refusal{"of a form that opset 13 does not have"}; }

/// `rewrite` makes the form of opset `since` of a node of the form before.
struct RaiseRow {
  std::string_view op_type = {};
  std::int64_t since = 0;
  void (*rewrite)(Raising&) = nullptr;
};

/// Operators whose form changed after opset 7, in the order of their changes; of all others newer
/// opsets up to 13 only take more.
constexpr std::array kRaises{
    RaiseRow{"Affine", 10, refuse},  // experimental operators, gone since
    RaiseRow{"BatchNormalization", 9, drop_spatial},
    RaiseRow{"Clip", 11, clip_bounds},
    RaiseRow{"Crop", 10, refuse},
    RaiseRow{"Dropout", 10, refuse_mask},
    RaiseRow{"Dropout", 12, drop_ratio},
    RaiseRow{"DynamicSlice", 10, refuse},
    RaiseRow{"Hardmax", 13, normalize_one_axis},
    RaiseRow{"ImageScaler", 10, refuse},
    RaiseRow{"LogSoftmax", 13, normalize_one_axis},
    RaiseRow{"Pad", 11, pad_amounts},
    RaiseRow{"ParametricSoftplus", 10, refuse},
    RaiseRow{"ReduceSum", 13, axes_to_input},
    RaiseRow{"Resize", 11, resize_positions},
    RaiseRow{"Scale", 10, refuse},
    RaiseRow{"ScaledTanh", 10, refuse},
    RaiseRow{"Scan", 9, refuse},  // lost its batch axis
    RaiseRow{"Scatter", 11, as_scatter_elements},
    RaiseRow{"Slice", 10, slice_ends},
    RaiseRow{"Softmax", 13, normalize_one_axis},
    RaiseRow{"Split", 13, split_to_input},
    RaiseRow{"Squeeze", 13, axes_to_input},
    RaiseRow{"TopK", 10, top_k_count},
    RaiseRow{"Unsqueeze", 13, axes_to_input},
    RaiseRow{"Upsample", 9, upsample_scales},
    RaiseRow{"Upsample", 10, upsample_as_resize},
};

constexpr bool raises_are_sorted() {
  for (std::size_t i = 1; i < kRaises.size(); ++i) {
    const RaiseRow& a = kRaises.at(i - 1);
    const RaiseRow& b = kRaises.at(i);
    if (b.op_type < a.op_type || (b.op_type == a.op_type && b.since <= a.since)) return false;
  }
  return true;
}
static_assert(raises_are_sorted(), "kRaises: by operator, then by opset");

/// Constant nodes are initializers by now, but in bodies of bodies: those are looked at alone.
void raise_graph(Graph& graph, std::int64_t from, NameScope& names, PassReport& report) {
  Graph constants;
  std::vector<Node> raised;
  {
    const GraphIndex index(graph);
    for (const Node& node : graph.nodes) {
      Raising at(node, index, names, constants);
      bool changed = false;
      for (const RaiseRow& row : kRaises) {
        // By the name that it has: Upsample becomes Resize in the form of opset 13.
        if (!node.is(row.op_type) || row.since <= from || row.since > kTarget) continue;
        try {
          row.rewrite(at);
        } catch (const Refusal& refusal) {
          throw Refusal{rewrite::label(node) + " " + refusal.reason};
        }
        changed = true;
      }
      if (changed) rewrite::record(report, rewrite::label(node));
      std::ranges::move(at.before, std::back_inserter(raised));
      raised.push_back(std::move(at.node));
      std::ranges::move(at.after, std::back_inserter(raised));
    }
  }
  graph.nodes = std::move(raised);
  std::ranges::move(constants.initializers, std::back_inserter(graph.initializers));
}

/// @throws Refusal, `model` half done.
void raise_model(Model& model, PassReport& report) {
  const std::int64_t from = model.opset();
  if (from < kLowest) throw Refusal{"opset " + std::to_string(from)};
  NameScope names(model.graph);
  for_each_graph(model.graph, [&](Graph& graph) {
    // Scales and the like are looked up among initializers.
    constant_nodes_to_initializers(graph, [](const Node&) {});
    raise_graph(graph, from, names, report);
  });
  model.set_opset("", kTarget);
  model.ir_version = std::max(model.ir_version, kTargetIr);
  rewrite::record(report, "opset " + std::to_string(from) + " became " + std::to_string(kTarget));
}

}  // namespace

PassReport raise_opset(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "raise-opset"};
  if (model.opset() == 0 || model.opset() >= kTarget) return report;
  Model raised = model;
  try {
    raise_model(raised, report);
  } catch (const Refusal&) {
    return PassReport{.pass = "raise-opset"};
  }
  model = std::move(raised);
  return report;
}

std::optional<std::string> opset_obstacle(const Model& model) {
  if (model.opset() == 0 || model.opset() >= kTarget) return std::nullopt;
  Model raised = model;
  PassReport report;
  try {
    raise_model(raised, report);
  } catch (const Refusal& refusal) {
    return refusal.reason;
  }
  return std::nullopt;
}

}  // namespace planish
