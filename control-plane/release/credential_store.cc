#include "control-plane/release/credential_store.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/crypto/api_key.h"
#include "control-plane/release/key_records.h"
#include "control-plane/release/store_keys.h"
#include "tollgate/store/v1/store.pb.h"

namespace tollgate::control {
namespace {

constexpr int kAttempts = 50;
// An expired key is listed for this long (its id is unknown then, so it is refused all the same).
constexpr int64_t kKeepExpiredSeconds = 30 * 24 * 3600;
// Each revoked key is one operation, the ring one more.
constexpr int kMaxRevokedAtOnce = static_cast<int>(kMaxTxnOperations) - 1;

bool IsLive(const store::v1::ApiKey& key, int64_t now) {
  return key.not_after() == 0 || now < key.not_after();
}

int64_t CeilSeconds(Duration d) { return std::chrono::ceil<std::chrono::seconds>(d).count(); }

absl::Status CheckNames(const std::string& environment, const std::string& consumer,
                        const std::string& name) {
  RETURN_IF_ERROR(CheckName("environment", environment));
  RETURN_IF_ERROR(CheckName("consumer", consumer));
  return CheckName("key name", name);
}

// Reads a ring, lets `change` edit it (and add operations), writes it back if nobody else did in
// between, else tries again with what is there then. A ring is never deleted, only emptied: its
// mod_revision tells when credentials changed last.
absl::StatusOr<Revision> ChangeRing(
    RevStore& store, const std::string& ring_key,
    absl::FunctionRef<absl::Status(store::v1::KeyRing&, std::vector<Operation>&)> change) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(const auto kv, Get(store, ring_key));
    store::v1::KeyRing ring;
    if (kv.has_value()) {
      ASSIGN_OR_RETURN(ring, ParseStored<store::v1::KeyRing>(*kv));
    }
    TxnRequest txn{.compares = {{ring_key, kv.has_value() ? kv->mod_revision : 0}}};
    RETURN_IF_ERROR(change(ring, txn.then));
    txn.then.push_back(Operation::Put(ring_key, ring.SerializeAsString()));
    ASSIGN_OR_RETURN(const TxnResult result, store.Txn(txn));
    if (result.succeeded) return result.revision;
  }
  return absl::AbortedError("this key is being changed by others all the time; try again");
}

std::vector<store::v1::ApiKey*> LiveKeys(store::v1::KeyRing& ring, int64_t now) {
  std::vector<store::v1::ApiKey*> live;
  for (store::v1::ApiKey& key : *ring.mutable_keys()) {
    if (IsLive(key, now)) live.push_back(&key);
  }
  return live;
}

absl::Status CheckRoom(const std::vector<store::v1::ApiKey*>& live, const std::string& consumer,
                       const std::string& name) {
  if (live.size() < kMaxLiveKeys) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "key '", name, "' of consumer '", consumer, "' has ", live.size(), " live keys already (",
      live.front()->id(), ", ", live.back()->id(), "); revoke one, or wait until it expires"));
}

absl::StatusOr<GeneratedApiKey> AddKey(const Peppers& peppers, int64_t now, Duration expires_in,
                                       store::v1::KeyRing& ring) {
  if (expires_in < Duration::zero()) {
    return absl::InvalidArgumentError("a key cannot expire in the past; expected 0 or more");
  }
  auto& keys = *ring.mutable_keys();
  keys.erase(std::remove_if(keys.begin(), keys.end(),
                            [&](const store::v1::ApiKey& key) {
                              return !IsLive(key, now - kKeepExpiredSeconds);
                            }),
             keys.end());
  GeneratedApiKey generated = GenerateApiKey();
  store::v1::ApiKey* key = ring.add_keys();
  key->set_id(generated.id);
  const std::string& pepper = peppers.all().at(peppers.current());
  key->set_hash(std::string(AsBytes(HashApiKeySecret(pepper, generated.secret))));
  key->set_pepper(peppers.current());
  key->set_created(now);
  if (expires_in > Duration::zero()) key->set_not_after(now + CeilSeconds(expires_in));
  return generated;
}

void Revoke(const store::v1::ApiKey& key, const std::string& environment,
            const std::string& consumer, const std::string& name, int64_t now,
            std::vector<Operation>& operations) {
  store::v1::RevokedKey revoked;
  revoked.set_consumer(consumer);
  revoked.set_name(name);
  revoked.set_created(key.created());
  revoked.set_revoked(now);
  operations.push_back(
      Operation::Put(RevokedKeyKey(environment, key.id()), revoked.SerializeAsString()));
}

}  // namespace

