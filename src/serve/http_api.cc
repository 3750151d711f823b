#include "serve/http_api.h"

#include <charconv>
#include <utility>

#include "planish/base/json.h"
#include "planish/base/version.h"
#include "serve/metrics.h"
#include "serve/status_page.h"

namespace planish::serve {
namespace {

/// The extensions of the protocol that are tested here.
constexpr std::array kExtensions{"classification",     "model_repository", "model_configuration",
                                 "binary_tensor_data", "parameters",       "statistics"};

std::optional<std::size_t> header_length(const HttpRequest& request) {
  if (!request.inference_header_length) return std::nullopt;
  const std::string& text = *request.inference_header_length;
  std::size_t length = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, length);
  if (failure != std::errc() || stop != end || text.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "Inference-Header-Content-Length '" + text + "'; expected a number of bytes");
  }
  return length;
}

/// An inference that came over HTTP.
class HttpCall final : public InferenceCall {
 public:
  HttpCall(HttpRequest request, Respond respond)
      : request_(std::move(request)), respond_(std::move(respond)) {}

  InferRequest read(const InferContext& context) override {
    const auto json_bytes = header_length(request_);
    return parse_infer_request(make_body(std::move(request_.body)), json_bytes, context);
  }
  void write(const InferRequest& request, const LoadedVersion& loaded,
             const std::vector<Tensor>& outputs) override {
    InferResponse written =
        write_infer_response(request, loaded.session->signature(), outputs,
                             {loaded.model, loaded.version(), request.id, loaded.classes});
    response_ = json_response(std::move(written.body));
    if (written.json_bytes) {
      response_.content_type = "application/octet-stream";
      response_.headers.emplace_back("Inference-Header-Content-Length",
                                     std::to_string(*written.json_bytes));
    }
    if (!request_.traceparent.empty())
      response_.headers.emplace_back("traceparent", request_.traceparent);
  }
  void send() override { respond_(std::move(response_)); }
  void fail(const Error& error) override { respond_(error_response(error)); }

 private:
  HttpRequest request_;
  Respond respond_;
  HttpResponse response_;
};

HttpResponse wrong_verb(const HttpRequest& request, const char* allowed) {
  HttpResponse response =
      json_response(write_error(request.method + " is not for " + request.path), 405);
  response.headers.emplace_back("Allow", allowed);
  return response;
}

std::string server_metadata() {
  return Json{{"name", "planish"}, {"version", std::string(kVersion)}, {"extensions", kExtensions}}
      .dump();
}

HttpResponse page() {
  HttpResponse response = json_response(std::string(kStatusPage));
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; script-src "
                                "'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'");
  return response;
}

}  // namespace

HttpResponse json_response(std::string body, int status) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

