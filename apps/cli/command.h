// What a subcommand is made of. main.cc lists them; each cmd_*.cc fills the library's options,
// makes one library call and prints one report.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <ostream>
#include <stop_token>
#include <string>
#include <string_view>

#include "planish/base/json.h"
#include "planish/base/progress.h"

namespace planish::cli {

/// What a command may use of the outside world.
struct Context {
  std::ostream& out;      // stdout: the result, or with --json one document and nothing else
  bool json = false;      // the user asked for --json
  ProgressSink progress;  // shows on a terminal, silent otherwise
  std::stop_token stop;   // SIGINT or SIGTERM came
};

constexpr int kExitSuccess = 0;
constexpr int kExitThresholdFailed = 1;

/// Runs the command; the result is the exit status: kExitSuccess or kExitThresholdFailed. Errors
/// are thrown, and main() knows their status.
using Run = std::function<int(const Context&)>;

struct Command {
  std::string_view name = {};
  std::string_view summary = {};
  /// Declares options on `app` and gives back what runs once they are parsed.
  std::function<Run(CLI::App& app)> declare = {};
};

Command import_command();
Command inspect_command();
Command prepare_command();
Command calibrate_command();
Command quantize_command();
Command compare_command();
Command bench_command();
Command diagnose_command();
Command auto_command();
Command store_command();
Command serve_command();
Command load_command();
Command sensitivity_command();
Command host_command();
Command ops_command();

/// Prints `json` with --json, else what `print_text` prints.
inline void print(const Context& context, const Json& json,
                  const std::function<void(std::ostream&)>& print_text) {
  if (context.json)
    context.out << to_text(json);
  else
    print_text(context.out);
}

}  // namespace planish::cli
