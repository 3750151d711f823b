#include "planish/quantize/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <variant>
#include <vector>

#include "planish/base/error.h"

namespace planish {
namespace {

using Config = QuantizationConfig;
using Axes = std::map<std::string, std::int64_t>;
using Field =
    std::variant<bool Config::*, std::optional<bool> Config::*, std::optional<double> Config::*,
                 std::vector<std::string> Config::*, Axes Config::*>;

constexpr std::string_view kTruth = "true|false";

// clang-format off
constexpr std::array kOptions{
    QuantizationOption{"adjust-weights-for-bias", "QDQDisableWeightAdjustForInt32Bias", kTruth,
      "Raise weight scales where a bias would not fit 32 bits (onnxruntime's name: true is not)"},
    QuantizationOption{"bodies", "EnableSubgraph", kTruth,
      "Quantize in the bodies of If, Loop and Scan (profile onnxruntime-1.32: in dynamic mode)"},
    QuantizationOption{"channel-axes", "QDQOpTypePerChannelSupportToAxis", "TYPE:AXIS,...",
      "Axis of per-channel scales of MatMul and the normalizations"},
    QuantizationOption{"contrib-qdq", "UseQDQContribOps", kTruth,
      "Q and DQ of domain com.microsoft"},
    QuantizationOption{"dedicated-qdq-pairs", "DedicatedQDQPair", kTruth,
      "One Q/DQ pair per reader (TensorRT)"},
    QuantizationOption{"exclude-output-types", "OpTypesToExcludeOutputQuantization", "TYPE,...",
      "QDQ: no pair behind operators of these types"},
    QuantizationOption{"force-data-movement", "ForceQuantizeNoInputCheck", kTruth,
      "Quantize what only moves data even when nothing before it is quantized"},
    QuantizationOption{"keep-removable-activations", "QDQKeepRemovableActivations", kTruth,
      "QDQ: keep Relu and Clip though the output range implies them"},
    QuantizationOption{"matmul-const-b-only", "MatMulConstBOnly", kTruth,
      "Leave MatMul of two activations float"},
    QuantizationOption{"min-real-range", "MinimumRealRange", "NUMBER",
      "Every range is at least this wide"},
    QuantizationOption{"nnapi-sigmoid", "extra.Sigmoid.nnapi", kTruth,
      "QOperator: outputs of Sigmoid are multiples of 1/256"},
    QuantizationOption{"qdq-pair-on-weights", "AddQDQPairToWeight", kTruth,
      "QDQ: keep float weights, with Q and DQ behind them"},
    QuantizationOption{"quantize-bias", "QuantizeBias", kTruth,
      "QDQ: false leaves biases float"},
    QuantizationOption{"restricted-zero-points", "ActivationRestrictedAsymmetric", kTruth,
      "Zero points of u8 activations are 0 or 128"},
    QuantizationOption{"symmetric-weights", "WeightSymmetric", kTruth,
      "Whether weights are symmetric (not said: signed ones are)"},
};

/// The field behind each row.
constexpr std::array kFields{
    Field{&Config::adjust_weights_for_bias},      Field{&Config::bodies},
    Field{&Config::channel_axes},                 Field{&Config::contrib_qdq},
    Field{&Config::dedicated_qdq_pairs},          Field{&Config::exclude_output_types},
    Field{&Config::force_data_movement},          Field{&Config::keep_removable_activations},
    Field{&Config::matmul_const_b_only},          Field{&Config::min_real_range},
    Field{&Config::nnapi_sigmoid},                Field{&Config::qdq_pair_on_weights},
    Field{&Config::quantize_bias},                Field{&Config::restricted_zero_points},
    Field{&Config::symmetric_weights},
};
// clang-format on
static_assert(kFields.size() == kOptions.size(), "kFields: one per row of kOptions, in its order");

constexpr bool options_are_sorted() {
  for (std::size_t i = 1; i < kOptions.size(); ++i) {
    if (!(kOptions.at(i - 1).name < kOptions.at(i).name)) return false;
  }
  return true;
}
static_assert(options_are_sorted(), "kOptions: by name");

[[noreturn]] void refuse(const std::string& why) { throw Error(ErrorCode::kInvalidArgument, why); }

std::string in_quotes(std::string_view text) { return std::string("'").append(text).append("'"); }

bool truth_from(std::string_view value) {
  if (value == "true" || value == "True" || value == "1") return true;
  if (value == "false" || value == "False" || value == "0") return false;
  refuse("expected true or false, not " + in_quotes(value));
}

template <typename Number>
Number number_from(std::string_view value) {
  Number number{};
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || value.empty())
    refuse("expected a number, not " + in_quotes(value));
  return number;
}

std::vector<std::string> list_from(std::string_view value) {
  std::vector<std::string> items;
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    items.emplace_back(value.substr(0, comma));
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  if (std::ranges::any_of(items, &std::string::empty)) refuse("an empty name in the list");
  return items;
}

Axes axes_from(std::string_view value) {
  Axes axes;
  for (const std::string& item : list_from(value)) {
    const std::size_t colon = item.find(':');
    if (colon == std::string::npos) refuse("expected TYPE:AXIS, not " + in_quotes(item));
    axes[item.substr(0, colon)] =
        number_from<std::int64_t>(std::string_view(item).substr(colon + 1));
  }
  return axes;
}

double width_from(std::string_view value) {
  const auto width = number_from<double>(value);
  if (!std::isfinite(width) || width < 0) refuse("a width is finite and not negative");
  return width;
}

struct Setter {
  Config& config;
  std::string_view value;
  bool negated;

