// apply, diff, validate, get, delete, releases, rollback.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/sources.h"
#include "control-plane/model/render.h"
#include "control-plane/model/suggest.h"

namespace tollgate::control {
namespace {

using Changes = google::protobuf::RepeatedPtrField<admin::v1::Change>;

std::string ChangesText(const Changes& changes) {
  std::string out;
  for (const admin::v1::Change& change : changes) {
    absl::StrAppend(&out, change.kind(), "/", change.name(), " ", change.action(), "\n");
    for (const std::string& field : change.fields()) absl::StrAppend(&out, "  ", field, "\n");
  }
  return out;
}

absl::StatusOr<admin::v1::ApplyRequest> MakeRequest(const Session& session,
                                                    const std::vector<std::string>& paths) {
  admin::v1::ApplyRequest request;
  request.set_environment(session.environment());
  ASSIGN_OR_RETURN(std::vector<admin::v1::Source> sources, ReadSources(paths));
  for (admin::v1::Source& source : sources) *request.add_sources() = std::move(source);
  return request;
}

// What a publish did, for people or for programs; then the wait, if it was asked for.
ExitCode Report(Session& session, const admin::v1::ApplyResponse& response, bool dry_run,
                std::optional<Duration> wait) {
  if (!session.table()) session.PrintMessage(response);
  if (!response.problems().empty()) return session.FailWithProblems(FromWire(response.problems()));
  if (session.table()) {
    session.Print(ChangesText(response.changes()));
    if (response.unchanged()) {
      session.Print(absl::StrCat("unchanged: release ", response.release(), " has it all\n"));
    } else if (dry_run) {
      session.Print("dry run: nothing was published\n");
    } else {
      session.Print(absl::StrCat("release ", response.release(), " published\n"));
    }
  }
  if (!wait.has_value() || dry_run || response.release() == 0) return ExitCode::kOk;
  return WaitAndReport(session, response.release(), *wait);
}

// "apis", "API" and "api" are Api.
absl::StatusOr<std::string> KindOf(const std::string& written) {
  if (written.empty()) return written;
  for (const std::string& kind : Kinds()) {
    for (const char* plural : {"", "s", "es"}) {
      if (absl::AsciiStrToLower(written) == absl::AsciiStrToLower(absl::StrCat(kind, plural))) {
        return kind;
      }
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("kind \"", written, "\" is not known. ", DidYouMean(written, Kinds())));
}

// "10/second, 5 in progress per consumer, route (shadow)".
std::string PlanSummary(const model::v1::Plan& plan) {
  std::string text = plan.limit();
  if (plan.has_concurrency()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", plan.concurrency(), " in progress");
  }
  absl::StrAppend(&text, " per ", absl::StrJoin(plan.per(), ", "));
  return plan.mode() == "shadow" ? absl::StrCat(text, " (shadow)") : text;
}

// The one line that tells documents of a kind apart.
std::string Summary(const model::v1::Document& document) {
  switch (document.spec_case()) {
    case model::v1::Document::kService: {
      std::vector<std::string> addresses;
      for (const auto& endpoint : document.service().endpoints()) {
        addresses.push_back(endpoint.address());
      }
      return absl::StrJoin(addresses, ", ");
    }
    case model::v1::Document::kIssuer:
      return document.issuer().issuer();
    case model::v1::Document::kPlan:
      return PlanSummary(document.plan());
    case model::v1::Document::kConsumer:
      return absl::StrCat("plan ", document.consumer().plan(), "; ",
                          absl::StrJoin(document.consumer().grants(), " "));
    case model::v1::Document::kApi: {
      std::vector<std::string> versions;
      for (const auto& version : document.api().versions()) {
        versions.push_back(version.state().empty()
                               ? version.name()
                               : absl::StrCat(version.name(), " ", version.state()));
      }
      return absl::StrCat(absl::StrJoin(document.api().hosts(), ", "), ": ",
                          absl::StrJoin(versions, ", "));
    }
    case model::v1::Document::kListener:
      return document.listener().address();
    case model::v1::Document::SPEC_NOT_SET:
      break;
  }
  return "";
}

ExitCode PrintDocuments(const Session& session, const admin::v1::GetResponse& response) {
  const std::vector<model::v1::Document> documents(response.documents().begin(),
                                                   response.documents().end());
  if (session.flags().format == OutputFormat::kJson) {
    session.Print(RenderJson(documents));
    return ExitCode::kOk;
  }
  if (session.flags().format == OutputFormat::kYaml) {
    session.Print(RenderYaml(documents));
    return ExitCode::kOk;
  }
  Table table({"KIND", "NAME", "OWNER", "SUMMARY"});
  for (const auto& document : documents) {
    table.Add({document.kind(), document.name(), document.owner(), Summary(document)});
  }
  if (documents.empty()) {
    session.Note(response.release() == 0
                     ? absl::StrCat("environment ", session.environment(), " has no release yet\n")
                     : absl::StrCat("no documents in release ", response.release(), "\n"));
  } else {
    session.Print(table.ToString());
  }
  return ExitCode::kOk;
}

}  // namespace

ExitCode RunApply(Session& session, const ApplyFlags& flags) {
  absl::StatusOr<admin::v1::ApplyRequest> request = MakeRequest(session, flags.paths);
  if (!request.ok()) return session.Fail(request.status());
  request->set_prune(flags.prune);
  request->set_owner(flags.owner);
  request->set_message(flags.message);
  request->set_dry_run(flags.dry_run);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  request->set_has_base(flags.base.has_value());
  request->set_base_release(flags.base.value_or(0));
  if (!flags.base.has_value() && !flags.dry_run) {
    // What is published is what was compared: nobody comes in between.
    const absl::StatusOr<admin::v1::DiffResponse> diff = (*client)->Diff(*request);
    if (!diff.ok()) return session.Fail(diff.status());
    request->set_has_base(true);
    request->set_base_release(diff->base_release());
  }
  const absl::StatusOr<admin::v1::ApplyResponse> response = (*client)->Apply(*request);
  if (!response.ok()) return session.Fail(response.status());
  return Report(session, *response, flags.dry_run, flags.wait);
}

ExitCode RunDiff(Session& session, const std::vector<std::string>& paths) {
  const absl::StatusOr<admin::v1::ApplyRequest> request = MakeRequest(session, paths);
  if (!request.ok()) return session.Fail(request.status());
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::DiffResponse> response = (*client)->Diff(*request);
  if (!response.ok()) return session.Fail(response.status());
  if (!session.table()) session.PrintMessage(*response);
  if (!response->problems().empty()) {
    return session.FailWithProblems(FromWire(response->problems()));
  }
  if (!session.table()) return ExitCode::kOk;
  session.Print(response->changes().empty()
                    ? absl::StrCat("no difference to release ", response->base_release(), "\n")
                    : ChangesText(response->changes()));
  return ExitCode::kOk;
}

ExitCode RunValidate(Session& session, const std::vector<std::string>& paths, bool offline) {
  const absl::StatusOr<admin::v1::ApplyRequest> request = MakeRequest(session, paths);
  if (!request.ok()) return session.Fail(request.status());
  admin::v1::DiffResponse response;
  if (offline) {
    const std::vector<admin::v1::Source> sources(request->sources().begin(),
                                                 request->sources().end());
    for (const Problem& problem : CompileOffline(session.environment(), sources).problems) {
      AddProblem(problem, &response);
    }
  } else {
    const absl::StatusOr<Client*> client = session.Connect();
    if (!client.ok()) return session.Fail(client.status());
    absl::StatusOr<admin::v1::DiffResponse> answer = (*client)->Diff(*request);
    if (!answer.ok()) return session.Fail(answer.status());
    response = *std::move(answer);
  }
  if (!session.table()) session.PrintMessage(response);
  if (!response.problems().empty()) return session.FailWithProblems(FromWire(response.problems()));
  if (session.table()) {
    session.Print(offline ? "valid (offline: these documents alone)\n" : "valid\n");
  }
  return ExitCode::kOk;
}

ExitCode RunGet(Session& session, const std::string& kind, const std::string& name,
                uint64_t release) {
  const absl::StatusOr<std::string> known = KindOf(kind);
  if (!known.ok()) {
    session.Fail(known.status());
    return ExitCode::kUsage;
  }
  admin::v1::GetRequest request;
  request.set_environment(session.environment());
  request.set_kind(*known);
  request.set_name(name);
  request.set_release(release);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::GetResponse> response = (*client)->Get(request);
  if (!response.ok()) return session.Fail(response.status());
  return PrintDocuments(session, *response);
}

ExitCode RunDelete(Session& session, const std::string& kind, const std::string& name,
                   bool dry_run) {
  const absl::StatusOr<std::string> known = KindOf(kind);
  if (!known.ok()) {
    session.Fail(known.status());
    return ExitCode::kUsage;
  }
  admin::v1::DeleteRequest request;
  request.set_environment(session.environment());
  request.set_kind(*known);
  request.set_name(name);
  request.set_dry_run(dry_run);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::ApplyResponse> response = (*client)->Delete(request);
  if (!response.ok()) return session.Fail(response.status());
  if (!response->problems().empty()) {
    session.Note(absl::StrCat(*known, "/", name, " is still in use:\n"));
  }
  return Report(session, *response, dry_run, std::nullopt);
}

ExitCode RunReleases(Session& session, uint32_t limit) {
  admin::v1::ListReleasesRequest request;
  request.set_environment(session.environment());
  request.set_limit(limit);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::ListReleasesResponse> response = (*client)->ListReleases(request);
  if (!response.ok()) return session.Fail(response.status());
  if (!session.table()) {
    session.PrintMessage(*response);
    return ExitCode::kOk;
  }
  if (response->releases().empty()) {
    session.Note(absl::StrCat("environment ", session.environment(), " has no release yet\n"));
    return ExitCode::kOk;
  }
  Table table({"RELEASE", "AGE", "BY", "DOCUMENTS", "MESSAGE"});
  for (const admin::v1::Release& release : response->releases()) {
    const Duration age = session.now() - WallTime(std::chrono::milliseconds(release.created()));
    table.Add({absl::StrCat(release.release(), release.head() ? " (head)" : ""), Age(age),
               release.author(), absl::StrCat(release.documents()), release.message()});
  }
  session.Print(table.ToString());
  return ExitCode::kOk;
}

ExitCode RunRollback(Session& session, uint64_t to, std::optional<Duration> wait) {
  admin::v1::RollbackRequest request;
  request.set_environment(session.environment());
  request.set_release(to);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::ApplyResponse> response = (*client)->Rollback(request);
  if (!response.ok()) return session.Fail(response.status());
  return Report(session, *response, /*dry_run=*/false, wait);
}

}  // namespace tollgate::control
