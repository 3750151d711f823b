#include <memory>

#include "command.h"
#include "planish/base/json.h"
#include "planish/quantize/op_rules.h"
#include "planish/quantize/options.h"
#include "planish/torch/import.h"

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

Json torch_json() {
  Json json = Json::array();
  for (const TorchOperator& op : torch_operators())
    json.push_back({{"operator", op.overload}, {"lowered_to", op.lowered_to}});
  return json;
}

}  // namespace

Command ops_command() {
  return {"ops", "The tables: operators that can be quantized or imported, options of quantization",
          [](CLI::App& app) -> Run {
            struct Tables {
              bool options = false;
              bool torch = false;
            };
            auto tables = std::make_shared<Tables>();
            auto* by_option = app.add_flag("--options", tables->options,
                                           "The options of `planish quantize --option`");
            app.add_flag("--torch", tables->torch,
                         "The operators of torch.export that can be imported")
                ->excludes(by_option);
            return [tables](const Context& context) {
              const Json json = tables->options ? options_json()
                                : tables->torch ? torch_json()
                                                : rules_json();
              print(context, json, [&](std::ostream& out) {
                out << (tables->options ? options_markdown()
                        : tables->torch ? torch_operators_markdown()
                                        : op_rules_markdown());
              });
              return kExitSuccess;
            };
          }};
}

}  // namespace planish::cli
