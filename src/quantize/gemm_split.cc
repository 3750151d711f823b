#include "quantize/gemm_split.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

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

/// A graph while its nodes are written anew.
struct Level {
  Graph& graph;
  const Level* outer = nullptr;
  SplitOrigin origin = {};
  std::map<std::string, std::string> transposed = {};
  std::unordered_map<std::string, Tensor> constants = {};

  [[nodiscard]] const Tensor* constant(const std::string& name) const {
    for (const Level* level = this; level != nullptr; level = level->outer) {
      const auto found = level->constants.find(name);
      if (found != level->constants.end()) return &found->second;
    }
    return nullptr;
  }

  void add(Node node, std::size_t of) {
    graph.nodes.push_back(std::move(node));
    origin.nodes.push_back(of);
  }

  /// `value` has the type that `like` is declared with.
  void declare_as(const std::string& value, const std::string& like) {
    for (const auto* infos : {&graph.values, &graph.outputs}) {
      const auto found = std::ranges::find(*infos, like, &ValueInfo::name);
      if (found == infos->end()) continue;
      ValueInfo info = *found;
      info.name = value;
      graph.values.push_back(std::move(info));
      return;
    }
  }
};

class GemmSplitter {
 public:
  GemmSplitter(const Model& model, BodySplit bodies) : bodies_(bodies) {
    split_.model = model;
    for_each_graph(model.graph, [&](const Graph& graph) { take_names(graph); });
  }

  SplitModel run(const std::vector<bool>& wanted) {
    Level level = split_graph(split_.model.graph, &wanted, nullptr);
    split_.origin = std::move(level.origin);
    split_.transposed = std::move(level.transposed);
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

  /// `wanted`: by node; null: all.
  Level split_graph(Graph& graph, const std::vector<bool>* wanted, const Level* outer) {
    std::vector<Node> nodes = std::exchange(graph.nodes, {});
    Level level{.graph = graph, .outer = outer};
    for (const Initializer& initializer : graph.initializers)
      level.constants.emplace(initializer.name, initializer.value);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Node& node = nodes[i];
      const bool is_wanted = wanted == nullptr || (*wanted)[i];
      if (is_wanted && node.op_type == "Gemm" && is_plain_gemm(node)) {
        split(node, i, level);
      } else {
        level.add(std::move(nodes[i]), i);
        if (bodies_ == BodySplit::kAll) split_bodies(level);
      }
    }
    return level;
  }

  /// Those of the last node.
  void split_bodies(Level& level) {
    const std::size_t node = level.graph.nodes.size() - 1;
    const auto split_body = [&](Graph& body, const std::string& attribute, std::size_t position) {
      Level inner = split_graph(body, nullptr, &level);
      inner.origin.place = {node, attribute, position};
      level.origin.bodies.push_back(std::move(inner.origin));
    };
    for (Attribute& attribute : level.graph.nodes[node].attributes) {
      if (auto* one = std::get_if<Box<Graph>>(&attribute.value))
        split_body(**one, attribute.name, 0);
      auto* many = std::get_if<std::vector<Graph>>(&attribute.value);
      for (std::size_t k = 0; many != nullptr && k < many->size(); ++k)
        split_body((*many)[k], attribute.name, k);
    }
  }

  void split(const Node& gemm, std::size_t i, Level& level) {
    const auto named = [&](const char* suffix) {
      return gemm.name.empty() ? std::string() : gemm.name + suffix;
    };
    std::string b = gemm.input(1);
    if (gemm.int_attribute("transB", 0) == 1) {
      if (level.constant(b) != nullptr) {
        b = transposed_constant(b, level);
      } else {
        level.add(make_node("Transpose", {b}, {transposed_name(b)}, named("_Transpose")), i);
        b = transposed_name(b);
      }
    }
    const bool has_c = gemm.inputs.size() > 2;
    const std::string product = gemm.output(0) + (has_c ? "_MatMul" : "");
    level.add(make_node("MatMul", {gemm.input(0), b}, {product}, named("_MatMul")), i);
    if (!has_c) return;
    level.declare_as(product, gemm.output(0));
    level.add(make_node("Add", {product, gemm.input(2)}, {gemm.output(0)}, named("_Add")), i);
  }

  std::string transposed_constant(const std::string& b, Level& level) {
    const auto known = level.transposed.find(b);
    if (known != level.transposed.end()) return known->second;
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
    initializer.value = transposed(*level.constant(b));
    level.graph.initializers.push_back(std::move(initializer));
    level.transposed.emplace(b, name);
    return name;
  }

  const BodySplit bodies_;
  SplitModel split_;
  std::unordered_set<std::string> names_;
};

}  // namespace

bool is_plain_gemm(const Node& node) {
  return node.float_attribute("alpha", 1.0F) == 1.0F &&
         node.float_attribute("beta", 1.0F) == 1.0F && node.int_attribute("transA", 0) == 0;
}

std::string transposed_name(const std::string& constant) { return constant + "_Transposed"; }

SplitModel split_gemms(const Model& model, const std::vector<bool>& wanted, BodySplit bodies) {
  return GemmSplitter(model, bodies).run(wanted);
}

}  // namespace planish::quantize_detail
