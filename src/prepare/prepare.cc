#include "planish/prepare/prepare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <limits>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/base/parallel.h"
#include "planish/graph/bodies.h"
#include "planish/graph/graph_index.h"
#include "planish/optimize/raise_opset.h"
#include "planish/optimize/run_pass.h"
#include "planish/runtime/session.h"
#include "planish/runtime/value_types.h"

namespace planish {
namespace {

// A round finds what the one before made possible; exports settle in two or three.
constexpr std::size_t kMaxRounds = 6;

// QuantizeLinear and DequantizeLinear have an axis since then.
constexpr std::int64_t kPerChannelOpset = 13;

[[noreturn]] void fail(const std::string& pass, double error, double tolerance) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3g of their largest value; expected at most %.3g", error,
                tolerance);
  throw Error(ErrorCode::kInternal, "pass '" + pass + "' changes outputs by " + text);
}

/// Runs constant nodes as they stand, so that folding them changes no bit.
std::vector<Tensor> evaluate_plain(const Model& model) {
  return open_session(model, SessionConfig{.optimization = GraphOptimization::kNone})->run({});
}

void require_known_passes(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (find_pass(name) != nullptr || name == kRaiseOpset.name) continue;
    std::string known(kRaiseOpset.name);
    for (const Pass& pass : kPasses) known += ", " + std::string(pass.name);
    throw Error(ErrorCode::kInvalidArgument,
                "no pass is called '" + name + "'; there are " + known);
  }
}

/// One preparation: the model as it stands, and what it answers.
class Preparation {
 public:
  /// `reference`: what the model that is given answers, to compare each pass with. Empty: passes
  /// are not compared.
  Preparation(const Model& model, const PrepareConfig& config, Reference reference)
      : config_(config), model_(model), reference_(std::move(reference)) {
    sort_topologically(model_.graph);
    optimize_.evaluate = evaluate_plain;
    optimize_.input_defaults = config.input_defaults;
    optimize_.max_folded_bytes = config.max_folded_bytes;
    for (const Pass& pass : kPasses) {
      add(pass);
      // Functions are inlined by the opset that they were written for.
      if (pass.run == inline_functions) add(kRaiseOpset);
    }
  }

  /// Rounds of all passes, until one changes nothing.
  void run() {
    write_value_types(model_);
    for (std::size_t round = 0; round < kMaxRounds; ++round) {
      bool changed = false;
      for (std::size_t k = 0; k < passes_.size(); ++k) {
        throw_if_stopped(config_.stop);
        if (config_.progress) config_.progress({"prepare", round * passes_.size() + k, 0});
        changed |= step(*passes_[k], outcomes_[k]);
      }
      if (!changed) return;
      write_value_types(model_);
    }
  }

  [[nodiscard]] Model& model() { return model_; }
  [[nodiscard]] std::vector<PassOutcome>& outcomes() { return outcomes_; }

  /// What all changes together may do to an output.
  [[nodiscard]] double tolerance() const {
    double sum = 0;
    for (const PassOutcome& outcome : outcomes_) {
      if (outcome.report.changes > 0 && !outcome.undone) sum += outcome.tolerance;
    }
    return sum;
  }

 private:
  void add(const Pass& pass) {
    if (std::ranges::find(config_.skip, pass.name) != config_.skip.end()) return;
    passes_.push_back(&pass);
    outcomes_.push_back(
        PassOutcome{.report = {.pass = std::string(pass.name)},
                    .tolerance = allowed_error(pass.tolerance, reference_.rounding_effect)});
  }

  /// One pass, kept or undone. Says whether it changed the model.
  bool step(const Pass& pass, PassOutcome& outcome) {
    if (outcome.undone) return false;
    Model next = model_;  // copies share the weights
    PassReport report = run_pass(pass, next, optimize_);
    if (report.changes == 0) return false;
    outcome.report.changes += report.changes;
    std::ranges::move(report.details, std::back_inserter(outcome.report.details));
    outcome.undone = !reference_.inputs.empty() && !agrees(next, outcome);
    if (outcome.undone) return false;
    model_ = std::move(next);
    return true;
  }

  /// Whether `next` answers as the model before this pass did, within what the pass may change.
  bool agrees(const Model& next, PassOutcome& outcome) {
    std::vector<std::vector<Tensor>> outputs;
    double error = std::numeric_limits<double>::infinity();
    try {
      outputs = outputs_on(next, reference_.inputs, config_.verification.threads);
      error = relative_error(outputs, reference_.outputs);
    } catch (const Error& failure) {
      if (failure.code() == ErrorCode::kUnavailable) throw;
      outcome.report.details.push_back("fails: " + failure.message());
    }
    outcome.max_relative_error = std::max(outcome.max_relative_error.value_or(0), error);
    if (error <= outcome.tolerance) {
      reference_.outputs = std::move(outputs);
      return true;
    }
    if (config_.on_mismatch == OnMismatch::kFail)
      fail(outcome.report.pass, error, outcome.tolerance);
    return false;
  }

  const PrepareConfig& config_;
  OptimizeConfig optimize_;
  Model model_;
  Reference reference_;
  std::vector<const Pass*> passes_;
  std::vector<PassOutcome> outcomes_;  // of passes_
};

/// The first run alone, which is the one with the larger batch.
Reference first_run_of(const Reference& all) {
  if (all.inputs.empty()) return {};
  return Reference{.inputs = {all.inputs.front()},
                   .outputs = {all.outputs.front()},
                   .rounding_effect = all.rounding_effect};
}

