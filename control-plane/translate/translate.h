// Translation: from the model and the credentials of one environment to what one sidecar needs, and
// nothing of another's: its own service inbound, the services that it uses outbound, the consumers
// that are permitted there. Pure and deterministic: equal inputs give equal bytes on every replica.
// Stateless, thread-safe.
//
// Inbound ("inbound/SERVICE", upstream "local/SERVICE", tables "API/VERSION"): everything that the
// Apis say about this service is enforced here. The upstream has one endpoint, the sidecar's own
// instance, so of a route's retries only `not-sent` survives: anything else would hand the same
// instance the same request twice, and is the caller's sidecar's to decide.
//
// Outbound ("outbound/SERVICE", upstream "USED", tables "outbound/API/VERSION"): routes of the used
// services with timeouts, retries and idempotency. Authentication, permission, limits, lifecycle
// and response headers are the callee's sidecar's: routes are public here, and a version is either
// served or retired. The path is passed on as it came (no strip): the callee selects again.
//
// Zones: where an endpoint runs is sent with it; where the sidecar runs is what it says itself,
// else what the Service says of its instance. How the calling service's instances are spread goes
// along when all of them have a zone, so that callers can tell what a zone of the used service may
// carry.
//
// Consumers: one is sent when it can authenticate here: an API key where keys are accepted, a token
// identity of an accepted issuer and a grant that some route here requires (a token without such a
// Consumer is answered 403 all the same; where an Api says `consumers: optional` the grant does not
// matter, lest a Consumer be taken for a stranger). Of its tokens, keys and grants only those that
// mean something here are sent. API keys live until revoked, whatever the documents say:
// credentials belong to no release.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/policy/token_denial.h"
#include "control-plane/model/model.h"
#include "tollgate/config/v1/config.pb.h"

namespace tollgate::control {

// A live API key, as the credential store holds it.
struct LiveKey {
  std::string consumer;
  std::string name;
  std::string id;
  std::string hash;       // HMAC-SHA-256(pepper, secret), 32 bytes
  int64_t not_after = 0;  // Unix seconds; 0: no end
  std::string pepper;     // name in Credentials::peppers
};
struct RevokedKey {
  std::string consumer;
  std::string id;
  uint64_t revision = 0;  // at which it was revoked
};
struct DeniedTokens {
  TokenDenial denial;
  uint64_t revision = 0;  // at which it was denied, or that was changed
};
struct Credentials {
  std::vector<LiveKey> keys;
  std::map<std::string, std::string> peppers;  // name -> bytes
  std::vector<RevokedKey> revoked;
  std::vector<DeniedTokens> denied = {};
};

// The sidecar that asks.
struct NodeIdentity {
  std::string id;
  std::string service;
  std::string address;    // where it says it listens; "": not said
  std::string zone = {};  // where it says it runs; "": not said
};

struct CutIdentity {
  std::string incarnation;
  uint64_t revision = 0;
  uint64_t release = 0;
};

// Revoked ids that one sidecar is told: the newest. Older ones are long gone from its shards.
inline constexpr size_t kMaxRevokedIds = 4096;

// NotFound: the service is not in the model. FailedPrecondition: which instance this is cannot be
// told, or a key names a pepper that does not exist. The message names the remedy. Resources are
// sorted by name; Epoch.digests are left to Serialize.
absl::StatusOr<config::v1::Bundle> Translate(const Model& model, const Credentials& credentials,
                                             const NodeIdentity& node, const CutIdentity& cut);

// One resource, ready for the wire.
struct NamedResource {
  std::string type_url;
  std::string name;     // the Epoch's is "epoch"
  std::string version;  // hex SHA-256 of bytes
  std::string bytes;    // the message, serialised deterministically
  friend bool operator==(const NamedResource&, const NamedResource&) = default;
};
// In the order of a cut (common/policy/resource_type.h), by name within a type; Revocations stand
// before the Epoch, which comes last and carries the digest of every type, also of those without a
// resource, and of the Revocations: it vouches for what they no longer list.
std::vector<NamedResource> Serialize(const config::v1::Bundle& bundle);

}  // namespace tollgate::control
