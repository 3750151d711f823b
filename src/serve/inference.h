// The way of one inference: queue, worker, run, statistics. Which port it came from is the call's.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <vector>

#include "planish/base/error.h"
#include "planish/serve/server.h"
#include "serve/capture_set.h"
#include "serve/executor.h"
#include "serve/model_registry.h"
#include "serve/protocol.h"
#include "serve/shadow_set.h"

namespace planish::serve {

/// One request of one caller. Of send() and fail() exactly one is called, once; everything is
/// called by one thread at a time.
class InferenceCall {
 public:
  virtual ~InferenceCall() = default;
  /// On a worker: the body's tensors. @throws Error as parse_infer_request.
  virtual InferRequest read(const InferContext& context) = 0;
  /// On a worker: makes the response. @throws Error as write_infer_response.
  virtual void write(const InferRequest& request, const LoadedVersion& version,
                     const std::vector<Tensor>& outputs) = 0;
  virtual void send() = 0;
  virtual void fail(const Error& error) = 0;

  Version version = {};
  std::chrono::steady_clock::time_point received = {};  // when its last byte was read
  Deadline deadline = {};     // the caller's own, of waiting and running; nothing: none
  std::stop_token gone = {};  // the caller went away: nobody waits for the answer
};

/// Runs calls on the workers and counts what came of them.
class Inference {
 public:
  Inference(const ServerConfig& config, ShadowSet& shadows, CaptureSet& capture);
  Inference(const Inference&) = delete;
  Inference& operator=(const Inference&) = delete;

  /// @throws Error(kExhausted) when the queue is full; then neither send() nor fail() is called.
  void submit(std::shared_ptr<InferenceCall> call);
  [[nodiscard]] const Executor& executor() const { return executor_; }

 private:
  void run(InferenceCall& call) noexcept;
  void run_or_throw(InferenceCall& call);

  const ServerConfig& config_;
  ShadowSet& shadows_;
  CaptureSet& capture_;
  Executor executor_;
};

}  // namespace planish::serve
