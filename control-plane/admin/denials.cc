// AdminApi: denials of tokens. They belong to no release, but the issuer is named as documents do:
// the iss claim that its tokens carry is that of the Issuer in force.
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status.h"
#include "control-plane/admin/admin_api.h"
#include "control-plane/admin/audit.h"
#include "control-plane/admin/wire.h"

namespace tollgate::control {
namespace {

constexpr int64_t kMaxDenialSeconds = int64_t{10} * 366 * 24 * 3600;

void ToWire(const DenialRecord& record, admin::v1::Denial* wire) {
  wire->set_id(record.id);
  wire->set_issuer(record.issuer);
  wire->set_iss(record.denial.token.issuer);
  wire->set_claim(std::string(ToString(record.denial.token.claim)));
  wire->set_value(record.denial.token.value);
  wire->set_created(record.created);
  if (record.denial.until != kNoEnd) wire->set_until(UnixSeconds(record.denial.until));
  wire->set_reason(record.reason);
  wire->set_author(record.author);
}

absl::StatusOr<DeniedClaim> ClaimOf(const std::string& written) {
  const std::optional<DeniedClaim> claim = ParseDeniedClaim(written);
  if (claim.has_value()) return *claim;
  return absl::InvalidArgumentError(absl::StrCat("claim: '", absl::CHexEscape(written),
                                                 "' is not known; expected jti, sub or client_id"));
}

absl::StatusOr<Duration> LastsOf(int64_t seconds) {
  if (seconds >= 0 && seconds <= kMaxDenialSeconds) return std::chrono::seconds(seconds);
  return absl::InvalidArgumentError(absl::StrCat("for: ", seconds, " seconds; expected 0 to ",
                                                 kMaxDenialSeconds, " (ten years)"));
}

// login sub="mallory" dn-... reason="stolen"
std::string Described(absl::string_view issuer, absl::string_view claim, absl::string_view value,
                      absl::string_view id, absl::string_view reason) {
  std::string text = absl::StrCat(issuer, " ", claim, "=\"", value, "\"");
  if (!id.empty()) absl::StrAppend(&text, " ", id);
  if (!reason.empty()) absl::StrAppend(&text, " reason=\"", reason, "\"");
  return text;
}

}  // namespace

absl::StatusOr<std::string> AdminApi::IssClaimOf(const std::string& environment,
                                                 const std::string& issuer) {
  ASSIGN_OR_RETURN(const Release head, releases_.Load(environment, 0));
  const auto it = head.documents.find({.kind = "Issuer", .name = issuer});
  if (it != head.documents.end()) return it->second.document->issuer().issuer();
  std::vector<std::string> names;
  for (const auto& [key, stored] : head.documents) {
    if (key.kind == "Issuer") names.push_back(key.name);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("issuer: there is no Issuer/", absl::CHexEscape(issuer), " in environment '",
                   environment, "' (release ", head.info.number, "); it has ",
                   names.empty() ? "none" : absl::StrCat("[", absl::StrJoin(names, ", "), "]")));
}

absl::Status AdminApi::AddDenial(const Caller& caller, const admin::v1::AddDenialRequest& request,
                                 admin::v1::AddDenialResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  const auto add = [&]() -> absl::StatusOr<AddedDenial> {
    NewDenial denial;
    denial.issuer = request.issuer();
    denial.reason = request.reason();
    denial.author = caller.user;
    ASSIGN_OR_RETURN(denial.token.claim, ClaimOf(request.claim()));
    denial.token.value = request.value();
    ASSIGN_OR_RETURN(denial.lasts, LastsOf(request.for_seconds()));
    ASSIGN_OR_RETURN(denial.token.issuer, IssClaimOf(environment, request.issuer()));
    return denials_.Add(environment, denial);
  };
  const absl::StatusOr<AddedDenial> added = add();
  Audit(caller, "AddDenial", environment,
        Described(request.issuer(), request.claim(), request.value(),
                  added.ok() ? added->record.id : "", request.reason()),
        added.status());
  if (!added.ok()) return added.status();
  ToWire(added->record, response->mutable_denial());
  response->set_revision(static_cast<uint64_t>(added->record.revision));
  response->set_existed(added->existed);
  return absl::OkStatus();
}

absl::Status AdminApi::RemoveDenial(const Caller& caller,
                                    const admin::v1::RemoveDenialRequest& request,
                                    admin::v1::RemoveDenialResponse* response) {
  const std::string environment = EnvironmentOf(request.environment());
  const absl::StatusOr<LiftedDenial> lifted = denials_.Lift(environment, request.id());
  std::string what = request.id();
  if (lifted.ok()) {
    const DenialRecord& record = lifted->record;
    what = Described(record.issuer, ToString(record.denial.token.claim), record.denial.token.value,
                     record.id, "");
  }
  Audit(caller, "RemoveDenial", environment, what, lifted.status());
  if (!lifted.ok()) return lifted.status();
  ToWire(lifted->record, response->mutable_denial());
  response->set_revision(static_cast<uint64_t>(lifted->revision));
  return absl::OkStatus();
}

absl::Status AdminApi::ListDenials(const admin::v1::ListDenialsRequest& request,
                                   admin::v1::ListDenialsResponse* response) {
  ASSIGN_OR_RETURN(const std::vector<DenialRecord> records,
                   denials_.List(EnvironmentOf(request.environment())));
  for (const DenialRecord& record : records) {
    if (!request.issuer().empty() && record.issuer != request.issuer()) continue;
    ToWire(record, response->add_denials());
  }
  return absl::OkStatus();
}

}  // namespace tollgate::control
