#include "planish/optimize/run_pass.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>
#include <vector>

#include "planish/graph/bodies.h"
#include "planish/optimize/raise_opset.h"

namespace planish {
namespace {

/// Functions and opsets are the model's, and only the main graph's inputs have defaults.
constexpr std::array<PassFunction, 3> kOfMainGraph{inline_functions, input_defaults_to_constants,
                                                   raise_opset};

}  // namespace

PassReport run_pass(const Pass& pass, Model& model, const OptimizeConfig& config) {
  PassReport report = pass.run(model, config);
  if (std::ranges::find(kOfMainGraph, pass.run) != kOfMainGraph.end()) return report;
  const std::vector<BodyPlace> places = bodies_of(model.graph);
  if (places.empty()) return report;
  const Model around = model;  // bodies change, the main graph's nodes and names do not
  const GraphIndex index(around.graph);
  for (const BodyPlace& place : places) {
    Model body = open_body(around, index, place);
    PassReport inside = run_pass(pass, body, config);
    if (inside.changes == 0) continue;
    close_body(model, place, std::move(body));
    report.changes += inside.changes;
    std::ranges::move(inside.details, std::back_inserter(report.details));
  }
  return report;
}

}  // namespace planish
