#include "control-plane/cli/deny_command.h"

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/output.h"

namespace tollgate::control {
namespace {

std::string UntilText(int64_t until) {
  if (until == 0) return "lifted";
  return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", absl::FromUnixSeconds(until), absl::UTCTimeZone());
}

std::string Described(const admin::v1::Denial& denial) {
  return absl::StrCat("tokens of ", denial.issuer(), " with ", denial.claim(), " \"",
                      absl::Utf8SafeCHexEscape(denial.value()), "\"");
}

}  // namespace

absl::StatusOr<admin::v1::AddDenialRequest> ToRequest(const DenyFlags& flags,
                                                      const std::string& environment) {
  const std::vector<std::pair<std::string, const std::string*>> claims = {
      {"jti", &flags.token_id}, {"sub", &flags.subject}, {"client_id", &flags.client}};
  admin::v1::AddDenialRequest request;
  for (const auto& [claim, value] : claims) {
    if (value->empty()) continue;
    if (!request.claim().empty()) {
      return absl::InvalidArgumentError(
          "expected one of --token-id, --subject and --client, not several: deny each by itself");
    }
    request.set_claim(claim);
    request.set_value(*value);
  }
  if (request.claim().empty()) {
    return absl::InvalidArgumentError(
        "what is denied? Expected --token-id, --subject or --client with a value");
  }
  if (flags.lasts < Duration::zero()) {
    return absl::InvalidArgumentError("--for: expected a duration from now on, such as 12h or 90d");
  }
  request.set_environment(environment);
  request.set_issuer(flags.issuer);
  request.set_for_seconds(std::chrono::ceil<std::chrono::seconds>(flags.lasts).count());
  request.set_reason(flags.reason);
  return request;
}

std::string DescribeAdded(const admin::v1::AddDenialResponse& response) {
  const admin::v1::Denial& denial = response.denial();
  return absl::StrCat(response.existed() ? "denied already, now: " : "denied: ", Described(denial),
                      ", until ", UntilText(denial.until()), " (", denial.id(), ", revision ",
                      response.revision(), "); no rollback lifts it\n");
}

std::string DenialsTable(const admin::v1::ListDenialsResponse& response, WallTime now) {
  const int64_t seconds = UnixSeconds(now);
  Table table({"ID", "ISSUER", "CLAIM", "VALUE", "AGE", "UNTIL", "STATE", "BY", "REASON"});
  for (const admin::v1::Denial& denial : response.denials()) {
    const bool over = denial.until() != 0 && denial.until() <= seconds;
    table.Add({denial.id(), denial.issuer(), denial.claim(), denial.value(),
               Age(std::chrono::seconds(seconds - denial.created())), UntilText(denial.until()),
               over ? "over" : "denied", denial.author(), denial.reason()});
  }
  return table.ToString();
}

ExitCode RunDenyAdd(Session& session, const DenyFlags& flags) {
  const absl::StatusOr<admin::v1::AddDenialRequest> request =
      ToRequest(flags, session.environment());
  if (!request.ok()) {
    session.Note(absl::StrCat("tollgatectl: deny add: ", request.status().message(), "\n"));
    return ExitCode::kUsage;
  }
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::AddDenialResponse> response = (*client)->AddDenial(*request);
  if (!response.ok()) return session.Fail(response.status());
  if (session.table()) {
    session.Print(DescribeAdded(*response));
  } else {
    session.PrintMessage(*response);
  }
  return ExitCode::kOk;
}

ExitCode RunDenyRemove(Session& session, const std::string& id) {
  admin::v1::RemoveDenialRequest request;
  request.set_environment(session.environment());
  request.set_id(id);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::RemoveDenialResponse> response = (*client)->RemoveDenial(request);
  if (!response.ok()) return session.Fail(response.status());
  if (session.table()) {
    session.Print(absl::StrCat("lifted: ", Described(response->denial()), " (revision ",
                               response->revision(),
                               "); each sidecar takes them again once it serves that revision\n"));
  } else {
    session.PrintMessage(*response);
  }
  return ExitCode::kOk;
}

ExitCode RunDenyList(Session& session, const std::string& issuer) {
  admin::v1::ListDenialsRequest request;
  request.set_environment(session.environment());
  request.set_issuer(issuer);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::ListDenialsResponse> response = (*client)->ListDenials(request);
  if (!response.ok()) return session.Fail(response.status());
  if (!session.table()) {
    session.PrintMessage(*response);
  } else if (response->denials().empty()) {
    session.Note("no tokens are denied\n");
  } else {
    session.Print(DenialsTable(*response, session.now()));
  }
  return ExitCode::kOk;
}

}  // namespace tollgate::control
