#include "serve/admin_api.h"

#include <algorithm>

#include "planish/base/json.h"

namespace planish::serve {
namespace {

using Clock = std::chrono::steady_clock;

/// Every byte is looked at, whatever the first difference is.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  return difference == 0;
}

bool names_this_machine(const std::string& host_and_port, const std::string& admin_host) {
  const std::string host = host_and_port.substr(0, host_and_port.rfind(':'));
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host == admin_host;
}

Json body_of(const HttpRequest& request) {
  const Json body = request.body.empty() ? Json::object() : parse_json(request.body);
  if (!body.is_object())
    throw Error(ErrorCode::kInvalidArgument, "the body is no JSON object; expected one, or none");
  return body;
}

std::string text_in(const Json& body, const char* key) {
  return body.contains(key) ? json_get<std::string>(body, key) : std::string();
}

/// Runs `body`; what it throws is the answer.
template <typename Body>
void answering(const Respond& respond, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    respond(error_response(error));
  } catch (const std::exception& error) {
    respond(error_response(Error(ErrorCode::kInternal, error.what())));
  }
}

}  // namespace

void AdminApi::handle(const HttpRequest& request, const Respond& respond) {
  answering(respond, [&] {
    const std::vector<std::string> path = parts_of(request.path);
    if (request.method != "POST" || request.path == "/v2/repository/index")
      return respond(readable_.read_only(request, path, /*is_admin=*/true));
    if (auto refused = refusal(request)) return respond(std::move(*refused));
    if (path.size() == 5 && path[0] == "v2" && path[1] == "repository" && path[2] == "models")
      return repository(request, path, respond);
    respond(change_version(request, path));
  });
}

/// /v2/models/NAME/activate, …/rollback.
HttpResponse AdminApi::change_version(const HttpRequest& request,
                                      const std::vector<std::string>& path) {
  if (path.size() != 4 || path[0] != "v2" || path[1] != "models") throw no_such_path(request.path);
  const Json body = body_of(request);
  store::Author author{text_in(body, "by"), text_in(body, "why")};
  if (author.by.empty()) author.by = "admin port";
  const auto start = Clock::now();
  store::ActiveVersion active;
  if (path[3] == "activate")
    active = serving_.registry.activate(path[2], json_get<std::string>(body, "version"), author);
  else if (path[3] == "rollback")
    active = serving_.registry.rollback(path[2], author);
  else
    throw no_such_path(request.path);
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

/// The repository extension: /v2/repository/models/NAME/load, …/unload.
void AdminApi::repository(const HttpRequest& request, const std::vector<std::string>& path,
                          const Respond& respond) {
  const std::string& name = path[3];
  const Json body = body_of(request);
  const Json parameters = body.value("parameters", Json::object());
  if (path[4] == "unload") {
    serving_.registry.unload(name);
    log({{"event", "unload"}, {"model", name}});
    return respond(json_response(""));
  }
  if (path[4] != "load") throw no_such_path(request.path);
  if (!parameters.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "load takes no parameters here: files and settings of a version are in the store "
                "(planish store put), and which one is served is activate's");
  }
  Job job;
  job.run = [this, name, respond] {
    answering(respond, [&] {
      serving_.registry.load_again(name);
      respond(json_response(""));
    });
  };
  if (!slow_.submit(std::move(job)))
    throw Error(ErrorCode::kExhausted, "too many loads are waiting; try again later");
}

/// A page of another site must not press our buttons. Browsers name the page's site in Origin of
/// every POST, ask before they send this content type to another site, and a name that was made to
/// point here does not match the address.
std::optional<HttpResponse> AdminApi::refusal(const HttpRequest& request) const {
  const ServerConfig& config = serving_.config;
  if (!config.admin_token.empty() &&
      !equal_in_constant_time(request.authorization, "Bearer " + config.admin_token)) {
    HttpResponse response =
        json_response(write_error("expected Authorization: Bearer and the token"), 401);
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  const bool is_json = request.content_type.starts_with("application/json") ||
                       (request.content_type.empty() && request.origin.empty());
  if (!is_json) return json_response(write_error("expected Content-Type: application/json"), 415);
  if (!request.origin.empty() && !request.origin.ends_with("://" + request.host)) {
    return json_response(
        write_error("Origin '" + request.origin + "' is not '" + request.host + "'"), 403);
  }
  if (config.admin_token.empty() && !names_this_machine(request.host, config.admin.host))
    return json_response(write_error("Host '" + request.host + "' is not this machine's"), 403);
  return std::nullopt;
}

void AdminApi::log(const Json& event) const {
  if (serving_.config.log) serving_.config.log(event);
}

}  // namespace planish::serve
