// What the data port answers: the Open Inference Protocol, metrics, the status page.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "planish/serve/server.h"
#include "serve/capture_set.h"
#include "serve/http_listener.h"
#include "serve/inference.h"
#include "serve/model_registry.h"
#include "serve/shadow_set.h"

namespace planish::serve {

/// What the ports of a server share.
struct Serving {
  const ServerConfig& config;
  ModelRegistry& registry;
  Inference& inference;
  ShadowSet& shadows;
  CaptureSet& capture;
  std::atomic<bool> draining{false};
  std::function<std::size_t()> connections = {};  // of the data port
};

HttpResponse json_response(std::string body, int status = 200);
/// With Retry-After where trying again can help.
HttpResponse error_response(const Error& error);
/// "/v2/models/a%20b" in its decoded parts: {"v2", "models", "a b"}. Empty parts count (an unknown
/// path), but for one at the end.
std::vector<std::string> parts_of(std::string_view path);
Error no_such_path(const std::string& path);

class HttpApi {
 public:
  explicit HttpApi(Serving& serving) : serving_(serving) {}

  /// Answers, or hands an inference to the workers. Does not wait.
  void handle(HttpRequest request, const Respond& respond);
  /// Whatever changes nothing; the admin port answers it as well.
  [[nodiscard]] HttpResponse read_only(const HttpRequest& request,
                                       const std::vector<std::string>& path, bool is_admin) const;

 private:
  void submit(const std::vector<std::string>& path, HttpRequest request, const Respond& respond);
  [[nodiscard]] Version version_in(const std::vector<std::string>& path) const;
  [[nodiscard]] HttpResponse health(const HttpRequest& request, const std::string& what) const;
  [[nodiscard]] HttpResponse model_get(const HttpRequest& request,
                                       const std::vector<std::string>& path) const;
  [[nodiscard]] std::string index(const std::string& body) const;
  [[nodiscard]] std::string metrics() const;
  [[nodiscard]] std::string status(bool is_admin) const;
  [[nodiscard]] std::string shadow_reports(const std::string& model) const;

  Serving& serving_;
};

}  // namespace planish::serve
