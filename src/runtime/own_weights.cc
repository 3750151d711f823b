#include "runtime/own_weights.h"

#include <cstring>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "planish/base/memory.h"
#include "planish/graph/bodies.h"

namespace planish {
namespace {

Tensor copy_of(const Tensor& tensor) {
  const auto bytes = tensor.bytes();
  const std::shared_ptr<std::byte[]> copy = uninitialized_bytes(bytes.size());
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  return Tensor(tensor.dtype(), tensor.dims(), std::span<const std::byte>(copy.get(), bytes.size()),
                copy);
}

}  // namespace

void own_weights(Model& model, const Model& original) {
  std::unordered_map<std::string_view, const Tensor*> originals;
  for (const Initializer& initializer : original.graph.initializers)
    originals.emplace(initializer.name, &initializer.value);
  for_each_graph(model.graph, [&](Graph& graph) {
    for (Initializer& initializer : graph.initializers) {
      if (initializer.value.bytes().empty()) continue;  // strings among them
      const auto found = originals.find(initializer.name);
      const bool is_unchanged = found != originals.end() && *found->second == initializer.value;
      initializer.value = is_unchanged ? *found->second : copy_of(initializer.value);
    }
  });
}

}  // namespace planish