HttpResponse error_response(const Error& error) {
  HttpResponse response =
      json_response(write_error(error.message()), row_of(error.code()).http_status);
  if (response.status == 429 || response.status == 503)
    response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  while (true) {
    const auto slash = path.find('/');
    const std::string_view raw = path.substr(0, slash);
    std::string part;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      unsigned value = 0;
      if (raw[i] == '%' && i + 2 < raw.size() &&
          std::from_chars(raw.data() + i + 1, raw.data() + i + 3, value, 16).ptr ==
              raw.data() + i + 3) {
        part += static_cast<char>(value);
        i += 2;
      } else {
        part += raw[i];
      }
    }
    parts.push_back(std::move(part));
    if (slash == path.npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

Error no_such_path(const std::string& path) {
  return {ErrorCode::kNotFound, "no such path: " + path};
}

void HttpApi::handle(HttpRequest request, const Respond& respond) {
  try {
    const std::vector<std::string> path = parts_of(request.path);
    const bool is_infer =
        path.size() >= 4 && path[0] == "v2" && path[1] == "models" && path.back() == "infer";
    if (is_infer && request.method == "POST") return submit(path, std::move(request), respond);
    respond(read_only(request, path, /*is_admin=*/false));
  } catch (const Error& error) {
    respond(error_response(error));
  } catch (const std::exception& error) {
    respond(error_response(Error(ErrorCode::kInternal, error.what())));
  }
}

/// The version that a path of a model names: /v2/models/NAME[/versions/VERSION]/….
Version HttpApi::version_in(const std::vector<std::string>& path) const {
  const bool has_version = path.size() > 4 && path[3] == "versions";
  return serving_.registry.acquire(path[2],
                                   has_version ? std::string_view(path[4]) : std::string_view());
}

void HttpApi::submit(const std::vector<std::string>& path, HttpRequest request,
                     const Respond& respond) {
  const bool is_known = path.size() == 4 || (path.size() == 6 && path[3] == "versions");
  if (!is_known) throw no_such_path(request.path);
  if (!request.content_encoding.empty() && request.content_encoding != "identity") {
    throw Error(ErrorCode::kInvalidArgument, "Content-Encoding '" + request.content_encoding +
                                                 "'; expected none: this server takes bodies "
                                                 "as they are");
  }
  const Version version = version_in(path);
  const auto received = request.received;
  const std::stop_token gone = request.gone;
  auto call = std::make_shared<HttpCall>(std::move(request), respond);
  call->version = version;
  call->received = received;
  call->gone = gone;
  serving_.inference.submit(std::move(call));
}

HttpResponse HttpApi::read_only(const HttpRequest& request, const std::vector<std::string>& path,
                                bool is_admin) const {
  const bool is_index = request.path == "/v2/repository/index";
  if (request.method != (is_index ? "POST" : "GET") && !(request.method == "HEAD" && !is_index))
    return wrong_verb(request, is_index ? "POST" : "GET, HEAD");
  if (is_index) return json_response(index(request.body));
  if (path[0].empty() && path.size() == 1) return page();
  if (path.size() == 1 && path[0] == "status.json") return json_response(status(is_admin));
  if (path.size() == 1 && path[0] == "metrics") {
    HttpResponse response = json_response(metrics());
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  }
  if (path[0] != "v2") throw no_such_path(request.path);
  if (path.size() == 1) return json_response(server_metadata());
  if (path[1] == "health" && path.size() == 3) return health(request, path[2]);
  if (path[1] == "models") return model_get(request, path);
  throw no_such_path(request.path);
}

HttpResponse HttpApi::health(const HttpRequest& request, const std::string& what) const {
  if (what == "live") return json_response(R"({"live":true})");
  if (what != "ready") throw no_such_path(request.path);
  const bool ready = !serving_.draining && serving_.registry.is_ready();
  // Clients disagree on the member's name; both are there. docs/serving.md
  return json_response(ready ? R"({"ready":true,"live":true})" : R"({"ready":false,"live":true})",
                       ready ? 200 : 503);
}

HttpResponse HttpApi::model_get(const HttpRequest& request,
                                const std::vector<std::string>& path) const {
  if (path.size() == 3 && path[2] == "stats")
    return json_response(write_statistics(serving_.registry.statuses()));
  if (path.size() < 3) throw no_such_path(request.path);
  const bool has_version = path.size() > 4 && path[3] == "versions";
  const std::size_t depth = has_version ? 5 : 3;
  const std::string what = path.size() > depth ? path[depth] : "";
  if (path.size() > depth + 1) throw no_such_path(request.path);
  if (what == "shadow") return json_response(shadow_reports(path[2]));
  const Version version = version_in(path);
  const Signature& signature = version->session->signature();
  if (what.empty()) {
    return json_response(write_metadata(version->model, {version->version()}, signature,
                                        version->preprocess ? &*version->preprocess : nullptr));
  }
  if (what == "ready") {
    const Json json{{"name", version->model}, {"ready", !serving_.draining.load()}};
    return json_response(json.dump(), serving_.draining ? 503 : 200);
  }
  if (what == "config") return json_response(write_config(version->model, signature));
  if (what == "stats") {
    ModelStatus one;
    one.active = version;
    return json_response(write_statistics({one}));
  }
  if (what == "infer") return wrong_verb(request, "POST");
  throw no_such_path(request.path);
}

/// {"ready": true} in the body leaves out what is not.
std::string HttpApi::index(const std::string& body) const {
  const Json wanted = body.empty() ? Json::object() : parse_json(body);
  const bool only_ready = wanted.contains("ready") && json_get<bool>(wanted, "ready");
  Json json = Json::array();
  for (const ModelStatus& model : serving_.registry.statuses()) {
    if (only_ready && model.state != ModelState::kReady) continue;
    Json one{{"name", model.name}};
    if (model.active) one["version"] = model.active->version();
    one["state"] = name_of(model.state);
    one["reason"] = model.reason;
    json.push_back(std::move(one));
  }
  return json.dump();
}

std::string HttpApi::metrics() const {
  const Executor& executor = serving_.inference.executor();
  MetricsInput input;
  input.models = serving_.registry.statuses();
  input.shadows = serving_.shadows.reports();
  input.captures = serving_.capture.counts();
  input.waiting = executor.waiting();
  input.running = executor.running();
  input.workers = executor.workers();
  if (serving_.connections) input.connections = serving_.connections();
  return write_metrics(input);
}

std::string HttpApi::status(bool is_admin) const {
  const store::ModelStore* const store = serving_.registry.store();
  Json json;
  json["ready"] = !serving_.draining && serving_.registry.is_ready();
  json["admin"] = is_admin && store != nullptr;
  json["models"] = Json::array();
  for (const ModelStatus& model : serving_.registry.statuses()) {
    Json one;
    one["name"] = model.name;
    one["state"] = name_of(model.state);
    one["reason"] = model.reason;
    one["loaded"] = parse_json(write_statistics({model}))["model_stats"];
    if (store != nullptr) {
      one["generations"] = Json::array();
      for (const store::Generation& generation : store->generations(model.name))
        one["generations"].push_back(to_json(generation));
    }
    json["models"].push_back(std::move(one));
  }
  json["shadows"] = Json::array();
  for (const ShadowReport& report : serving_.shadows.reports())
    json["shadows"].push_back(to_json(report));
  return json.dump();
}

std::string HttpApi::shadow_reports(const std::string& model) const {
  Json json = Json::array();
  for (const ShadowReport& report : serving_.shadows.reports()) {
    if (report.model == model) json.push_back(to_json(report));
  }
  return Json{{"shadows", json}}.dump();
}

}  // namespace planish::serve
