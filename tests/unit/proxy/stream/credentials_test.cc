// Who may call, on real snapshots: tokens, API keys, permissions, and what each refusal says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crypto/api_key.h"
#include "tests/fakes/path_test.h"
#include "tests/unit/proxy/auth/token_maker.h"

namespace tollgate::proxy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr absl::string_view kPepper = "a pepper of many bytes";

class CredentialsTest : public PathTest {
 protected:
  CredentialsTest() : policy(DataPath::PublicPolicy({a.address()})) {
    RoutePolicy& route = DataPath::RouteOf(policy);
    route.is_public = false;
    route.require = {"payments.read"};
    policy.issuers["bank-login"] = tokens.policy;
    policy.secrets["pepper"] = std::string(kPepper);
    Api().authenticate = {{AuthenticatorPolicy::Kind::kJwt, "bank-login", ""},
                          {AuthenticatorPolicy::Kind::kApiKey, "", "x-api-key"}};
    ConsumerPolicy& consumer = policy.consumers["shop-42"];
    consumer.name = "shop-42";
    consumer.grants = {"payments.read", "payments.write"};
    consumer.tokens = {{"bank-login", "shop-42"}};
    consumer.api_keys = {Key(till, "till")};
  }

  ApiBindingPolicy& Api() { return policy.listeners["in"].apis.front(); }
  ConsumerPolicy& Shop() { return policy.consumers["shop-42"]; }
  static ApiKeyPolicy Key(const GeneratedApiKey& key, const char* name) {
    const Digest256 hash = HashApiKeySecret(kPepper, key.secret);
    ApiKeyPolicy made;
    made.id = key.id;
    made.hash = std::string(AsBytes(hash));
    made.name = name;
    made.pepper = "pepper";
    return made;
  }
  std::string Bearer() const {
    return absl::StrCat("Authorization: Bearer ", tokens.Token(), "\r\n");
  }
  static std::string KeyField(const GeneratedApiKey& key) {
    return absl::StrCat("X-Api-Key: ", key.text(), "\r\n");
  }
  void Serve() { path.Adopt(policy); }
  // Nothing of it came through.
  void ExpectRefused(const Answer& answer, int status, const char* code) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_THAT(answer.body, HasSubstr(absl::StrCat("\"code\":\"", code, "\"")));
    EXPECT_EQ(a.All(), "");
  }

  TokenMaker tokens;
  GeneratedApiKey till = GenerateApiKey();
  Policy policy;
};

TEST_F(CredentialsTest, ATokenThatHoldsIsLetThroughAndNamesItsConsumer) {
  Serve();
  const Answer answer = Get("/x", Bearer());
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(a.All(), HasSubstr("\r\nx-tollgate-consumer: shop-42\r\n"));
}

TEST_F(CredentialsTest, WithoutACredentialTheChallengeIsBare) {
  Serve();
  const Answer answer = Get("/x");
  ExpectRefused(answer, 401, "no_credential");
  EXPECT_EQ(answer.Field("www-authenticate"), "Bearer");
}

TEST_F(CredentialsTest, ATokenThatWasTamperedWithIsInvalid) {
  Serve();
  std::string token = tokens.Token();
  char& c = token[token.rfind('.') + 3];
  c = c == 'A' ? 'B' : 'A';
  const Answer answer = Get("/x", absl::StrCat("Authorization: Bearer ", token, "\r\n"));
  EXPECT_EQ(answer.status, 401);
  EXPECT_THAT(answer.Field("www-authenticate"), HasSubstr("Bearer error=\"invalid_token\""));
  EXPECT_EQ(a.All(), "");
}

