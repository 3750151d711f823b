#include "planish/optimize/tied_channels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "optimize/constant_operand.h"
#include "optimize/rewrite.h"
#include "planish/graph/graph_index.h"
#include "planish/optimize/layer_weight.h"

namespace planish {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// How an operator lets a positive factor per channel of input 0 through to output 0.
enum class Passage {
  kSameAxis,  // channels stay where they are
  kReshape,   // elements stay in their order
  kReduce,    // a mean or a maximum over axes behind the channels
  kTranspose,
  kClip,
  kSum,      // input 1 is of the set too, or a constant that is scaled with it
  kProduct,  // input 1 is no value of a set: a constant or a gate
};

struct PassageRow {
  std::string_view op_type = {};
  Passage passage = Passage::kSameAxis;
};

constexpr std::array kPassages{
    PassageRow{"Add", Passage::kSum},
    PassageRow{"AveragePool", Passage::kSameAxis},
    PassageRow{"Clip", Passage::kClip},
    PassageRow{"Div", Passage::kProduct},
    PassageRow{"Flatten", Passage::kReshape},
    PassageRow{"GlobalAveragePool", Passage::kSameAxis},
    PassageRow{"GlobalMaxPool", Passage::kSameAxis},
    PassageRow{"Identity", Passage::kSameAxis},
    PassageRow{"LeakyRelu", Passage::kSameAxis},
    PassageRow{"MaxPool", Passage::kSameAxis},
    PassageRow{"Mul", Passage::kProduct},
    PassageRow{"ReduceMax", Passage::kReduce},
    PassageRow{"ReduceMean", Passage::kReduce},
    PassageRow{"Relu", Passage::kSameAxis},
    PassageRow{"Reshape", Passage::kReshape},
    PassageRow{"Squeeze", Passage::kReshape},
    PassageRow{"Sub", Passage::kSum},
    PassageRow{"Transpose", Passage::kTranspose},
    PassageRow{"Unsqueeze", Passage::kReshape},
};

std::optional<Passage> passage_of(const Node& node) {
  if (!node.domain.empty()) return std::nullopt;
  const auto* row = std::ranges::find(kPassages, node.op_type, &PassageRow::op_type);
  if (row == kPassages.end()) return std::nullopt;
  return row->passage;
}

std::optional<std::int64_t> product(const Shape& shape, std::size_t from) {
  std::int64_t result = 1;
  for (std::size_t i = from; i < shape.size(); ++i) {
    const auto dim = shape[i].number();
    // Beyond any real tensor; what the file says is not trusted.
    if (!dim || *dim < 0 || (*dim > 0 && result > (std::int64_t{1} << 40) / *dim))
      return std::nullopt;
    result *= *dim;
  }
  return result;
}

class Finder {
 public:
  Finder(const Graph& graph, std::int64_t opset) : graph_(graph), index_(graph), opset_(opset) {}

