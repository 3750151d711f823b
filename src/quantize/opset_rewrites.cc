#include "quantize/opset_rewrites.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace planish::quantize_detail {
namespace {

/// One node while it is rewritten.
class Rewrite {
 public:
  Rewrite(Node& node, Graph& graph, NameScope& names) : node_(node), graph_(graph), names_(names) {}

  /// Attribute `name` becomes input `at`, a vector; nothing happens without the attribute.
  bool ints_to_input(std::string_view name, std::size_t at) {
    const auto values = node_.ints_attribute(name);
    if (values.empty()) return true;
    return move_to_input(name, at, Tensor::of({static_cast<std::int64_t>(values.size())}, values));
  }

  /// Likewise a scalar of the data's type.
  bool float_to_input(std::string_view name, std::size_t at) {
    if (node_.find_attribute(name) == nullptr) return true;
    if (data_type() != DType::kFloat32) return false;
    return move_to_input(name, at, Tensor::scalar(node_.float_attribute(name, 0.0F)));
  }

  /// k of TopK, a vector of one.
  bool int_to_input(std::string_view name, std::size_t at) {
    return move_to_input(name, at, Tensor::of({1}, std::vector{node_.int_attribute(name, 0)}));
  }

  bool drop_attribute(std::string_view name) {
    node_.remove_attribute(name);
    return true;
  }

  /// Softmax and its kin: all axes from `axis` on were one before opset 13.
  bool keep_last_axis() {
    const std::int64_t axis = node_.int_attribute("axis", 1);
    const std::optional<std::int64_t> rank = data_rank();
    if (axis != -1 && (!rank || axis != *rank - 1)) return false;
    node_.set_attribute("axis", std::int64_t{-1});
    return true;
  }

  /// Upsample and the first Resize: [X, scales] as [X, roi, scales], coordinates as they were.
  bool to_resize() {
    if (node_.inputs.size() != 2) return false;
    node_.op_type = "Resize";
    node_.inputs.insert(node_.inputs.begin() + 1, std::string());
    node_.set_attribute("coordinate_transformation_mode", std::string("asymmetric"));
    node_.set_attribute("nearest_mode", std::string("floor"));
    return true;
  }

 private:
  bool move_to_input(std::string_view name, std::size_t at, Tensor value) {
    Initializer constant;
    constant.name = names_.fresh(node_.output(0) + "_" + std::string(name));
    constant.value = std::move(value);
    if (node_.inputs.size() <= at) node_.inputs.resize(at + 1);
    node_.inputs[at] = constant.name;
    graph_.initializers.push_back(std::move(constant));
    node_.remove_attribute(name);
    return true;
  }

  [[nodiscard]] const TensorType* data() const {
    for (const auto* infos : {&graph_.values, &graph_.inputs, &graph_.outputs}) {
      for (const ValueInfo& info : *infos) {
        if (info.name == node_.input(0)) return info.type.tensor();
      }
    }
    return nullptr;
  }
  /// float32 when it is not declared.
  [[nodiscard]] DType data_type() const {
    const TensorType* type = data();
    return type == nullptr || type->dtype == DType::kUndefined ? DType::kFloat32 : type->dtype;
  }
  [[nodiscard]] std::optional<std::int64_t> data_rank() const {
    const TensorType* type = data();
    if (type == nullptr || !type->shape) return std::nullopt;
    return static_cast<std::int64_t>(type->shape->size());
  }

  Node& node_;
  Graph& graph_;
  NameScope& names_;
};

struct RewriteRow {
  std::string_view op_type = {};
  std::int64_t since = 0;
  bool (*rewrite)(Rewrite&) = nullptr;
};

constexpr auto kAxesToInput = [](Rewrite& node) { return node.ints_to_input("axes", 1); };
constexpr auto kKeepLastAxis = [](Rewrite& node) { return node.keep_last_axis(); };
constexpr auto kToResize = [](Rewrite& node) { return node.to_resize(); };

/// Source: the operators' pages in onnx/docs/Changelog.md.
constexpr std::array kRewrites{
    RewriteRow{"Clip", 11,
               [](Rewrite& node) {
                 return node.float_to_input("min", 1) && node.float_to_input("max", 2);
               }},
    // Inference drops nothing, whatever the ratio.
    RewriteRow{"Dropout", 12, [](Rewrite& node) { return node.drop_attribute("ratio"); }},
    RewriteRow{"Hardmax", 13, kKeepLastAxis},
    RewriteRow{"LogSoftmax", 13, kKeepLastAxis},
    RewriteRow{"Pad", 11,
               [](Rewrite& node) {
                 return node.ints_to_input("pads", 1) && node.float_to_input("value", 2);
               }},
    RewriteRow{"ReduceSum", 13, kAxesToInput},
    RewriteRow{"Resize", 11, kToResize},
    RewriteRow{"Slice", 10,
               [](Rewrite& node) {
                 return node.ints_to_input("starts", 1) && node.ints_to_input("ends", 2) &&
                        node.ints_to_input("axes", 3);
               }},
    RewriteRow{"Softmax", 13, kKeepLastAxis},
    RewriteRow{"Split", 13, [](Rewrite& node) { return node.ints_to_input("split", 1); }},
    RewriteRow{"Squeeze", 13, kAxesToInput},
    RewriteRow{"TopK", 10, [](Rewrite& node) { return node.int_to_input("k", 1); }},
    RewriteRow{"Unsqueeze", 13, kAxesToInput},
    RewriteRow{"Upsample", 10, kToResize},
};

}  // namespace

bool rewrite_for_opset(Node& node, Graph& graph, std::int64_t since, NameScope& names) {
  for (const RewriteRow& row : kRewrites) {
    if (row.op_type != node.op_type || row.since != since) continue;
    Node rewritten = node;
    Rewrite rewrite(rewritten, graph, names);
    if (!row.rewrite(rewrite)) return false;
    node = std::move(rewritten);
    return true;
  }
  return false;
}

}  // namespace planish::quantize_detail
