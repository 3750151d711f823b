// Remedies as commands that can be pasted.
#pragma once

#include <string>
#include <string_view>

#include "diagnose/facts.h"
#include "planish/base/shell.h"

namespace planish::diagnose_detail {

/// "planish quantize FP32 --data … --preprocess … EXTRA -o better.onnx", with CALIBRATION_DATA
/// where it is not known. Dynamic where that fits the model.
std::string quantize_command(const Facts& facts, std::string_view extra = {});
/// "planish quantize INT8 --target T -o better.onnx": no data.
std::string fit_command(const Facts& facts);
/// "planish COMMAND FP32 INT8 EXTRA" with the options of this diagnosis that say how samples are
/// read.
std::string compare_command(const Facts& facts, std::string_view command,
                            std::string_view extra = {});

}  // namespace planish::diagnose_detail
