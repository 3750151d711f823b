#include <condition_variable>
#include <iostream>
#include <memory>
#include <mutex>

#include "command.h"
#include "planish/base/error.h"
#include "planish/base/file.h"
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

std::string first_line(const std::string& path) {
  const std::string text = read_file(path, 4096);
  std::string line = text.substr(0, text.find_first_of("\r\n"));
  if (line.empty())
    throw Error(ErrorCode::kInvalidArgument,
                path + " is empty; expected a token on its first line");
  return line;
}

int run(Options& options, const Context& context) {
  if (!options.grpc.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "--grpc: this version serves HTTP only; use --http and its binary tensors");
  }
  serve::ServerConfig& config = options.config;
  config.http = serve::parse_address(options.http);
  config.admin = serve::parse_address(options.admin);
  config.drain = milliseconds_of(options.drain_seconds);
  config.drain_delay = milliseconds_of(options.drain_delay_seconds);
  config.queue_timeout = milliseconds_of(options.queue_timeout_seconds);
  config.max_body_bytes = options.max_body_mb << 20;
  for (const std::string& text : options.shadows)
    config.shadows.push_back(serve::parse_shadow(text));
  if (!options.token_file.empty()) config.admin_token = first_line(options.token_file);
  config.log = log_to_stderr();

  serve::Server server(config);
  const Json where = {{"http", to_string(server.http())}, {"admin", to_string(server.admin())}};
  if (context.json)
    context.out << where.dump() << std::endl;
  else
    context.out << "http " << to_string(server.http()) << "  admin " << to_string(server.admin())
                << std::endl;
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
  app.add_option("--grpc", options->grpc, "gRPC port (not in this version)");
  app.add_option("--admin", options->admin, "Admin port: metrics, activate, rollback, status page")
      ->capture_default_str();
  app.add_option("--admin-token-file", options->token_file,
                 "A file whose first line the admin port wants as bearer token");
  app.add_option("--shadow", options->shadows,
                 "NAME=VERSION:FRACTION: compare that share of requests with another version")
      ->allow_extra_args(false);
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
