// A Session made of a function.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "planish/runtime/session.h"

namespace planish::test {

/// Answers run() with `answer`, after checking the inputs as a real session does, and counts runs.
class FakeSession : public Session {
 public:
  using Answer = std::function<std::vector<Tensor>(std::span<const NamedTensor>)>;

  FakeSession(Signature signature, Answer answer)
      : signature_(std::move(signature)), answer_(std::move(answer)) {}

  [[nodiscard]] const Signature& signature() const override { return signature_; }
  std::vector<Tensor> run(std::span<const NamedTensor> inputs) override {
    require_match(signature_, inputs);
    ++runs_;
    return answer_(inputs);
  }
  [[nodiscard]] std::size_t runs() const { return runs_; }

 private:
  Signature signature_;
  Answer answer_;
  std::atomic<std::size_t> runs_{0};
};

}  // namespace planish::test
