// The rarer options of quantization by name: one table that `planish quantize --option`, its help
// and docs/options.md read.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "planish/quantize/config.h"

namespace planish {

struct QuantizationOption {
  std::string_view name = {};              // "keep-removable-activations"
  std::string_view onnxruntime_name = {};  // extra_options of onnxruntime.quantization
  std::string_view values = {};            // "true|false", "NUMBER", "TYPE,…", "TYPE:AXIS,…"
  std::string_view help = {};
};

/// All of them, by name.
std::span<const QuantizationOption> quantization_options();

/// Sets what `assignment` says, NAME=VALUE, NAME being either name of the table.
/// @throws Error(kInvalidArgument) saying what was found and what is known.
void set_option(QuantizationConfig& config, std::string_view assignment);

/// The table for --help, and as docs/options.md holds it (a test compares).
std::string options_text();
std::string options_markdown();

}  // namespace planish
