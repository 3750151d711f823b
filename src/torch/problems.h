// What cannot be imported: collected over the whole program, told at once.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "planish/base/error.h"
#include "torch/exported_program.h"

namespace planish::torch {

class Problems {
 public:
  /// `node` must outlive this. `title`: "aten.foo.default"; `why` is empty when the operator is
  /// simply not known.
  void add(const std::string& title, const std::string& why, const FxNode& node);
  /// A problem of the whole program.
  void add(const std::string& title, const std::string& why);
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// @throws Error(kUnsupported) that lists all, with the module and source line of the first call
  ///   of each, and what to do. Does nothing when there are none.
  void throw_if_any() const;

 private:
  struct Entry {
    std::string title;
    std::string why;
    std::size_t calls = 0;
    const FxNode* first = nullptr;
  };
  std::vector<Entry> entries_;
};

/// "net.py:12: x = torch.foo(x)": the innermost line of a Python stack that is not PyTorch's own.
std::string source_line(const std::string& stack_trace);

/// What to do about a program that was exported while training.
std::string training_advice(const std::string& what);

}  // namespace planish::torch
