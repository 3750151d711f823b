#include "quantize/gemm_split.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "planish/graph/graph_index.h"
#include "quantize/rewriter.h"

namespace planish::quantize_detail {
namespace {

/// [rows, columns] → [columns, rows].
Tensor transposed(const Tensor& matrix) {
  const auto rows = static_cast<std::size_t>(matrix.dims()[0]);
  const auto columns = static_cast<std::size_t>(matrix.dims()[1]);
  const std::size_t width = byte_count(matrix.dtype(), 1);
  std::vector<std::byte> bytes(matrix.bytes().size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      std::memcpy(&bytes[(c * rows + r) * width], &matrix.bytes()[(r * columns + c) * width],
                  width);
    }
  }
  return Tensor(matrix.dtype(), {matrix.dims()[1], matrix.dims()[0]}, std::move(bytes));
}

class GemmSplitter {
 public:
  GemmSplitter(const Model& model, const std::vector<bool>& wanted) : wanted_(wanted) {
    split_.model = model;
    for_each_graph(model.graph, [&](const Graph& graph) { take_names(graph); });
    for (const Initializer& initializer : model.graph.initializers) {
      constants_.emplace(initializer.name, initializer.value);
    }
  }

  SplitModel run() {
    const std::vector<Node> nodes = std::move(split_.model.graph.nodes);
    split_.model.graph.nodes.clear();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (wanted_[i] && nodes[i].op_type == "Gemm" && is_plain_gemm(nodes[i])) {
        split(nodes[i], i);
      } else {
        add(nodes[i], i);
      }
    }
    return std::move(split_);
  }

 private:
  void take_names(const Graph& graph) {
    for (const Initializer& initializer : graph.initializers) names_.insert(initializer.name);
    for (const auto* infos : {&graph.inputs, &graph.outputs, &graph.values}) {
      for (const ValueInfo& info : *infos) names_.insert(info.name);
    }
    for (const Node& node : graph.nodes) {
      names_.insert(node.inputs.begin(), node.inputs.end());
      names_.insert(node.outputs.begin(), node.outputs.end());
    }
  }

  void add(Node node, std::size_t origin) {
    split_.model.graph.nodes.push_back(std::move(node));
    split_.origin.push_back(origin);
  }

  void split(const Node& gemm, std::size_t i) {
    const auto named = [&](const char* suffix) {
      return gemm.name.empty() ? std::string() : gemm.name + suffix;
    };
    std::string b = gemm.input(1);
    if (gemm.int_attribute("transB", 0) == 1) {
      if (constants_.contains(b)) {
        b = transposed_constant(b);
      } else {
        add(make_node("Transpose", {b}, {transposed_name(b)}, named("_Transpose")), i);
        b = transposed_name(b);
      }
    }
    const bool has_c = gemm.inputs.size() > 2;
    const std::string product = gemm.output(0) + (has_c ? "_MatMul" : "");
    add(make_node("MatMul", {gemm.input(0), b}, {product}, named("_MatMul")), i);
    if (!has_c) return;
    declare_as(product, gemm.output(0));
    add(make_node("Add", {product, gemm.input(2)}, {gemm.output(0)}, named("_Add")), i);
  }

  std::string transposed_constant(const std::string& b) {
    const auto known = split_.transposed.find(b);
    if (known != split_.transposed.end()) return known->second;
    // Quantization derives these names from the constant's.
    static constexpr std::array kDerived{"", "_quantized", "_scale", "_zero_point"};
    std::string name = transposed_name(b);
    const auto is_taken = [&](const char* suffix) { return names_.contains(name + suffix); };
    for (int number = 1; std::ranges::any_of(kDerived, is_taken); ++number) {
      name = transposed_name(b) + "_" + std::to_string(number);
    }
    for (const char* suffix : kDerived) names_.insert(name + suffix);
    Initializer initializer;
    initializer.name = name;
    initializer.value = transposed(constants_.at(b));
    split_.model.graph.initializers.push_back(std::move(initializer));
    split_.transposed.emplace(b, name);
    return name;
  }

  /// `value` has the type that `like` is declared with.
  void declare_as(const std::string& value, const std::string& like) {
    Graph& graph = split_.model.graph;
    for (const auto* infos : {&graph.values, &graph.outputs}) {
      const auto found = std::ranges::find(*infos, like, &ValueInfo::name);
      if (found == infos->end()) continue;
      ValueInfo info = *found;
      info.name = value;
      graph.values.push_back(std::move(info));
      return;
    }
  }

  const std::vector<bool>& wanted_;
  SplitModel split_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, Tensor> constants_;
};

}  // namespace

bool is_plain_gemm(const Node& node) {
  return node.float_attribute("alpha", 1.0F) == 1.0F &&
         node.float_attribute("beta", 1.0F) == 1.0F && node.int_attribute("transA", 0) == 0;
}

std::string transposed_name(const std::string& constant) { return constant + "_Transposed"; }

SplitModel split_gemms(const Model& model, const std::vector<bool>& wanted) {
  return GemmSplitter(model, wanted).run();
}

}  // namespace planish::quantize_detail