  std::vector<TiedChannels> run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) visit(i);
    for (const auto& [name, place] : places_) {
      if (index_.is_graph_output(name) || is_read_by_subgraph(name)) refuse(place.set);
    }
    return collect();
  }

 private:
  /// Where a value is: in which set (find() names its root) and along which axis.
  struct Place {
    std::size_t set = 0;
    std::size_t axis = 0;
  };
  struct Set {
    std::size_t parent = 0;
    bool refused = false;
    TiedChannels tied = {};
  };

  // --- sets --------------------------------------------------------------------------------------

  std::size_t find(std::size_t set) {
    while (sets_[set].parent != set) set = sets_[set].parent = sets_[sets_[set].parent].parent;
    return set;
  }

  void refuse(std::size_t set) { sets_[find(set)].refused = true; }

  void refuse_value(const std::string& value) {
    const auto found = places_.find(value);
    if (found != places_.end()) refuse(found->second.set);
  }

  const Place* place_of(const std::string& value) const {
    const auto found = places_.find(value);
    return found == places_.end() ? nullptr : &found->second;
  }

  TiedChannels& tied(std::size_t set) { return sets_[find(set)].tied; }

  void unite(std::size_t a, std::size_t b) {
    a = find(a);
    b = find(b);
    if (a == b) return;
    if (b < a) std::swap(a, b);  // the older one stays: sets come in graph order
    Set& into = sets_[a];
    Set& from = sets_[b];
    from.parent = a;
    into.refused |= from.refused || into.tied.channels != from.tied.channels;
    const auto move = [](auto& to, auto& what) {
      to.insert(to.end(), what.begin(), what.end());
      what.clear();
    };
    move(into.tied.values, from.tied.values);
    move(into.tied.producers, from.tied.producers);
    move(into.tied.consumers, from.tied.consumers);
    move(into.tied.addends, from.tied.addends);
    move(into.tied.clamps, from.tied.clamps);
  }

  void join(const std::string& value, std::size_t set, std::size_t axis) {
    places_.insert_or_assign(value, Place{set, axis});
    TiedChannels::Value member{.name = value, .axis = axis};
    if (index_.has_single_use(value)) {
      const Node& reader = graph_.nodes[index_.uses(value).front().node];
      member.only_clamped = reader.is("Relu") || reader.is("Clip");
    }
    tied(set).values.push_back(std::move(member));
  }

  void start(std::size_t node, std::size_t channels, std::size_t axis) {
    const std::size_t set = sets_.size();
    sets_.push_back({.parent = set, .tied = {.channels = channels, .producers = {node}}});
    join(graph_.nodes[node].output(0), set, axis);
  }

  // --- nodes -------------------------------------------------------------------------------------

  [[nodiscard]] std::optional<std::size_t> rank_of(const std::string& value) const {
    const auto shape = rewrite::shape_of(index_, value);
    if (!shape) return std::nullopt;
    return shape->size();
  }

  [[nodiscard]] bool is_read_by_subgraph(const std::string& value) const {
    return std::ranges::any_of(index_.uses(value),
                               [](const Use& use) { return use.input == Use::kBySubgraph; });
  }

  void visit(std::size_t i) {
    const Node& node = graph_.nodes[i];
    if (const auto layer = layer_weight_of(node, index_)) return visit_layer(i, *layer);
    if (node.is("LayerNormalization")) return visit_normalization(i);
    const auto passage = passage_of(node);
    if (passage && let_through(i, *passage)) return;
    for (const std::string& input : node.inputs) refuse_value(input);
    if (node.is("Mul") && !node.output(0).empty()) start_at_gain(i);
  }

  /// The axis of a layer's channels, on both sides of it.
  [[nodiscard]] std::optional<std::size_t> channel_axis(const Node& node) const {
    if (!node.is("MatMul")) return 1;
    const auto rank = rank_of(node.input(0));
    if (!rank || *rank == 0) return std::nullopt;
    return *rank - 1;
  }

  void visit_layer(std::size_t i, const LayerWeight& layer) {
    const Node& node = graph_.nodes[i];
    const auto axis = channel_axis(node);
    if (const Place* place = place_of(node.input(0))) {
      TiedChannels& set = tied(place->set);
      if (axis && place->axis == *axis && set.channels == layer.input_channels) {
        set.consumers.push_back(i);
      } else {
        refuse(place->set);
      }
    }
    for (std::size_t k = 1; k < node.inputs.size(); ++k) refuse_value(node.inputs[k]);
    const bool has_bias = !node.is("MatMul") && !node.input(2).empty();
    const std::size_t bias_rank = node.is("Conv") ? 1 : 2;  // [M]; Gemm's is broadcast to [B, N]
    const bool absorbs = !has_bias || constant_operand(index_, node.input(2), bias_rank,
                                                       bias_rank - 1, layer.output_channels);
    if (axis && absorbs) start(i, layer.output_channels, *axis);
  }

  void visit_normalization(std::size_t i) {
    const Node& node = graph_.nodes[i];
    for (const std::string& input : node.inputs) refuse_value(input);
    const auto rank = rank_of(node.input(0));
    if (!rank || *rank == 0) return;
    const std::int64_t axis = node.int_attribute("axis", -1);
    if (axis != -1 && axis != static_cast<std::int64_t>(*rank) - 1) return;
    const Initializer* gamma = index_.constant(node.input(1));
    if (gamma == nullptr || gamma->value.rank() != 1) return;
    const std::size_t channels = gamma->value.element_count();
    const bool scales = constant_operand(index_, node.input(1), 1, 0, channels).has_value();
    const bool shifts = node.input(2).empty() ||
                        constant_operand(index_, node.input(2), 1, 0, channels).has_value();
    if (scales && shifts) start(i, channels, *rank - 1);
  }

  /// A constant per channel that something else is multiplied with makes a set, as gamma does.
  void start_at_gain(std::size_t i) {
    const Node& node = graph_.nodes[i];
    const std::size_t k = index_.constant(node.input(1)) != nullptr ? 1 : 0;
    const Initializer* gain = index_.constant(node.input(k));
    const auto rank = rank_of(node.input(1 - k));
    if (gain == nullptr || !rank || gain->value.rank() > *rank) return;
    const auto& dims = gain->value.dims();
    for (std::size_t d = 0; d < dims.size(); ++d) {
      if (dims[d] == 1) continue;
      const std::size_t axis = *rank - dims.size() + d;
      const auto channels = static_cast<std::size_t>(dims[d]);
      if (gain->value.element_count() == channels &&
          constant_operand(index_, node.input(k), *rank, axis, channels)) {
        start(i, channels, axis);
      }
      return;
    }
  }

  /// Says whether a factor gets through; nothing has changed when it does not.
  bool let_through(std::size_t i, Passage passage) {
    const Node& node = graph_.nodes[i];
    const auto is_made = [](const std::string& output) { return !output.empty(); };
    if (node.output(0).empty() || std::ranges::count_if(node.outputs, is_made) != 1) return false;
    if (passage == Passage::kSum) return let_sum_through(i);
    if (passage == Passage::kProduct) return let_product_through(i);
    const Place* found = place_of(node.input(0));
    if (found == nullptr) return false;
    const Place place = *found;
    std::optional<std::size_t> axis = place.axis;
    if (passage == Passage::kReshape) axis = reshaped_axis(node, place);
    if (passage == Passage::kTranspose) axis = transposed_axis(node, place.axis);
    if (passage == Passage::kReduce && !reduces_behind(node, place.axis)) return false;
    if (node.op_type.ends_with("Pool") && place.axis > 1) return false;  // pools over the channels
    if (!axis) return false;
    if (passage == Passage::kClip) {
      const auto clamp = clamp_of(i);
      if (!clamp) return false;
      tied(place.set).clamps.push_back(*clamp);
    }
    join(node.output(0), place.set, *axis);
    return true;
  }

  bool let_sum_through(std::size_t i) {
    const Node& node = graph_.nodes[i];
    const Place* a = place_of(node.input(0));
    const Place* b = place_of(node.input(1));
    const auto rank_a = rank_of(node.input(0));
    const auto rank_b = rank_of(node.input(1));
    if ((a == nullptr && b == nullptr) || !rank_a || !rank_b) return false;
    const std::size_t set = (a != nullptr ? a : b)->set;
    const std::size_t axis = (a != nullptr ? a : b)->axis;
    if (a != nullptr && b != nullptr) {
      if (*rank_a != *rank_b || a->axis != b->axis) return false;
      unite(a->set, b->set);
    } else {
      const std::size_t other = a != nullptr ? 1 : 0;
      const std::size_t rank = a != nullptr ? *rank_a : *rank_b;
      if (!constant_operand(index_, node.input(other), rank, axis, tied(set).channels))
        return false;
      tied(set).addends.push_back(i);
    }
    join(node.output(0), set, axis);
    return true;
  }

  /// x * gate, x * constant, x / constant: what is multiplied with must not be scaled as well, nor
  /// give the product more channels.
  bool let_product_through(std::size_t i) {
    const Node& node = graph_.nodes[i];
    const Place* a = place_of(node.input(0));
    const Place* b = place_of(node.input(1));
    if ((a == nullptr) == (b == nullptr) || (b != nullptr && node.is("Div"))) return false;
    const std::size_t k = a != nullptr ? 0 : 1;
    const Place place = a != nullptr ? *a : *b;
    const auto rank = rank_of(node.input(k));
    const auto other = rank_of(node.input(1 - k));
    if (!rank || !other || *other > *rank) return false;
    join(node.output(0), place.set, place.axis);
    return true;
  }

  /// The axis of the output whose index is that of the channel.
  [[nodiscard]] std::optional<std::size_t> reshaped_axis(const Node& node, const Place& place) {
    const auto from = rewrite::shape_of(index_, node.input(0));
    const auto to = rewrite::shape_of(index_, node.output(0));
    if (!from || !to || place.axis >= from->size()) return std::nullopt;
    const auto inner = product(*from, place.axis + 1);
    const auto channels = static_cast<std::int64_t>(tied(place.set).channels);
    if (!inner) return std::nullopt;
    for (std::size_t axis = 0; axis < to->size(); ++axis) {
      if ((*to)[axis].number() == channels && product(*to, axis + 1) == inner) return axis;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool reduces_behind(const Node& node, std::size_t axis) const {
    const auto rank = rank_of(node.input(0));
    const auto axes = node.input(1).empty() ? std::optional(node.ints_attribute("axes"))
                                            : rewrite::constant_ints(index_, node.input(1));
    if (!rank || !axes || axes->empty()) return false;
    return std::ranges::all_of(*axes, [&](std::int64_t reduced) {
      const auto place = rewrite::normalized_axis(reduced, *rank);
      return place && *place > axis;
    });
  }

  [[nodiscard]] static std::optional<std::size_t> transposed_axis(const Node& node,
                                                                  std::size_t axis) {
    const auto order = node.ints_attribute("perm");
    const auto found = std::ranges::find(order, static_cast<std::int64_t>(axis));
    if (found == order.end()) return std::nullopt;
    return static_cast<std::size_t>(found - order.begin());
  }

  [[nodiscard]] std::optional<TiedChannels::Clamp> clamp_of(std::size_t i) const {
    const Node& node = graph_.nodes[i];
    TiedChannels::Clamp clamp{.node = i, .low = -kInfinity, .high = kInfinity};
    if (opset_ < 11) {
      clamp.low = node.float_attribute("min", clamp.low);
      clamp.high = node.float_attribute("max", clamp.high);
    } else {
      const auto low = rewrite::constant_scalar(index_, node.input(1));
      const auto high = rewrite::constant_scalar(index_, node.input(2));
      if ((!low && !node.input(1).empty()) || (!high && !node.input(2).empty()))
        return std::nullopt;
      if (low) clamp.low = low->value;
      if (high) clamp.high = high->value;
    }
    // A bound on the other side of 0 is no multiple of itself.
    if (!(clamp.low <= 0.0F && clamp.high >= 0.0F)) return std::nullopt;
    return clamp;
  }

  std::vector<TiedChannels> collect() {
    std::vector<TiedChannels> result;
    for (std::size_t set = 0; set < sets_.size(); ++set) {
      TiedChannels& tied = sets_[set].tied;
      if (sets_[set].parent != set || sets_[set].refused || tied.channels < 2) continue;
      if (tied.producers.empty() || tied.consumers.empty()) continue;
      std::ranges::sort(tied.producers);
      std::ranges::sort(tied.consumers);
      std::ranges::sort(tied.values, {}, [&](const TiedChannels::Value& value) {
        return *index_.producer(value.name);
      });
      result.push_back(std::move(tied));
    }
    return result;
  }

  const Graph& graph_;
  const GraphIndex index_;
  std::int64_t opset_;
  std::vector<Set> sets_;
  std::unordered_map<std::string, Place> places_;
};

}  // namespace

std::vector<TiedChannels> find_tied_channels(const Graph& graph, std::int64_t opset) {
  return Finder(graph, opset).run();
}

}  // namespace planish
