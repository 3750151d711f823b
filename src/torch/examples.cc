#include "torch/examples.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "planish/base/error.h"

namespace planish::torch {
namespace {

using Sizes = std::map<std::string, std::int64_t>;  // by symbol

// Of a dimension that may be anything and whose size at export is not known.
constexpr std::int64_t kUsualSize = 2;
// More open dimensions than any model has: the rest stays at the sizes of the export.
constexpr std::size_t kMaxVaried = 16;

std::int64_t clamped(std::int64_t size, const OpenDim& dim) {
  const std::int64_t low = std::max<std::int64_t>(dim.min.value_or(1), 1);
  return std::max(low, std::min(size, dim.max.value_or(size)));
}

/// The sizes of a shape; nothing when one depends on the data, or is no size.
std::optional<std::vector<std::int64_t>> sizes_of(const SymShape& shape, const Sizes& sizes) {
  std::vector<std::int64_t> dims;
  try {
    for (const SymExpr& size : shape) {
      dims.push_back(evaluate(size, [&](const std::string& symbol) {
        const auto known = sizes.find(symbol);
        if (known == sizes.end())
          throw Error(ErrorCode::kUnsupported, "the size '" + symbol + "' depends on the data");
        return known->second;
      }));
      if (dims.back() < 0) return std::nullopt;
    }
  } catch (const Error&) {
    return std::nullopt;  // absence is the answer here
  }
  return dims;
}

std::optional<ExampleSizes> example(std::string what, const SignatureShapes& shapes,
                                    const Sizes& sizes) {
  ExampleSizes example;
  example.what = std::move(what);
  for (const SymShape& input : shapes.inputs) {
    auto dims = sizes_of(input, sizes);
    if (!dims) return std::nullopt;
    example.inputs.push_back(std::move(*dims));
  }
  for (const SymShape& output : shapes.outputs) example.outputs.push_back(sizes_of(output, sizes));
  return example;
}

/// A size within the limits that is not the one of the export; nothing when there is none.
std::optional<std::int64_t> other_size(std::int64_t exported, const OpenDim& dim) {
  // (A size of 2^63 - 1 has none above it.)
  const std::int64_t above =
      exported + (exported < std::numeric_limits<std::int64_t>::max() ? 1 : 0);
  for (const std::int64_t size : {std::int64_t{1}, above, exported - 1}) {
    const std::int64_t allowed = clamped(size, dim);
    if (allowed != exported) return allowed;
  }
  return std::nullopt;
}

}  // namespace

std::vector<ExampleSizes> example_sizes(const ExportedProgram& program,
                                        const SignatureShapes& shapes,
                                        const std::vector<OpenDim>& open_dims) {
  Sizes exported;
  for (const OpenDim& dim : open_dims) {
    const auto hint = program.size_hints.find(dim.symbol);
    exported[dim.symbol] =
        clamped(hint == program.size_hints.end() ? kUsualSize : hint->second, dim);
  }
  std::vector<ExampleSizes> examples;
  const auto add = [&](std::optional<ExampleSizes> found) {
    if (found) examples.push_back(std::move(*found));
  };
  add(example("sizes of the export", shapes, exported));
  for (std::size_t i = 0; i < std::min(open_dims.size(), kMaxVaried); ++i) {
    const OpenDim& dim = open_dims[i];
    const auto size = other_size(exported.at(dim.symbol), dim);
    if (!size) continue;
    Sizes sizes = exported;
    sizes[dim.symbol] = *size;
    add(example(dim.name + " = " + std::to_string(*size), shapes, sizes));
  }
  return examples;
}

}  // namespace planish::torch
