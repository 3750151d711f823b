// What the gRPC port answers: the same protocol, as bytes of its messages.
#pragma once

#include <string>

#include "planish/rpc/rpc.h"
#include "serve/http_api.h"

namespace planish::serve {

class GrpcApi {
 public:
  explicit GrpcApi(Serving& serving) : serving_(serving) {}

  /// Answers, or hands an inference to the workers. Does not wait.
  void handle(rpc::Call call, const rpc::Respond& respond);

 private:
  void submit(rpc::Call call, const rpc::Respond& respond);
  [[nodiscard]] std::string answer(const std::string& method, const std::string& message) const;
  [[nodiscard]] bool is_ready() const;
  [[nodiscard]] std::string index(const std::string& message) const;

  Serving& serving_;
};

}  // namespace planish::serve
