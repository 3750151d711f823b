#include "torch/graph_writer.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace planish::torch {
namespace {

// Larger constants are weights: comparing their content is not worth it.
constexpr std::size_t kMaxSharedBytes = 1024;

std::string content_of(const Tensor& value) {
  std::string content = std::string(name_of(value.dtype())) + to_string(value.dims());
  content.append(reinterpret_cast<const char*>(value.bytes().data()), value.bytes().size());
  return content;
}

/// [..., M, N] to [..., N, M].
Tensor exchange_last_axes(const Tensor& value) {
  std::vector<std::int64_t> dims = value.dims();
  std::swap(dims.at(dims.size() - 1), dims.at(dims.size() - 2));
  const std::size_t element = byte_count(value.dtype(), 1);
  const auto columns = static_cast<std::size_t>(dims[dims.size() - 2]);
  const auto rows = static_cast<std::size_t>(dims[dims.size() - 1]);
  std::vector<std::byte> out(value.bytes().size());
  const std::byte* from = value.bytes().data();
  std::byte* to = out.data();
  // Square tiles, so that both sides stay within the cache.
  constexpr std::size_t kTile = 32;
  for (std::size_t done = 0; done < out.size(); done += rows * columns * element) {
    for (std::size_t r0 = 0; r0 < rows; r0 += kTile) {
      for (std::size_t c0 = 0; c0 < columns; c0 += kTile) {
        for (std::size_t r = r0; r < std::min(rows, r0 + kTile); ++r) {
          for (std::size_t c = c0; c < std::min(columns, c0 + kTile); ++c) {
            std::memcpy(to + done + (c * rows + r) * element,
                        from + done + (r * columns + c) * element, element);
          }
        }
      }
    }
  }
  return Tensor(value.dtype(), std::move(dims), std::move(out));
}

}  // namespace

std::string GraphWriter::unique_name(const std::string& wanted) {
  if (names_.insert(wanted).second) return wanted;
  std::size_t& suffix = next_suffix_[wanted];
  for (;;) {
    std::string name = wanted + "_" + std::to_string(++suffix);
    if (names_.insert(name).second) return name;
  }
}

void GraphWriter::add_initializer(std::string name, Tensor value) {
  initializers_.emplace(name, graph_.initializers.size());
  Initializer initializer;
  initializer.name = std::move(name);
  initializer.value = std::move(value);
  graph_.initializers.push_back(std::move(initializer));
}

std::string GraphWriter::constant(const Tensor& value) {
  const bool shared = value.bytes().size() <= kMaxSharedBytes;
  std::string content;
  if (shared) {
    content = content_of(value);
    const auto known = constants_.find(content);
    if (known != constants_.end()) return known->second;
  }
  const std::string name = unique_name("constant");
  add_initializer(name, value);
  if (shared) constants_.emplace(std::move(content), name);
  return name;
}

const Tensor* GraphWriter::find_constant(std::string_view name) const {
  const auto found = initializers_.find(std::string(name));
  return found == initializers_.end() ? nullptr : &graph_.initializers[found->second].value;
}

std::string GraphWriter::transposed(const std::string& name) {
  const auto known = transposed_.find(name);
  if (known != transposed_.end()) return known->second;
  const Tensor& value = graph_.initializers.at(initializers_.at(name)).value;
  const std::string result = unique_name(name + ".transposed");
  add_initializer(result, exchange_last_axes(value));
  return transposed_.emplace(name, result).first->second;
}

void GraphWriter::name_output(const std::string& value, const std::string& output) {
  outputs_.emplace_back(value, output);
}

/// Values that nodes make are renamed; inputs, initializers and values that are two outputs get an
/// Identity.
void GraphWriter::write_outputs() {
  std::unordered_set<std::string> made;
  for (const Node& node : graph_.nodes) made.insert(node.outputs.begin(), node.outputs.end());
  std::unordered_map<std::string, std::string> renamed;
  std::vector<Node> copies;
  for (const auto& [value, output] : outputs_) {
    if (made.contains(value) && renamed.emplace(value, output).second) continue;
    Node node;
    node.op_type = "Identity";
    node.name = unique_name(output + "/Identity");
    node.inputs = {value};
    node.outputs = {output};
    copies.push_back(std::move(node));
  }
  std::ranges::move(copies, std::back_inserter(graph_.nodes));
  const auto rename = [&](std::string& name) {
    const auto found = renamed.find(name);
    if (found != renamed.end()) name = found->second;
  };
  for (Node& node : graph_.nodes) {
    std::ranges::for_each(node.inputs, rename);
    // The copies' own outputs have their names already.
    for (std::string& name : node.outputs) {
      if (made.contains(name)) rename(name);
    }
  }
}

Graph GraphWriter::take() {
  write_outputs();
  std::unordered_set<std::string> used;
  for (const ValueInfo& output : graph_.outputs) used.insert(output.name);
  std::vector<Node> kept;
  for (auto node = graph_.nodes.rbegin(); node != graph_.nodes.rend(); ++node) {
    const bool needed = std::ranges::any_of(
        node->outputs, [&](const std::string& output) { return used.contains(output); });
    if (!needed) continue;
    used.insert(node->inputs.begin(), node->inputs.end());
    kept.push_back(std::move(*node));
  }
  std::ranges::reverse(kept);
  graph_.nodes = std::move(kept);
  std::erase_if(graph_.initializers,
                [&](const Initializer& initializer) { return !used.contains(initializer.name); });
  return std::move(graph_);
}

}  // namespace planish::torch
