#include <condition_variable>
#include <iostream>
#include <memory>
#include <mutex>

#include "command.h"
#include "options.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/serve/server.h"
#include "planish/store/store.h"

namespace planish::cli {
namespace {

struct Options {
  serve::ServerConfig config;
  std::string http = to_string(serve::ServerConfig{}.http);
  std::string admin = to_string(serve::ServerConfig{}.admin);
  std::string grpc;
  std::string token_file;
  std::vector<std::string> shadows;
  std::string auto_rollback;
  std::uint64_t capture_mb = serve::CaptureConfig{}.max_bytes >> 20;
  double drain_seconds = static_cast<double>(serve::ServerConfig{}.drain.count()) / 1000;
  double drain_delay_seconds =
      static_cast<double>(serve::ServerConfig{}.drain_delay.count()) / 1000;
  double queue_timeout_seconds =
      static_cast<double>(serve::ServerConfig{}.queue_timeout.count()) / 1000;
  std::size_t max_body_mb = serve::ServerConfig{}.max_body_bytes >> 20;
};

std::chrono::milliseconds milliseconds_of(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

/// One JSON document a line on stderr, with the time in front.
serve::LogSink log_to_stderr() {
  auto mutex = std::make_shared<std::mutex>();  // lines of several threads stay whole
  return [mutex](const Json& event) {
    Json line;
    line["time"] = store::utc_now();
    line.update(event);
    const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    const std::lock_guard lock(*mutex);
    std::cerr << text << std::flush;
  };
}

void wait_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, stop, [] { return false; });
}

int run(Options& options, const Context& context) {
  serve::ServerConfig& config = options.config;
  config.http = serve::parse_address(options.http);
  config.admin = serve::parse_address(options.admin);
  if (!options.grpc.empty()) config.grpc = serve::parse_address(options.grpc);
  config.capture.max_bytes = options.capture_mb << 20;
  config.drain = milliseconds_of(options.drain_seconds);
  config.drain_delay = milliseconds_of(options.drain_delay_seconds);
  config.queue_timeout = milliseconds_of(options.queue_timeout_seconds);
  config.max_body_bytes = options.max_body_mb << 20;
  for (const std::string& text : options.shadows)
    config.shadows.push_back(serve::parse_shadow(text));
  if (!options.auto_rollback.empty())
    config.auto_rollback = serve::parse_rollback_rule(options.auto_rollback);
  if (!options.token_file.empty()) config.admin_token = token_in(options.token_file);
  config.log = log_to_stderr();

  serve::Server server(config);
  Json where = {{"http", to_string(server.http())}, {"admin", to_string(server.admin())}};
  if (server.grpc()) where["grpc"] = to_string(*server.grpc());
  if (context.json) {
    context.out << where.dump() << std::endl;
  } else {
    for (const auto& [port, address] : where.items())
      context.out << port << ' ' << address.get<std::string>() << "  ";
    context.out << std::endl;
  }
  wait_for(context.stop);
  server.stop();
  return kExitSuccess;
}

Run declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  serve::ServerConfig& config = options->config;
  auto* store = app.add_option("--store", config.store, "Serve the active versions of this store");
  app.add_option("--model", config.model, "Or serve this one ONNX file")->excludes(store);
  app.add_option("--name", config.name, "Its name (default: the file's)");
  app.add_option(
      "--preprocess", config.preprocess,
      "Its preprocessing, for JPEG and PNG as inputs: imagenet, tf, none, or a JSON file");
  app.add_option("--http", options->http, "Data port: HOST:PORT; port 0: any that is free")
      ->capture_default_str();
  app.add_option("--grpc", options->grpc, "gRPC port: HOST:PORT (default: none)");
  app.add_option("--admin", options->admin, "Admin port: metrics, activate, rollback, status page")
      ->capture_default_str();
  app.add_option("--admin-token-file", options->token_file,
                 "A file whose first line the admin port wants as bearer token");
  app.add_option("--shadow", options->shadows,
                 "NAME=VERSION:FRACTION: compare that share of requests with another version")
      ->allow_extra_args(false);
  app.add_option("--capture", config.capture.folder,
                 "Keep a uniform choice of the requests in this folder, as data for `planish "
                 "calibrate` (default: nothing is kept)");
  app.add_option("--capture-samples", config.capture.samples, "So many of each model")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--capture-max-mb", options->capture_mb, "And no more than so many MiB")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--auto-rollback", options->auto_rollback,
                 "Take a version back that breaks one of these: p99=12ms,failures=0.01,"
                 "agreement=0.98 (with requests=100,window=30s)");
  app.add_option("--workers", config.workers, "Runs side by side (0: one for each usable core)")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--queue", config.queue, "Requests that may wait; more are refused with 429")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--queue-timeout", options->queue_timeout_seconds,
                 "Seconds that a request may wait for a worker")
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  app.add_option("--max-body", options->max_body_mb, "Largest request, in MiB")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--drain", options->drain_seconds,
                 "Seconds to finish what is under way after SIGTERM")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  app.add_option("--drain-delay", options->drain_delay_seconds,
                 "Seconds to go on accepting after it says that it is not ready")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  return [options](const Context& context) { return run(*options, context); };
}

}  // namespace

Command serve_command() {
  return {"serve", "Serve versions over the Open Inference Protocol, compare them on live traffic",
          declare};
}

}  // namespace planish::cli
