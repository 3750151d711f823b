#include "command.h"
#include "planish/base/json.h"
#include "planish/quantize/op_rules.h"

namespace planish::cli {
namespace {

Json rules_json() {
  Json json = Json::array();
  for (const OpRule& rule : kOpRules) {
    json.push_back({{"op", rule.op_type},
                    {"qdq", name_of(rule.qdq)},
                    {"qoperator", name_of(rule.qoperator)},
                    {"dynamic", name_of(rule.dynamic)},
                    {"best", name_of(rule.best)},
                    {"min_opset", rule.min_opset},
                    {"why", rule.why}});
  }
  return json;
}

}  // namespace

Command ops_command() {
  return {"ops", "The table of operators that can be quantized, and how", [](CLI::App&) -> Run {
            return [](const Context& context) {
              print(context, rules_json(), [](std::ostream& out) { out << op_rules_markdown(); });
              return kExitSuccess;
            };
          }};
}

}  // namespace planish::cli
