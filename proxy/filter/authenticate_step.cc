// Who is it: exactly one credential, of a kind that the Api accepts, and it holds.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proxy/auth/bearer.h"
#include "proxy/filter/context.h"
#include "proxy/filter/steps.h"
#include "proxy/filter/unauthorized.h"

namespace tollgate::proxy {
namespace {

// RFC 6750 2.3 allows a token in the query; FAPI 2.0 Security Profile 5.3.4 does not: it ends in
// logs.
bool QueryHasToken(absl::string_view query) {
  constexpr absl::string_view kName = "access_token=";
  for (size_t at = 0; at <= query.size();) {
    const absl::string_view rest = query.substr(at);
    if (rest.substr(0, kName.size()) == kName) return true;
    const size_t next = rest.find('&');
    if (next == absl::string_view::npos) return false;
    at += next + 1;
  }
  return false;
}

StepResult Ambiguous(RequestContext& c, const char* reason, std::string detail) {
  c.reason = reason;
  return LocalReply{.status = 400, .reason = reason, .detail = std::move(detail)};
}

class AuthenticateStep final : public Filter {
 public:
  const char* name() const override { return "authenticate"; }
  uint8_t phases() const override { return kRequestHead; }

  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    HeaderMap& headers = c.head.headers;
    const CompiledApi& api = *c.api;
    if (c.route->policy->is_public) {
      StripKeys(api, headers);  // presented or not, a key goes no further
      return kContinue;
    }
    if (QueryHasToken(c.head.query)) {
      return Ambiguous(c, "token_in_query",
                       "Send the token in the Authorization header, never in the query.");
    }
    if (headers.Count(HeaderId::kAuthorization) > 1) {
      return Ambiguous(c, "authorization_twice", "Send one Authorization header.");
    }
    std::optional<absl::string_view> key;
    for (const std::string& header : api.api_key_headers) {
      const size_t count = headers.Count(header);
      if (count == 0) continue;
      if (count > 1 || key.has_value()) {
        return Ambiguous(c, "two_credentials", "Send exactly one credential.");
      }
      key = headers.Get(header);
    }
    // A credential that nobody here verifies must not reach the service beside one that holds.
    const auto authorization = headers.Get(HeaderId::kAuthorization);
    if (key.has_value() && authorization.has_value()) {
      return Ambiguous(c, "two_credentials", "Send exactly one credential.");
    }
    if (authorization.has_value() && !api.issuers.empty()) return Token(c, *authorization);
    if (key.has_value()) return Key(c, *key);
    return Refuse(c, "no_credential", "A credential is needed here.");
  }

  StepResult Explain(RequestContext& c, std::vector<std::string>& demands) const override {
    if (c.route->policy->is_public) {
      demands.push_back("nothing: the route is public");
      return kContinue;
    }
    std::vector<std::string> accepted;
    for (const AuthenticatorPolicy& one : c.api->policy->authenticate) {
      accepted.push_back(one.kind == AuthenticatorPolicy::Kind::kApiKey
                             ? absl::StrCat("an API key in ", one.header)
                             : absl::StrCat("a token of ", one.issuer));
    }
    demands.push_back(accepted.empty() ? "a credential, but none is accepted here"
                                       : absl::StrJoin(accepted, " or "));
    return kContinue;
  }

 private:
  static void StripKeys(const CompiledApi& api, HeaderMap& headers) {
    for (const std::string& header : api.api_key_headers) headers.Remove(header);
  }

  static StepResult Refuse(RequestContext& c, const char* reason, std::string detail,
                           std::string challenge = "") {
    c.reason = reason;
    return Unauthorized(*c.api, reason, std::move(detail), std::move(challenge));
  }

  StepResult Token(RequestContext& c, absl::string_view authorization) const {
    const Bearer bearer = ParseBearer(authorization);
    if (bearer.status != BearerStatus::kOk) {
      return Refuse(c, "not_bearer", "The Authorization header is no bearer token.");
    }
    TokenResult result = c.services->tokens.Verify(bearer.token, c.api->issuers, c.wall);
    if (!result.ok()) {
      // A literal of a small fixed set, so the pointer may be kept.
      return Refuse(c, result.error.reason().data(), std::string(result.error.description()),
                    BearerChallenge("invalid_token", result.error.description()));
    }
    if (c.services->denied->TokenRevoked(*result.token, c.wall)) {
      c.reason = kTokenRevoked;
      return RevokedReply(*c.api, kTokenRevoked);
    }
    c.token = std::move(result.token);
    c.consumer = c.snapshot->consumers->FindByToken(c.token->issuer, c.token->consumer);
    return kContinue;
  }

