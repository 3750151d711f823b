// Calls of the model's own functions become the nodes of the function.
#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "optimize/rewrite.h"
#include "planish/base/error.h"
#include "planish/optimize/passes.h"

namespace planish {
namespace {

// A function that calls itself, or functions that double in number at each level, never end.
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxNodes = std::size_t{1} << 16;

const Function* called_by(const Node& node, const Model& model) {
  const auto found = std::ranges::find_if(model.functions, [&](const Function& function) {
    return function.domain == node.domain && function.name == node.op_type &&
           function.overload == node.overload;
  });
  return found == model.functions.end() ? nullptr : &*found;
}

/// A body written for other versions of an operator set than the model imports means other things.
bool same_opsets(const Function& function, const Model& model) {
  return std::ranges::all_of(function.opset_imports, [&](const OpsetImport& import) {
    const auto version = model.opset(import.domain);
    return version == 0 || version == import.version;
  });
}

/// Puts the attributes of `call` (or the function's defaults) in place of references to them, also
/// inside subgraphs. A reference to an attribute that is not given is an attribute not given.
void bind_attributes(Node& node, const Function& function, const Node& call) {
  std::erase_if(node.attributes, [&](Attribute& attribute) {
    if (attribute.ref_attr_name.empty()) return false;
    const Attribute* given = call.find_attribute(attribute.ref_attr_name);
    if (given == nullptr) {
      const auto fallback =
          std::ranges::find(function.attributes, attribute.ref_attr_name, &Attribute::name);
      if (fallback != function.attributes.end()) given = &*fallback;
    }
    if (given == nullptr) return true;
    std::string name = std::move(attribute.name);
    attribute = *given;
    attribute.name = std::move(name);
    return false;
  });
  for (Attribute& attribute : node.attributes) {
    const auto bind_all = [&](Graph& graph) {
      for (Node& inner : graph.nodes) bind_attributes(inner, function, call);
    };
    if (auto* one = std::get_if<Box<Graph>>(&attribute.value)) bind_all(**one);
    if (auto* many = std::get_if<std::vector<Graph>>(&attribute.value)) {
      std::ranges::for_each(*many, bind_all);
    }
  }
}

/// Formal inputs take the names at the call; all else that the body defines gets a fresh name.
rewrite::Renaming names_at(const Node& call, const Function& function, NameScope& names) {
  rewrite::Renaming renaming;
  for (std::size_t k = 0; k < function.inputs.size(); ++k) {
    renaming[function.inputs[k]] = call.input(k);
  }
  for (std::size_t k = 0; k < function.outputs.size(); ++k) {
    const std::string& wanted = call.output(k);
    renaming.emplace(function.outputs[k],
                     wanted.empty() ? names.fresh(function.outputs[k]) : wanted);
  }
  Graph body;
  body.nodes = function.nodes;
  for_each_graph(body, [&](const Graph& graph) {
    const auto add = [&](const std::string& name) {
      if (!name.empty() && !renaming.contains(name)) renaming.emplace(name, names.fresh(name));
    };
    for (const ValueInfo& input : graph.inputs) add(input.name);
    for (const Initializer& initializer : graph.initializers) add(initializer.name);
    for (const Node& node : graph.nodes) std::ranges::for_each(node.outputs, add);
  });
  return renaming;
}

std::vector<Node> expanded(const Node& call, const Function& function, NameScope& names) {
  const rewrite::Renaming renaming = names_at(call, function, names);
  std::vector<Node> nodes = function.nodes;
  for (Node& node : nodes) {
    bind_attributes(node, function, call);
    rewrite::rename_all(node, renaming);
    node.name = names.fresh((call.name.empty() ? call.op_type : call.name) + "/" +
                            (node.name.empty() ? node.op_type : node.name));
  }
  // An output that is an input of the function: nothing in the body makes it.
  for (std::size_t k = 0; k < function.outputs.size(); ++k) {
    const std::string& output = function.outputs[k];
    const auto is_input = std::ranges::find(function.inputs, output) != function.inputs.end();
    if (!is_input || call.output(k).empty()) continue;
    Node hand_on;
    hand_on.op_type = "Identity";
    hand_on.name = names.fresh(call.name + "/output");
    hand_on.inputs = {renaming.at(output)};
    hand_on.outputs = {call.output(k)};
    nodes.push_back(std::move(hand_on));
  }
  return nodes;
}

/// Expands the calls of one graph; says whether there were any.
bool expand_calls(Graph& graph, const Model& model, NameScope& names, std::size_t& node_count,
                  PassReport& report) {
  bool changed = false;
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    const Function* function = called_by(node, model);
    if (function == nullptr || !same_opsets(*function, model)) {
      nodes.push_back(std::move(node));
      continue;
    }
    node_count += function->nodes.size();
    if (node_count > kMaxNodes) {
      throw Error(ErrorCode::kCorrupt, "function '" + function->name + "' expands to more than " +
                                           std::to_string(kMaxNodes) + " nodes");
    }
    rewrite::record(report, rewrite::label(node));
    std::ranges::move(expanded(node, *function, names), std::back_inserter(nodes));
    changed = true;
  }
  graph.nodes = std::move(nodes);
  return changed;
}

}  // namespace

PassReport inline_functions(Model& model, const OptimizeConfig&) {
  PassReport report{.pass = "inline-functions"};
  if (model.functions.empty()) return report;
  NameScope names(model.graph);
  std::size_t node_count = 0;
  for (std::size_t depth = 0;; ++depth) {
    bool changed = false;
    for_each_graph(model.graph, [&](Graph& graph) {
      changed |= expand_calls(graph, model, names, node_count, report);
    });
    if (!changed) break;
    if (depth == kMaxDepth) {
      throw Error(ErrorCode::kCorrupt, "functions call each other more than " +
                                           std::to_string(kMaxDepth) + " levels deep");
    }
  }
  // What the bodies need may be imported by the functions only.
  for (const Function& function : model.functions) {
    for (const OpsetImport& import : function.opset_imports) {
      if (report.changes > 0 && model.opset(import.domain) == 0) {
        model.set_opset(import.domain, import.version);
      }
    }
  }
  return report;
}

}  // namespace planish