TEST_F(CredentialsTest, AnExpiredTokenIsInvalidFromThatSecondOn) {
  Serve();
  const std::string bearer = Bearer();
  path.Pass(std::chrono::seconds(299));
  EXPECT_EQ(Get("/x", bearer).status, 200);  // and it is in the cache now
  path.Pass(std::chrono::seconds(1));
  const Answer answer = Get("/x", bearer);
  EXPECT_EQ(answer.status, 401);
  EXPECT_THAT(answer.body, HasSubstr("\"code\":\"expired\""));
  EXPECT_THAT(answer.Field("www-authenticate"), HasSubstr("error_description=\"expired\""));
}

TEST_F(CredentialsTest, AnotherSchemeIsNoToken) {
  Serve();
  ExpectRefused(Get("/x", "Authorization: Basic dTpw\r\n"), 401, "not_bearer");
}

TEST_F(CredentialsTest, APermissionThatTheTokenLacksIs403WithItsScope) {
  tokens.claims["scope"] = "\"payments.write\"";
  Serve();
  const Answer answer = Get("/x", Bearer());
  ExpectRefused(answer, 403, "token_permission");
  EXPECT_EQ(answer.Field("www-authenticate"),
            "Bearer error=\"insufficient_scope\", scope=\"payments.read\"");
}

TEST_F(CredentialsTest, ATokenCannotWidenWhatItsConsumerWasGranted) {
  Shop().grants = {"payments.write"};
  Serve();
  ExpectRefused(Get("/x", Bearer()), 403, "consumer_grant");
}

TEST_F(CredentialsTest, EveryPermissionOfTheRouteIsNeeded) {
  DataPath::RouteOf(policy).require = {"payments.read", "payments.refund"};
  Serve();
  ExpectRefused(Get("/x", Bearer()), 403, "token_permission");
}

TEST_F(CredentialsTest, ARouteWithoutPermissionsIsClosed) {
  DataPath::RouteOf(policy).require = {};
  Serve();
  ExpectRefused(Get("/x", Bearer()), 403, "no_permission_declared");
}

TEST_F(CredentialsTest, ATokenOfNobodyIs403) {
  tokens.claims["client_id"] = "\"shop-43\"";
  Serve();
  ExpectRefused(Get("/x", Bearer()), 403, "no_consumer");
}

TEST_F(CredentialsTest, WhereConsumersAreOptionalATokenOfNobodyHasTheDefaultPlan) {
  tokens.claims["client_id"] = "\"shop-43\"";
  PlanPolicy& plan = policy.plans["anyone"];
  plan.name = "anyone";
  plan.windows = {{1, std::chrono::minutes(1)}};
  Api().consumers_optional = true;
  Api().default_plan = "anyone";
  Serve();
  EXPECT_EQ(Get("/x", Bearer()).status, 200);
  EXPECT_THAT(a.All(), Not(HasSubstr("x-tollgate-consumer")));
  EXPECT_EQ(Get("/x", Bearer()).status, 429);
  tokens.claims["client_id"] = "\"shop-44\"";  // another one has his own count
  EXPECT_EQ(Get("/x", Bearer()).status, 200);
  tokens.claims["client_id"] = "\"shop-42\"";  // a Consumer without plan has no limit
  EXPECT_EQ(Get("/x", Bearer()).status, 200);
  EXPECT_EQ(Get("/x", Bearer()).status, 200);
}

TEST_F(CredentialsTest, TwoCredentialsAreAmbiguous) {
  Serve();
  ExpectRefused(Get("/x", absl::StrCat(Bearer(), KeyField(till))), 400, "two_credentials");
  ExpectRefused(Get("/x", absl::StrCat(Bearer(), Bearer())), 400, "authorization_twice");
  ExpectRefused(Get("/x", absl::StrCat(KeyField(till), KeyField(till))), 400, "two_credentials");
}

TEST_F(CredentialsTest, ACredentialThatNobodyVerifiesIsNotCarriedBesideOneThatHolds) {
  Api().authenticate = {{AuthenticatorPolicy::Kind::kApiKey, "", "x-api-key"}};
  Serve();
  ExpectRefused(Get("/x", absl::StrCat(Bearer(), KeyField(till))), 400, "two_credentials");
  const Answer alone = Get("/x", Bearer());
  ExpectRefused(alone, 401, "no_credential");
  EXPECT_EQ(alone.Field("www-authenticate"), "ApiKey header=\"x-api-key\"");
}

