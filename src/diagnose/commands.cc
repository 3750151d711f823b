#include "diagnose/commands.h"

namespace planish::diagnose_detail {
namespace {

constexpr std::string_view kOutput = " -o better.onnx";

std::string with_extra(std::string command, std::string_view extra) {
  if (!extra.empty()) command.append(" ").append(extra);
  return command;
}

std::string preprocess_option(const Facts& facts) {
  if (facts.config.preprocess_name == "none") return {};
  return " --preprocess " + shell_word(facts.config.preprocess_name);
}

}  // namespace

std::string quantize_command(const Facts& facts, std::string_view extra) {
  std::string command = "planish quantize " + shell_word(facts.fp32_path);
  if (facts.inspection.mode == RecommendedMode::kDynamic) {
    command += " --mode dynamic";
  } else if (facts.config.calibration) {
    command += " --calibration " + shell_word(facts.config.calibration->string());
  } else {
    command += " --data " + (facts.config.calibration_data
                                 ? shell_word(facts.config.calibration_data->string())
                                 : std::string("CALIBRATION_DATA"));
    command += preprocess_option(facts);
  }
  if (facts.config.target) command += " --target " + std::string(name_of(*facts.config.target));
  return with_extra(std::move(command), extra).append(kOutput);
}

std::string fit_command(const Facts& facts) {
  return "planish quantize " + shell_word(facts.int8_path) + " --target " +
         std::string(name_of(facts.target)) + std::string(kOutput);
}

std::string compare_command(const Facts& facts, std::string_view command, std::string_view extra) {
  std::string text = "planish " + std::string(command) + " " + shell_word(facts.fp32_path) + " " +
                     shell_word(facts.int8_path);
  if (facts.config.data) {
    text += " --data " + shell_word(facts.config.data->string()) + preprocess_option(facts);
  }
  if (facts.config.labels && command != "bench")
    text += " --labels " + shell_word(facts.config.labels->string());
  return with_extra(std::move(text), extra);
}

}  // namespace planish::diagnose_detail
