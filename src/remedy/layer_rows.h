// The rows that a layer multiplies its weight with, read from its input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "planish/graph/graph_index.h"
#include "planish/graph/model.h"
#include "planish/optimize/layer_weight.h"

namespace planish::remedy {

/// One spatial axis of a convolution over an input of some size.
struct Window {
  std::size_t kernel = 1;
  std::size_t stride = 1;
  std::size_t dilation = 1;
  std::int64_t pad = 0;  // zeros before the first element; the end follows from `outputs`
  std::size_t inputs = 1;
  std::size_t outputs = 1;

  /// The outputs [first, last) whose element `k` of the kernel lies inside the input.
  struct Span {
    std::size_t first = 0;
    std::size_t last = 0;
  };
  [[nodiscard]] Span inside(std::size_t k) const;
  /// Where element `k` of the kernel lies at `output`; outside when not in [0, inputs).
  [[nodiscard]] std::int64_t place(std::size_t output, std::size_t k) const {
    return static_cast<std::int64_t>(output * stride + k * dilation) - pad;
  }
};

/// How the rows of one layer lie in an input of given dims. A matrix is a convolution of one
/// element whose channels are adjacent.
struct RowLayout {
  std::size_t batch = 1;     // of a matrix: all rows
  std::size_t channels = 1;  // of all groups
  std::size_t groups = 1;
  bool channels_last = false;
  Window high = {};
  Window wide = {};

  [[nodiscard]] std::size_t plane() const { return high.inputs * wide.inputs; }
  [[nodiscard]] std::size_t kernel() const { return high.kernel * wide.kernel; }
  [[nodiscard]] std::size_t terms() const { return channels / groups * kernel(); }
  [[nodiscard]] std::size_t rows() const { return batch * high.outputs * wide.outputs; }
};

/// What of a layer does not depend on its input's size.
class LayerShape {
 public:
  /// Nothing when the node is no layer, or a convolution of three or more spatial axes.
  static std::optional<LayerShape> of(const Node& node, const GraphIndex& index);

  [[nodiscard]] const LayerWeight& weight() const { return weight_; }
  /// @throws Error(kInvalidArgument) when `dims` do not fit the layer.
  [[nodiscard]] RowLayout layout(std::span<const std::int64_t> dims) const;

 private:
  LayerWeight weight_;
  bool is_matrix_ = false;
  std::size_t spatial_ = 2;
  std::string auto_pad_ = {};
  std::vector<std::int64_t> kernel_ = {};  // of one or two axes
  std::vector<std::int64_t> strides_ = {};
  std::vector<std::int64_t> dilations_ = {};
  std::vector<std::int64_t> pads_ = {};  // begins, then ends
};

/// Adds every row of `elements`, the layer's whole input, to sums [G, K].
/// (float, double) and (int16, int64).
template <typename Element, typename Sum>
void add_row_sums(std::span<const Element> elements, const RowLayout& layout, std::span<Sum> sums);

/// out[K] = scale * row `row` of group `group`. Of float and int16.
template <typename Element>
void copy_row(std::span<const Element> elements, const RowLayout& layout, std::size_t row,
              std::size_t group, float scale, float* out);

}  // namespace planish::remedy
