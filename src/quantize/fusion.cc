#include "planish/quantize/fusion.h"

#include <algorithm>

#include "planish/graph/graph_index.h"
#include "quantize/fusion_passes.h"

namespace planish {
namespace {

struct ObstacleRow {
  FusionObstacle obstacle = FusionObstacle::kNone;
  std::string_view name = {};
  std::string_view text = {};
};

constexpr std::array kObstacles{
    ObstacleRow{FusionObstacle::kNone, "none", ""},
    ObstacleRow{FusionObstacle::kNoKernel, "no-kernel",
                "ONNX Runtime has no integer kernel for it"},
    ObstacleRow{FusionObstacle::kInputIsFloat, "input-is-float",
                "one of its inputs is not dequantized from integers"},
    ObstacleRow{FusionObstacle::kInputIsShared, "input-is-shared",
                "its dequantized input is a graph output or read in a subgraph"},
    ObstacleRow{FusionObstacle::kOutputIsFloat, "output-is-float",
                "its output is not quantized, and its kernel writes no floats"},
    ObstacleRow{FusionObstacle::kOutputIsShared, "output-is-shared",
                "its output is also read as floats, or is a graph output"},
    ObstacleRow{FusionObstacle::kOutputQuantizedTwice, "output-quantized-twice",
                "its output is quantized twice, differently"},
    ObstacleRow{FusionObstacle::kClampCuts, "clamp-cuts",
                "the Relu or Clip behind it cuts what the integers could hold"},
    ObstacleRow{FusionObstacle::kTypesDiffer, "types-differ",
                "the integers around it are of different types"},
    ObstacleRow{FusionObstacle::kParamsDiffer, "params-differ",
                "it runs on integers only with the same scale and zero point on both sides"},
    ObstacleRow{FusionObstacle::kParamsNotScalar, "params-not-scalar",
                "its scale or zero point is per channel, computed or missing"},
    ObstacleRow{FusionObstacle::kScaleNotPositive, "scale-not-positive",
                "its scale is not positive"},
    ObstacleRow{FusionObstacle::kSigned, "signed",
                "its activations are int8; the kernels of x86 take uint8"},
    ObstacleRow{FusionObstacle::kWide, "not-8-bit", "its kernel takes 8-bit integers only"},
    ObstacleRow{FusionObstacle::kBiasNotInt32, "bias-not-int32", "its bias is not int32"},
    ObstacleRow{FusionObstacle::kBiasScale, "bias-scale",
                "the scale of its bias is not that of its input times that of its weight"},
    ObstacleRow{FusionObstacle::kBetaNotOne, "beta-not-one", "its beta is not 1"},
    ObstacleRow{FusionObstacle::kInterpolates, "interpolates",
                "it interpolates; only nearest runs on integers"},
};

constexpr bool obstacles_are_in_order() {
  for (std::size_t i = 0; i < kObstacles.size(); ++i) {
    if (static_cast<std::size_t>(kObstacles.at(i).obstacle) != i) return false;
  }
  return kObstacles.size() == static_cast<std::size_t>(FusionObstacle::kInterpolates) + 1;
}
static_assert(obstacles_are_in_order(), "kObstacles: one row per FusionObstacle, in enum order");

// As many steps as ONNX Runtime takes at most over the passes of a level.
constexpr int kMaxSteps = 10;

}  // namespace

const FusionRule* find_fusion_rule(std::string_view op_type) {
  const auto found = std::ranges::lower_bound(kFusionRules, op_type, {}, &FusionRule::op_type);
  return found == kFusionRules.end() || found->op_type != op_type ? nullptr : &*found;
}

std::string_view name_of(FusionObstacle obstacle) {
  return kObstacles.at(static_cast<std::size_t>(obstacle)).name;
}

std::string_view text_of(FusionObstacle obstacle) {
  return kObstacles.at(static_cast<std::size_t>(obstacle)).text;
}

std::map<std::string, std::size_t> FusionForecast::operators() const {
  std::map<std::string, std::size_t> counts;
  for (const FusedNode& fused : nodes) ++counts[fused.node.op_type];
  return counts;
}

FusionForecast forecast_fusion(const Model& model, const FusionConfig& config) {
  namespace passes = quantize_detail;
  passes::FusionGraph graph(model.graph, model.opset());
  passes::give_each_reader_its_dequantize(graph);
  // In the order of graph_transformer_utils.cc.
  for (int step = 0; step < kMaxSteps; ++step) {
    bool changed = passes::remove_identities(graph);
    changed |= passes::reduce_double_pairs(graph);
    changed |= passes::merge_equal_nodes(graph);
    changed |= passes::fold_constant_nodes(graph);
    changed |= passes::fuse_matmul_add(graph);
    changed |= passes::propagate_pairs(graph);
    changed |= passes::quantize_weights_and_biases(graph);
    changed |= passes::give_each_reader_its_dequantize(graph);
    changed |= passes::dequantize_where_scalars(graph);
    changed |= passes::mend_transposes(graph);
    if (!changed) break;
  }
  for (int step = 0; step < kMaxSteps; ++step) {
    bool changed = passes::drop_implied_clamps(graph);
    changed |= passes::mend_transposes(graph);
    if (!config.signed_activations) changed |= passes::make_pairs_unsigned(graph);
    changed |= passes::fuse_pairs(graph, config);
    changed |= passes::drop_returning_pairs(graph);
    if (!changed) break;
  }
  FusionForecast forecast = graph.finish();
  const GraphIndex index(model.graph);
  for (const ValueInfo& input : model.graph.inputs) {
    if (index.constant(input.name) == nullptr) forecast.inputs.push_back(input.name);
  }
  return forecast;
}

}  // namespace planish
