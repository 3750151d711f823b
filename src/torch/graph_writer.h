// The ONNX graph while it is written: nodes in order, names that are unique, constants once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "planish/graph/model.h"

namespace planish::torch {

using Attributes = std::vector<std::pair<std::string, Attribute::Value>>;

class GraphWriter {
 public:
  explicit GraphWriter(std::int64_t opset) : opset_(opset) {}

  [[nodiscard]] std::int64_t opset() const { return opset_; }

  /// `wanted`, or with "_1", "_2" … behind it when that is taken. Names of nodes and values are one
  /// space.
  std::string unique_name(const std::string& wanted);

  /// An initializer of exactly that name (see unique_name).
  void add_initializer(std::string name, Tensor value);
  /// The name of an initializer with this value; small equal ones are one.
  std::string constant(const Tensor& value);
  /// The elements of an initializer; null for other values.
  [[nodiscard]] const Tensor* find_constant(std::string_view name) const;

  /// An initializer with the two last axes of the initializer `name` exchanged; made once.
  std::string transposed(const std::string& name);

  /// Makes `value` known as the graph output `output`. Call after all nodes are added.
  void name_output(const std::string& value, const std::string& output);

  void add_node(Node node) { graph_.nodes.push_back(std::move(node)); }
  [[nodiscard]] Graph& graph() { return graph_; }

  /// The graph, without nodes and initializers that no output needs. Ends the writer.
  Graph take();

 private:
  void write_outputs();

  std::int64_t opset_;
  Graph graph_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, std::size_t> next_suffix_;
  std::unordered_map<std::string, std::size_t> initializers_;  // by name, index
  std::unordered_map<std::string, std::string> constants_;     // by content, name
  std::unordered_map<std::string, std::string> transposed_;    // by name, name
  std::vector<std::pair<std::string, std::string>> outputs_;   // value, output
};

}  // namespace planish::torch
