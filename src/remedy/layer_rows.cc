#include "remedy/layer_rows.h"

#include <algorithm>
#include <string>

#include "planish/base/error.h"

namespace planish::remedy {
namespace {

[[noreturn]] void refuse(std::span<const std::int64_t> dims, const LayerWeight& weight) {
  throw Error(ErrorCode::kInvalidArgument,
              "an input of shape " + to_string(dims) + " for the weight '" + weight.name + "' of " +
                  std::to_string(weight.input_channels) + " input channels");
}

std::size_t positive(std::int64_t value) { return value < 1 ? 1 : static_cast<std::size_t>(value); }

/// The window of one axis. Sizes: as ONNX's Conv defines them.
Window window_of(std::int64_t inputs, std::int64_t kernel, std::int64_t stride,
                 std::int64_t dilation, std::int64_t pad_begin, std::int64_t pad_end,
                 const std::string& auto_pad) {
  const std::int64_t reach = (kernel - 1) * dilation + 1;
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    const std::int64_t outputs = (inputs + stride - 1) / stride;
    const std::int64_t pads = std::max<std::int64_t>(0, (outputs - 1) * stride + reach - inputs);
    pad_begin = auto_pad == "SAME_UPPER" ? pads / 2 : pads - pads / 2;
    pad_end = pads - pad_begin;
  } else if (auto_pad == "VALID") {
    pad_begin = pad_end = 0;
  }
  const std::int64_t room = inputs + pad_begin + pad_end - reach;
  return {.kernel = positive(kernel),
          .stride = positive(stride),
          .dilation = positive(dilation),
          .pad = pad_begin,
          .inputs = static_cast<std::size_t>(inputs),
          .outputs = room < 0 ? 0 : static_cast<std::size_t>(room / stride + 1)};
}

/// sums[i, j] += sum over the outputs of plane[place(output, i, j)]: along the rows first, so that
/// a kernel of kH * kW costs kW additions an element.
template <typename Element, typename Sum>
void add_plane(const Element* plane, const RowLayout& layout, std::vector<Sum>& along, Sum* sums) {
  const Window& high = layout.high;
  const Window& wide = layout.wide;
  along.assign(high.inputs * wide.kernel, Sum{});
  for (std::size_t j = 0; j < wide.kernel; ++j) {
    const Window::Span span = wide.inside(j);
    for (std::size_t h = 0; h < high.inputs; ++h) {
      const Element* row = plane + h * wide.inputs;
      Sum sum{};
      if (span.first < span.last) {
        const Element* at = row + wide.place(span.first, j);
        for (std::size_t k = 0; k < span.last - span.first; ++k)
          sum += static_cast<Sum>(at[k * wide.stride]);
      }
      along[h * wide.kernel + j] = sum;
    }
  }
  for (std::size_t i = 0; i < high.kernel; ++i) {
    const Window::Span span = high.inside(i);
    for (std::size_t output = span.first; output < span.last; ++output) {
      const Sum* row = &along[static_cast<std::size_t>(high.place(output, i)) * wide.kernel];
      for (std::size_t j = 0; j < wide.kernel; ++j) sums[i * wide.kernel + j] += row[j];
    }
  }
}

}  // namespace

Window::Span Window::inside(std::size_t k) const {
  const std::int64_t shift = pad - static_cast<std::int64_t>(k * dilation);
  const auto step = static_cast<std::int64_t>(stride);
  const std::int64_t first = shift <= 0 ? 0 : (shift + step - 1) / step;
  const std::int64_t room = static_cast<std::int64_t>(inputs) - 1 + shift;
  const std::int64_t last = room < 0 ? 0 : room / step + 1;
  const auto end = static_cast<std::int64_t>(outputs);
  return {static_cast<std::size_t>(std::min(first, end)),
          static_cast<std::size_t>(std::clamp(last, std::min(first, end), end))};
}

std::optional<LayerShape> LayerShape::of(const Node& node, const GraphIndex& index) {
  const auto weight = layer_weight_of(node, index);
  if (!weight) return std::nullopt;
  LayerShape shape;
  shape.weight_ = *weight;
  shape.is_matrix_ = !node.is("Conv");
  if (shape.is_matrix_) return shape;
  const auto& dims = index.constant(weight->name)->value.dims();
  shape.spatial_ = dims.size() - 2;
  if (shape.spatial_ > 2) return std::nullopt;
  shape.kernel_.assign(dims.begin() + 2, dims.end());
  const std::vector<std::int64_t> ones(shape.spatial_, 1);
  shape.strides_ = node.ints_attribute("strides", ones);
  shape.dilations_ = node.ints_attribute("dilations", ones);
  shape.pads_ = node.ints_attribute("pads", std::vector<std::int64_t>(2 * shape.spatial_, 0));
  shape.auto_pad_ = node.string_attribute("auto_pad", "NOTSET");
  const auto is_positive = [](std::int64_t value) { return value > 0; };
  const bool sound = shape.strides_.size() == shape.spatial_ &&
                     shape.dilations_.size() == shape.spatial_ &&
                     shape.pads_.size() == 2 * shape.spatial_ &&
                     std::ranges::all_of(shape.strides_, is_positive) &&
                     std::ranges::all_of(shape.dilations_, is_positive);
  if (!sound) return std::nullopt;
  return shape;
}

