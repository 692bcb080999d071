// proxies, version, and the wait after a publish.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"
#include "common/base/version.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/outcome.h"

namespace tollgate::control {
namespace {

// "type.googleapis.com/tollgate.config.v1.RouteTable" is a RouteTable.
std::string TypeOf(const agent::v1::ResourceError& error) {
  const size_t dot = error.type_url().rfind('.');
  return dot == std::string::npos ? "" : error.type_url().substr(dot + 1);
}

std::string ErrorText(const agent::v1::ResourceError& error) {
  std::string out = TypeOf(error);
  for (const std::string& part : {error.name(), error.field_path()}) {
    if (!part.empty()) absl::StrAppend(&out, out.empty() ? "" : " ", part);
  }
  return absl::StrCat(out, out.empty() ? "" : ": ", error.message(), " (", error.code(), ")");
}

std::string ErrorsText(const admin::v1::Proxy& proxy) {
  std::string out;
  for (const agent::v1::ResourceError& error : proxy.errors()) {
    absl::StrAppend(&out, "  ", ErrorText(error), "\n");
  }
  return out;
}

// What its errors are about.
std::string TroubleOf(const admin::v1::Proxy& proxy) {
  if (proxy.has_unservable_release()) return "cannot be served";
  if (proxy.refused_release() == 0) return "refused a revocation";
  return absl::StrCat("refused release ", proxy.refused_release());
}

std::string ReleaseText(uint64_t release, uint64_t revision) {
  return revision == 0 ? "" : absl::StrCat("release ", release, ", revision ", revision);
}

Duration SinceSeen(const Session& session, const admin::v1::Proxy& proxy) {
  return session.now() - WallTime(std::chrono::milliseconds(proxy.last_seen()));
}

void PrintDetail(const Session& session, const admin::v1::Proxy& proxy) {
  const agent::v1::Usage& usage = proxy.usage();
  Table table({"NODE", proxy.node()});
  table.Add({"SERVICE", proxy.service()});
  table.Add({"ADDRESS", proxy.address()});
  table.Add({"VERSION", absl::StrCat(proxy.version().empty() ? "?" : proxy.version(), ", schema ",
                                     proxy.schema())});
  table.Add({"STATE", proxy.state()});
  table.Add({"SERVES", ReleaseText(proxy.serving_release(), proxy.serving_revision())});
  table.Add({"OFFERED", ReleaseText(proxy.offered_release(), proxy.offered_revision())});
  if (proxy.refused_release() != 0) {
    table.Add({"REFUSED", absl::StrCat("release ", proxy.refused_release())});
  }
  table.Add({"SEEN", absl::StrCat(Age(SinceSeen(session, proxy)), " ago")});
  table.Add(
      {"USAGE",
       absl::StrCat(Counted(usage.requests(), "request", "requests"), ", ", usage.failed(),
                    " failed (5xx), ", Counted(usage.connections(), "connection", "connections"),
                    " open, ", Counted(usage.adopted(), "policy", "policies"), " adopted")});
  table.Add({"LOG", absl::StrCat(Counted(usage.log_dropped(), "line", "lines"), " dropped")});
  table.Add({"UNKNOWN KEYS", absl::StrJoin(proxy.unknown_keys(), " ")});
  session.Print(table.ToString());
  if (proxy.errors().empty()) return;
  Table errors({"RESOURCE", "FIELD", "CODE", "MESSAGE"});
  for (const agent::v1::ResourceError& error : proxy.errors()) {
    const std::string type = TypeOf(error);
    errors.Add({absl::StrCat(type, type.empty() || error.name().empty() ? "" : " ", error.name()),
                error.field_path(), error.code(), error.message()});
  }
  session.Print(absl::StrCat("\n", errors.ToString()));
}

}  // namespace

ExitCode RunProxies(Session& session, const std::string& node) {
  admin::v1::ListProxiesRequest request;
  request.set_environment(session.environment());
  request.set_node(node);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::ListProxiesResponse> response = (*client)->ListProxies(request);
  if (!response.ok()) return session.Fail(response.status());
  if (!session.table()) {
    session.PrintMessage(*response);
    return ExitCode::kOk;
  }
  if (!node.empty() && !response->proxies().empty()) {
    PrintDetail(session, response->proxies(0));
    return ExitCode::kOk;
  }
  if (response->proxies().empty()) {
    session.Note(
        absl::StrCat("no sidecar of environment ", session.environment(), " has connected yet\n"));
    return ExitCode::kOk;
  }
  Table table({"NODE", "SERVICE", "STATE", "RELEASE", "OFFERED", "VERSION", "SEEN"});
  std::string errors;
  const auto number = [](uint64_t value) { return value == 0 ? "" : absl::StrCat(value); };
  for (const admin::v1::Proxy& proxy : response->proxies()) {
    table.Add({proxy.node(), proxy.service(), proxy.state(), number(proxy.serving_release()),
               number(proxy.offered_release()), proxy.version(), Age(SinceSeen(session, proxy))});
    if (proxy.errors().empty()) continue;
    absl::StrAppend(&errors, "\n", proxy.node(), " ", TroubleOf(proxy), ":\n", ErrorsText(proxy));
  }
  session.Print(absl::StrCat(table.ToString(), errors));
  return ExitCode::kOk;
}

ExitCode WaitAndReport(Session& session, uint64_t release, Duration wait) {
  admin::v1::WaitReleaseRequest request;
  request.set_environment(session.environment());
  request.set_release(release);
  request.set_timeout_ms(Milliseconds32(wait));
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::ListProxiesResponse> response = (*client)->WaitRelease(request);
  if (!response.ok()) return session.Fail(response.status());
  ExitCode code = ExitCode::kOk;
  size_t connected = 0;
  std::string text;
  for (const admin::v1::Proxy& proxy : response->proxies()) {
    const Outcome outcome = OutcomeOf(proxy, release);
    if (outcome == Outcome::kDisconnected) continue;
    ++connected;
    switch (outcome) {
      case Outcome::kApplied:
        absl::StrAppend(&text, proxy.node(), " serves release ", release, "\n");
        break;
      case Outcome::kRefused:
        absl::StrAppend(&text, proxy.node(), " refused release ", release, ", serves ",
                        proxy.serving_release(), ":\n", ErrorsText(proxy));
        code = ExitCode::kNotApplied;
        break;
      case Outcome::kStranger:
        absl::StrAppend(&text, proxy.node(), " is not served:\n", ErrorsText(proxy));
        break;
      case Outcome::kPending:
      case Outcome::kDisconnected:
        absl::StrAppend(&text, proxy.node(), " has not answered in time, serves ",
                        proxy.serving_release(), "\n", ErrorsText(proxy));
        code = ExitCode::kNotApplied;
    }
  }
  if (connected == 0) text = "no sidecar is connected\n";
  // Programs have the publish on standard output; what follows it is for people.
  if (session.table()) {
    session.Print(text);
  } else {
    session.Note(text);
  }
  return code;
}

ExitCode RunVersion(Session& session) {
  if (session.table()) session.Print(absl::StrCat("tollgatectl ", kVersion, "\n"));
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::GetVersionResponse> response = (*client)->GetVersion();
  if (!response.ok()) return session.Fail(response.status());
  if (!session.table()) {
    session.PrintMessage(*response);
  } else {
    session.Print(absl::StrCat("tollgate-control ", response->version(), ", schema ",
                               response->schema(), ", revision ", response->revision(), ", store ",
                               response->incarnation(), "\n"));
  }
  if (response->trouble().empty()) return ExitCode::kOk;
  session.Note(
      absl::StrCat("tollgatectl: the control plane cannot follow its store; sidecars keep "
                   "what they have: ",
                   response->trouble(), "\n"));
  return ExitCode::kFailed;
}

}  // namespace tollgate::control
