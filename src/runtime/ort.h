// The entry to ONNX Runtime for this module: its headers, the process's environment, its errors.
#pragma once

// The API is fetched by ort_env(), not by a static initializer: a library that is too old is then
// an error that can be caught, and telemetry is switched off before the library first wakes up.
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include <memory>
#include <utility>

#include "planish/base/error.h"
#include "planish/runtime/session.h"

namespace planish {

/// The environment of ONNX Runtime; one per process. Whoever holds a session holds it too.
/// @throws Error(kUnavailable) when the library is older than the headers.
std::shared_ptr<const Ort::Env> ort_env();

/// What ONNX Runtime was doing when it failed: the same code means different things.
enum class OrtPhase { kLoad, kRun };

/// The planish error for what ONNX Runtime threw.
Error translate(const Ort::Exception& exception, OrtPhase phase);

/// Runs `body`; an exception of ONNX Runtime leaves it as planish::Error.
template <typename Body>
decltype(auto) translating(OrtPhase phase, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Ort::Exception& exception) {
    throw translate(exception, phase);
  }
}

/// @throws Error(kInvalidArgument) for fewer threads than 1.
Ort::SessionOptions options_from(const SessionConfig& config);

}  // namespace planish