  StepResult Key(RequestContext& c, absl::string_view presented) const {
    const ApiKeyResult result = c.snapshot->api_keys->Check(presented, *c.services->denied, c.wall);
    if (!result.ok()) {
      if (result.failure == ApiKeyFailure::kUnknown && c.services->on_unknown_key) {
        c.services->on_unknown_key(result.id);
      }
      c.reason = ToString(result.failure).data();
      return InvalidKey(*c.api);
    }
    c.consumer = result.consumer;
    c.api_key = result.key;
    StripKeys(*c.api, c.head.headers);
    return kContinue;
  }
};

class PermissionStep final : public Filter {
 public:
  const char* name() const override { return "permission"; }
  uint8_t phases() const override { return kRequestHead; }

  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    const RoutePolicy& route = *c.route->policy;
    if (route.is_public) return kContinue;
    if (c.token == nullptr && c.api_key == nullptr) {
      // The authenticate step has refused this already; a chain without it must not open.
      return Forbidden(c, "not_authenticated");
    }
    if (c.consumer == nullptr && !c.api->policy->consumers_optional) {
      return Forbidden(c, "no_consumer");
    }
    if (route.require.empty()) return Forbidden(c, "no_permission_declared");
    for (const std::string& permission : route.require) {
      if (c.token != nullptr && !Has(c.token->permissions, permission)) {
        return Forbidden(c, "token_permission");
      }
      if (c.consumer != nullptr && !Has(c.consumer->grants, permission)) {
        return Forbidden(c, "consumer_grant");
      }
    }
    if (c.consumer != nullptr) {
      c.head.headers.Set("x-tollgate-consumer", c.consumer->name);
    }
    return kContinue;
  }

  StepResult Explain(RequestContext& c, std::vector<std::string>& demands) const override {
    const RoutePolicy& route = *c.route->policy;
    if (route.is_public) return kContinue;
    if (route.require.empty()) return Forbidden(c, "no_permission_declared");
    demands.push_back(absl::StrCat("requires [", absl::StrJoin(route.require, ", "), "]"));
    demands.push_back(c.api->policy->consumers_optional ? "a Consumer is optional"
                                                        : "of a Consumer");
    return kContinue;
  }

 private:
  static bool Has(const std::vector<std::string>& set, const std::string& wanted) {
    for (const std::string& have : set) {
      if (have == wanted) return true;
    }
    return false;
  }

  static StepResult Forbidden(RequestContext& c, const char* reason) {
    c.reason = reason;
    LocalReply reply{.status = 403,
                     .reason = reason,
                     .detail = "The credential does not permit this operation."};
    if (c.token != nullptr) {
      reply.headers.push_back(
          {"www-authenticate", BearerChallenge("insufficient_scope", "", c.route->scope)});
    }
    return reply;
  }
};

class IdempotencyStep final : public Filter {
 public:
  const char* name() const override { return "idempotency"; }
  uint8_t phases() const override { return kRequestHead; }

  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    const IdempotencyPolicy& policy = c.route->policy->idempotency;
    if (policy.header.empty()) return kContinue;
    const size_t count = c.head.headers.Count(policy.header);
    const auto key = c.head.headers.Get(policy.header);
    c.has_idempotency_key = count == 1 && !key->empty();
    if (count > 1 || (key.has_value() && key->size() > kMaxKey) ||
        (policy.required && !c.has_idempotency_key)) {
      c.reason = "idempotency_key";
      return LocalReply{.status = 400,
                        .reason = c.reason,
                        .detail = absl::StrCat("Send one ", policy.header, " header of 1 to ",
                                               kMaxKey, " characters.")};
    }
    return kContinue;
  }

  StepResult Explain(RequestContext& c, std::vector<std::string>& demands) const override {
    const IdempotencyPolicy& policy = c.route->policy->idempotency;
    if (policy.header.empty()) return kContinue;
    demands.push_back(absl::StrCat(policy.header, policy.required ? " is required" : " is optional",
                                   policy.honoured_by_service ? ", the service honours it" : ""));
    return kContinue;
  }

 private:
  static constexpr size_t kMaxKey = 255;
};

}  // namespace

std::unique_ptr<const Filter> MakeAuthenticateStep() {
  return std::make_unique<AuthenticateStep>();
}
std::unique_ptr<const Filter> MakePermissionStep() { return std::make_unique<PermissionStep>(); }
std::unique_ptr<const Filter> MakeIdempotencyStep() { return std::make_unique<IdempotencyStep>(); }

}  // namespace tollgate::proxy
