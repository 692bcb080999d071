// explain: what a sidecar would do with a request.
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "control-plane/cli/commands.h"

namespace tollgate::control {
namespace {

struct Target {
  std::string host;
  std::string path;
};

// A URL, or a path and the host of --host.
absl::StatusOr<Target> ParseTarget(const ExplainFlags& flags) {
  absl::string_view rest = flags.url;
  rest = rest.substr(0, rest.find_first_of("?#"));
  Target target;
  if (absl::StartsWith(rest, "/")) {
    if (flags.host.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("URL ", flags.url,
                       ": a path needs its host; give --host HOST, or write "
                       "http://HOST",
                       rest));
    }
    return Target{flags.host, std::string(rest)};
  }
  for (const absl::string_view scheme : {"http://", "https://"}) {
    if (!absl::StartsWithIgnoreCase(rest, scheme)) continue;
    if (!flags.host.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("URL ", flags.url, " and --host ", flags.host, ": give the host once"));
    }
    rest.remove_prefix(scheme.size());
    const size_t slash = std::min(rest.find('/'), rest.size());
    target.host = std::string(rest.substr(0, slash));
    target.path = slash == rest.size() ? "/" : std::string(rest.substr(slash));
    return target;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "URL \"", flags.url, "\": expected http://HOST/PATH, or /PATH with --host HOST"));
}

absl::StatusOr<agent::v1::Explain> MakeQuestion(const ExplainFlags& flags) {
  ASSIGN_OR_RETURN(const Target target, ParseTarget(flags));
  agent::v1::Explain question;
  question.set_method(flags.method);
  question.set_host(target.host);
  question.set_path(target.path);
  question.set_listener(flags.listener);
  for (const std::string& header : flags.headers) {
    const size_t colon = header.find(':');
    if (colon == 0 || colon == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("--header \"", header, "\": expected NAME: VALUE"));
    }
    if (absl::EqualsIgnoreCase(header.substr(0, colon), "host")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--header \"", header, "\": expected the host in the URL, or /PATH with --host HOST"));
    }
    agent::v1::Field* field = question.add_fields();
    field->set_name(header.substr(0, colon));
    field->set_value(std::string(absl::StripAsciiWhitespace(header.substr(colon + 1))));
  }
  return question;
}

std::string DurationText(uint64_t ms) {
  return absl::FormatDuration(absl::Milliseconds(static_cast<int64_t>(ms)));
}

std::string RefusalText(const agent::v1::Refusal& refusal) {
  std::string text = absl::StrCat(refusal.status(), " ", refusal.reason());
  if (!refusal.detail().empty()) absl::StrAppend(&text, ": ", refusal.detail());
  for (const agent::v1::Field& field : refusal.fields()) {
    absl::StrAppend(&text, " (", field.name(), ": ", field.value(), ")");
  }
  return text;
}

std::string ForwardText(const agent::v1::Forward& forward) {
  std::string text = absl::StrCat(forward.upstream(), " ", forward.path(), ", ",
                                  Counted(forward.endpoints(), "endpoint", "endpoints"),
                                  ", timeout ", DurationText(forward.timeout_ms()));
  if (forward.attempt_timeout_ms() != 0) {
    absl::StrAppend(&text, ", ", DurationText(forward.attempt_timeout_ms()), " an attempt");
  }
  if (forward.max_retries() == 0) return absl::StrCat(text, ", no retry");
  return absl::StrCat(text, ", at most ", Counted(forward.max_retries(), "retry", "retries"));
}

// One listener: what was found, each step with what it demands, and the end.
std::string VerdictText(const agent::v1::Verdict& verdict) {
  Table table({"LISTENER", absl::StrCat(verdict.listener(), " ", verdict.address(), " (",
                                        verdict.direction(), ")")});
  if (!verdict.api().empty()) table.Add({"API", verdict.api()});
  if (!verdict.version().empty()) {
    table.Add({"VERSION", absl::StrCat(verdict.version(), " (", verdict.version_state(), ")")});
  }
  if (!verdict.route().empty()) {
    table.Add({"ROUTE", absl::StrCat(verdict.route(), " ", verdict.path())});
  }
  for (const agent::v1::Step& step : verdict.steps()) {
    const bool refuses = verdict.has_refusal() && verdict.refusal().step() == step.name();
    if (!refuses && step.demands().empty()) continue;
    table.Add({step.name(), refuses ? absl::StrCat("refuses: ", RefusalText(verdict.refusal()))
                                    : absl::StrJoin(step.demands(), "; ")});
  }
  if (verdict.has_forward()) table.Add({"UPSTREAM", ForwardText(verdict.forward())});
  return table.ToString();
}

}  // namespace

ExitCode RunExplain(Session& session, const ExplainFlags& flags) {
  absl::StatusOr<agent::v1::Explain> question = MakeQuestion(flags);
  if (!question.ok()) {
    session.Fail(question.status());
    return ExitCode::kUsage;
  }
  admin::v1::ExplainRequest request;
  request.set_environment(session.environment());
  request.set_node(flags.node);
  *request.mutable_question() = *std::move(question);
  request.set_timeout_ms(Milliseconds32(session.flags().timeout));
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::ExplainResponse> response = (*client)->Explain(request);
  if (!response.ok()) return session.Fail(response.status());
  if (!session.table()) {
    session.PrintMessage(*response);
    return ExitCode::kOk;
  }
  const agent::v1::Explanation& explanation = response->explanation();
  session.Print(absl::StrCat(response->node(), ", release ", explanation.release(), ", revision ",
                             explanation.revision(), "\n"));
  for (const agent::v1::Verdict& verdict : explanation.verdicts()) {
    session.Print(absl::StrCat("\n", VerdictText(verdict)));
  }
  return ExitCode::kOk;
}

}  // namespace tollgate::control
