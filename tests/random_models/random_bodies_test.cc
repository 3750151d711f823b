// Random models as bodies of If and Loop: a body is quantized as the model that it would be.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "planish/base/error.h"
#include "planish/graph/graph_index.h"
#include "planish/quantize/plan.h"
#include "random_models/claims.h"
#include "support/graph_builder.h"

namespace planish::test {
namespace {

constexpr const char* kCondition = "take the first";
constexpr const char* kTrips = "trips";

ValueInfo scalar(std::string name, DType dtype) {
  return {.name = std::move(name), .type = {.type = TensorType{dtype, Shape{}}}};
}

/// `model` is to be read by a graph around it: its inputs stay there, its outputs get other names.
Graph body_of(const Model& model) {
  Graph body = model.graph;
  body.inputs.clear();
  return body;
}

/// Values that `body` makes, and its constants, are called "else <name>".
void rename_own(Graph& body) {
  const std::unordered_set<std::string> own = names_defined_in(body);
  for_each_value_name(body, [&](std::string& name) {
    if (own.contains(name)) name = "else " + name;
  });
}

/// An empty model of the same inputs and opset, with one that is read by the node around.
Model around(const Model& model, ValueInfo read) {
  Model outer = model;
  outer.graph = {.name = "around"};
  outer.graph.inputs = model.graph.inputs;
  outer.graph.inputs.push_back(std::move(read));
  return outer;
}

void add_node(Model& outer, Node node, std::size_t outputs) {
  for (std::size_t i = 0; i < outputs; ++i) {
    const std::string name = node.op_type + " result " + std::to_string(i);
    node.outputs.push_back(name);
    outer.graph.outputs.push_back({.name = name});
  }
  outer.graph.nodes.push_back(std::move(node));
}

/// If(condition) of `model` and a copy of it; its constants are in the branches, or around them and
/// so shared.
Model in_branches(const Model& model, bool shares_constants) {
  Model outer = around(model, scalar(kCondition, DType::kBool));
  Graph first = body_of(model);
  if (shares_constants) outer.graph.initializers = std::exchange(first.initializers, {});
  Graph second = first;
  rename_own(second);
  Node node{.op_type = "If", .inputs = {kCondition}, .name = "choice"};
  node.set_attribute("then_branch", Box<Graph>(std::move(first)));
  node.set_attribute("else_branch", Box<Graph>(std::move(second)));
  add_node(outer, std::move(node), model.graph.outputs.size());
  return outer;
}

/// `model` run once by a Loop: outputs get a dimension of 1 in front.
Model in_loop(const Model& model) {
  Model outer = around(model, scalar(kTrips, DType::kInt64));
  Graph body = body_of(model);
  body.inputs = {scalar("trip", DType::kInt64), scalar("goes on", DType::kBool)};
  body.nodes.push_back({.op_type = "Identity", .inputs = {"goes on"}, .outputs = {"still"}});
  body.outputs.insert(body.outputs.begin(), scalar("still", DType::kBool));
  Node node{.op_type = "Loop", .inputs = {kTrips, ""}, .name = "repetition"};
  node.set_attribute("body", Box<Graph>(std::move(body)));
  add_node(outer, std::move(node), model.graph.outputs.size());
  return outer;
}

enum class Place { kBranches, kBranchesWithSharedConstants, kLoop, kBranchesInLoop };

Model put(const Model& model, Place place) {
  switch (place) {
    case Place::kBranches:
      return in_branches(model, false);
    case Place::kBranchesWithSharedConstants:
      return in_branches(model, true);
    case Place::kLoop:
      return in_loop(model);
    case Place::kBranchesInLoop:
      break;
  }
  return in_loop(in_branches(model, true));
}

/// Values of a second branch have the ranges of those in the first.
CalibrationTable with_second_branch(const CalibrationTable& table) {
  CalibrationTable both = table;
  for (const auto& [name, range] : table.ranges) both.ranges["else " + name] = range;
  return both;
}

std::vector<Tensor> run(const Model& model, GraphOptimization level,
                        std::vector<NamedTensor> inputs, bool takes_first) {
  const auto session = open_session(model, {.optimization = level, .memory_pattern = false});
  for (const TensorSpec& input : session->signature().inputs) {
    if (input.name == kCondition)
      inputs.push_back({kCondition, Tensor::scalar(takes_first)});
    if (input.name == kTrips) inputs.push_back({kTrips, Tensor::scalar(std::int64_t{1})});
  }
  return session->run(inputs);
}

/// Element for element and bit for bit: no pass of ONNX Runtime has touched either model.
void expect_equal_bytes(const std::vector<Tensor>& found, const std::vector<Tensor>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_TRUE(std::ranges::equal(found[i].bytes(), expected[i].bytes())) << "output " << i;
}

void check(const RandomModel& random, const QuantizationCase& quantization, Place place) {
  const CalibrationTable table = ranges_of_samples(random, quantization.headroom);
  const QuantizationConfig& config = quantization.config;
  const Model flat = apply(plan_quantization(random.model, table, config), random.model);
  const Model wrapped = put(random.model, place);
  const auto plan = plan_quantization(wrapped, with_second_branch(table), config);
  EXPECT_EQ(plan, plan_quantization(wrapped, with_second_branch(table), config));
  const Model quantized = apply(plan, wrapped);
  for (const auto& sample : random.samples) {
    const auto expected = run(flat, GraphOptimization::kNone, sample, true);
    for (const bool takes_first : {true, false}) {
      const auto found = run(quantized, GraphOptimization::kNone, sample, takes_first);
      expect_equal_bytes(found, expected);
      EXPECT_EQ(run(quantized, GraphOptimization::kAll, sample, takes_first).size(), found.size());
    }
  }
}

TEST(RandomBodies, AreQuantizedAsTheModelsThatTheyWouldBe) {
  constexpr std::uint64_t kFirst = 20'000;
  constexpr std::uint64_t kSeeds = 40;
  for (std::uint64_t seed = kFirst; seed < kFirst + kSeeds; ++seed) {
    const std::vector<std::uint8_t> bytes = bytes_from_seed(seed);
    Choices choices(bytes);
    const Naming naming = choices.one_of({Naming::kPlain, Naming::kHostile});
    const RandomModel random = random_model(choices, naming);
    const Place place = choices.one_of({Place::kBranches, Place::kBranchesWithSharedConstants,
                                        Place::kLoop, Place::kBranchesInLoop});
    QuantizationCase quantization = random_case(choices, random.model.opset());
    quantization.config.profile = QuantizationProfile::kBest;
    SCOPED_TRACE("seed " + std::to_string(seed) + ", place " +
                 std::to_string(static_cast<int>(place)) + ", " + to_string(quantization));
    try {
      check(random, quantization, place);
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

}  // namespace
}  // namespace planish::test
