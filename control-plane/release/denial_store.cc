#include "control-plane/release/denial_store.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/crypto/digest.h"
#include "common/crypto/encoding.h"
#include "control-plane/release/store_keys.h"
#include "tollgate/store/v1/store.pb.h"

namespace tollgate::control {
namespace {

constexpr int kAttempts = 50;
// Ended ones that one Add clears away: each is an operation and a compare of its transaction.
constexpr size_t kClearAtOnce = 50;
// Until then a sidecar whose clock is slow may still need one that is over.
constexpr std::chrono::minutes kSlowClock(5);
constexpr size_t kMaxText = 255;

// Of what is denied, so that two who deny the same at once change one record.
std::string IdOf(const DeniedToken& token) {
  std::string text = absl::StrCat(token.issuer, absl::string_view("\0", 1), ToString(token.claim),
                                  absl::string_view("\0", 1), token.value);
  return absl::StrCat("dn-", HexEncode(AsBytes(Sha256(text))).substr(0, 32));
}

bool HasControlCharacter(absl::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

absl::Status CheckText(absl::string_view what, absl::string_view text, size_t max, bool needed) {
  if (needed && text.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": is empty; expected 1 to ", max, " bytes"));
  }
  if (text.size() > max) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": ", text.size(), " bytes; expected at most ", max));
  }
  if (HasControlCharacter(text)) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": '", absl::CHexEscape(text),
                                                   "' has control characters; expected none"));
  }
  return absl::OkStatus();
}

absl::Status Check(const std::string& environment, const NewDenial& denial) {
  RETURN_IF_ERROR(CheckName("environment", environment));
  RETURN_IF_ERROR(CheckText("issuer", denial.issuer, kMaxText, true));
  RETURN_IF_ERROR(CheckText("iss", denial.token.issuer, kMaxText, true));
  RETURN_IF_ERROR(
      CheckText(ToString(denial.token.claim), denial.token.value, kMaxDeniedValue, true));
  RETURN_IF_ERROR(CheckText("reason", denial.reason, kMaxDenialReason, false));
  if (denial.lasts < Duration::zero()) {
    return absl::InvalidArgumentError("a denial cannot have ended in the past; expected 0 or more");
  }
  return absl::OkStatus();
}

int64_t UntilSeconds(WallTime until) { return until == kNoEnd ? 0 : UnixSeconds(until); }

std::string Serialized(const DenialRecord& record) {
  store::v1::Denial stored;
  stored.set_issuer(record.issuer);
  stored.set_iss(record.denial.token.issuer);
  stored.set_claim(std::string(ToString(record.denial.token.claim)));
  stored.set_value(record.denial.token.value);
  stored.set_created(record.created);
  stored.set_until(UntilSeconds(record.denial.until));
  stored.set_reason(record.reason);
  stored.set_author(record.author);
  return stored.SerializeAsString();
}

absl::StatusOr<std::vector<DenialRecord>> ReadDenials(RevStore& store,
                                                      const std::string& environment) {
  ASSIGN_OR_RETURN(const std::vector<KeyValue> kvs, ReadAll(store, DeniedPrefix(environment)));
  std::vector<DenialRecord> records;
  records.reserve(kvs.size());
  for (const KeyValue& kv : kvs) {
    ASSIGN_OR_RETURN(DenialRecord record, ParseDenial(kv));
    records.push_back(std::move(record));
  }
  return records;
}

bool IsOver(const DenialRecord& record, WallTime now) { return record.denial.until <= now; }

absl::Status CheckRoom(const std::vector<DenialRecord>& records, const DeniedToken& token) {
  size_t bytes = token.issuer.size() + token.value.size();
  for (const DenialRecord& record : records) {
    bytes += record.denial.token.issuer.size() + record.denial.token.value.size();
  }
  if (records.size() < kMaxDenials && bytes <= kMaxDenialBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "there are ", records.size(), " denials of ", bytes, " bytes; expected at most ", kMaxDenials,
      " of ", kMaxDenialBytes,
      " bytes: deny a subject or client instead of its single tokens, lift what is no longer "
      "needed (tollgatectl deny list), or take the grants of the consumer"));
}

// The old record, so far as it still says something, and the new one together.
DenialRecord Combine(const NewDenial& denial, const std::optional<DenialRecord>& in_force,
                     WallTime now) {
  DenialRecord record;
  record.issuer = denial.issuer;
  record.denial.token = denial.token;
  if (denial.lasts > Duration::zero()) {
    // In whole seconds, and not before its time.
    const int64_t end = UnixSeconds(std::chrono::ceil<std::chrono::seconds>(now + denial.lasts));
    record.denial.until = FromUnixSeconds(end);
  }
  record.created = UnixSeconds(now);
  record.reason = denial.reason;
  record.author = denial.author;
  if (!in_force.has_value()) return record;
  record.denial.until = std::max(record.denial.until, in_force->denial.until);
  record.created = in_force->created;
  if (record.reason.empty()) record.reason = in_force->reason;
  const bool says_more = record.denial.until != in_force->denial.until ||
                         record.reason != in_force->reason || record.issuer != in_force->issuer;
  return says_more ? record : *in_force;
}

}  // namespace

