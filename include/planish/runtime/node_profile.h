// Where the time of one inference goes, node by node, as ONNX Runtime measures it.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "planish/runtime/session.h"

namespace planish {

/// One node of the graph that really runs (fused, in ONNX Runtime's own layouts).
struct NodeTime {
  std::string node = {};
  std::string op_type = {};
  std::chrono::nanoseconds median{};  // over the runs; ONNX Runtime counts in microseconds
};

struct OperatorTime {
  std::string op_type = {};
  std::size_t nodes = 0;
  std::chrono::nanoseconds total{};  // sum of its nodes' medians
  double share = 0.0;                // of all nodes' time, in [0, 1]
};

struct ProfileConfig {
  SessionConfig session = {};
  std::size_t runs = 20;
  std::size_t warmup_runs = 3;  // not counted
};

/// Runs `model` on `inputs` with ONNX Runtime's profiler, in the order in which nodes ran.
///
/// The profiler itself takes about a microsecond a node: compare nodes, not models.
/// @throws Error as open_session and Session::run; Error(kInvalidArgument) when `runs` is 0.
std::vector<NodeTime> profile_nodes(const Model& model, std::span<const NamedTensor> inputs,
                                    const ProfileConfig& config = {});

/// Finds the node of a graph that a kernel does the work of. ONNX Runtime names what it fuses after
/// a node ("conv1_token_4") or after a value that it makes ("relu1_nchwc").
class KernelNames {
 public:
  explicit KernelNames(const Graph& graph);
  /// Index of the node, by the longest name that `kernel` is, or begins with before a '_'; nothing
  /// for conversions and layouts that no node asks for.
  [[nodiscard]] std::optional<std::size_t> node_of(std::string_view kernel) const;

 private:
  std::unordered_map<std::string, std::size_t> nodes_;
};

/// The same by operator, most time first.
std::vector<OperatorTime> times_by_operator(std::span<const NodeTime> nodes);

}  // namespace planish