TEST_F(CredentialsTest, ATokenInTheQueryIsRefused) {
  Serve();
  ExpectRefused(Get(absl::StrCat("/x?a=1&access_token=", tokens.Token())), 400, "token_in_query");
  ExpectRefused(Get("/x?access_token=t", Bearer()), 400, "token_in_query");
}

TEST_F(CredentialsTest, AKeyIsStrippedBeforeTheRequestGoesOn) {
  Serve();
  EXPECT_EQ(Get("/x", KeyField(till)).status, 200);
  EXPECT_THAT(a.All(), HasSubstr("\r\nx-tollgate-consumer: shop-42\r\n"));
  EXPECT_THAT(a.All(), Not(HasSubstr(till.secret)));
  EXPECT_THAT(a.All(), Not(HasSubstr("x-api-key")));
}

TEST_F(CredentialsTest, AKeyOnAPublicRouteIsStrippedToo) {
  DataPath::RouteOf(policy).is_public = true;
  Serve();
  EXPECT_EQ(Get("/x", KeyField(till)).status, 200);
  EXPECT_THAT(a.All(), Not(HasSubstr(till.secret)));
}

TEST_F(CredentialsTest, AnUnknownKeyIs401AndReported) {
  const GeneratedApiKey other = GenerateApiKey();
  Serve();
  ExpectRefused(Get("/x", KeyField(other)), 401, "invalid_key");
  EXPECT_THAT(path.unknown_keys, ElementsAre(other.id));
}

TEST_F(CredentialsTest, AKeyWithAnotherSecretIs401AndSaysNoMore) {
  GeneratedApiKey wrong = till;
  wrong.secret = GenerateApiKey().secret;
  Serve();
  const Answer answer = Get("/x", KeyField(wrong));
  EXPECT_EQ(answer.status, 401);
  EXPECT_THAT(answer.body, HasSubstr("The API key is not valid."));
  EXPECT_EQ(a.All(), "");
}

TEST_F(CredentialsTest, ARevokedKeyIs401WhateverThePolicySays) {
  Serve();
  EXPECT_EQ(Get("/x", KeyField(till)).status, 200);
  path.Deny({till.id});
  EXPECT_EQ(Get("/x", KeyField(till)).status, 401);
  Serve();  // a push cannot bring it back
  EXPECT_EQ(Get("/x", KeyField(till)).status, 401);
}

TEST_F(CredentialsTest, ARevocationEndsARequestThatWaitsForItsAnswer) {
  Serve();
  auto client = path.Connect();
  client->Send(absl::StrCat("GET /x HTTP/1.1\r\nHost: x\r\n", KeyField(till), "\r\n"));
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  path.Deny({till.id});
  ASSERT_TRUE(path.Receives(*client, "\"code\":\"invalid_key\""));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(client->Got(), Not(HasSubstr("tollgate-outcome")));
  ASSERT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));  // nobody waits for it any more
  path.Settle();
  EXPECT_EQ(path.active_streams(), 0);
  EXPECT_THAT(path.LogText(), HasSubstr("\"step\":\"authenticate\",\"reason\":\"key_revoked\""));
}

TEST_F(CredentialsTest, OfAPaymentThatARevocationMetUnderWayTheOutcomeIsUnknown) {
  DataPath::RouteOf(policy).method = "";
  Serve();
  auto client = path.Connect();
  client->Send(absl::StrCat("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n", KeyField(till),
                            "\r\nhalf"));
  ASSERT_TRUE(UpstreamHas(a, "half"));
  path.Deny({till.id});
  ASSERT_TRUE(path.Receives(*client, "\"code\":\"invalid_key\""));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
  ASSERT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));
  client->Send("rest!");
  path.Settle();
  EXPECT_THAT(a.All(), Not(HasSubstr("rest")));
}

