// Runs the real command and brings back what it printed and how it ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace planish::e2e {

struct Finished {
  int exit_status = -1;  // 128 + signal when a signal ended it
  std::string out = {};
  std::string err = {};
  std::uint64_t peak_bytes = 0;  // resident, pages of mapped files among them
};

struct RunConfig {
  std::optional<std::uint64_t> max_file_bytes = {};  // RLIMIT_FSIZE: a disk that is full
  std::optional<std::chrono::milliseconds> interrupt_after = {};  // SIGINT then
  std::filesystem::path folder = {};                              // working folder
  std::chrono::seconds time_limit{120};                           // killed then
};

/// `planish` with `arguments`.
Finished run_planish(const std::vector<std::string>& arguments, const RunConfig& config = {});

/// A command that goes on by itself; killed when the object dies.
class RunningPlanish {
 public:
  explicit RunningPlanish(const std::vector<std::string>& arguments);
  ~RunningPlanish();
  RunningPlanish(const RunningPlanish&) = delete;
  RunningPlanish& operator=(const RunningPlanish&) = delete;

  /// The next line that it prints on stdout; "" when it ended.
  std::string read_line();
  /// Sends the signal and waits: the exit status, 128 + signal when a signal ended it.
  int end_with(int signal);

 private:
  int child_ = -1;
  int out_ = -1;
};

}  // namespace planish::e2e
