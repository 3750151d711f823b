// Which tensors of a program share storage.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "torch/exported_program.h"

namespace planish::torch {

/// How sure it is that a result shares the storage of its argument.
enum class Sharing {
  kShared,   // a view, or the argument itself
  kCopied,   // storage of its own
  kUnknown,  // depends on strides in a way that is not looked into
};

/// Of a call whose operator may give a view (reshape, contiguous, to give one only sometimes).
Sharing sharing_of(const FxNode& node, const std::string& argument, const std::string& result,
                   const FxGraph& graph);

/// Views by what they are views of: a forest whose roots own their storage.
class Aliases {
 public:
  struct Link {
    std::string of = {};           // the tensor that is viewed
    const FxNode* node = nullptr;  // the call that made the view
    std::size_t result = 0;        // which of its results the view is
    bool in_place = false;         // not a view but the tensor itself, changed by `node`
    Sharing sharing = Sharing::kShared;
  };

  void add(const std::string& view, Link link);
  /// What `name` is a view of; null for a root.
  [[nodiscard]] const Link* link_of(const std::string& name) const;
  /// Every view of `name` and of its views; what is viewed before the view.
  [[nodiscard]] std::vector<std::string> views_of(const std::string& name) const;

 private:
  std::unordered_map<std::string, Link> links_;
  std::unordered_map<std::string, std::vector<std::string>> views_;
};

}  // namespace planish::torch
