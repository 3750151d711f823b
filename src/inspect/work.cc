// Multiply-accumulates by operator. One row per operator that multiplies matrices.
#include <algorithm>
#include <array>
#include <cstddef>

#include "planish/base/checked.h"
#include "planish/inspect/inspect.h"

namespace planish {
namespace {

using Dims = std::vector<std::int64_t>;

/// Shapes of one node's values, as far as they are known.
class NodeShapes {
 public:
  NodeShapes(const Node& node, const ValueTypes& types) : node_(node), types_(types) {}
  [[nodiscard]] const Node& node() const { return node_; }
  [[nodiscard]] std::optional<Dims> input(std::size_t i) const { return dims(node_.input(i)); }
  [[nodiscard]] std::optional<Dims> output(std::size_t i) const { return dims(node_.output(i)); }

 private:
  [[nodiscard]] std::optional<Dims> dims(const std::string& value) const {
    const auto found = types_.find(value);
    const TensorType* tensor = found == types_.end() ? nullptr : found->second.tensor();
    if (tensor == nullptr || !tensor->shape) return std::nullopt;
    return static_dims(*tensor->shape);
  }
  const Node& node_;
  const ValueTypes& types_;
};

using Work = std::optional<std::uint64_t>;

std::uint64_t product(const Dims& dims, std::size_t from = 0) {
  return checked_element_count(std::span(dims).subspan(std::min(from, dims.size())));
}

/// Conv: every output element sums over weight [M, C/group, k...] without M.
Work conv(const NodeShapes& shapes) {
  const auto weight = shapes.input(1);
  const auto out = shapes.output(0);
  if (!weight || !out || weight->empty()) return std::nullopt;
  return checked_mul(product(*out), product(*weight, 1));
}

/// QLinearConv: inputs are x, x_scale, x_zero_point, w, …
Work qlinear_conv(const NodeShapes& shapes) {
  const auto weight = shapes.input(3);
  const auto out = shapes.output(0);
  if (!weight || !out || weight->empty()) return std::nullopt;
  return checked_mul(product(*out), product(*weight, 1));
}

/// ConvTranspose: every input element meets weight [C, M/group, k...] without C.
Work conv_transpose(const NodeShapes& shapes) {
  const auto weight = shapes.input(1);
  const auto in = shapes.input(0);
  if (!weight || !in || weight->empty()) return std::nullopt;
  return checked_mul(product(*in), product(*weight, 1));
}

/// MatMul: every output element sums over the last dimension of A.
Work matmul(const NodeShapes& shapes) {
  const auto a = shapes.input(0);
  const auto out = shapes.output(0);
  if (!a || !out || a->empty()) return std::nullopt;
  return checked_mul(product(*out), static_cast<std::size_t>(a->back()));
}

/// Gemm: A' [M, K] times B' [K, N].
Work gemm(const NodeShapes& shapes) {
  const auto a = shapes.input(0);
  const auto out = shapes.output(0);
  if (!a || !out || a->size() != 2) return std::nullopt;
  const bool transposed = shapes.node().int_attribute("transA", 0) != 0;
  return checked_mul(product(*out), static_cast<std::size_t>((*a)[transposed ? 0 : 1]));
}

/// LSTM, GRU, RNN: X [seq, batch, in]; W [directions, gates * hidden, in]; R [directions, gates *
/// hidden, hidden].
Work recurrent(const NodeShapes& shapes) {
  const auto x = shapes.input(0);
  const auto w = shapes.input(1);
  const auto r = shapes.input(2);
  if (!x || !w || !r || x->size() != 3) return std::nullopt;
  const std::size_t steps =
      checked_mul(static_cast<std::size_t>((*x)[0]), static_cast<std::size_t>((*x)[1]));
  return checked_mul(steps, checked_add(product(*w), product(*r)));
}

/// com.microsoft Attention: X [batch, seq, in], W [in, 3 * hidden]; then scores and values.
Work attention(const NodeShapes& shapes) {
  const auto x = shapes.input(0);
  const auto w = shapes.input(1);
  if (!x || !w || x->size() != 3 || w->size() != 2) return std::nullopt;
  const auto rows =
      checked_mul(static_cast<std::size_t>((*x)[0]), static_cast<std::size_t>((*x)[1]));
  const auto projection = checked_mul(rows, product(*w));
  const auto scores = checked_mul(checked_mul(rows, static_cast<std::size_t>((*x)[1])),
                                  static_cast<std::size_t>((*w)[1]) / 3 * 2);
  return checked_add(projection, scores);
}

struct WorkRow {
  std::string_view op_type = {};
  std::string_view domain = {};
  Work (*count)(const NodeShapes&) = nullptr;
};

constexpr std::string_view kMicrosoft = "com.microsoft";

constexpr std::array kWorkRows{
    WorkRow{"Conv", "", conv},
    WorkRow{"ConvInteger", "", conv},
    WorkRow{"ConvTranspose", "", conv_transpose},
    WorkRow{"GRU", "", recurrent},
    WorkRow{"Gemm", "", gemm},
    WorkRow{"LSTM", "", recurrent},
    WorkRow{"MatMul", "", matmul},
    WorkRow{"MatMulInteger", "", matmul},
    WorkRow{"QLinearConv", "", qlinear_conv},
    WorkRow{"QLinearMatMul", "", matmul},
    WorkRow{"RNN", "", recurrent},
    WorkRow{"Attention", kMicrosoft, attention},
    WorkRow{"DynamicQuantizeMatMul", kMicrosoft, matmul},
    WorkRow{"FusedConv", kMicrosoft, conv},
    WorkRow{"FusedGemm", kMicrosoft, gemm},
    WorkRow{"FusedMatMul", kMicrosoft, matmul},
    WorkRow{"MatMulIntegerToFloat", kMicrosoft, matmul},
    WorkRow{"QGemm", kMicrosoft, gemm},
};

const WorkRow* find_row(const Node& node) {
  const auto found = std::ranges::find_if(
      kWorkRows, [&](const WorkRow& row) { return node.is(row.op_type, row.domain); });
  return found == kWorkRows.end() ? nullptr : &*found;
}

}  // namespace

bool is_matrix_operator(const Node& node) { return find_row(node) != nullptr; }

std::optional<std::uint64_t> multiply_accumulates(const Node& node, const ValueTypes& types) {
  const WorkRow* row = find_row(node);
  if (row == nullptr) return 0;
  return row->count(NodeShapes(node, types));
}

}  // namespace planish
