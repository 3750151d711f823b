#include "quantize/keep_floats.h"

#include <optional>
#include <utility>
#include <vector>

#include "planish/graph/graph_index.h"

namespace planish::quantize_detail {
namespace {

constexpr std::int64_t kFirstOpsetWithAxis = 13;

/// Where the channels of a product's input lie.
struct Channels {
  std::int64_t axis = 0;
  std::int64_t count = 0;
};

std::optional<Channels> input_channels(const Node& node, const std::vector<std::int64_t>& weight) {
  const bool is_convolution = node.op_type == "Conv" || node.op_type == "ConvTranspose";
  if (is_convolution ? weight.size() < 3 : node.op_type != "Gemm" || weight.size() != 2)
    return std::nullopt;
  // Conv [M, C/group, …], ConvTranspose [C, M/group, …], Gemm [K, N] or [N, K].
  if (node.op_type == "Conv") return Channels{1, weight[1] * node.int_attribute("group", 1)};
  if (node.op_type == "ConvTranspose") return Channels{1, weight[0]};
  const bool turned = node.int_attribute("transA", 0) != 0;
  return Channels{turned ? 0 : 1, weight[node.int_attribute("transB", 0) != 0 ? 1 : 0]};
}

Tensor repeated(const Tensor& one, std::int64_t count) {
  std::vector<std::byte> bytes;
  for (std::int64_t i = 0; i < count; ++i)
    bytes.insert(bytes.end(), one.bytes().begin(), one.bytes().end());
  return Tensor(one.dtype(), {count}, std::move(bytes));
}

class Keeper {
 public:
  explicit Keeper(Graph& graph) : graph_(graph), index_(graph), names_(graph) {}

  void run() {
    std::vector<Node> nodes;
    std::vector<Initializer> parameters;
    for (const Node& node : graph_.nodes) {
      Node kept = node;
      const auto channels = channels_to_split(node);
      if (channels) {
        nodes.push_back(split_dequantizer(node, *channels, parameters));
        kept.inputs[0] = nodes.back().output(0);
      }
      nodes.push_back(std::move(kept));
    }
    if (parameters.empty()) return;
    graph_.nodes = std::move(nodes);
    for (Initializer& parameter : parameters) graph_.initializers.push_back(std::move(parameter));
    remove_unused(graph_);  // the DequantizeLinear that all readers have left
  }

 private:
  [[nodiscard]] const Node* maker(const std::string& value) const {
    const auto at = index_.producer(value);
    return at ? &graph_.nodes[*at] : nullptr;
  }

  /// Nothing: the runtime leaves the node alone, or nothing can be done.
  [[nodiscard]] std::optional<Channels> channels_to_split(const Node& node) const {
    const Initializer* weight = index_.constant(node.input(1));
    const Node* before = maker(node.input(0));
    if (weight == nullptr || weight->value.dtype() != DType::kFloat32) return std::nullopt;
    if (before == nullptr || !before->is("DequantizeLinear")) return std::nullopt;
    const Initializer* scale = index_.constant(before->input(1));
    const bool is_one_scale = scale != nullptr && scale->value.element_count() == 1 &&
                              (before->input(2).empty() || index_.constant(before->input(2)));
    const auto channels = input_channels(node, weight->value.dims());
    if (!is_one_scale || !channels || channels->count < 2) return std::nullopt;
    return leads_to_integers(node) ? channels : std::nullopt;
  }

  [[nodiscard]] bool leads_to_integers(const Node& node) const {
    const auto readers = index_.uses(node.output(0));
    if (readers.size() != 1 || readers.front().input == Use::kBySubgraph) return false;
    const Node& reader = graph_.nodes[readers.front().node];
    if (reader.is("QuantizeLinear")) return true;
    return (reader.is("Relu") || reader.is("Clip")) && leads_to_integers(reader);
  }

  Node split_dequantizer(const Node& node, Channels channels,
                         std::vector<Initializer>& parameters) {
    Node split = *maker(node.input(0));
    for (std::size_t i = 1; i < split.inputs.size(); ++i) {
      if (split.inputs[i].empty()) continue;
      const Tensor& one = index_.constant(split.inputs[i])->value;
      split.inputs[i] = names_.fresh(split.inputs[i] + "_by_channel");
      parameters.push_back({.name = split.inputs[i], .value = repeated(one, channels.count)});
    }
    split.outputs = {names_.fresh(node.input(0) + "_by_channel")};
    split.name = names_.fresh(split.name + "_by_channel");
    split.set_attribute("axis", channels.axis);
    return split;
  }

  Graph& graph_;
  GraphIndex index_;
  NameScope names_;
};

}  // namespace

void keep_floats(Model& model) {
  if (model.opset() >= kFirstOpsetWithAxis) Keeper(model.graph).run();
}

}  // namespace planish::quantize_detail