std::vector<std::string> notes_on(const Model& model) {
  std::vector<std::string> notes;
  if (const auto opset = model.opset(); opset < kPerChannelOpset) {
    const auto obstacle = opset_obstacle(model);
    notes.push_back("opset " + std::to_string(opset) + " stays" +
                    (obstacle ? " for " + *obstacle : "") +
                    ": per-channel QuantizeLinear needs opset " + std::to_string(kPerChannelOpset) +
                    "; export the model again with it, or quantize per tensor");
  }
  const auto count = [&](auto matches) {
    return std::ranges::count_if(model.graph.nodes, matches);
  };
  const auto add = [&](std::ptrdiff_t number, const std::string& what) {
    if (number > 0) notes.push_back(std::to_string(number) + what);
  };
  add(count([](const Node& node) { return node.is("BatchNormalization"); }),
      " BatchNormalization stay: no Conv, ConvTranspose, Gemm or MatMul of constant weights and "
      "with no other reader stands before them");
  add(static_cast<std::ptrdiff_t>(model.functions.size()),
      " functions stay: written for other opsets than the model's");
  return notes;
}

void write_types(Graph& graph, const ValueTypes& inferred) {
  std::unordered_set<std::string> done;
  for (const ValueInfo& output : graph.outputs) done.insert(output.name);
  std::erase_if(graph.values, [&](ValueInfo& value) {
    if (const auto found = inferred.find(value.name); found != inferred.end()) {
      value.type = found->second;
    }
    return !done.insert(value.name).second;
  });
  for (const Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) {
      const auto found = inferred.find(output);
      if (found == inferred.end() || !done.insert(output).second) continue;
      ValueInfo value;
      value.name = output;
      value.type = found->second;
      graph.values.push_back(std::move(value));
    }
  }
  for (ValueInfo& output : graph.outputs) {
    const bool untyped = std::holds_alternative<std::monostate>(output.type.type);
    const auto found = inferred.find(output.name);
    if (untyped && found != inferred.end()) output.type = found->second;
  }
}

Json error_json(const std::optional<double>& error) {
  if (!error) return nullptr;
  return std::isfinite(*error) ? Json(*error) : Json("infinite");  // JSON has no infinity
}

}  // namespace

void write_value_types(Model& model) {
  Model bare = model;
  bare.graph.values.clear();
  write_types(model.graph, infer_value_types(bare));
  const std::vector<BodyPlace> places = bodies_of(model.graph);
  if (places.empty()) return;
  const Model around = model;
  const GraphIndex index(around.graph);
  for (const BodyPlace& place : places) {
    Model body = open_body(around, index, place);
    try {
      write_value_types(body);
    } catch (const Error& failure) {
      if (failure.code() == ErrorCode::kUnavailable) throw;
      continue;  // an input without a type: nothing can be inferred behind it
    }
    close_body(model, place, std::move(body));
  }
}

Prepared prepare(const Model& model, const PrepareConfig& config) {
  require_known_passes(config.skip);
  Prepared result;
  PrepareReport& report = result.report;
  double tolerance = 0;
  const auto attempt = [&](const Reference& per_pass) {
    Preparation preparation(model, config, per_pass);
    preparation.run();
    tolerance = preparation.tolerance();
    result.model = std::move(preparation.model());
    report.passes = std::move(preparation.outcomes());
  };
  attempt({});
  const bool changed = std::ranges::any_of(
      report.passes, [](const PassOutcome& outcome) { return outcome.report.changes > 0; });
  Reference reference;
  if (config.verify == Verify::kOff) {
    reference.unusable_because = "not asked for";
  } else if (!changed) {
    reference.unusable_because = "nothing changed";
  } else {
    reference = reference_of(model, config.verification);
  }
  report.whole.not_verified_because = reference.unusable_because;
  const auto agrees = [&] {
    tolerance = allowed_error(tolerance, reference.rounding_effect);
    report.whole.max_relative_error =
        relative_error(result.model, reference, config.verification.threads);
    return *report.whole.max_relative_error <= tolerance;
  };
  if (!reference.inputs.empty()) {
    if (config.verify == Verify::kEachPass) attempt(first_run_of(reference));
    bool agreed = agrees();
    if (!agreed) {  // pass by pass, on every run, to find and undo the one that is wrong
      attempt(reference);
      agreed = agrees();
    }
    if (!agreed) fail("all together", *report.whole.max_relative_error, tolerance);
  }
  report.nodes_before = model.graph.nodes.size();
  report.nodes_after = result.model.graph.nodes.size();
  report.notes = notes_on(result.model);
  return result;
}

Json to_json(const PrepareReport& report) {
  Json passes = Json::array();
  for (const PassOutcome& outcome : report.passes) {
    passes.push_back({{"pass", outcome.report.pass},
                      {"changes", outcome.report.changes},
                      {"tolerance", outcome.tolerance},
                      {"max_relative_error", error_json(outcome.max_relative_error)},
                      {"undone", outcome.undone},
                      {"details", outcome.report.details}});
  }
  Json json = {{"nodes_before", report.nodes_before},
               {"nodes_after", report.nodes_after},
               {"passes", std::move(passes)},
               {"max_relative_error", error_json(report.whole.max_relative_error)},
               {"notes", report.notes}};
  if (!report.whole.not_verified_because.empty()) {
    json["not_verified_because"] = report.whole.not_verified_because;
  }
  return json;
}

}  // namespace planish