absl::StatusOr<DenialRecord> ParseDenial(const KeyValue& kv) {
  StoreKey key;
  if (!ParseStoreKey(kv.key, &key) || key.rest.empty()) {
    return absl::DataLossError(absl::StrCat("store: unexpected key '", kv.key, "'"));
  }
  ASSIGN_OR_RETURN(const store::v1::Denial stored, ParseStored<store::v1::Denial>(kv));
  const std::optional<DeniedClaim> claim = ParseDeniedClaim(stored.claim());
  if (!claim.has_value() || stored.value().empty() || stored.iss().empty()) {
    // To leave it out would be to allow the token.
    return absl::DataLossError(
        absl::StrCat("store: the value of key '", kv.key, "' cannot be understood"));
  }
  DenialRecord record;
  record.id = std::string(key.rest);
  record.issuer = stored.issuer();
  record.denial.token = {stored.iss(), *claim, stored.value()};
  if (stored.until() != 0) record.denial.until = FromUnixSeconds(stored.until());
  record.created = stored.created();
  record.reason = stored.reason();
  record.author = stored.author();
  record.revision = kv.mod_revision;
  return record;
}

absl::StatusOr<AddedDenial> DenialStore::Add(const std::string& environment,
                                             const NewDenial& denial) {
  RETURN_IF_ERROR(Check(environment, denial));
  const WallTime now = clock_.Wall();
  const std::string id = IdOf(denial.token);
  const std::string key = DeniedKey(environment, id);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(std::vector<DenialRecord> records, ReadDenials(store_, environment));
    TxnRequest txn;
    // Making room is a lifting like any other.
    const Duration keep = CheckRoom(records, denial.token).ok()
                              ? Duration(std::chrono::seconds(kKeepEndedSeconds))
                              : Duration(kSlowClock);
    std::erase_if(records, [&](const DenialRecord& record) {
      if (record.id == id || !IsOver(record, now - keep) || txn.then.size() == kClearAtOnce) {
        return false;
      }
      const std::string ended = DeniedKey(environment, record.id);
      txn.compares.push_back({ended, record.revision});
      txn.then.push_back(Operation::Delete(ended));
      return true;
    });
    if (!txn.then.empty()) {
      txn.then.push_back(
          Operation::Put(LiftedKey(environment), store::v1::Lifted().SerializeAsString()));
    }
    const auto known = std::find_if(records.begin(), records.end(),
                                    [&](const DenialRecord& record) { return record.id == id; });
    std::optional<DenialRecord> in_force;
    if (known == records.end()) {
      RETURN_IF_ERROR(CheckRoom(records, denial.token));
    } else if (!IsOver(*known, now)) {
      in_force = *known;
    }
    DenialRecord record = Combine(denial, in_force, now);
    record.id = id;
    if (in_force == record) return AddedDenial{std::move(record), /*existed=*/true};
    txn.compares.push_back({key, known == records.end() ? 0 : known->revision});
    txn.then.push_back(Operation::Put(key, Serialized(record)));
    ASSIGN_OR_RETURN(const TxnResult result, store_.Txn(txn));
    if (!result.succeeded) continue;
    record.revision = result.revision;
    return AddedDenial{std::move(record), in_force.has_value()};
  }
  return absl::AbortedError("the denials are being changed by others all the time; try again");
}

absl::StatusOr<LiftedDenial> DenialStore::Lift(const std::string& environment,
                                               const std::string& id) {
  RETURN_IF_ERROR(CheckName("environment", environment));
  RETURN_IF_ERROR(CheckName("id", id));
  const std::string key = DeniedKey(environment, id);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(const auto kv, Get(store_, key));
    if (!kv.has_value()) {
      return absl::NotFoundError(absl::StrCat("there is no denial '", id, "' in environment '",
                                              environment, "' (tollgatectl deny list shows them)"));
    }
    ASSIGN_OR_RETURN(DenialRecord record, ParseDenial(*kv));
    const TxnRequest txn{
        .compares = {{key, kv->mod_revision}},
        .then = {Operation::Delete(key),
                 Operation::Put(LiftedKey(environment), store::v1::Lifted().SerializeAsString())}};
    ASSIGN_OR_RETURN(const TxnResult result, store_.Txn(txn));
    if (result.succeeded) return LiftedDenial{std::move(record), result.revision};
  }
  return absl::AbortedError("this denial is being changed by others all the time; try again");
}

absl::StatusOr<std::vector<DenialRecord>> DenialStore::List(const std::string& environment) {
  RETURN_IF_ERROR(CheckName("environment", environment));
  ASSIGN_OR_RETURN(std::vector<DenialRecord> records, ReadDenials(store_, environment));
  std::sort(records.begin(), records.end(), [](const DenialRecord& a, const DenialRecord& b) {
    return std::tie(a.created, a.id) < std::tie(b.created, b.id);
  });
  return records;
}

}  // namespace tollgate::control
