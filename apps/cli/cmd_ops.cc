#include <memory>

#include "command.h"
#include "planish/base/json.h"
#include "planish/quantize/op_rules.h"
#include "planish/quantize/options.h"

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

Json options_json() {
  Json json = Json::array();
  for (const QuantizationOption& row : quantization_options()) {
    json.push_back({{"name", row.name},
                    {"onnxruntime", row.onnxruntime_name},
                    {"values", row.values},
                    {"what", row.help}});
  }
  return json;
}

}  // namespace

Command ops_command() {
  return {"ops", "The tables of operators that can be quantized, and of options of quantization",
          [](CLI::App& app) -> Run {
            auto options = std::make_shared<bool>(false);
            app.add_flag("--options", *options, "The options of `planish quantize --option`");
            return [options](const Context& context) {
              print(context, *options ? options_json() : rules_json(), [&](std::ostream& out) {
                out << (*options ? options_markdown() : op_rules_markdown());
              });
              return kExitSuccess;
            };
          }};
}

}  // namespace planish::cli
