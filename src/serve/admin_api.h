// What the admin port answers besides: what changes which version is served.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "serve/executor.h"
#include "serve/http_api.h"

namespace planish::serve {

class AdminApi {
 public:
  explicit AdminApi(Serving& serving, const HttpApi& readable)
      : serving_(serving), readable_(readable), slow_(1, kMaxWaiting) {}

  /// Does not wait: loads go on behind it.
  void handle(const HttpRequest& request, const Respond& respond);

 private:
  static constexpr std::size_t kMaxWaiting = 64;

  [[nodiscard]] HttpResponse change_version(const HttpRequest& request,
                                            const std::vector<std::string>& path);
  void repository(const HttpRequest& request, const std::vector<std::string>& path,
                  const Respond& respond);
  [[nodiscard]] std::optional<HttpResponse> refusal(const HttpRequest& request) const;
  void log(const Json& event) const;

  Serving& serving_;
  const HttpApi& readable_;
  Executor slow_;  // loads, one after the other
};

}  // namespace planish::serve
