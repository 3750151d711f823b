// Small models for tests, in a few lines.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "planish/graph/model.h"

namespace planish::test {

/// Attributes of a node: {{"group", 1}, {"pads", ints({0, 0, 1, 1})}, {"mode", "linear"}}.
/// Floats are written as such (1e-5F).
using Attributes = std::vector<std::pair<std::string, Attribute::Value>>;

inline std::vector<std::int64_t> ints(std::initializer_list<std::int64_t> values) { return values; }
inline std::vector<float> floats(std::initializer_list<float> values) { return values; }

/// Collects a graph; every call returns the builder.
///
///   const Model model = GraphBuilder()
///                           .input("x", DType::kFloat32, {"batch", 3, 8, 8})
///                           .initializer("w", Tensor::of<float>({4, 3, 1, 1}, weights))
///                           .node("Conv", {"x", "w"}, {"y"}, {{"kernel_shape", ints({1, 1})}})
///                           .output("y", DType::kFloat32, {"batch", 4, 8, 8})
///                           .model();
///
/// Nodes are named "<op_type>_<number>" unless named otherwise, the graph "test".
class GraphBuilder {
 public:
  explicit GraphBuilder(std::int64_t opset = 17);

  /// Imports `version` of `domain`, besides the opset of ONNX itself.
  GraphBuilder& opset(std::string domain, std::int64_t version);

  GraphBuilder& input(std::string name, DType dtype = DType::kFloat32, Shape shape = {});
  /// An output, or (value) the declared type of a value between.
  GraphBuilder& output(std::string name, DType dtype = DType::kFloat32, Shape shape = {});
  GraphBuilder& value(std::string name, DType dtype = DType::kFloat32, Shape shape = {});
  /// An output whose type is not declared.
  GraphBuilder& untyped_output(std::string name);

  GraphBuilder& initializer(std::string name, Tensor value);
  /// A tensor with a copy of `values`: initializer<float>("w", {2}, {1, 2}).
  template <typename T>
  GraphBuilder& initializer(std::string name, std::vector<std::int64_t> dims,
                            const std::vector<T>& values) {
    return initializer(std::move(name), Tensor::of<T>(std::move(dims), values));
  }

  GraphBuilder& node(std::string op_type, std::vector<std::string> inputs,
                     std::vector<std::string> outputs, const Attributes& attributes = {},
                     std::string name = {}, std::string domain = {});

  /// The graph so far, for example as the value of an attribute: Box<Graph>(builder.graph()).
  [[nodiscard]] const Graph& graph() const { return model_.graph; }
  [[nodiscard]] const Model& model() const { return model_; }

 private:
  Model model_;
};

}  // namespace planish::test
