#include "control-plane/admin/publish_check.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/policy/from_proto.h"
#include "control-plane/model/compile.h"
#include "control-plane/model/faults_allowed.h"
#include "control-plane/translate/translate.h"

namespace tollgate::control {
namespace {

// Whether this sidecar would get a policy that it understands. API keys do not matter: they belong
// to no release.
absl::Status Servable(const Model& model, const NodeInfo& node) {
  const NodeIdentity identity{
      .id = node.id, .service = node.service, .address = node.address, .zone = node.zone};
  const absl::StatusOr<config::v1::Bundle> bundle = Translate(
      model, Credentials(), identity, {.incarnation = "check", .revision = 1, .release = 1});
  if (!bundle.ok()) return bundle.status();
  if (node.schema < bundle->epoch().schema()) {
    return absl::FailedPreconditionError(absl::StrCat("it understands schema ", node.schema,
                                                      ", this policy needs schema ",
                                                      bundle->epoch().schema()));
  }
  const PolicyOrErrors policy = FromBundle(*bundle);
  if (policy.ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(ToString(policy.errors.front()));
}

Problem ProblemOf(const NodeInfo& node, const absl::Status& status) {
  Problem problem;
  problem.document = absl::StrCat("Service/", node.service);
  problem.message = absl::StrCat("the connected sidecar \"", node.id,
                                 "\" could not be served from this: ", status.message());
  problem.remedy = "Change the documents, or stop that sidecar first";
  return problem;
}

}  // namespace

std::vector<Problem> PublishCheck::operator()(absl::string_view environment,
                                              absl::Span<const SourceDocument> documents) const {
  CompileResult proposed = Compile(environment, documents);
  if (!proposed.ok()) return std::move(proposed.problems);
  std::vector<Problem> problems;
  if (!faults_.contains(std::string(environment))) {
    problems = RefuseFaults(environment, documents);
    if (!problems.empty()) return problems;
  }
  std::optional<CompileResult> head;  // compiled when needed
  for (const SidecarStatus& sidecar : fleet_.List(environment)) {
    if (!sidecar.connected) continue;
    const absl::Status status = Servable(proposed.model, sidecar.node);
    if (status.ok()) continue;
    if (!head.has_value()) head = Compile(environment, ToSourceDocuments(head_(environment)));
    if (head->ok() && Servable(head->model, sidecar.node).ok()) {
      problems.push_back(ProblemOf(sidecar.node, status));
    }
  }
  return problems;
}

}  // namespace tollgate::control
