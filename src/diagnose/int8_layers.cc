#include "diagnose/int8_layers.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "planish/graph/graph_index.h"

namespace planish::diagnose_detail {
namespace {

constexpr std::size_t kNoInput = static_cast<std::size_t>(-1);

/// Where a matrix operator has its weight, and the scale of it.
struct MatrixOp {
  std::string_view op_type = {};
  LayerForm form = LayerForm::kFloat;
  std::size_t weight = 1;
  std::size_t scale = kNoInput;       // kNoInput: elsewhere in the graph
  std::size_t zero_point = kNoInput;  // of the weight
  int channel_axis = 1;               // -1: the last
};

constexpr std::array kMatrixOps{
    MatrixOp{"Conv", LayerForm::kFloat, 1, kNoInput, kNoInput, 0},
    MatrixOp{"ConvInteger", LayerForm::kDynamic, 1, kNoInput, 3, 0},
    MatrixOp{"ConvTranspose", LayerForm::kFloat, 1, kNoInput, kNoInput, 1},
    MatrixOp{"DynamicQuantizeMatMul", LayerForm::kDynamic, 1, 2, 3, -1},
    MatrixOp{"Gemm", LayerForm::kFloat, 1, kNoInput, kNoInput, 1},
    MatrixOp{"MatMul", LayerForm::kFloat, 1, kNoInput, kNoInput, -1},
    MatrixOp{"MatMulInteger", LayerForm::kDynamic, 1, kNoInput, 3, -1},
    MatrixOp{"MatMulIntegerToFloat", LayerForm::kDynamic, 1, 3, 5, -1},
    MatrixOp{"QAttention", LayerForm::kStatic, 1, 4, 7, -1},
    MatrixOp{"QGemm", LayerForm::kStatic, 3, 4, 5, 1},
    MatrixOp{"QLinearConv", LayerForm::kStatic, 3, 4, 5, 0},
    MatrixOp{"QLinearMatMul", LayerForm::kStatic, 3, 4, 5, -1},
};

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph), index_(graph) {}

  std::vector<Int8Layer> run() const {
    std::vector<Int8Layer> layers;
    for (const Node& node : graph_.nodes) {
      const auto row = std::ranges::find(kMatrixOps, node.op_type, &MatrixOp::op_type);
      if (row != kMatrixOps.end()) layers.push_back(layer_of(node, *row));
    }
    return layers;
  }

 private:
  [[nodiscard]] Int8Layer layer_of(const Node& node, const MatrixOp& op) const {
    Int8Layer layer{.node = node.name.empty() ? node.output(0) : node.name,
                    .op_type = node.op_type,
                    .form = op.form};
    if (op.form != LayerForm::kFloat) {
      set_weight(layer, node.input(op.weight), input_of(node, op.scale),
                 input_of(node, op.zero_point));
    } else if (const Node* weight = dequantizer(node.input(op.weight))) {
      set_weight(layer, weight->input(0), weight->input(1), weight->input(2));
      const bool has_integer_data = dequantizer(node.input(0)) != nullptr;
      if (has_integer_data)
        layer.form = LayerForm::kStatic;
      else if (layer.weight)
        layer.form = LayerForm::kWeightOnly;
    }
    set_channel_axis(layer, node, op);
    return layer;
  }

  static const std::string& input_of(const Node& node, std::size_t input) {
    static const std::string kAbsent;
    return input == kNoInput ? kAbsent : node.input(input);
  }

  void set_weight(Int8Layer& layer, const std::string& weight, const std::string& scale,
                  const std::string& zero_point) const {
    if (const Initializer* constant = index_.constant(weight)) layer.weight = constant->value;
    const Initializer* scales = index_.constant(scale);
    if (scales != nullptr && row_of(scales->value.dtype()).is_float)
      layer.scales = scales->value.to_floats();
    const Initializer* zero = index_.constant(zero_point);
    if (zero != nullptr && zero->value.element_count() == 1)
      layer.zero_point = zero->value.to_ints().front();
  }

  static void set_channel_axis(Int8Layer& layer, const Node& node, const MatrixOp& op) {
    if (!layer.weight || layer.weight->rank() == 0) return;
    const bool is_transposed = node.op_type.ends_with("Gemm") && node.int_attribute("transB", 0);
    layer.channel_axis = is_transposed         ? 0
                         : op.channel_axis < 0 ? layer.weight->rank() - 1
                                               : static_cast<std::size_t>(op.channel_axis);
  }

  [[nodiscard]] const Node* dequantizer(const std::string& value) const {
    const auto producer = index_.producer(value);
    if (!producer || graph_.nodes[*producer].op_type != "DequantizeLinear") return nullptr;
    return &graph_.nodes[*producer];
  }

  const Graph& graph_;
  GraphIndex index_;
};

}  // namespace

std::vector<Int8Layer> int8_layers(const Graph& graph) { return Finder(graph).run(); }

}  // namespace planish::diagnose_detail
