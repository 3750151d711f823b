#include "runtime/ort.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

namespace planish {
namespace {

// What ONNX Runtime logs about an error it also throws; the library prints nothing.
void ORT_API_CALL discard_log(void*, OrtLoggingLevel, const char*, const char*, const char*,
                              const char*) {}

std::shared_ptr<const Ort::Env> make_env() {
  // ONNX Runtime reads this when its environment is created, and only then.
  ::setenv("ORT_DISABLE_TELEMETRY", "1", /*overwrite=*/0);
  const OrtApi* api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (api == nullptr) {
    throw Error(ErrorCode::kUnavailable, "the ONNX Runtime library is " + runtime_version() +
                                             "; expected 1." + std::to_string(ORT_API_VERSION) +
                                             " or newer. Run tools/setup.sh");
  }
  Ort::InitApi(api);
  return translating(OrtPhase::kLoad, [] {
    return std::make_shared<const Ort::Env>(ORT_LOGGING_LEVEL_ERROR, "planish", discard_log,
                                            nullptr);
  });
}

// Texts by which ONNX Runtime says, under several codes, that it does not know a part of a model.
constexpr std::array<std::string_view, 6> kUnsupportedTexts{
    "is not a registered function/op",      "No Op registered for",
    "Could not find an implementation for", "Unsupported model IR version",
    "is under development and support",     "type inference failed: unsupported"};

bool says_unsupported(std::string_view text) {
  return std::any_of(
      kUnsupportedTexts.begin(), kUnsupportedTexts.end(),
      [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

bool says_out_of_memory(std::string_view text) {
  return text.find("Failed to allocate memory") != std::string_view::npos ||
         text.find("bad_alloc") != std::string_view::npos;
}

ErrorCode code_of(OrtErrorCode code, std::string_view text, OrtPhase phase) {
  if (says_out_of_memory(text)) return ErrorCode::kExhausted;
  if (says_unsupported(text)) return ErrorCode::kUnsupported;
  switch (code) {
    case ORT_NO_SUCHFILE:
    case ORT_NOT_FOUND:
      return ErrorCode::kNotFound;
    case ORT_NOT_IMPLEMENTED:
      return ErrorCode::kUnsupported;
    case ORT_INVALID_ARGUMENT:
      return ErrorCode::kInvalidArgument;
    default:
      return phase == OrtPhase::kLoad ? ErrorCode::kCorrupt : ErrorCode::kUnsupported;
  }
}

// Without the path and function of ONNX Runtime's source: "/…/model.cc:181 Model::Model(…) text".
std::string_view without_source(std::string_view text) {
  if (text.empty() || text.front() != '/') return text;
  const std::size_t end = text.find(") ");
  return end == std::string_view::npos ? text : text.substr(end + 2);
}

GraphOptimizationLevel level_of(GraphOptimization optimization) {
  switch (optimization) {
    case GraphOptimization::kNone:
      return ORT_DISABLE_ALL;
    case GraphOptimization::kBasic:
      return ORT_ENABLE_BASIC;
    case GraphOptimization::kExtended:
      return ORT_ENABLE_EXTENDED;
    case GraphOptimization::kAll:
      break;
  }
  return ORT_ENABLE_ALL;
}

}  // namespace

std::shared_ptr<const Ort::Env> ort_env() {
  static const std::shared_ptr<const Ort::Env> env = make_env();
  return env;
}

Error translate(const Ort::Exception& exception, OrtPhase phase) {
  const std::string_view text = exception.what();
  return Error(code_of(exception.GetOrtErrorCode(), text, phase),
               "ONNX Runtime: " + std::string(without_source(text)));
}

Ort::SessionOptions options_from(const SessionConfig& config) {
  if (config.threads < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                std::to_string(config.threads) + " threads; expected 1 or more");
  }
  return translating(OrtPhase::kLoad, [&] {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(config.threads);
    options.SetInterOpNumThreads(1);
    options.SetExecutionMode(ORT_SEQUENTIAL);
    options.SetGraphOptimizationLevel(level_of(config.optimization));
    options.SetLogSeverityLevel(ORT_LOGGING_LEVEL_ERROR);
    const char* const spinning = config.spinning ? "1" : "0";
    options.AddConfigEntry("session.intra_op.allow_spinning", spinning);
    options.AddConfigEntry("session.inter_op.allow_spinning", spinning);
    if (!config.memory_arena) options.DisableCpuMemArena();
    if (!config.memory_pattern) options.DisableMemPattern();
    if (config.optimized_model_path) {
      options.SetOptimizedModelFilePath(config.optimized_model_path->c_str());
    }
    for (const auto& [key, value] : config.entries)
      options.AddConfigEntry(key.c_str(), value.c_str());
    return options;
  });
}

std::string runtime_version() { return OrtGetApiBase()->GetVersionString(); }

}  // namespace planish