RowLayout LayerShape::layout(std::span<const std::int64_t> dims) const {
  RowLayout layout{.channels = weight_.input_channels, .groups = weight_.groups};
  const auto channels = static_cast<std::int64_t>(weight_.input_channels);
  if (is_matrix_) {
    if (dims.empty() || dims.back() != channels) refuse(dims, weight_);
    layout.channels_last = true;
    for (std::size_t d = 0; d + 1 < dims.size(); ++d)
      layout.batch *= static_cast<std::size_t>(dims[d]);
    layout.high = layout.wide = Window{.outputs = 1};
    return layout;
  }
  if (dims.size() != spatial_ + 2 || dims[1] != channels) refuse(dims, weight_);
  layout.batch = static_cast<std::size_t>(dims[0]);
  const auto window = [&](std::size_t axis) {
    return window_of(dims[2 + axis], kernel_[axis], strides_[axis], dilations_[axis], pads_[axis],
                     pads_[spatial_ + axis], auto_pad_);
  };
  layout.high = spatial_ == 2 ? window(0) : Window{.outputs = 1};
  layout.wide = window(spatial_ - 1);
  return layout;
}

template <typename Element, typename Sum>
void add_row_sums(std::span<const Element> elements, const RowLayout& layout, std::span<Sum> sums) {
  if (layout.channels_last) {
    for (std::size_t row = 0; row < layout.batch; ++row) {
      const Element* at = elements.data() + row * layout.channels;
      for (std::size_t c = 0; c < layout.channels; ++c) sums[c] += static_cast<Sum>(at[c]);
    }
    return;
  }
  std::vector<Sum> along;
  for (std::size_t n = 0; n < layout.batch; ++n) {
    for (std::size_t c = 0; c < layout.channels; ++c) {
      // Channel c of all is channel c % width of group c / width: [G, K] is [channels, kernel].
      add_plane(elements.data() + (n * layout.channels + c) * layout.plane(), layout, along,
                sums.data() + c * layout.kernel());
    }
  }
}

template <typename Element>
void copy_row(std::span<const Element> elements, const RowLayout& layout, std::size_t row,
              std::size_t group, float scale, float* out) {
  const std::size_t width = layout.channels / layout.groups;
  if (layout.channels_last) {
    const Element* at = elements.data() + row * layout.channels;
    for (std::size_t c = 0; c < width; ++c) out[c] = scale * static_cast<float>(at[c]);
    return;
  }
  const std::size_t ow = row % layout.wide.outputs;
  const std::size_t oh = row / layout.wide.outputs % layout.high.outputs;
  const std::size_t n = row / (layout.wide.outputs * layout.high.outputs);
  for (std::size_t c = 0; c < width; ++c) {
    const Element* plane =
        elements.data() + (n * layout.channels + group * width + c) * layout.plane();
    for (std::size_t i = 0; i < layout.high.kernel; ++i) {
      const std::int64_t h = layout.high.place(oh, i);
      const bool inside = h >= 0 && h < static_cast<std::int64_t>(layout.high.inputs);
      for (std::size_t j = 0; j < layout.wide.kernel; ++j) {
        const std::int64_t w = layout.wide.place(ow, j);
        const bool is_element =
            inside && w >= 0 && w < static_cast<std::int64_t>(layout.wide.inputs);
        *out++ = is_element
                     ? scale * static_cast<float>(
                                   plane[h * static_cast<std::int64_t>(layout.wide.inputs) + w])
                     : 0.0F;
      }
    }
  }
}

template void add_row_sums(std::span<const float>, const RowLayout&, std::span<double>);
template void add_row_sums(std::span<const std::int16_t>, const RowLayout&,
                           std::span<std::int64_t>);
template void copy_row(std::span<const float>, const RowLayout&, std::size_t, std::size_t, float,
                       float*);
template void copy_row(std::span<const std::int16_t>, const RowLayout&, std::size_t, std::size_t,
                       float, float*);

}  // namespace planish::remedy
