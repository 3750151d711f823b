#include "onnx/validate.h"

#include <string_view>
#include <unordered_map>
#include <utility>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"

namespace planish {
namespace {

void check_opsets(const Model& model) {
  if (model.ir_version < 3) {
    throw Error(ErrorCode::kCorrupt, "IR version " + std::to_string(model.ir_version) +
                                         "; expected 3 or more (2017): the file is damaged, or no "
                                         "ONNX model, or older than ONNX 1.0");
  }
  if (model.opset_imports.empty()) {
    throw Error(ErrorCode::kCorrupt, "imports no operator set; expected at least one opset_import");
  }
  for (const OpsetImport& import : model.opset_imports) {
    const std::string domain = import.domain.empty() ? "ai.onnx" : import.domain;
    if (import.version < 1) {
      throw Error(ErrorCode::kCorrupt, "imports version " + std::to_string(import.version) +
                                           " of operator set '" + domain + "'; expected 1 or more");
    }
    if (model.opset(import.domain) != import.version) {
      throw Error(ErrorCode::kCorrupt, "imports versions " +
                                           std::to_string(model.opset(import.domain)) + " and " +
                                           std::to_string(import.version) + " of operator set '" +
                                           domain + "'; expected one");
    }
  }
}

/// The names that one graph defines, each with what defines it: static single assignment.
class Definitions {
 public:
  void add(std::string_view name, std::string_view by) {
    if (name.empty()) return;
    const auto [found, added] = makers_.emplace(name, by);
    if (added) return;
    throw Error(ErrorCode::kCorrupt, "value '" + std::string(name) + "' is defined twice, by " +
                                         std::string(found->second) + " and by " + std::string(by));
  }
  [[nodiscard]] bool has(std::string_view name) const { return makers_.contains(name); }

 private:
  std::unordered_map<std::string_view, std::string_view> makers_;
};

void check_names(const Graph& graph) {
  Definitions inputs;
  Definitions made;
  for (const ValueInfo& input : graph.inputs) inputs.add(input.name, "a graph input");
  for (const Initializer& tensor : graph.initializers) made.add(tensor.name, "an initializer");
  for (const SparseInitializer& tensor : graph.sparse_initializers) {
    made.add(tensor.values.name, "a sparse initializer");
  }
  // An initializer may have the name of an input: it is the input's default. A node's output may
  // not.
  for (const ValueInfo& input : graph.inputs) {
    if (!made.has(input.name)) made.add(input.name, "a graph input");
  }
  for (const Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) made.add(output, "a node");
  }
}

void validate_function(Function& function) {
  Graph body;
  body.nodes = std::move(function.nodes);
  for (const std::string& input : function.inputs) {
    ValueInfo value;
    value.name = input;
    body.inputs.push_back(std::move(value));
  }
  for_each_graph(body, [](Graph& graph) {
    check_names(graph);
    sort_topologically(graph);
  });
  function.nodes = std::move(body.nodes);
}

}  // namespace

void validate(Model& model) {
  check_opsets(model);
  for_each_graph(model.graph, [](Graph& graph) {
    in_context("graph '" + graph.name + "'", [&] {
      check_names(graph);
      sort_topologically(graph);
    });
  });
  for (Function& function : model.functions) {
    in_context("function '" + function.name + "'", [&] { validate_function(function); });
  }
}

}  // namespace planish
