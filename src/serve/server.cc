#include "planish/serve/server.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "planish/base/error.h"
#include "planish/base/json.h"
#include "planish/base/version.h"
#include "planish/host/host.h"
#include "serve/executor.h"
#include "serve/http_listener.h"
#include "serve/metrics.h"
#include "serve/model_registry.h"
#include "serve/protocol.h"
#include "serve/shadow_runner.h"
#include "serve/status_page.h"

namespace planish::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxAdminBody = std::size_t{1} << 20;
constexpr std::size_t kMaxAdminConnections = 64;

HttpResponse json_response(std::string body, int status = 200) {
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

/// "/v2/models/a%20b" in its decoded parts: {"v2", "models", "a b"}. Empty parts count (an unknown
/// path), but for one at the end.
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
      if (raw[i] == '%' && i + 2 < raw.size() + 0 &&
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

std::size_t batch_of(const InferRequest& request) {
  if (request.inputs.empty() || request.inputs.front().value.rank() == 0) return 1;
  return static_cast<std::size_t>(request.inputs.front().value.dims().front());
}

bool is_loopback(const Address& address) {
  return address.host.starts_with("127.") || address.host == "::1";
}

/// Every byte is looked at, whatever the first difference is.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

}  // namespace

class Server::Impl {
 public:
  explicit Impl(ServerConfig config)
      : config_(checked(std::move(config))), registry_(config_, config_.log) {
    executor_.emplace(worker_count(config_), config_.queue);
    data_.emplace(config_.http, limits(), [this](HttpRequest request, Respond respond) {
      handle_data(std::move(request), respond);
    });
    HttpLimits admin_limits = limits();
    admin_limits.max_body_bytes = kMaxAdminBody;
    admin_limits.max_connections = kMaxAdminConnections;
    admin_.emplace(config_.admin, admin_limits, [this](HttpRequest request, Respond respond) {
      handle_admin(std::move(request), respond);
    });
    if (!config_.shadows.empty())
      shadow_loader_ = std::jthread([this](const std::stop_token& stop) { start_shadows(stop); });
    const HostReport host = describe_host();
    log({{"event", "start"},
         {"planish", std::string(kVersion)},
         {"http", to_string(data_->address())},
         {"admin", to_string(admin_->address())},
         {"cores_usable", host.cores_usable},
         {"workers", executor_->workers()},
         {"queue", config_.queue}});
  }

  ~Impl() {
    if (shadow_loader_.joinable()) {
      shadow_loader_.request_stop();
      shadow_loader_.join();
    }
    // No new requests; then those that are queued, whose answers the listeners let go.
    data_->shut();
    admin_->shut();
    executor_.reset();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  [[nodiscard]] Address http() const { return data_->address(); }
  [[nodiscard]] Address admin() const { return admin_->address(); }
  void wait_until_loaded(std::chrono::milliseconds limit) { registry_.wait_until_loaded(limit); }

  void stop() {
    draining_ = true;
    log({{"event", "drain"}});
    std::this_thread::sleep_for(config_.drain_delay);
    data_->stop_accepting();
    const auto end = Clock::now() + config_.drain;
    while (data_->requests() > 0 && Clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    log({{"event", "stop"}, {"cut_off", data_->requests()}});
  }

 private:
  static ServerConfig checked(ServerConfig config) {
    if (!is_loopback(config.admin) && config.admin_token.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "the admin port on " + to_string(config.admin) +
                      " can be reached from other machines; set a token, or keep it on 127.0.0.1");
    }
    return config;
  }
  static std::size_t worker_count(const ServerConfig& config) {
    return static_cast<std::size_t>(config.workers > 0 ? config.workers : usable_cores());
  }
  [[nodiscard]] HttpLimits limits() const {
    HttpLimits limits;
    limits.max_body_bytes = config_.max_body_bytes;
    limits.max_connections = config_.max_connections;
    limits.idle_timeout = config_.idle_timeout;
    return limits;
  }
  void log(const Json& event) const {
    if (config_.log) config_.log(event);
  }

  // ------------------------------------------------------------------------------ the data port

  void handle_data(HttpRequest request, const Respond& respond) {
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
  [[nodiscard]] Version version_in(const std::vector<std::string>& path) const {
    const bool has_version = path.size() > 4 && path[3] == "versions";
    return registry_.acquire(path[2], has_version ? std::string_view(path[4]) : std::string_view());
  }

  void submit(const std::vector<std::string>& path, HttpRequest request, const Respond& respond) {
    const bool is_known = path.size() == 4 || (path.size() == 6 && path[3] == "versions");
    if (!is_known) throw Error(ErrorCode::kNotFound, "no such path: " + request.path);
    if (!request.content_encoding.empty() && request.content_encoding != "identity") {
      throw Error(ErrorCode::kInvalidArgument, "Content-Encoding '" + request.content_encoding +
                                                   "'; expected none: this server takes bodies "
                                                   "as they are");
    }
    const Version version = version_in(path);
    auto shared = std::make_shared<HttpRequest>(std::move(request));
    Job job;
    job.deadline = shared->received + config_.queue_timeout;
    job.run = [this, version, shared, respond] { respond(infer(version, *shared)); };
    job.too_late = [this, version, respond] {
      version->statistics.rejections.fetch_add(1, std::memory_order_relaxed);
      respond(error_response(
          Error(ErrorCode::kDeadline, "waited longer than the server's queue timeout of " +
                                          std::to_string(config_.queue_timeout.count()) + " ms")));
    };
    if (executor_->submit(std::move(job))) return;
    version->statistics.rejections.fetch_add(1, std::memory_order_relaxed);
    throw Error(ErrorCode::kExhausted, "the queue of " + std::to_string(config_.queue) +
                                           " requests is full; try again later");
  }

  /// On a worker.
  HttpResponse infer(const Version& version, HttpRequest& http) noexcept {
    VersionStatistics& counts = version->statistics;
    try {
      const auto begun = Clock::now();
      const InferContext context{
          .signature = version->session->signature(),
          .preprocess = version->preprocess ? &*version->preprocess : nullptr};
      const Body body = make_body(std::move(http.body));
      const InferRequest request = parse_infer_request(body, header_length(http), context);
      const auto parsed = Clock::now();
      if (request.timeout && parsed - http.received > *request.timeout) {
        counts.rejections.fetch_add(1, std::memory_order_relaxed);
        throw Error(ErrorCode::kDeadline, "the request waited longer than its timeout of " +
                                              std::to_string(request.timeout->count()) + " us");
      }
      const std::vector<Tensor> outputs = version->session->run(request.inputs);
      const auto computed = Clock::now();
      InferResponse written =
          write_infer_response(request, context.signature, outputs,
                               {version->model, version->version(), request.id, version->classes});
      const auto finished = Clock::now();

      counts.executions.fetch_add(1, std::memory_order_relaxed);
      counts.inferences.fetch_add(batch_of(request), std::memory_order_relaxed);
      counts.last_request_ms.store(std::chrono::duration_cast<std::chrono::milliseconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count(),
                                   std::memory_order_relaxed);
      counts.queue.record(begun - http.received);
      counts.input.record(parsed - begun);
      counts.compute.record(computed - parsed);
      counts.output.record(finished - computed);
      counts.request.record(finished - http.received);
      offer_to_shadows(version, request, outputs);

      HttpResponse response = json_response(std::move(written.body));
      if (written.json_bytes) {
        response.content_type = "application/octet-stream";
        response.headers.emplace_back("Inference-Header-Content-Length",
                                      std::to_string(*written.json_bytes));
      }
      if (!http.traceparent.empty()) response.headers.emplace_back("traceparent", http.traceparent);
      return response;
    } catch (const Error& error) {
      counts.failures.fetch_add(1, std::memory_order_relaxed);
      return error_response(error);
    } catch (const std::bad_alloc&) {
      counts.failures.fetch_add(1, std::memory_order_relaxed);
      return error_response(Error(ErrorCode::kExhausted, "out of memory"));
    } catch (const std::exception& error) {
      counts.failures.fetch_add(1, std::memory_order_relaxed);
      return error_response(Error(ErrorCode::kInternal, error.what()));
    }
  }

  HttpResponse read_only(const HttpRequest& request, const std::vector<std::string>& path,
                         bool is_admin) {
    const bool is_index = request.path == "/v2/repository/index";
    if (request.method != (is_index ? "POST" : "GET") && !(request.method == "HEAD" && !is_index)) {
      HttpResponse response =
          json_response(write_error(request.method + " is not for " + request.path), 405);
      response.headers.emplace_back("Allow", is_index ? "POST" : "GET, HEAD");
      return response;
    }
    if (is_index) return json_response(index());
    if (path[0].empty() && path.size() == 1) {
      HttpResponse response = json_response(std::string(kStatusPage));
      response.content_type = "text/html; charset=utf-8";
      response.headers.emplace_back("Content-Security-Policy",
                                    "default-src 'none'; style-src 'unsafe-inline'; script-src "
                                    "'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'");
      return response;
    }
    if (path.size() == 1 && path[0] == "status.json") return json_response(status(is_admin));
    if (path.size() == 1 && path[0] == "metrics") {
      HttpResponse response = json_response(metrics());
      response.content_type = "text/plain; version=0.0.4; charset=utf-8";
      return response;
    }
    if (path[0] != "v2") throw Error(ErrorCode::kNotFound, "no such path: " + request.path);
    if (path.size() == 1) return json_response(server_metadata());
    if (path[1] == "health" && path.size() == 3) return health(path[2]);
    if (path[1] == "models") return model_get(request, path);
    throw Error(ErrorCode::kNotFound, "no such path: " + request.path);
  }

  HttpResponse health(const std::string& what) {
    if (what == "live") return json_response(R"({"live":true})");
    if (what != "ready") throw Error(ErrorCode::kNotFound, "no such path: /v2/health/" + what);
    const bool ready = !draining_ && registry_.is_ready();
    // Clients disagree on the member's name; both are there. docs/serving.md
    return json_response(ready ? R"({"ready":true,"live":true})" : R"({"ready":false,"live":true})",
                         ready ? 200 : 503);
  }

  HttpResponse model_get(const HttpRequest& request, const std::vector<std::string>& path) {
    if (path.size() == 3 && path[2] == "stats")
      return json_response(write_statistics(registry_.statuses()));
    if (path.size() < 3) throw Error(ErrorCode::kNotFound, "no such path: " + request.path);
    const bool has_version = path.size() > 4 && path[3] == "versions";
    const std::size_t depth = has_version ? 5 : 3;
    const std::string what = path.size() > depth ? path[depth] : "";
    if (path.size() > depth + 1) throw Error(ErrorCode::kNotFound, "no such path: " + request.path);
    if (what == "shadow") return json_response(shadow_reports(path[2]));
    const Version version = version_in(path);
    if (what.empty()) {
      return json_response(write_metadata(version->model, {version->version()},
                                          version->session->signature(),
                                          version->preprocess ? &*version->preprocess : nullptr));
    }
    if (what == "ready") {
      Json json{{"name", version->model}, {"ready", !draining_.load()}};
      return json_response(json.dump(), draining_ ? 503 : 200);
    }
    if (what == "stats") {
      ModelStatus one;
      one.active = version;
      return json_response(write_statistics({one}));
    }
    if (what == "infer") {
      HttpResponse response = json_response(write_error("GET is not for infer"), 405);
      response.headers.emplace_back("Allow", "POST");
      return response;
    }
    throw Error(ErrorCode::kNotFound, "no such path: " + request.path);
  }

  static std::string server_metadata() {
    return Json{
        {"name", "planish"},
        {"version", std::string(kVersion)},
        {"extensions", {"classification", "binary_tensor_data", "statistics", "parameters"}}}
        .dump();
  }

  [[nodiscard]] std::string index() const {
    Json json = Json::array();
    for (const ModelStatus& model : registry_.statuses()) {
      Json one{{"name", model.name}};
      if (model.active) one["version"] = model.active->version();
      one["state"] = name_of(model.state);
      one["reason"] = model.reason;
      json.push_back(std::move(one));
    }
    return json.dump();
  }

  [[nodiscard]] std::string metrics() {
    MetricsInput input;
    input.models = registry_.statuses();
    input.shadows = shadow_report_list();
    input.waiting = executor_->waiting();
    input.running = executor_->running();
    input.workers = executor_->workers();
    input.connections = data_->connections();
    return write_metrics(input);
  }

  [[nodiscard]] std::string status(bool is_admin) {
    Json json;
    json["ready"] = !draining_ && registry_.is_ready();
    json["admin"] = is_admin && registry_.store() != nullptr;
    json["models"] = Json::array();
    for (const ModelStatus& model : registry_.statuses()) {
      Json one;
      one["name"] = model.name;
      one["state"] = name_of(model.state);
      one["reason"] = model.reason;
      one["loaded"] = parse_json(write_statistics({model}))["model_stats"];
      if (registry_.store() != nullptr) {
        one["generations"] = Json::array();
        for (const store::Generation& generation : registry_.store()->generations(model.name))
          one["generations"].push_back(to_json(generation));
      }
      json["models"].push_back(std::move(one));
    }
    json["shadows"] = Json::array();
    for (const ShadowReport& report : shadow_report_list())
      json["shadows"].push_back(to_json(report));
    return json.dump();
  }

  // ----------------------------------------------------------------------------------- shadows

  void start_shadows(const std::stop_token& stop) {
    for (const ShadowConfig& shadow : config_.shadows) {
      if (stop.stop_requested()) return;
      try {
        Version version = registry_.load_beside(shadow.model, shadow.version);
        const std::lock_guard lock(shadow_mutex_);
        shadows_.push_back(std::make_shared<ShadowRunner>(shadow, std::move(version), config_.log));
        log({{"event", "shadow-ready"}, {"model", shadow.model}, {"version", shadow.version}});
      } catch (const std::exception& error) {
        log({{"event", "shadow-failed"}, {"model", shadow.model}, {"reason", error.what()}});
      }
    }
  }
  void offer_to_shadows(const Version& version, const InferRequest& request,
                        const std::vector<Tensor>& outputs) {
    if (config_.shadows.empty()) return;
    const std::lock_guard lock(shadow_mutex_);
    for (const auto& shadow : shadows_)
      shadow->offer(version, request.id.value_or(""), request.inputs, outputs);
  }
  [[nodiscard]] std::vector<ShadowReport> shadow_report_list() {
    const std::lock_guard lock(shadow_mutex_);
    std::vector<ShadowReport> reports;
    for (const auto& shadow : shadows_) reports.push_back(shadow->report());
    return reports;
  }
  [[nodiscard]] std::string shadow_reports(const std::string& model) {
    Json json = Json::array();
    for (const ShadowReport& report : shadow_report_list()) {
      if (report.model == model) json.push_back(to_json(report));
    }
    return Json{{"shadows", json}}.dump();
  }

  // ------------------------------------------------------------------------------ the admin port

  void handle_admin(const HttpRequest& request, const Respond& respond) {
    try {
      respond(admin_response(request));
    } catch (const Error& error) {
      respond(error_response(error));
    } catch (const std::exception& error) {
      respond(error_response(Error(ErrorCode::kInternal, error.what())));
    }
  }

  HttpResponse admin_response(const HttpRequest& request) {
    const std::vector<std::string> path = parts_of(request.path);
    if (request.method != "POST" || request.path == "/v2/repository/index")
      return read_only(request, path, /*is_admin=*/true);
    if (const auto refusal = refuse_admin(request)) return *refusal;
    if (path.size() != 4 || path[0] != "v2" || path[1] != "models")
      throw Error(ErrorCode::kNotFound, "no such path: " + request.path);
    const Json body = request.body.empty() ? Json::object() : parse_json(request.body);
    const auto text = [&](const char* key) {
      return body.contains(key) ? json_get<std::string>(body, key) : std::string();
    };
    store::Author author{text("by"), text("why")};
    if (author.by.empty()) author.by = "admin port";
    const auto start = Clock::now();
    store::ActiveVersion active;
    if (path[3] == "activate")
      active = registry_.activate(path[2], json_get<std::string>(body, "version"), author);
    else if (path[3] == "rollback")
      active = registry_.rollback(path[2], author);
    else
      throw Error(ErrorCode::kNotFound, "no such path: " + request.path);
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    log({{"event", path[3]},
         {"model", path[2]},
         {"generation", active.generation},
         {"by", author.by},
         {"why", author.why},
         {"ms", ms}});
    return json_response(Json{
        {"name", path[2]},
        {"generation", active.generation},
        {"digest", active.digest.text()},
        {"ms", ms}}.dump());
  }

  /// A page of another site must not press our buttons: browsers send this content type across
  /// sites only after asking, and a name that was made to point here does not match the address.
  [[nodiscard]] std::optional<HttpResponse> refuse_admin(const HttpRequest& request) const {
    if (!config_.admin_token.empty() &&
        !equal_in_constant_time(request.authorization, "Bearer " + config_.admin_token)) {
      HttpResponse response =
          json_response(write_error("expected Authorization: Bearer and the token"), 401);
      response.headers.emplace_back("WWW-Authenticate", "Bearer");
      return response;
    }
    if (!request.content_type.starts_with("application/json"))
      return json_response(write_error("expected Content-Type: application/json"), 415);
    const std::string host = request.host.substr(0, request.host.rfind(':'));
    const bool is_local =
        host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host == config_.admin.host;
    if (config_.admin_token.empty() && !is_local)
      return json_response(write_error("Host '" + request.host + "' is not this machine's"), 403);
    return std::nullopt;
  }

  const ServerConfig config_;
  std::atomic<bool> draining_{false};
  ModelRegistry registry_;
  std::mutex shadow_mutex_;  // guards shadows_
  std::vector<std::shared_ptr<ShadowRunner>> shadows_;
  std::optional<Executor> executor_;
  std::optional<HttpListener> data_;
  std::optional<HttpListener> admin_;
  std::jthread shadow_loader_;
};

Server::Server(ServerConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {}
Server::~Server() = default;
Address Server::http() const { return impl_->http(); }
Address Server::admin() const { return impl_->admin(); }
void Server::wait_until_loaded(std::chrono::milliseconds limit) { impl_->wait_until_loaded(limit); }
void Server::stop() { impl_->stop(); }

}  // namespace planish::serve