TEST_F(CredentialsTest, ARevocationCutsAResponseThatHasBegun) {
  Serve();
  auto client = path.Connect();
  client->Send(absl::StrCat("GET /x HTTP/1.1\r\nHost: x\r\n", KeyField(till), "\r\n"));
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nfirst");
  ASSERT_TRUE(path.Receives(*client, "first"));
  path.Deny({till.id});
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed() && Upstream(a).Closed(); }));
  EXPECT_THAT(client->Got(), Not(HasSubstr("401")));
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(CredentialsTest, ARevocationLeavesOthersAlone) {
  const GeneratedApiKey next = GenerateApiKey();
  Shop().api_keys.push_back(Key(next, "till-2"));
  Serve();
  auto idle = path.Connect();
  const std::string with_next =
      absl::StrCat("GET /x HTTP/1.1\r\nHost: x\r\n", KeyField(next), "\r\n");
  idle->Send(with_next);
  ASSERT_TRUE(path.RunUntil([&] {
    AnswerUpstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    return absl::EndsWith(idle->Got(), "ok");
  }));
  auto bearer = path.Connect();
  bearer->Send(absl::StrCat("GET /y HTTP/1.1\r\nHost: x\r\n", Bearer(), "\r\n"));
  ASSERT_TRUE(UpstreamHas(a, "GET /y "));
  path.Deny({till.id});
  path.Settle();
  idle->Forget();
  idle->Send(with_next);
  ASSERT_TRUE(path.RunUntil([&] {
    AnswerUpstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    return absl::EndsWith(idle->Got(), "ok") && absl::EndsWith(bearer->Got(), "ok");
  }));
}

TEST_F(CredentialsTest, AKeyEndsWithItsTime) {
  Shop().api_keys.front().not_after = At(kNow + 10);
  Serve();
  path.Pass(std::chrono::seconds(10));
  EXPECT_EQ(Get("/x", KeyField(till)).status, 200);
  path.Pass(std::chrono::seconds(1));
  EXPECT_EQ(Get("/x", KeyField(till)).status, 401);
}

TEST_F(CredentialsTest, TwoKeysLiveAtOnce) {
  const GeneratedApiKey next = GenerateApiKey();
  Shop().api_keys.push_back(Key(next, "till-2"));
  Serve();
  EXPECT_EQ(Get("/x", KeyField(till)).status, 200);
  EXPECT_EQ(Get("/x", KeyField(next)).status, 200);
}

TEST_F(CredentialsTest, AClientCannotNameItsConsumer) {
  DataPath::RouteOf(policy).is_public = true;
  Serve();
  EXPECT_EQ(Get("/x", "X-Tollgate-Consumer: root\r\n").status, 200);
  EXPECT_THAT(a.All(), Not(HasSubstr("root")));
}

TEST_F(CredentialsTest, AnIdempotencyKeyThatIsRequiredMustBeThere) {
  DataPath::RouteOf(policy).idempotency = {.header = "idempotency-key", .required = true};
  Serve();
  ExpectRefused(Get("/x", Bearer()), 400, "idempotency_key");
  ExpectRefused(Get("/x", absl::StrCat(Bearer(), "Idempotency-Key: \r\n")), 400, "idempotency_key");
  ExpectRefused(Get("/x", absl::StrCat(Bearer(), "Idempotency-Key: a\r\nIdempotency-Key: b\r\n")),
                400, "idempotency_key");
  EXPECT_EQ(Get("/x", absl::StrCat(Bearer(), "Idempotency-Key: a\r\n")).status, 200);
  EXPECT_THAT(a.All(), HasSubstr("idempotency-key: a\r\n"));  // forwarded as it came
}

}  // namespace
}  // namespace tollgate::proxy
