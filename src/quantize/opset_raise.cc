#include "quantize/opset_raise.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"
#include "quantize/opset_rewrites.h"
#include "quantize/overrides.h"

namespace planish::quantize_detail {
namespace {

/// What becomes of a node whose operator has another form since an opset.
enum class Change {
  kRewritten,      // it would have to be rewritten
  kSetsZero,       // the attribute is said to be 0, its default
  kCountsOutputs,  // the attribute says how many outputs there are, unless an input does
  kSecondOutput,   // it would have to be rewritten where it has a second output
};

struct ChangeRow {
  std::string_view op_type = {};
  std::int64_t since = 0;
  Change change = Change::kRewritten;
  std::string_view attribute = {};  // kRewritten: only where it has this attribute ("": always)
};

/// Operators whose form changed between opsets 9 and 21; of all others newer opsets only take more.
/// Source: onnx/version_converter/convert.h of onnx 1.23, whose adapters of other operators rewrite
/// nothing.
constexpr std::array kChanges{
    ChangeRow{"BatchNormalization", 14, Change::kSecondOutput},
    ChangeRow{"Clip", 11, Change::kRewritten, "max"},
    ChangeRow{"Clip", 11, Change::kRewritten, "min"},
    ChangeRow{"DFT", 20},
    ChangeRow{"Dropout", 12, Change::kRewritten, "ratio"},
    ChangeRow{"GRU", 14, Change::kSetsZero, "layout"},
    ChangeRow{"GridSample", 20},
    ChangeRow{"GroupNormalization", 21},
    ChangeRow{"Hardmax", 13},
    ChangeRow{"LSTM", 14, Change::kSetsZero, "layout"},
    ChangeRow{"LogSoftmax", 13},
    ChangeRow{"LpPool", 18, Change::kSetsZero, "ceil_mode"},
    ChangeRow{"Pad", 11},
    ChangeRow{"RNN", 14, Change::kSetsZero, "layout"},
    ChangeRow{"ReduceL1", 18, Change::kRewritten, "axes"},
    ChangeRow{"ReduceL2", 18, Change::kRewritten, "axes"},
    ChangeRow{"ReduceLogSum", 18, Change::kRewritten, "axes"},
    ChangeRow{"ReduceLogSumExp", 18, Change::kRewritten, "axes"},
    ChangeRow{"ReduceMax", 18, Change::kRewritten, "axes"},
    ChangeRow{"ReduceMean", 18, Change::kRewritten, "axes"},
    ChangeRow{"ReduceMin", 18, Change::kRewritten, "axes"},
    ChangeRow{"ReduceProd", 18, Change::kRewritten, "axes"},
    ChangeRow{"ReduceSum", 13, Change::kRewritten, "axes"},
    ChangeRow{"ReduceSumSquare", 18, Change::kRewritten, "axes"},
    ChangeRow{"Resize", 11},
    ChangeRow{"RoiAlign", 16},
    ChangeRow{"Scatter", 11},
    ChangeRow{"Slice", 10},
    ChangeRow{"Softmax", 13},
    ChangeRow{"Split", 13, Change::kRewritten, "split"},
    ChangeRow{"Split", 18, Change::kCountsOutputs, "num_outputs"},
    ChangeRow{"Squeeze", 13, Change::kRewritten, "axes"},
    ChangeRow{"TopK", 10},
    ChangeRow{"Unsqueeze", 13, Change::kRewritten, "axes"},
    ChangeRow{"Upsample", 10},
};

constexpr bool changes_are_sorted() {
  for (std::size_t i = 1; i < kChanges.size(); ++i) {
    if (kChanges.at(i).op_type < kChanges.at(i - 1).op_type) return false;
  }
  return true;
}
static_assert(changes_are_sorted(), "kChanges: by operator");

bool is_rewritten(const Node& node, const ChangeRow& row) {
  if (row.change == Change::kSecondOutput) return node.outputs.size() > 1;
  if (row.change != Change::kRewritten) return false;
  return row.attribute.empty() || node.find_attribute(row.attribute) != nullptr;
}

void set_attribute(Node& node, const ChangeRow& row) {
  const std::string name(row.attribute);
  if (row.change == Change::kSetsZero) node.set_attribute(name, std::int64_t{0});
  if (row.change == Change::kCountsOutputs && node.inputs.size() == 1)
    node.set_attribute(name, static_cast<std::int64_t>(node.outputs.size()));
}

class OpsetRaiser {
 public:
  OpsetRaiser(std::int64_t from, std::int64_t to, OtherForms forms, NameScope& names)
      : from_(from), to_(to), forms_(forms), names_(names) {}

  void raise(Graph& graph) {
    for (Node& node : graph.nodes) {
      if (!node.domain.empty()) continue;
      for (const ChangeRow& row : kChanges) {
        if (row.op_type != node.op_type || row.since <= from_ || row.since > to_) continue;
        if (is_rewritten(node, row) && !rewrite(node, graph, row)) refuse(node, row);
        set_attribute(node, row);
      }
    }
  }

 private:
  bool rewrite(Node& node, Graph& graph, const ChangeRow& row) {
    return forms_ == OtherForms::kRewrite && rewrite_for_opset(node, graph, row.since, names_);
  }

  [[noreturn]] void refuse(const Node& node, const ChangeRow& row) const {
    throw Error(ErrorCode::kUnsupported,
                "the model is of opset " + std::to_string(from_) + "; opset " +
                    std::to_string(to_) + " is needed, where node '" + node.name + "' (" +
                    node.op_type + ") has another form since " + std::to_string(row.since) +
                    ": export the model with opset " + std::to_string(to_));
  }

  std::int64_t from_;
  std::int64_t to_;
  OtherForms forms_;
  NameScope& names_;
};

}  // namespace

std::int64_t raised_opset(std::int64_t opset, const QuantizationConfig& config) {
  const auto is_wide = [](DType dtype) {
    return dtype == DType::kUInt16 || dtype == DType::kInt16;
  };
  const bool wide = is_wide(config.weight) ||
                    (config.mode == QuantizationMode::kStatic &&
                     (is_wide(config.activation) || overrides_to_16_bits(config.tensor_overrides)));
  if (wide) return std::max<std::int64_t>(opset, 21);
  return opset < 10 ? 11 : opset;
}

Model raise_opset(Model model, std::int64_t opset, OtherForms forms) {
  if (model.opset() >= opset) return model;
  NameScope names(model.graph);
  OpsetRaiser raiser(model.opset(), opset, forms, names);
  for_each_graph(model.graph, [&](Graph& graph) { raiser.raise(graph); });
  model.set_opset("", opset);
  // Before IR version 4 every initializer had to be a graph input as well.
  constexpr std::int64_t kInitializersAlone = 4;
  if (forms == OtherForms::kRewrite)
    model.ir_version = std::max(model.ir_version, kInitializersAlone);
  return model;
}

}  // namespace planish::quantize_detail
