#include "planish/runtime/node_profile.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/file.h"
#include "planish/base/json.h"
#include "runtime/ort_session.h"

namespace planish {
namespace {

constexpr std::string_view kKernelSuffix = "_kernel_time";
// ONNX Runtime stops recording after this many events; a node makes up to three per run.
constexpr std::size_t kMaxProfileBytes = std::size_t{1} << 30;

struct KernelEvent {
  std::string node = {};
  std::string op_type = {};
  std::string node_index = {};  // nodes may be nameless, or share a name across subgraphs
  std::chrono::microseconds duration{};
};

// One kernel's run; nothing for other events. ONNX Runtime writes Chrome's trace event format.
std::optional<KernelEvent> kernel_event(const Json& event) {
  if (!event.is_object() || event.value("cat", "") != "Node") return std::nullopt;
  const std::string name = event.value("name", "");
  if (!name.ends_with(kKernelSuffix)) return std::nullopt;
  const Json args = event.value("args", Json::object());
  return KernelEvent{.node = name.substr(0, name.size() - kKernelSuffix.size()),
                     .op_type = args.value("op_name", ""),
                     .node_index = args.value("node_index", ""),
                     .duration = std::chrono::microseconds(event.value("dur", std::int64_t{0}))};
}

using Durations = std::vector<std::chrono::nanoseconds>;

std::chrono::nanoseconds median_of(Durations durations) {
  const auto middle = durations.begin() + static_cast<std::ptrdiff_t>(durations.size() / 2);
  std::nth_element(durations.begin(), middle, durations.end());
  return *middle;
}

// `warmup` of `runs` runs come first; a node runs equally often in each, unless it is in a loop.
std::vector<NodeTime> node_times(const Json& events, std::size_t runs, std::size_t warmup) {
  struct Collected {
    NodeTime time;
    Durations durations;
  };
  std::map<std::tuple<std::string, std::string, std::string>, std::size_t> places;
  std::vector<Collected> collected;
  for (const Json& json : events) {
    const auto event = kernel_event(json);
    if (!event) continue;
    const auto [place, is_new] =
        places.try_emplace({event->node, event->op_type, event->node_index}, collected.size());
    if (is_new) collected.push_back({{.node = event->node, .op_type = event->op_type}, {}});
    collected[place->second].durations.emplace_back(event->duration);
  }
  std::vector<NodeTime> times;
  for (Collected& node : collected) {
    const std::size_t skipped = node.durations.size() * warmup / runs;
    node.durations.erase(node.durations.begin(),
                         node.durations.begin() + static_cast<std::ptrdiff_t>(skipped));
    node.time.median = median_of(std::move(node.durations));
    times.push_back(std::move(node.time));
  }
  return times;
}

}  // namespace

std::vector<NodeTime> profile_nodes(const Model& model, std::span<const NamedTensor> inputs,
                                    const ProfileConfig& config) {
  if (config.runs == 0) throw Error(ErrorCode::kInvalidArgument, "0 runs to profile; expected 1");
  const TemporaryFolder folder;
  const auto env = ort_env();
  Ort::SessionOptions options = options_from(config.session);
  options.EnableProfiling((folder.path() / "profile").c_str());
  OrtSession session(load_into_ort(model, options));
  const std::size_t runs = config.warmup_runs + config.runs;
  for (std::size_t i = 0; i < runs; ++i) session.run(inputs);
  const std::string text = read_file(session.take_profile(), kMaxProfileBytes);
  return node_times(parse_json(text, {.max_bytes = kMaxProfileBytes}), runs, config.warmup_runs);
}

KernelNames::KernelNames(const Graph& graph) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    nodes_.emplace(graph.nodes[i].name, i);
    for (const std::string& output : graph.nodes[i].outputs) nodes_.emplace(output, i);
  }
  nodes_.erase("");
}

std::optional<std::size_t> KernelNames::node_of(std::string_view kernel) const {
  for (std::size_t end = kernel.size(); end != std::string_view::npos && end > 0;
       end = kernel.rfind('_', end - 1)) {
    const auto found = nodes_.find(std::string(kernel.substr(0, end)));
    if (found != nodes_.end()) return found->second;
  }
  return std::nullopt;
}

std::vector<OperatorTime> times_by_operator(std::span<const NodeTime> nodes) {
  std::map<std::string, OperatorTime> by_type;
  std::chrono::nanoseconds all{};
  for (const NodeTime& node : nodes) {
    OperatorTime& time = by_type[node.op_type];
    time.op_type = node.op_type;
    ++time.nodes;
    time.total += node.median;
    all += node.median;
  }
  std::vector<OperatorTime> times;
  for (auto& [op_type, time] : by_type) {
    if (all.count() > 0) {
      time.share = static_cast<double>(time.total.count()) / static_cast<double>(all.count());
    }
    times.push_back(std::move(time));
  }
  std::stable_sort(times.begin(), times.end(),
                   [](const OperatorTime& a, const OperatorTime& b) { return a.total > b.total; });
  return times;
}

}  // namespace planish
