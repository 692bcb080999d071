// AdminApi: documents and releases. Keys are in admin_api_keys.cc.
#include "control-plane/admin/admin_api.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/base/version.h"
#include "control-plane/admin/audit.h"
#include "control-plane/admin/wire.h"
#include "control-plane/model/render.h"
#include "control-plane/model/source_set.h"
#include "control-plane/model/suggest.h"

namespace tollgate::control {
namespace {

constexpr uint32_t kMaxListed = 1000;
constexpr uint32_t kDefaultListed = 20;
constexpr std::chrono::milliseconds kMaxWait = std::chrono::minutes(10);
constexpr std::chrono::milliseconds kDefaultAnswer = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kMaxAnswer = std::chrono::minutes(1);
// How soon a wait notices that its caller went away, or that the program ends.
constexpr std::chrono::milliseconds kWaitSlice{100};

absl::Status CheckKind(const std::string& kind) {
  if (std::find(Kinds().begin(), Kinds().end(), kind) != Kinds().end()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("kind \"", kind, "\" is not known. ", DidYouMean(kind, Kinds())));
}

SourceText ToSourceText(const admin::v1::Source& source) {
  SourceText text;
  text.file = source.file();
  text.text = source.text();
  text.reader = [&source](const std::string& path) -> absl::StatusOr<std::string> {
    const auto it = source.files().find(path);
    if (it == source.files().end()) return absl::NotFoundError("it was not sent along");
    if (!it->second.error().empty()) return absl::NotFoundError(it->second.error());
    return it->second.content();
  };
  return text;
}

std::string Describe(const absl::StatusOr<PublishResult>& result, bool dry_run) {
  if (!result.ok()) return "nothing";
  if (!result->problems.empty()) {
    return absl::StrCat("refused, problems: ", result->problems.size());
  }
  if (result->unchanged) return "unchanged";
  const std::string changes = absl::StrCat("changes: ", result->changes.size());
  if (dry_run) return absl::StrCat("dry run, ", changes);
  return absl::StrCat("release ", result->release.number, ", ", changes);
}

absl::Status Finish(absl::StatusOr<PublishResult> result, admin::v1::ApplyResponse* response) {
  if (!result.ok()) return result.status();
  ToWire(*result, response);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PublishResult> AdminApi::PublishSources(const admin::v1::ApplyRequest& request,
                                                       const std::string& author, bool dry_run) {
  std::vector<SourceText> texts;
  for (const admin::v1::Source& source : request.sources()) texts.push_back(ToSourceText(source));
  SourceSet set = ParseSources(texts);
  PublishRequest publish;
  publish.environment = EnvironmentOf(request.environment());
  if (request.has_base()) publish.base = request.base_release();
  publish.documents = set.documents;
  if (request.prune()) publish.prune_owner = request.owner();
  publish.author = author;
  publish.message = request.message();
  publish.dry_run = dry_run || !set.ok();
  if (set.ok() && set.documents.empty() && !request.prune()) {
    return absl::InvalidArgumentError(
        "there is no document in what was sent; expected at least one");
  }
  if (!set.whole) publish.documents.clear();  // only for the base: names are missing
  ASSIGN_OR_RETURN(PublishResult result, releases_.Publish(publish));
  if (set.ok()) return result;
  result.problems = MergeProblems(set, std::move(result.problems));
  result.changes.clear();
  result.unchanged = false;
  return result;
}

absl::Status AdminApi::Apply(const Caller& caller, const admin::v1::ApplyRequest& request,
                             admin::v1::ApplyResponse* response) {
  absl::StatusOr<PublishResult> result = PublishSources(request, caller.user, request.dry_run());
  if (!request.dry_run()) {
    Audit(caller, "Apply", EnvironmentOf(request.environment()), Describe(result, false),
          result.status());
  }
  return Finish(std::move(result), response);
}

absl::Status AdminApi::Diff(const admin::v1::ApplyRequest& request,
                            admin::v1::DiffResponse* response) {
  ASSIGN_OR_RETURN(const PublishResult result, PublishSources(request, "", /*dry_run=*/true));
  for (const DocumentChange& change : result.changes) ToWire(change, response->add_changes());
  for (const Problem& problem : result.problems) ToWire(problem, response->add_problems());
  response->set_base_release(result.base);
  return absl::OkStatus();
}

absl::Status AdminApi::Get(const admin::v1::GetRequest& request, admin::v1::GetResponse* response) {
  if (!request.kind().empty()) RETURN_IF_ERROR(CheckKind(request.kind()));
  if (request.kind().empty() && !request.name().empty()) {
    return absl::InvalidArgumentError("a name needs its kind");
  }
  const std::string environment = EnvironmentOf(request.environment());
  ASSIGN_OR_RETURN(const Release release, releases_.Load(environment, request.release()));
  response->set_release(release.info.number);
  for (const auto& [key, stored] : release.documents) {
    if (!request.kind().empty() && key.kind != request.kind()) continue;
    if (!request.name().empty() && key.name != request.name()) continue;
    *response->add_documents() = Redact(*stored.document);
  }
  if (!request.name().empty() && response->documents().empty()) {
    return absl::NotFoundError(absl::StrCat("there is no ", request.kind(), "/", request.name(),
                                            " in release ", release.info.number,
                                            " of environment '", environment, "'"));
  }
  return absl::OkStatus();
}

absl::Status AdminApi::Delete(const Caller& caller, const admin::v1::DeleteRequest& request,
                              admin::v1::ApplyResponse* response) {
  RETURN_IF_ERROR(CheckKind(request.kind()));
  PublishRequest publish;
  publish.environment = EnvironmentOf(request.environment());
  const DocumentKey key{.kind = request.kind(), .name = request.name()};
  publish.deletes = {key};
  publish.author = caller.user;
  publish.message = absl::StrCat("delete ", ToString(key));
  publish.dry_run = request.dry_run();
  absl::StatusOr<PublishResult> result = releases_.Publish(publish);
  if (!request.dry_run()) {
    Audit(caller, "Delete", publish.environment,
          absl::StrCat(ToString(key), ": ", Describe(result, false)), result.status());
  }
  return Finish(std::move(result), response);
}

absl::Status AdminApi::ListReleases(const admin::v1::ListReleasesRequest& request,
                                    admin::v1::ListReleasesResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  const uint32_t limit = request.limit() == 0 ? kDefaultListed : request.limit();
  ASSIGN_OR_RETURN(const std::vector<ReleaseInfo> history,
                   releases_.History(environment, std::min(limit, kMaxListed)));
  for (const ReleaseInfo& info : history) {
    ToWire(info, history.front().number, response->add_releases());
  }
  return absl::OkStatus();
}

absl::Status AdminApi::Rollback(const Caller& caller, const admin::v1::RollbackRequest& request,
                                admin::v1::ApplyResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  absl::StatusOr<PublishResult> result =
      releases_.Rollback(environment, request.release(), caller.user, "");
  Audit(caller, "Rollback", environment,
        absl::StrCat("to ", request.release(), ": ", Describe(result, false)), result.status());
  return Finish(std::move(result), response);
}

absl::Status AdminApi::ListProxies(const admin::v1::ListProxiesRequest& request,
                                   admin::v1::ListProxiesResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  ASSIGN_OR_RETURN(const ReleaseInfo head, releases_.Head(environment));
  response->set_head_release(head.number);
  if (!request.node().empty()) {
    ASSIGN_OR_RETURN(const SidecarStatus status, FindSidecar(environment, request.node()));
    ToWire(status, response->add_proxies());
    return absl::OkStatus();
  }
  for (const SidecarStatus& status : fleet_.List(environment)) {
    ToWire(status, response->add_proxies());
  }
  return absl::OkStatus();
}

absl::StatusOr<SidecarStatus> AdminApi::FindSidecar(const std::string& environment,
                                                    const std::string& node) const {
  std::optional<SidecarStatus> found = fleet_.Find(environment, node);
  if (found.has_value()) return *std::move(found);
  std::vector<std::string> known;
  for (const SidecarStatus& status : fleet_.List(environment)) known.push_back(status.node.id);
  return absl::NotFoundError(absl::StrCat("no sidecar \"", node, "\" of environment '", environment,
                                          "' has connected lately. ",
                                          known.empty() ? "None has." : DidYouMean(node, known)));
}

absl::Status AdminApi::Explain(const admin::v1::ExplainRequest& request,
                               const std::function<bool()>& cancelled,
                               admin::v1::ExplainResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  ASSIGN_OR_RETURN(const SidecarStatus sidecar, FindSidecar(environment, request.node()));
  if (!sidecar.connected) {
    return absl::FailedPreconditionError(absl::StrCat(
        "sidecar ", request.node(), " is disconnected; only a connected one can be asked"));
  }
  const std::chrono::milliseconds timeout =
      request.timeout_ms() == 0 ? kDefaultAnswer
                                : std::min<std::chrono::milliseconds>(
                                      std::chrono::milliseconds(request.timeout_ms()), kMaxAnswer);
  ASSIGN_OR_RETURN(
      *response->mutable_explanation(),
      questions_.Explain(environment, request.node(), request.question(), timeout, cancelled));
  response->set_node(request.node());
  const std::string& error = response->explanation().error();
  if (error.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("sidecar ", request.node(), ": ", error));
}

absl::Status AdminApi::WaitRelease(const admin::v1::WaitReleaseRequest& request,
                                   const std::function<bool()>& cancelled,
                                   admin::v1::ListProxiesResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  ASSIGN_OR_RETURN(const ReleaseInfo head, releases_.Head(environment));
  if (request.release() > head.number) {
    return absl::NotFoundError(absl::StrCat("environment '", environment, "' has no release ",
                                            request.release(), "; its head is ", head.number));
  }
  const uint64_t release = request.release() == 0 ? head.number : request.release();
  std::chrono::milliseconds left = std::min<std::chrono::milliseconds>(
      std::chrono::milliseconds(request.timeout_ms()), kMaxWait);
  while (!fleet_.WaitFor(environment, release, std::min(left, kWaitSlice))) {
    left -= std::min(left, kWaitSlice);
    if (left == std::chrono::milliseconds::zero() || cancelled()) break;
  }
  admin::v1::ListProxiesRequest list;
  list.set_environment(environment);
  return ListProxies(list, response);
}

absl::Status AdminApi::GetVersion(admin::v1::GetVersionResponse* response) {
  response->set_version(kVersion);
  response->set_schema(kSchema);
  // Also while the store fails: then this is what tells why.
  response->set_revision(static_cast<uint64_t>(state_.Current()->revision));
  response->set_incarnation(store_.incarnation());
  response->set_trouble(std::string(state_.Health().message()));
  return absl::OkStatus();
}

}  // namespace tollgate::control
