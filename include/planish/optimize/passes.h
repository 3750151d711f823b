// Graph passes: each rewrites a model into one that computes the same, more simply.
//
// A pass is a function over a model; kPasses is the one list of them. Passes need no runtime: what
// only a runtime can do (evaluate an operator) is handed to them.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planish/graph/model.h"

namespace planish {

/// What one run of a pass changed. `details` has one line per change, naming nodes or values.
struct PassReport {
  std::string pass = {};
  std::size_t changes = 0;
  std::vector<std::string> details = {};
};

/// Runs a model without inputs and returns its outputs, in order.
/// @throws Error when the runtime cannot run it.
using NodeEvaluator = std::function<std::vector<Tensor>(const Model&)>;

/// What becomes of initializers that are also graph inputs (all of them are, in files of IR version
/// 3 and before): as inputs, any caller may override them, so nothing can be folded into them.
enum class InputDefaults {
  kConstant,  ///< they stop being inputs
  kKeep,      ///< they stay overridable
};

struct OptimizeConfig {
  NodeEvaluator evaluate = {};  // empty: only constants that need no arithmetic are folded
  InputDefaults input_defaults = InputDefaults::kConstant;
  // A node on constants stays when its result is larger than this and than what it is made of: an
  // Expand of a scalar to a feature map costs less to run than to store.
  std::size_t max_folded_bytes = std::size_t{1} << 20;
};

/// Rewrites `model`, whose nodes are in topological order, in place. Names of graph inputs and
/// outputs stay. Shapes and types are read
/// from `model.graph.values`; what is not known there is not used.
/// @throws Error(kCorrupt) when the model contradicts ONNX's specification.
using PassFunction = PassReport (*)(Model&, const OptimizeConfig&);

PassReport inline_functions(Model&, const OptimizeConfig&);
PassReport constants_to_initializers(Model&, const OptimizeConfig&);
PassReport input_defaults_to_constants(Model&, const OptimizeConfig&);
PassReport fold_shapes(Model&, const OptimizeConfig&);
PassReport fold_constants(Model&, const OptimizeConfig&);
PassReport inline_branches(Model&, const OptimizeConfig&);
PassReport remove_no_ops(Model&, const OptimizeConfig&);
PassReport merge_clamps(Model&, const OptimizeConfig&);
PassReport find_global_pools(Model&, const OptimizeConfig&);
PassReport find_hard_sigmoids(Model&, const OptimizeConfig&);
PassReport fold_batch_norms(Model&, const OptimizeConfig&);
PassReport fold_scales(Model&, const OptimizeConfig&);
PassReport fold_input_scales(Model&, const OptimizeConfig&);
PassReport fold_pads(Model&, const OptimizeConfig&);
PassReport merge_initializers(Model&, const OptimizeConfig&);
PassReport remove_dead_code(Model&, const OptimizeConfig&);

/// Half a unit in the last place of float32, relative: 2^-24.
inline constexpr double kFloatRounding = 1.0 / (1 << 24);

/// The largest relative error of a pass that only moves or evaluates: the same kernels run on the
/// same numbers.
inline constexpr double kExact = 0.0;

/// Of a pass that changes the order of a convolution's additions: rounding of a sum of K products
/// grows as sqrt(K), that of L layers after one another as sqrt(L). K = 512 * 3 * 3 and L = 64
/// (ResNet-50 has 53) give sqrt(K * L) * 2^-24 = 3.2e-5; four times that is allowed, since a weight
/// that is rounded anew stays the same wrong for all its products. A mean of H * W elements (at
/// most 112 * 112 in these networks), and a clamp with three roundings in place of two, stay below
/// that.
inline constexpr double kReordered = 4 * 543 * kFloatRounding;

/// One row per pass. `tolerance`: the largest |after - before| / max|before| of any output.
struct Pass {
  std::string_view name = {};
  std::string_view doc = {};
  PassFunction run = nullptr;
  double tolerance = kExact;
};

/// In the order in which they run. The first ones make what the later ones need: one flat graph,
/// constants as initializers, shapes as numbers.
inline constexpr std::array kPasses{
    Pass{"inline-functions", "nodes that call a function of the model become the function's nodes",
         inline_functions, kExact},
    Pass{"constants", "Constant nodes become initializers", constants_to_initializers, kExact},
    Pass{"input-defaults", "initializers that are also graph inputs stop being inputs",
         input_defaults_to_constants, kExact},
    Pass{"no-ops",
         "Identity, inference Dropout, and Cast, Transpose, Pad, Reshape, Flatten, Expand, Slice, "
         "Concat that change nothing are removed",
         remove_no_ops, kExact},
    Pass{"fold-shapes",
         "shape arithmetic on known dimensions becomes constant; a Reshape with one unknown "
         "dimension gets -1 or 0 there; CastLike of a known type becomes Cast",
         fold_shapes, kExact},
    Pass{"fold-constants", "nodes on constants are evaluated by ONNX Runtime itself",
         fold_constants, kExact},
    Pass{"inline-branches", "If with a constant condition becomes the branch that is taken",
         inline_branches, kExact},
    Pass{"clamps",
         "Relu, Clip, Min and Max with constants that follow one another become one Clip; "
         "Clip(0, inf) becomes Relu",
         merge_clamps, kExact},
    Pass{"global-pools",
         "ReduceMean over all axes but the first two, and AveragePool over the whole image, become "
         "GlobalAveragePool",
         find_global_pools, kReordered},
    Pass{"hard-sigmoids",
         "HardSwish becomes x * HardSigmoid(x); clip(x + c, 0, h) / h, also with a Mul between, "
         "becomes HardSigmoid",
         find_hard_sigmoids, kReordered},
    Pass{"batch-norms",
         "BatchNormalization goes into the weights of the Conv, ConvTranspose, Gemm or MatMul "
         "before it",
         fold_batch_norms, kReordered},
    Pass{"scales",
         "Mul, Div, Add and Sub with a constant per channel go into the weights of the Conv, "
         "ConvTranspose, Gemm or MatMul before it",
         fold_scales, kReordered},
    Pass{"input-scales",
         "Mul and Div by one constant, and Add and Sub of one per channel where nothing is padded, "
         "go into the weights of the Conv after them",
         fold_input_scales, kReordered},
    Pass{"pads", "Pad with zeros goes into the Conv or AveragePool after it", fold_pads,
         kReordered},
    Pass{"duplicates", "initializers of equal type, shape and content become one",
         merge_initializers, kExact},
    Pass{"dead-code", "nodes, initializers and functions that no output needs are removed",
         remove_dead_code, kExact},
};

constexpr bool pass_names_are_unique() {
  for (std::size_t i = 0; i < kPasses.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (kPasses.at(i).name == kPasses.at(k).name) return false;
    }
  }
  return true;
}
static_assert(pass_names_are_unique(), "kPasses: one row per pass");

/// The row of that name; null when there is none.
const Pass* find_pass(std::string_view name);

/// Whether `node` may give other outputs for the same inputs (Random*, Bernoulli, Dropout in
/// training …), itself or inside a subgraph.
bool is_nondeterministic(const Node& node);

/// kPasses as a Markdown table: what docs/prepare.md holds.
std::string passes_as_markdown();

}  // namespace planish
