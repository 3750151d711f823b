#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace planish::e2e {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Pipe {
  std::array<int, 2> ends{-1, -1};
  Pipe() {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_end(std::size_t i) {
    if (ends.at(i) >= 0) close(ends.at(i));
    ends.at(i) = -1;
  }
};

[[noreturn]] void become_planish(const std::vector<std::string>& arguments, const RunConfig& config,
                                 int out, int err) {
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  if (!config.folder.empty() && chdir(config.folder.c_str()) != 0) _exit(126);
  if (config.max_file_bytes) {
    const rlimit limit{*config.max_file_bytes, *config.max_file_bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);  // then write() says EFBIG, as a full disk says ENOSPC
  }
  std::vector<char*> argv{const_cast<char*>("planish")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(PLANISH_COMMAND, argv.data());
  _exit(127);
}

/// Reads what is there; false at the end of the stream.
bool drain(int descriptor, std::string& into) {
  std::array<char, 65536> buffer{};
  const ssize_t got = read(descriptor, buffer.data(), buffer.size());
  if (got <= 0) return false;
  into.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

}  // namespace

Finished run_planish(const std::vector<std::string>& arguments, const RunConfig& config) {
  Pipe out;
  Pipe err;
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) become_planish(arguments, config, out.ends[1], err.ends[1]);
  out.close_end(1);
  err.close_end(1);
  Finished result;
  const auto start = SteadyClock::now();
  bool interrupted = false;
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    std::array<pollfd, 2> polls{pollfd{out_open ? out.ends[0] : -1, POLLIN, 0},
                                pollfd{err_open ? err.ends[0] : -1, POLLIN, 0}};
    poll(polls.data(), polls.size(), 20);
    if (polls[0].revents != 0) out_open = drain(out.ends[0], result.out);
    if (polls[1].revents != 0) err_open = drain(err.ends[0], result.err);
    const auto elapsed = SteadyClock::now() - start;
    if (config.interrupt_after && !interrupted && elapsed > *config.interrupt_after) {
      kill(child, SIGINT);
      interrupted = true;
    }
    if (elapsed > config.time_limit) kill(child, SIGKILL);
  }
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  result.peak_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // kilobytes on Linux
  result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

RunningPlanish::RunningPlanish(const std::vector<std::string>& arguments) {
  Pipe out;
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  child_ = fork();
  if (child_ < 0) throw std::runtime_error("fork");
  if (child_ == 0) become_planish(arguments, {}, out.ends[1], null);
  close(null);
  out_ = std::exchange(out.ends[0], -1);
}

RunningPlanish::~RunningPlanish() {
  if (child_ > 0) end_with(SIGKILL);
  close(out_);
}

std::string RunningPlanish::read_line() {
  std::string line;
  char c = 0;
  while (read(out_, &c, 1) == 1 && c != '\n') line += c;
  return line;
}

int RunningPlanish::end_with(int signal) {
  kill(child_, signal);
  int status = 0;
  waitpid(child_, &status, 0);
  child_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace planish::e2e
