// Options of a recorded case, as make_golden.py writes them.
#pragma once

#include <string>
#include <vector>

#include "planish/base/json.h"
#include "planish/quantize/config.h"

namespace planish::test {

inline QuantizationConfig config_from(const Json& options) {
  QuantizationConfig config;
  const auto read = [&](const char* key, auto& field) {
    if (options.contains(key)) field = options[key].get<std::decay_t<decltype(field)>>();
  };
  const auto read_optional = [&](const char* key, auto& field) {
    using Value = typename std::decay_t<decltype(field)>::value_type;
    if (options.contains(key)) field = options[key].get<Value>();
  };
  config.mode = *quantization_mode_from(options["mode"].get<std::string>());
  if (options.contains("format"))
    config.format = *quantization_format_from(options["format"].get<std::string>());
  config.weights =
      options["weights"] == "per-channel" ? Granularity::kPerChannel : Granularity::kPerTensor;
  config.activation = *quantized_dtype_from(options["activation"].get<std::string>());
  config.weight = *quantized_dtype_from(options["weight"].get<std::string>());
  read("reduce_range", config.reduce_range);
  read("symmetric_activations", config.symmetric_activations);
  read_optional("symmetric_weights", config.symmetric_weights);
  read("restricted_zero_points", config.restricted_zero_points);
  read_optional("min_real_range", config.min_real_range);
  read("op_types", config.op_types);
  read("exclude_nodes", config.exclude_nodes);
  read("include_nodes", config.include_nodes);
  read_optional("bodies", config.bodies);
  read_optional("matmul_const_b_only", config.matmul_const_b_only);
  read("force_data_movement", config.force_data_movement);
  read("qdq_pair_on_weights", config.qdq_pair_on_weights);
  read("dedicated_qdq_pairs", config.dedicated_qdq_pairs);
  read("keep_removable_activations", config.keep_removable_activations);
  read("quantize_bias", config.quantize_bias);
  read("adjust_weights_for_bias", config.adjust_weights_for_bias);
  read("exclude_output_types", config.exclude_output_types);
  read("contrib_qdq", config.contrib_qdq);
  read("nnapi_sigmoid", config.nnapi_sigmoid);
  if (options.contains("tensor_overrides"))
    config.tensor_overrides = parse_tensor_overrides(options["tensor_overrides"]);
  if (options.contains("channel_axes")) {
    for (const auto& [op, axis] : options["channel_axes"].items()) {
      config.channel_axes[op] = axis.get<std::int64_t>();
    }
  }
  return config;
}

}  // namespace planish::test
