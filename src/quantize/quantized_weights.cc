#include "quantize/quantized_weights.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "quantize/graph_facts.h"

namespace planish::quantize_detail {
namespace {

constexpr int kNoInput = -1;

/// Where an integer operator has what it multiplies.
struct IntegerProduct {
  std::string_view op_type = {};
  int data_zero_point = kNoInput;  // kNoInput: the operator quantizes its data to u8 itself
  int weight = kNoInput;
  int scale = kNoInput;  // kNoInput: applied by the Mul nodes behind it
  int zero_point = kNoInput;
  int bias = kNoInput;  // int32; float ones depend on no scale
};

constexpr std::array kIntegerProducts{
    IntegerProduct{"QLinearConv", 2, 3, 4, 5, 8},
    IntegerProduct{"QLinearMatMul", 2, 3, 4, 5},
    IntegerProduct{"QGemm", 2, 3, 4, 5, 6},
    IntegerProduct{"QAttention", 6, 1, 4, 7},
    IntegerProduct{"MatMulIntegerToFloat", 4, 1, 3, 5},
    IntegerProduct{"DynamicQuantizeMatMul", kNoInput, 1, 2, 3},
    IntegerProduct{"DynamicQuantizeLSTM", kNoInput, 1, 8, 9},
    IntegerProduct{"DynamicQuantizeLSTM", kNoInput, 2, 10, 11},
    IntegerProduct{"MatMulInteger", 2, 1, kNoInput, 3},
    IntegerProduct{"ConvInteger", 2, 1, kNoInput, 3},
};

class Finder {
 public:
  explicit Finder(const Graph& graph) : graph_(graph), facts_(graph) {}

  std::vector<QuantizedWeight> run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      for (const IntegerProduct& product : kIntegerProducts) {
        if (graph_.nodes[i].op_type == product.op_type) add(integer_product(i, product));
      }
      const std::string& op = graph_.nodes[i].op_type;
      if (op == "Conv" || op == "Gemm" || op == "MatMul") add(float_product(i));
    }
    return std::move(found_);
  }

 private:
  using Found = std::optional<QuantizedWeight>;

  void add(Found weight) {
    if (weight) found_.push_back(*weight);
  }

  [[nodiscard]] const std::string& name_at(std::size_t node, int input) const {
    static const std::string kAbsent;
    return input == kNoInput ? kAbsent : graph_.nodes[node].input(static_cast<std::size_t>(input));
  }

  [[nodiscard]] bool is_constant_of(const std::string& name, DType dtype) const {
    const Initializer* constant = facts_.constant(name);
    return constant != nullptr && constant->value.dtype() == dtype;
  }

  /// Absent, or 0 throughout.
  [[nodiscard]] bool is_zero(const std::string& name) const {
    if (name.empty()) return true;
    const Initializer* constant = facts_.constant(name);
    return constant != nullptr &&
           std::ranges::all_of(constant->value.to_ints(), [](std::int64_t z) { return z == 0; });
  }

  [[nodiscard]] static InputPlace place(std::size_t node, int input) {
    return {node, static_cast<std::size_t>(input)};
  }

  [[nodiscard]] Found integer_product(std::size_t i, const IntegerProduct& product) const {
    const bool is_weight = is_constant_of(name_at(i, product.weight), DType::kInt8) &&
                           is_zero(name_at(i, product.zero_point)) &&
                           !is_constant_of(name_at(i, product.data_zero_point), DType::kInt8);
    if (!is_weight) return std::nullopt;
    QuantizedWeight weight{.node = i, .integers = place(i, product.weight)};
    const auto scale = product.scale == kNoInput ? scale_behind(i) : place(i, product.scale);
    if (!scale ||
        !is_constant_of(name_at(scale->node, static_cast<int>(scale->input)), DType::kFloat32))
      return std::nullopt;
    weight.scale = *scale;
    if (!name_at(i, product.bias).empty()) {
      if (!is_constant_of(name_at(i, product.bias), DType::kInt32)) return std::nullopt;
      weight.bias = place(i, product.bias);
    }
    return weight;
  }

  /// MatMulInteger → Cast → Mul(·, Mul(scale of the data, scale of the weight)).
  [[nodiscard]] std::optional<InputPlace> scale_behind(std::size_t i) const {
    const auto cast = only_reader(i, "Cast");
    const auto mul = cast ? only_reader(*cast, "Mul") : std::nullopt;
    if (!mul) return std::nullopt;
    for (const std::string& operand : graph_.nodes[*mul].inputs) {
      const auto scales = facts_.index().producer(operand);
      if (!scales || scales == cast || graph_.nodes[*scales].op_type != "Mul") continue;
      for (const int input : {0, 1}) {
        if (facts_.constant(name_at(*scales, input)) != nullptr) return place(*scales, input);
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::size_t> only_reader(std::size_t i,
                                                       std::string_view op_type) const {
    const std::string& output = graph_.nodes[i].output(0);
    if (!facts_.index().has_single_use(output)) return std::nullopt;
    const std::size_t reader = facts_.index().uses(output).front().node;
    if (graph_.nodes[reader].op_type != op_type) return std::nullopt;
    return reader;
  }

  /// Conv, Gemm, MatMul between DequantizeLinear nodes.
  [[nodiscard]] Found float_product(std::size_t i) const {
    const auto data = dequantizer(i, 0);
    const auto weight = dequantizer(i, 1);
    if (!data || !weight) return std::nullopt;
    const bool is_weight = is_constant_of(name_at(*weight, 0), DType::kInt8) &&
                           is_constant_of(name_at(*weight, 1), DType::kFloat32) &&
                           is_zero(name_at(*weight, 2)) &&
                           facts_.constant(name_at(*data, 0)) == nullptr &&
                           !is_constant_of(name_at(*data, 2), DType::kInt8);
    if (!is_weight) return std::nullopt;
    QuantizedWeight found{.node = i, .integers = place(*weight, 0), .scale = place(*weight, 1)};
    if (graph_.nodes[i].input(2).empty()) return found;
    const auto bias = dequantizer(i, 2);
    if (!bias) return found;  // a float bias: quantized by the runtime, by the scales it finds
    const std::size_t scales = element_count(name_at(*bias, 1));
    if (!is_constant_of(name_at(*bias, 0), DType::kInt32) ||
        !is_constant_of(name_at(*bias, 1), DType::kFloat32) ||
        scales != element_count(name_at(*weight, 1)))
      return std::nullopt;
    found.bias = place(*bias, 0);
    found.bias_scale = place(*bias, 1);
    return found;
  }

  [[nodiscard]] std::optional<std::size_t> dequantizer(std::size_t i, std::size_t input) const {
    const auto producer = facts_.index().producer(graph_.nodes[i].input(input));
    if (!producer || graph_.nodes[*producer].op_type != "DequantizeLinear") return std::nullopt;
    return producer;
  }

  [[nodiscard]] std::size_t element_count(const std::string& name) const {
    const Initializer* constant = facts_.constant(name);
    return constant == nullptr ? 0 : constant->value.element_count();
  }

  const Graph& graph_;
  GraphFacts facts_;
  std::vector<QuantizedWeight> found_;
};

}  // namespace

std::vector<QuantizedWeight> find_quantized_weights(const Graph& graph) {
  return Finder(graph).run();
}

}  // namespace planish::quantize_detail