  void operator()(bool Config::*field) const { config.*field = truth_from(value) != negated; }
  void operator()(std::optional<bool> Config::*field) const { config.*field = truth_from(value); }
  void operator()(std::optional<double> Config::*field) const { config.*field = width_from(value); }
  void operator()(std::vector<std::string> Config::*field) const {
    config.*field = list_from(value);
  }
  void operator()(Axes Config::*field) const { config.*field = axes_from(value); }
};

[[noreturn]] void refuse_name(std::string_view name) {
  std::string known;
  for (const QuantizationOption& row : kOptions) {
    if (!known.empty()) known += ", ";
    known += row.name;
  }
  refuse("option '" + std::string(name) + "' is not known; known are " + known);
}

}  // namespace

std::span<const QuantizationOption> quantization_options() { return kOptions; }

void set_option(QuantizationConfig& config, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos)
    refuse("option '" + std::string(assignment) + "'; expected NAME=VALUE");
  const std::string_view name = assignment.substr(0, equals);
  const std::string_view value = assignment.substr(equals + 1);
  for (std::size_t i = 0; i < kOptions.size(); ++i) {
    const QuantizationOption& row = kOptions.at(i);
    if (name != row.name && name != row.onnxruntime_name) continue;
    const bool negated = name == "QDQDisableWeightAdjustForInt32Bias";
    in_context(row.name, [&] { std::visit(Setter{config, value, negated}, kFields.at(i)); });
    return;
  }
  refuse_name(name);
}

std::string options_text() {
  std::string text = "Options (--option NAME=VALUE):\n";
  for (const QuantizationOption& row : kOptions) {
    text += "  " + std::string(row.name) + "=" + std::string(row.values) + "\n      " +
            std::string(row.help) + "\n";
  }
  return text;
}

std::string options_markdown() {
  std::string text =
      "# Options of quantization\n\n"
      "`planish quantize --option NAME=VALUE`, as often as needed; made from the table in\n"
      "`src/quantize/options.cc` (`planish ops --options`). NAME may also be the one that\n"
      "onnxruntime.quantization gives the option among its `extra_options`.\n\n"
      "| name | value | onnxruntime.quantization | what |\n"
      "| --- | --- | --- | --- |\n";
  for (const QuantizationOption& row : kOptions) {
    std::string values(row.values);
    if (const auto bar = values.find('|'); bar != std::string::npos) values.replace(bar, 1, ", ");
    text += "| `" + std::string(row.name) + "` | " + values + " | " +
            std::string(row.onnxruntime_name) + " | " + std::string(row.help) + " |\n";
  }
  return text;
}

}  // namespace planish
