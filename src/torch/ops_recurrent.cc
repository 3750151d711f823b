#include "torch/ops_recurrent.h"

#include <array>
#include <span>

#include "planish/base/error.h"
#include "torch/ops_common.h"
#include "torch/problems.h"

namespace planish::torch::ops {
namespace {

/// What sets the recurrent operators of ONNX apart. gate_order[i] is the place that ONNX's gate i
/// has in torch's weights.
struct Cell {
  std::string op;
  std::span<const std::size_t> gate_order;
  Attributes attributes = {};
  bool has_cell_state = false;
};

// torch stacks i f g o, ONNX i o f c; torch r z n, ONNX z r h.
constexpr std::array<std::size_t, 4> kLstmGates{0, 3, 1, 2};
constexpr std::array<std::size_t, 3> kGruGates{1, 0, 2};

/// A layer as the arguments describe it.
struct Layout {
  std::int64_t layers = 1;
  std::int64_t directions = 1;
  bool has_biases = true;
  bool batch_first = false;
};

Layout layout_of(const Call& call) {
  if (call.flag("train", false) && call.real("dropout", 0.0) > 0.0)
    call.unsupported(training_advice("it drops values between its layers at random"));
  Layout layout;
  layout.layers = call.integer("num_layers");
  layout.directions = call.flag("bidirectional") ? 2 : 1;
  layout.has_biases = call.flag("has_biases");
  layout.batch_first = call.flag("batch_first");
  if (layout.layers < 1) throw Error(ErrorCode::kCorrupt, "a recurrent layer without layers");
  return layout;
}

/// weight: [gates H, …], its gates in ONNX's order.
std::string reordered(Call& call, const Value& weight, const Cell& cell) {
  const std::size_t gates = cell.gate_order.size();
  if (gates == 1) return weight.name;
  const auto rows = weight.shape.at(0).integer();
  if (!rows || *rows % static_cast<std::int64_t>(gates) != 0)
    throw Error(ErrorCode::kCorrupt, "weights of a recurrent layer that are not whole gates");
  const std::vector<std::int64_t> sizes(gates, *rows / static_cast<std::int64_t>(gates));
  const std::vector<std::string> parts =
      call.emit_many("Split", {weight.name, call.ints(sizes)}, gates, {{"axis", std::int64_t{0}}});
  std::vector<std::string> ordered;
  for (const std::size_t gate : cell.gate_order) ordered.push_back(parts.at(gate));
  return call.emit("Concat", ordered, {{"axis", std::int64_t{0}}});
}

std::string joined(Call& call, const std::vector<std::string>& values, std::int64_t axis) {
  return values.size() == 1 ? values.front() : call.emit("Concat", values, {{"axis", axis}});
}

struct Weights {
  std::string input;      // [directions, gates H, I]
  std::string recurrent;  // [directions, gates H, H]
  std::string bias;       // [directions, 2 gates H]; "" when there is none
  std::int64_t hidden = 0;
};

Weights weights_of(Call& call, const Cell& cell, std::span<const Value> params,
                   std::size_t per_direction) {
  std::array<std::vector<std::string>, 3> all;
  for (std::size_t at = 0; at < params.size(); at += per_direction) {
    std::vector<std::string> biases;
    for (std::size_t i = 0; i < per_direction; ++i) {
      const std::string weight = reordered(call, params[at + i], cell);
      if (i < 2) {
        all.at(i).push_back(unsqueeze(call, weight, {0}));
      } else {
        biases.push_back(weight);
      }
    }
    if (!biases.empty()) all[2].push_back(unsqueeze(call, joined(call, biases, 0), {0}));
  }
  const auto hidden = params[1].shape.at(1).integer();
  if (!hidden) throw Error(ErrorCode::kCorrupt, "recurrent weights of unknown size");
  return {joined(call, all[0], 0), joined(call, all[1], 0),
          all[2].empty() ? "" : joined(call, all[2], 0), *hidden};
}

/// The states of one layer: [layers directions, N, H] to [directions, N, H].
std::string state_of_layer(Call& call, const std::string& states, const Layout& layout,
                           std::int64_t layer) {
  if (layout.layers == 1) return states;
  const std::int64_t first = layer * layout.directions;
  return call.emit("Slice", {states, call.ints({first}), call.ints({first + layout.directions}),
                             call.ints({0})});
}

/// [T, directions, N, H] to [T, N, directions H].
std::string directions_side_by_side(Call& call, const std::string& value, const Layout& layout) {
  if (layout.directions == 1) return squeeze(call, value, {1});
  return call.emit("Reshape", {transpose(call, value, {0, 2, 1, 3}), call.ints({0, 0, -1})});
}

void recurrent(Call& call, const Cell& cell) {
  const Layout layout = layout_of(call);
  const std::vector<Value> params = call.tensors("params");
  const std::size_t per_direction = layout.has_biases ? 4 : 2;
  const auto directions = static_cast<std::size_t>(layout.directions);
  const std::size_t per_layer = per_direction * directions;
  if (params.size() == per_layer * static_cast<std::size_t>(layout.layers) +
                           directions * static_cast<std::size_t>(layout.layers)) {
    call.unsupported("it projects its hidden state (proj_size), which ONNX's LSTM does not");
  }
  if (params.size() != per_layer * static_cast<std::size_t>(layout.layers))
    throw Error(ErrorCode::kCorrupt, "weights of a recurrent layer are missing");
  std::vector<Value> states =
      cell.has_cell_state ? call.tensors("hx") : std::vector<Value>{call.tensor("hx")};
  const Value input = call.tensor("input");
  std::string value = layout.batch_first ? transpose(call, input.name, {1, 0, 2}) : input.name;
  std::vector<std::vector<std::string>> last(states.size());
  for (std::int64_t layer = 0; layer < layout.layers; ++layer) {
    const auto first = static_cast<std::size_t>(layer) * per_layer;
    const Weights weights =
        weights_of(call, cell, std::span(params).subspan(first, per_layer), per_direction);
    // The fifth input is lengths of sequences.
    std::vector<std::string> inputs{value, weights.input, weights.recurrent, weights.bias, ""};
    for (const Value& state : states)
      inputs.push_back(state_of_layer(call, state.name, layout, layer));
    Attributes attributes = cell.attributes;
    attributes.emplace_back("hidden_size", weights.hidden);
    attributes.emplace_back("direction",
                            std::string(layout.directions == 2 ? "bidirectional" : "forward"));
    const auto outputs = call.emit_many(cell.op, inputs, 1 + states.size(), attributes);
    value = directions_side_by_side(call, outputs[0], layout);
    for (std::size_t i = 0; i < states.size(); ++i) last[i].push_back(outputs[i + 1]);
  }
  call.give(layout.batch_first ? transpose(call, value, {1, 0, 2}) : value);
  for (std::size_t i = 0; i < states.size(); ++i)
    call.give(joined(call, last[i], 0), DType::kUndefined, i + 1);
}

void plain_rnn(Call& call, const std::string& activation) {
  constexpr std::array<std::size_t, 1> kOneGate{0};
  const std::size_t directions = call.flag("bidirectional") ? 2 : 1;
  recurrent(call,
            {"RNN", kOneGate, {{"activations", std::vector<std::string>(directions, activation)}}});
}

}  // namespace

void lstm(Call& call) {
  recurrent(call, {.op = "LSTM", .gate_order = kLstmGates, .has_cell_state = true});
}

void gru(Call& call) {
  // torch multiplies the reset gate behind the recurrent product.
  recurrent(call, {"GRU", kGruGates, {{"linear_before_reset", std::int64_t{1}}}});
}

void rnn_tanh(Call& call) { plain_rnn(call, "Tanh"); }
void rnn_relu(Call& call) { plain_rnn(call, "Relu"); }

}  // namespace planish::torch::ops
