#include "control-plane/translate/translate.h"

#include <algorithm>
#include <filesystem>

#include "gmock/gmock.h"
#include "tests/unit/control-plane/translate/translate_testing.h"

namespace tollgate::control {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Model CardPayments() { return ModelOf(ReadExample("card-payments.yaml")); }

config::v1::Bundle BundleFor(const Model& model, const std::string& service,
                             const std::string& node = "payments-1",
                             const Credentials& credentials = TestCredentials()) {
  auto bundle = Translate(model, credentials, {node, service, ""}, TestCut());
  EXPECT_TRUE(bundle.ok()) << bundle.status().message();
  return bundle.ok() ? *bundle : config::v1::Bundle();
}

TEST(Translate, GivesWhatASidecarAccepts) {
  for (const auto& entry : std::filesystem::directory_iterator(Examples())) {
    if (entry.path().extension() != ".yaml") continue;
    const Model model = ModelOf(ReadExample(entry.path().filename()));
    for (const auto& [name, service] : model.services) {
      std::vector<std::string> nodes;
      for (const InstanceModel& instance : service.instances) nodes.push_back(instance.instance);
      if (nodes.empty()) nodes.push_back("");
      for (const std::string& node : nodes) {
        SCOPED_TRACE(absl::StrCat(entry.path().filename().string(), " ", name, " ", node));
        EXPECT_FALSE(PolicyOf(BundleFor(model, name, node)).listeners.empty());
      }
    }
  }
}

TEST(Translate, EnforcesEverythingInbound) {
  const Model model = CardPayments();
  const Policy policy = PolicyOf(BundleFor(model, "payments"));
  const ListenerPolicy& listener = policy.listeners.at("inbound/payments");
  EXPECT_EQ(listener.address.ToString(), "10.0.1.11:8080");
  ASSERT_EQ(listener.apis.size(), 1u);
  EXPECT_THAT(listener.apis[0].hosts, ElementsAre("pay.example.com", "payments"));
  EXPECT_THAT(listener.apis[0].route_tables, ElementsAre("card-payments/v2", "card-payments/v1"));
  EXPECT_EQ(listener.apis[0].authenticate, model.apis.at("card-payments").binding.authenticate);
  EXPECT_EQ(policy.upstreams.size(), 1u);
  EXPECT_THAT(policy.upstreams.at("local/payments").endpoints,
              ElementsAre(EndpointPolicy{*Address::Parse("127.0.0.1:9000"), 1}));
  const RouteTablePolicy& v1 = policy.route_tables.at("card-payments/v1");
  EXPECT_EQ(v1.state, VersionState::kDeprecated);
  EXPECT_EQ(v1.routes.size(), 2u);
  for (const RoutePolicy& route : v1.routes) {
    EXPECT_EQ(route.upstream, "local/payments");
    EXPECT_FALSE(route.require.empty());
    EXPECT_THAT(route.retry.when, ElementsAre(RetryCondition::kNotSent));
    EXPECT_FALSE(route.retry.other_endpoint);
  }
}

TEST(Translate, LeavesPolicyToTheCalleeOutbound) {
  const Policy policy = PolicyOf(BundleFor(CardPayments(), "checkout", "checkout-1"));
  ASSERT_EQ(policy.listeners.size(), 1u);
  const ListenerPolicy& listener = policy.listeners.at("outbound/checkout");
  EXPECT_EQ(listener.direction, Direction::kOutbound);
  EXPECT_EQ(listener.address.ToString(), "127.0.0.1:15001");
  EXPECT_THAT(listener.apis.at(0).authenticate, IsEmpty());
  EXPECT_EQ(policy.upstreams.at("payments").endpoints.size(), 2u);
  const RouteTablePolicy& v1 = policy.route_tables.at("outbound/card-payments/v1");
  EXPECT_EQ(v1.state, VersionState::kActive);
  EXPECT_FALSE(v1.sunset.has_value());
  const RoutePolicy& get = v1.routes.at(1);
  EXPECT_TRUE(get.is_public);
  EXPECT_EQ(get.retry.max_retries, 2u);
  EXPECT_EQ(get.retry.when.size(), 3u);
  EXPECT_EQ(get.timeout, std::chrono::seconds(2));
  EXPECT_TRUE(v1.routes.at(0).idempotency.honoured_by_service);
  // Nobody authenticates here: no consumers, plans, keys or secrets.
  EXPECT_TRUE(policy.consumers.empty());
  EXPECT_TRUE(policy.plans.empty());
  EXPECT_TRUE(policy.issuers.empty());
  EXPECT_TRUE(policy.secrets.empty());
}

TEST(Translate, KeepsInboundAndOutboundTablesOfOneApiApart) {
  const Model model = ModelOf(R"(
{kind: Service, name: s, local: "127.0.0.1:1", endpoints: ["127.0.0.1:2"], uses: [s],
 response_headers: {x-up: "1"}}
---
kind: Api
name: a
hosts: [a.example]
service: s
version_from: {path: "/{version}/", strip: true}
versions:
  - name: v1
    routes: [{name: r, match: GET /, public: true, response_headers: {x-r: "1"}}]
)");
  const Policy policy = PolicyOf(BundleFor(model, "s", "n"));
  EXPECT_EQ(policy.route_tables.size(), 2u);
  EXPECT_EQ(policy.listeners.size(), 2u);
  EXPECT_TRUE(policy.listeners.at("inbound/s").apis[0].version_from.strip);
  EXPECT_FALSE(policy.listeners.at("outbound/s").apis[0].version_from.strip);
  // Response headers are set once, by the sidecar of the callee.
  EXPECT_EQ(policy.upstreams.at("local/s").response_headers.size(), 1u);
  EXPECT_EQ(policy.upstreams.at("s").response_headers.size(), 0u);
  EXPECT_EQ(policy.route_tables.at("a/v1").routes[0].response_headers.size(), 1u);
  EXPECT_EQ(policy.route_tables.at("outbound/a/v1").routes[0].response_headers.size(), 0u);
}

TEST(Translate, SendsOnlyTheRoutesOfTheService) {
  const Model model = ModelOf(R"(
{kind: Service, name: s, local: "127.0.0.1:1", endpoints: ["127.0.0.1:2"]}
---
{kind: Service, name: t, local: "127.0.0.1:3", endpoints: ["127.0.0.1:4"]}
---
{kind: Service, name: u, local: "127.0.0.1:5", endpoints: ["127.0.0.1:6"], uses: [t]}
---
kind: Api
name: a
hosts: [a.example]
service: s
versions:
  - name: v1
    routes:
      - {name: one, match: GET /one, public: true}
      - {name: two, match: GET /two, public: true, service: t}
---
kind: Api
name: b
hosts: [b.example]
service: u
versions: [{name: v1, routes: [{name: x, match: GET /, public: true}]}]
)");
  const auto routes = [&](const std::string& service, const std::string& table) {
    std::vector<std::string> names;
    const Policy policy = PolicyOf(BundleFor(model, service, "n"));
    if (!policy.route_tables.contains(table)) return names;
    for (const RoutePolicy& route : policy.route_tables.at(table).routes) {
      names.push_back(route.name);
    }
    return names;
  };
  EXPECT_THAT(routes("s", "a/v1"), ElementsAre("one"));
  EXPECT_THAT(routes("t", "a/v1"), ElementsAre("two"));
  EXPECT_THAT(routes("u", "outbound/a/v1"), ElementsAre("two"));
  EXPECT_THAT(routes("u", "b/v1"), ElementsAre("x"));
  EXPECT_THAT(routes("u", "a/v1"), IsEmpty());
  EXPECT_THAT(routes("s", "b/v1"), IsEmpty());
}

TEST(Translate, RetiresVersionsWithoutRoutes) {
  const Model model = ModelOf(ReadExample("internal-services.yaml"));
  const Policy inbound = PolicyOf(BundleFor(model, "ledger", "n"));
  EXPECT_EQ(inbound.route_tables.at("ledger/1").state, VersionState::kRetired);
  EXPECT_THAT(inbound.route_tables.at("ledger/1").routes, IsEmpty());
  const Policy outbound = PolicyOf(BundleFor(model, "payouts", "n"));
  EXPECT_EQ(outbound.route_tables.at("outbound/ledger/1").state, VersionState::kRetired);
}

TEST(Translate, ListensAsTheListenerDocumentSays) {
  const Model model = ModelOf(ReadExample("internal-services.yaml"));
  const Policy policy = PolicyOf(BundleFor(model, "payouts", "n"));
  EXPECT_EQ(policy.listeners.at("inbound/payouts").max_connections, 500u);
  EXPECT_EQ(policy.listeners.at("inbound/payouts").trusted_hops, 1u);
  EXPECT_EQ(policy.listeners.at("inbound/payouts").address.ToString(), "127.0.0.1:8100");
  EXPECT_EQ(policy.listeners.at("outbound/payouts").max_connections, 10000u);
  EXPECT_EQ(policy.listeners.at("outbound/payouts").address.ToString(), "127.0.0.1:15100");
}

TEST(Translate, SaysWhichServiceIsUnknown) {
  const auto bundle = Translate(CardPayments(), {}, {"n", "payment", ""}, TestCut());
  EXPECT_EQ(bundle.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(bundle.status().message(), HasSubstr("Did you mean payments?"));
}

// Consumers, keys, secrets.

std::vector<SourceDocument> WithMore(absl::string_view yaml) {
  std::vector<SourceDocument> documents = ReadExample("card-payments.yaml");
  const ParseResult more = ParseDocuments("more.yaml", yaml);
  EXPECT_EQ(ToString(more.problems), "");
  documents.insert(documents.end(), more.documents.begin(), more.documents.end());
  return documents;
}

TEST(Translate, SendsOnlyConsumersThatArePermittedThere) {
  Credentials credentials = TestCredentials();
  credentials.keys.push_back({"key-only", "k", "tg_k", std::string(32, 'k'), 0, "pepper-1"});
  const Model model = ModelOf(WithMore(R"(
{kind: Plan, name: other, limit: 1/second, algorithm: gcra, per: consumer}
---
{kind: Consumer, name: elsewhere, plan: other, grants: [ledger.read],
 tokens: [{issuer: bank-login, value: elsewhere}]}
---
{kind: Consumer, name: key-only, grants: [ledger.read], api_keys: [k]}
---
{kind: Consumer, name: reader, grants: [payments.read, ledger.read],
 tokens: [{issuer: bank-login, value: reader}]}
)"));
  const Policy policy = PolicyOf(BundleFor(model, "payments", "payments-1", credentials));
  std::vector<std::string> names;
  for (const auto& [name, consumer] : policy.consumers) names.push_back(name);
  // A key is known where keys are accepted, so that it is answered 403, not 401.
  EXPECT_THAT(names, ElementsAre("key-only", "reader", "shop-42"));
  EXPECT_THAT(policy.consumers.at("reader").grants, ElementsAre("payments.read"));
  EXPECT_THAT(policy.consumers.at("key-only").grants, IsEmpty());
  EXPECT_FALSE(policy.plans.contains("other"));
  EXPECT_TRUE(policy.plans.contains("standard"));
  EXPECT_TRUE(policy.plans.contains("guessing"));
}

TEST(Translate, KnowsEveryConsumerWhereStrangersMayCall) {
  std::vector<SourceDocument> documents = ReadExample("card-payments.yaml");
  for (SourceDocument& source : documents) {
    if (source.document.has_api()) {
      source.document.mutable_api()->set_consumers("optional");
      source.document.mutable_api()->set_default_plan("standard");
    }
    // Without a grant: left out, it would be taken for a stranger, whose token nothing narrows.
    if (source.document.has_consumer()) source.document.mutable_consumer()->clear_grants();
  }
  const Policy policy =
      PolicyOf(BundleFor(ModelOf(documents), "payments", "payments-1", Credentials()));
  EXPECT_EQ(policy.consumers.at("shop-42").tokens.size(), 1u);
}

TEST(Translate, SendsLiveKeysWithTheirPeppers) {
  const config::v1::Bundle bundle = BundleFor(CardPayments(), "payments");
  const Policy policy = PolicyOf(bundle);
  const ConsumerPolicy& shop = policy.consumers.at("shop-42");
  ASSERT_EQ(shop.api_keys.size(), 2u);
  EXPECT_EQ(shop.api_keys[0].id, "tg_a");
  EXPECT_FALSE(shop.api_keys[0].not_after.has_value());
  EXPECT_EQ(shop.api_keys[1].not_after, FromUnixSeconds(1900000000));
  ASSERT_EQ(bundle.secrets_size(), 1);
  EXPECT_EQ(bundle.secrets(0).name(), "pepper/pepper-1");
  EXPECT_EQ(bundle.secrets(0).value(), "salt");
}

TEST(Translate, RefusesAKeyWithoutItsPepper) {
  Credentials credentials = TestCredentials();
  credentials.peppers.erase("pepper-1");
  const auto bundle =
      Translate(CardPayments(), credentials, {"payments-1", "payments", ""}, TestCut());
  EXPECT_EQ(bundle.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(bundle.status().message(),
              HasSubstr("API key \"tg_b\" of Consumer/shop-42 was hashed under the pepper "
                        "\"pepper-1\", which is not there"));
}

TEST(Translate, TellsRevokedIdsTheNewestFirst) {
  Credentials credentials = TestCredentials();
  config::v1::Bundle bundle = BundleFor(CardPayments(), "payments");
  ASSERT_EQ(bundle.revocations_size(), 1);
  EXPECT_THAT(bundle.revocations(0).key_ids(), ElementsAre("tg_y", "tg_z"));
  EXPECT_EQ(bundle.revocations(0).revision(), 12u);
  for (size_t i = 0; i < kMaxRevokedIds; ++i) {
    credentials.revoked.push_back({"shop-42", absl::StrCat("id-", i), 100 + i});
  }
  bundle = BundleFor(CardPayments(), "payments", "payments-1", credentials);
  EXPECT_EQ(bundle.revocations(0).key_ids_size(), static_cast<int>(kMaxRevokedIds));
  EXPECT_THAT(bundle.revocations(0).key_ids(), Not(Contains("tg_y")));
  EXPECT_EQ(BundleFor(CardPayments(), "checkout", "c").revocations_size(), 0);
}

TEST(Translate, TellsEveryDeniedTokenOfTheIssuersThatAreAcceptedHere) {
  Credentials credentials = TestCredentials();
  const auto denied = [](const std::string& issuer, const std::string& subject) {
    return TokenDenial{{issuer, DeniedClaim::kSubject, subject}, kNoEnd};
  };
  const std::string bank = "https://login.bank.example/";
  credentials.denied = {{denied(bank, "mallory"), 15},
                        {denied("https://other.example/", "eve"), 17},
                        {{{bank, DeniedClaim::kTokenId, "t-1"}, FromUnixSeconds(1893456000)}, 14}};
  const config::v1::Bundle bundle =
      BundleFor(CardPayments(), "payments", "payments-1", credentials);
  PolicyOf(bundle);
  ASSERT_EQ(bundle.revocations_size(), 2);
  const config::v1::Revocation& list = bundle.revocations(0);
  EXPECT_EQ(list.name(), "denied");
  EXPECT_EQ(list.incarnation(), TestCut().incarnation);
  EXPECT_EQ(list.revision(), 15u) << "of the newest that it names";
  std::vector<ResourceError> errors;
  EXPECT_THAT(TokenDenialsOf(list, &errors),
              ElementsAre(credentials.denied[2].denial, credentials.denied[0].denial));
  EXPECT_THAT(errors, IsEmpty());
  EXPECT_EQ(bundle.revocations(1).name(), "revoked");
  // Nobody authenticates there.
  EXPECT_EQ(BundleFor(CardPayments(), "checkout", "c", credentials).revocations_size(), 0);
  std::reverse(credentials.denied.begin(), credentials.denied.end());
  EXPECT_EQ(Serialize(BundleFor(CardPayments(), "payments", "payments-1", credentials)),
            Serialize(bundle));
}

TEST(Translate, SendsSymmetricKeySetsAsSecrets) {
  // The key of RFC 7515 A.1.
  const Model model = ModelOf(R"(
{kind: Service, name: s, local: "127.0.0.1:1", endpoints: ["127.0.0.1:2"]}
---
kind: Issuer
name: i
issuer: i
audiences: [a]
algorithms: [HS256]
profile: jwt
keys:
  jwks: |
    {"keys": [{"kty": "oct", "alg": "HS256",
     "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}
---
kind: Api
name: a
hosts: [a.example]
service: s
authenticate: [{jwt: i}]
versions: [{name: v1, routes: [{name: r, match: GET /, require: [p]}]}]
)");
  const config::v1::Bundle bundle = BundleFor(model, "s", "n");
  PolicyOf(bundle);
  EXPECT_EQ(bundle.policy_sets(0).issuers(0).jwks(), "");
  EXPECT_EQ(bundle.policy_sets(0).issuers(0).jwks_secret(), "jwks/i");
  EXPECT_EQ(bundle.secrets(0).name(), "jwks/i");
  for (const NamedResource& resource : Serialize(bundle)) {
    if (resource.name == "jwks/i") continue;
    EXPECT_THAT(resource.bytes, Not(HasSubstr("AyM1SysP"))) << resource.name;
  }
}

}  // namespace
}  // namespace tollgate::control
