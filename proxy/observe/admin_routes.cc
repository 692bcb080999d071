#include "proxy/observe/admin_routes.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proxy/http/reason_phrase.h"
#include "proxy/observe/json_text.h"

namespace tollgate::proxy {
namespace {

struct Route {
  absl::string_view path;
  std::vector<absl::string_view> methods;
  absl::string_view help;
  std::function<AdminResponse(const RequestHead&)> answer;
};

std::vector<absl::string_view> Reading() { return {"GET", "HEAD"}; }

AdminResponse Json(std::string body) {
  AdminResponse response;
  response.body = std::move(body);
  response.body.push_back('\n');
  return response;
}

void AppendList(const std::vector<std::string>& texts, std::string* body) {
  body->push_back('[');
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) body->push_back(',');
    AppendJsonQuoted(texts[i], body);
  }
  body->push_back(']');
}

AdminResponse Ready(const AdminActions& actions) {
  const std::vector<std::string> reasons = actions.not_ready();
  std::string body =
      absl::StrCat("{\"ready\":", reasons.empty() ? "true" : "false", ",\"reasons\":");
  AppendList(reasons, &body);
  if (actions.notes) {
    body += ",\"notes\":";
    AppendList(actions.notes(), &body);
  }
  AdminResponse response = Json(body + "}");
  if (!reasons.empty()) response.status = 503;
  return response;
}

AdminResponse Done(const absl::Status& status) {
  if (status.ok()) return Json("{\"ok\":true}");
  return AdminProblem(absl::IsInvalidArgument(status) ? 400 : 503, status.message());
}

AdminResponse SetLogLevel(const AdminActions& actions, const RequestHead& head) {
  constexpr absl::string_view kParameter = "level=";
  const absl::string_view query = head.query;
  // Levels are plain words: nothing needs decoding.
  if (!absl::StartsWith(query, kParameter) || absl::StrContains(query, "&")) {
    return AdminProblem(400, absl::StrCat("The query is '", query,
                                          "'; expected level=trace|debug|info|warn|error."));
  }
  return Done(actions.set_log_level(query.substr(kParameter.size())));
}

std::vector<Route> RoutesOf(const AdminActions& actions) {
  std::vector<Route> routes;
  if (actions.not_ready) {
    routes.push_back({"/ready", Reading(), "200 when ready for traffic, else 503 and the reasons",
                      [&](const RequestHead&) { return Ready(actions); }});
  }
  routes.push_back({"/live", Reading(), "200 as long as the process runs",
                    [](const RequestHead&) { return Json("{\"live\":true}"); }});
  if (actions.metrics) {
    routes.push_back({"/metrics", Reading(), "Prometheus metrics", [&](const RequestHead&) {
                        AdminResponse response;
                        response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                        response.body = actions.metrics();
                        return response;
                      }});
  }
  if (actions.config) {
    routes.push_back({"/config", Reading(), "effective configuration, secrets redacted",
                      [&](const RequestHead&) { return Json(actions.config()); }});
  }
  if (actions.stats) {
    for (const absl::string_view path : {"/stats", "/status"}) {
      routes.push_back({path, Reading(), "state and totals",
                        [&](const RequestHead&) { return Json(actions.stats()); }});
    }
  }
  if (actions.upstreams) {
    routes.push_back({"/upstreams", Reading(), "upstreams, their endpoints and who is out, and why",
                      [&](const RequestHead&) { return Json(actions.upstreams()); }});
  }
  if (actions.set_log_level) {
    routes.push_back({"/log-level",
                      {"PUT", "POST"},
                      "?level=trace|debug|info|warn|error",
                      [&](const RequestHead& head) { return SetLogLevel(actions, head); }});
  }
  if (actions.drain) {
    routes.push_back({"/drain",
                      {"POST"},
                      "stop taking new work, finish what is in progress",
                      [&](const RequestHead&) { return Done(actions.drain()); }});
  }
  return routes;
}

AdminResponse List(const std::vector<Route>& routes) {
  AdminResponse response;
  response.content_type = "text/plain; charset=utf-8";
  for (const Route& route : routes) {
    absl::StrAppend(&response.body, route.methods.front(), " ", route.path, "  ", route.help, "\n");
  }
  return response;
}

bool Contains(const std::vector<absl::string_view>& methods, absl::string_view method) {
  for (const absl::string_view m : methods) {
    if (m == method) return true;
  }
  return false;
}

AdminResponse MethodNotAllowed(const Route& route) {
  AdminResponse response = AdminProblem(405, absl::StrCat(route.path, " is not for that method."));
  for (const absl::string_view method : route.methods) {
    absl::StrAppend(&response.allow, response.allow.empty() ? "" : ", ", method);
  }
  return response;
}

// A browser on this machine reaches loopback on behalf of any page: its requests say whence they
// come, and a name that was rebound to 127.0.0.1 is not one of ours.
bool FromBrowser(const RequestHead& head) {
  if (head.headers.Get("origin").has_value() || head.headers.Get("sec-fetch-site").has_value()) {
    return true;
  }
  if (head.authority.empty() || head.authority == "localhost") return false;
  for (const std::string& text : {head.authority, absl::StrCat(head.authority, ":0")}) {
    const absl::StatusOr<Address> address = Address::Parse(text);
    if (address.ok() && address->kind() != Address::Kind::kUnix && address->is_local())
      return false;
  }
  return true;
}

}  // namespace

AdminResponse AdminProblem(int status, absl::string_view detail) {
  AdminResponse response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body =
      absl::StrCat("{\"title\":\"", ReasonPhrase(status), "\",\"status\":", status, ",\"detail\":");
  AppendJsonQuoted(detail, &response.body);
  response.body.append("}\n");
  return response;
}

AdminResponse AnswerAdmin(const AdminActions& actions, const RequestHead& head) {
  if (FromBrowser(head)) {
    return AdminProblem(403, "Requests of browsers are refused; the Host must be local.");
  }
  std::vector<Route> routes = RoutesOf(actions);
  if (head.path == "/") {
    const Route list{"/", Reading(), "", {}};
    return Contains(list.methods, head.method_name) ? List(routes) : MethodNotAllowed(list);
  }
  for (const Route& route : routes) {
    if (route.path != head.path) continue;
    return Contains(route.methods, head.method_name) ? route.answer(head) : MethodNotAllowed(route);
  }
  return AdminProblem(404, "There is no such path; GET / lists them.");
}

}  // namespace tollgate::proxy
