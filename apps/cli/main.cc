// The planish command: parses argv, runs one subcommand, and turns an error into a message and an
// exit status. Nothing else: what a command does is a call of the library.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <stop_token>
#include <thread>

#include "command.h"
#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/base/version.h"
#include "terminal.h"

namespace planish::cli {
namespace {

/// Waits for SIGINT and SIGTERM on a thread of its own: the first asks the work to stop, the second
/// ends the process at once (temporary files may stay then).
class SignalWatch {
 public:
  SignalWatch() {
    sigemptyset(&signals_);
    for (const int number : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&signals_, number);
    // Before any other thread starts, so that all inherit the mask.
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::thread([this] { watch(); });
  }
  ~SignalWatch() {
    pthread_kill(thread_.native_handle(), SIGUSR1);
    thread_.join();
  }
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

 private:
  void watch() {
    int number = 0;
    while (sigwait(&signals_, &number) == 0) {
      if (number == SIGUSR1) return;
      if (stop_.stop_requested()) _exit(128 + number);
      stop_.request_stop();
    }
  }

  sigset_t signals_{};
  std::stop_source stop_;
  std::thread thread_;
};

int report_error(const Error& error, bool json) {
  clear_progress();
  std::fprintf(stderr, "planish: %s\n", error.what());
  if (json) {
    Json document;
    document["error"]["kind"] = row_of(error.code()).name;
    document["error"]["message"] = error.message();
    std::cout << to_text(document);
  }
  return row_of(error.code()).exit_status;
}

int run(int argc, char** argv) {
  CLI::App app(
      "planish: a model trained in PyTorch to an INT8 model on ONNX Runtime that is faster on a "
      "CPU,\n"
      "proven on your own inputs.",
      "planish");
  app.set_version_flag("--version", std::string(kVersion));
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 success, 1 a stated threshold failed, 2 usage, 3 not found or exists,\n"
      "4 unsupported or corrupt input, 5 unavailable or interrupted, 70 a bug in planish.");
  bool json = false;
  Run chosen;
  for (const Command& command :
       {auto_command(), import_command(), inspect_command(), prepare_command(), calibrate_command(),
        quantize_command(), compare_command(), bench_command(), sensitivity_command(),
        diagnose_command(), store_command(), serve_command(), load_command(), host_command(),
        ops_command()}) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.summary));
    sub->add_flag("--json", json, "One JSON document on stdout; messages and progress on stderr");
    const Run run_command = command.declare(*sub);
    sub->callback([run_command, &chosen] { chosen = run_command; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11 has its own numbers; ours are 0 for help and version, 2 for usage.
    return app.exit(error) == 0 ? 0 : row_of(ErrorCode::kInvalidArgument).exit_status;
  }
  const SignalWatch signals;
  try {
    const Context context{std::cout, json, terminal_progress(), signals.token()};
    const int status = chosen(context);
    clear_progress();
    std::cout.flush();
    if (!std::cout) throw Error(ErrorCode::kExhausted, "cannot write to standard output");
    return status;
  } catch (const Error& error) {
    return report_error(error, json);
  } catch (const std::bad_alloc&) {
    return report_error(Error(ErrorCode::kExhausted, "out of memory"), json);
  } catch (const std::exception& error) {
    return report_error(Error(ErrorCode::kInternal, error.what()), json);
  }
}

}  // namespace
}  // namespace planish::cli

int main(int argc, char** argv) { return planish::cli::run(argc, argv); }
