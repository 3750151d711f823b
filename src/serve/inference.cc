#include "serve/inference.h"

#include <new>
#include <utility>

#include "planish/host/host.h"

namespace planish::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRelaxed = std::memory_order_relaxed;

std::size_t batch_of(const InferRequest& request) {
  if (request.inputs.empty() || request.inputs.front().value.rank() == 0) return 1;
  return static_cast<std::size_t>(request.inputs.front().value.dims().front());
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Which of the counters an error belongs to: the caller's mistakes are no failures of the model.
void count_error(VersionStatistics& counts, ErrorCode code) {
  switch (code) {
    case ErrorCode::kDeadline:
    case ErrorCode::kExhausted:
      counts.rejections.fetch_add(1, kRelaxed);
      return;
    case ErrorCode::kCancelled:
      counts.cancellations.fetch_add(1, kRelaxed);
      return;
    case ErrorCode::kInvalidArgument:
      counts.bad_requests.fetch_add(1, kRelaxed);
      return;
    default:
      counts.failures.fetch_add(1, kRelaxed);
  }
}

Error too_late(std::chrono::milliseconds waited) {
  return {ErrorCode::kDeadline,
          "the request waited " + std::to_string(waited.count()) + " ms, longer than it may"};
}

std::chrono::milliseconds waited(const InferenceCall& call) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - call.received);
}

}  // namespace

Inference::Inference(const ServerConfig& config, ShadowSet& shadows, CaptureSet& capture)
    : config_(config),
      shadows_(shadows),
      capture_(capture),
      executor_(threads_or_usable(config.workers), config.queue) {}

void Inference::submit(std::shared_ptr<InferenceCall> call) {
  Job job;
  job.deadline = call->received + config_.queue_timeout;
  if (call->deadline && *call->deadline < *job.deadline) job.deadline = call->deadline;
  job.run = [this, call] { run(*call); };
  job.too_late = [call] {
    count_error(call->version->statistics, ErrorCode::kDeadline);
    call->fail(too_late(waited(*call)));
  };
  if (executor_.submit(std::move(job))) return;
  count_error(call->version->statistics, ErrorCode::kExhausted);
  throw Error(ErrorCode::kExhausted, "the queue of " + std::to_string(config_.queue) +
                                         " requests is full; try again later");
}

/// On a worker.
void Inference::run(InferenceCall& call) noexcept {
  const auto fail = [&](const Error& error) {
    count_error(call.version->statistics, error.code());
    call.fail(error);
  };
  try {
    run_or_throw(call);
  } catch (const Error& error) {
    fail(error);
  } catch (const std::bad_alloc&) {
    fail(Error(ErrorCode::kExhausted, "out of memory"));
  } catch (const std::exception& error) {
    fail(Error(ErrorCode::kInternal, error.what()));
  }
}

void Inference::run_or_throw(InferenceCall& call) {
  const LoadedVersion& version = *call.version;
  const auto begun = Clock::now();
  if (call.gone.stop_requested())
    throw Error(ErrorCode::kCancelled, "the caller went away while the request waited");
  const InferContext context{.signature = version.session->signature(),
                             .preprocess = version.preprocess ? &*version.preprocess : nullptr};
  const InferRequest request = call.read(context);
  const auto parsed = Clock::now();
  if (request.timeout && parsed - call.received > *request.timeout) throw too_late(waited(call));
  const std::vector<Tensor> outputs = version.session->run_until(request.inputs, call.gone);
  const auto computed = Clock::now();
  call.write(request, version, outputs);
  const auto finished = Clock::now();

  VersionStatistics& counts = version.statistics;
  const std::size_t batch = batch_of(request);
  counts.executions.fetch_add(1, kRelaxed);
  counts.inferences.fetch_add(batch, kRelaxed);
  counts.last_request_ms.store(now_ms(), kRelaxed);
  counts.queue.record(begun - call.received);
  counts.input.record(parsed - begun);
  counts.compute.record(computed - parsed);
  counts.output.record(finished - computed);
  counts.request.record(finished - call.received);
  counts.batches.record(batch, parsed - begun, computed - parsed, finished - computed);
  call.send();
  shadows_.offer(call.version, request, outputs);
  capture_.offer(version, request);
}

}  // namespace planish::serve