CredentialStore::CredentialStore(RevStore& store, const Clock& clock, const Peppers& peppers)
    : store_(store), clock_(clock), peppers_(peppers) {}

absl::Status CredentialStore::CheckPeppers() {
  const int64_t now = UnixSeconds(clock_.Wall());
  ASSIGN_OR_RETURN(const std::vector<std::string> environments, ListEnvironments(store_));
  for (const std::string& environment : environments) {
    ASSIGN_OR_RETURN(const std::vector<KeyRecord> keys,
                     ReadKeyRings(store_, KeyRingsPrefix(environment)));
    for (const KeyRecord& key : keys) {
      const bool live = key.not_after == 0 || now < key.not_after;
      if (!live || peppers_.all().contains(key.pepper)) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("key ", key.id, " of consumer '", key.consumer, "' in environment '",
                       environment, "' was hashed under pepper '", key.pepper,
                       "', which the pepper file does not have: restore the file, or revoke the "
                       "keys and issue new ones"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<IssuedKey> CredentialStore::Issue(const std::string& environment,
                                                 const std::string& consumer,
                                                 const std::string& name, Duration expires_in) {
  RETURN_IF_ERROR(CheckNames(environment, consumer, name));
  const int64_t now = UnixSeconds(clock_.Wall());
  GeneratedApiKey issued;
  const auto add = [&](store::v1::KeyRing& ring, std::vector<Operation>&) -> absl::Status {
    RETURN_IF_ERROR(CheckRoom(LiveKeys(ring, now), consumer, name));
    ASSIGN_OR_RETURN(issued, AddKey(peppers_, now, expires_in, ring));
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(const Revision revision,
                   ChangeRing(store_, KeyRingKey(environment, consumer, name), add));
  return IssuedKey{.id = issued.id, .text = issued.text(), .revision = revision};
}

absl::StatusOr<IssuedKey> CredentialStore::Rotate(const std::string& environment,
                                                  const std::string& consumer,
                                                  const std::string& name, Duration expires_in,
                                                  Duration old_valid_for) {
  RETURN_IF_ERROR(CheckNames(environment, consumer, name));
  if (old_valid_for < Duration::zero()) {
    return absl::InvalidArgumentError(
        "the old key cannot have ended in the past; expected 0 or more");
  }
  const int64_t now = UnixSeconds(clock_.Wall());
  GeneratedApiKey issued;
  const auto rotate = [&](store::v1::KeyRing& ring, std::vector<Operation>&) -> absl::Status {
    const std::vector<store::v1::ApiKey*> live = LiveKeys(ring, now);
    if (live.empty()) {
      return absl::NotFoundError(absl::StrCat("key '", name, "' of consumer '", consumer,
                                              "' has no live key to rotate; issue one"));
    }
    RETURN_IF_ERROR(CheckRoom(live, consumer, name));
    const int64_t end = now + CeilSeconds(old_valid_for);
    store::v1::ApiKey* old = live.front();
    if (old->not_after() == 0 || old->not_after() > end) old->set_not_after(end);
    ASSIGN_OR_RETURN(issued, AddKey(peppers_, now, expires_in, ring));
    return absl::OkStatus();
  };
  ASSIGN_OR_RETURN(const Revision revision,
                   ChangeRing(store_, KeyRingKey(environment, consumer, name), rotate));
  return IssuedKey{.id = issued.id, .text = issued.text(), .revision = revision};
}

absl::StatusOr<RevokedKeys> CredentialStore::RevokeId(const std::string& environment,
                                                      const std::string& id) {
  RETURN_IF_ERROR(CheckName("environment", environment));
  const int64_t now = UnixSeconds(clock_.Wall());
  // A key may be rotated away or revoked by another between the look and the change.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(const auto revoked, Get(store_, RevokedKeyKey(environment, id)));
    if (revoked.has_value()) return RevokedKeys{.ids = {id}, .revision = revoked->mod_revision};
    ASSIGN_OR_RETURN(const std::vector<KeyRecord> keys,
                     ReadKeyRings(store_, KeyRingsPrefix(environment)));
    const auto it =
        std::find_if(keys.begin(), keys.end(), [&](const KeyRecord& key) { return key.id == id; });
    if (it == keys.end()) {
      return absl::NotFoundError(absl::StrCat("there is no key '", absl::CHexEscape(id),
                                              "' in environment '", environment,
                                              "' (tollgatectl key list shows them)"));
    }
    bool found = false;
    const auto revoke = [&](store::v1::KeyRing& ring, std::vector<Operation>& operations) {
      found = false;
      for (int i = 0; i < ring.keys_size(); ++i) {
        if (ring.keys(i).id() != id) continue;
        Revoke(ring.keys(i), environment, it->consumer, it->name, now, operations);
        ring.mutable_keys()->DeleteSubrange(i, 1);
        found = true;
        return absl::OkStatus();
      }
      return absl::AbortedError("the key was changed by another");
    };
    const absl::StatusOr<Revision> revision =
        ChangeRing(store_, KeyRingKey(environment, it->consumer, it->name), revoke);
    if (!revision.ok() && !found && absl::IsAborted(revision.status())) continue;
    RETURN_IF_ERROR(revision.status());
    return RevokedKeys{.ids = {id}, .revision = *revision};
  }
  return absl::AbortedError("this key is being changed by others all the time; try again");
}

absl::StatusOr<RevokedKeys> CredentialStore::RevokeName(const std::string& environment,
                                                        const std::string& consumer,
                                                        const std::string& name) {
  RETURN_IF_ERROR(CheckNames(environment, consumer, name));
  const std::string ring_key = KeyRingKey(environment, consumer, name);
  ASSIGN_OR_RETURN(const auto kv, Get(store_, ring_key));
  if (!kv.has_value()) {
    return absl::NotFoundError(absl::StrCat("consumer '", consumer, "' has no key '", name,
                                            "' in environment '", environment,
                                            "' (tollgatectl key list shows them)"));
  }
  ASSIGN_OR_RETURN(const store::v1::KeyRing before, ParseStored<store::v1::KeyRing>(*kv));
  RevokedKeys all;
  all.revision = kv->mod_revision;
  if (before.keys().empty()) return all;  // revoked already
  const int64_t now = UnixSeconds(clock_.Wall());
  for (bool more = true; more;) {
    std::vector<std::string> ids;
    const auto revoke = [&](store::v1::KeyRing& ring, std::vector<Operation>& operations) {
      // The newest first: those are the live ones.
      const int count = std::min(ring.keys_size(), kMaxRevokedAtOnce);
      const int first = ring.keys_size() - count;
      ids.clear();
      for (int i = first; i < ring.keys_size(); ++i) {
        ids.push_back(ring.keys(i).id());
        Revoke(ring.keys(i), environment, consumer, name, now, operations);
      }
      ring.mutable_keys()->DeleteSubrange(first, count);
      more = first > 0;
      return absl::OkStatus();
    };
    ASSIGN_OR_RETURN(all.revision, ChangeRing(store_, ring_key, revoke));
    all.ids.insert(all.ids.end(), ids.begin(), ids.end());
  }
  return all;
}

absl::StatusOr<std::vector<KeyRecord>> CredentialStore::List(const std::string& environment,
                                                             const std::string& consumer) {
  RETURN_IF_ERROR(CheckName("environment", environment));
  if (!consumer.empty()) RETURN_IF_ERROR(CheckName("consumer", consumer));
  // Both at one revision: no key is in both, or in neither, because it is being revoked.
  ASSIGN_OR_RETURN(const Revision revision, store_.CurrentRevision());
  if (revision == 0) return std::vector<KeyRecord>();
  ASSIGN_OR_RETURN(std::vector<KeyRecord> keys,
                   ReadKeyRings(store_, KeyRingsPrefix(environment), revision));
  ASSIGN_OR_RETURN(std::vector<KeyRecord> revoked, ReadRevokedKeys(store_, environment, revision));
  for (KeyRecord& record : revoked) keys.push_back(std::move(record));
  std::erase_if(
      keys, [&](const KeyRecord& key) { return !consumer.empty() && key.consumer != consumer; });
  std::stable_sort(keys.begin(), keys.end(), [](const KeyRecord& a, const KeyRecord& b) {
    return std::tie(a.consumer, a.name, a.created) < std::tie(b.consumer, b.name, b.created);
  });
  return keys;
}

}  // namespace tollgate::control
