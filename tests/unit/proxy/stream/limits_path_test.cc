// Limits in depth on the whole data path: composite keys, requests in progress, costs, fields for
// clients, shadow mode.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/path_test.h"
#include "tests/unit/proxy/auth/token_maker.h"

namespace tollgate::proxy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class LimitsPathTest : public PathTest {
 protected:
  LimitsPathTest() : policy(DataPath::PublicPolicy({a.address()})) {
    policy.issuers["bank-login"] = tokens.policy;
    Api().authenticate = {{AuthenticatorPolicy::Kind::kJwt, "bank-login", ""}};
    Consumer("shop-42").plan = "standard";
    Consumer("shop-43").plan = "standard";
    Route().is_public = false;
    Route().require = {"payments.read"};
    PlanPolicy& plan = Plan();
    plan.name = "standard";
    plan.windows = {{2, minutes(1)}};
  }
  ApiBindingPolicy& Api() { return policy.listeners["in"].apis.front(); }
  RoutePolicy& Route() { return DataPath::RouteOf(policy); }
  PlanPolicy& Plan() { return policy.plans["standard"]; }
  ConsumerPolicy& Consumer(const std::string& name) {
    ConsumerPolicy& consumer = policy.consumers[name];
    consumer.name = name;
    consumer.grants = {"payments.read"};
    consumer.tokens = {{"bank-login", name}};
    return consumer;
  }
  std::string BearerOf(const char* consumer) {
    tokens.claims["client_id"] = absl::StrCat("\"", consumer, "\"");
    return absl::StrCat("Authorization: Bearer ", tokens.Token(), "\r\n");
  }
  // The route's limit in the place of the callers'.
  void OnlyTheRouteHasAPlan() {
    for (auto& [name, consumer] : policy.consumers) consumer.plan.clear();
    Route().plan = "standard";
  }
  Answer Post(absl::string_view body, absl::string_view fields,
              absl::string_view type = "Content-Type: application/json\r\n") {
    return Ask(absl::StrCat("POST /x HTTP/1.1\r\nHost: pay.example\r\n", fields, type,
                            "Content-Length: ", body.size(), "\r\n\r\n", body));
  }
  size_t InProgress() { return path.limits.concurrency().keys(); }

  TokenMaker tokens;
  Policy policy;
};

// --- Keys.

TEST_F(LimitsPathTest, ACompositeKeyCountsEachCombination) {
  RoutePolicy other = Route();
  Route().path = "/a/**";
  other.name = "other";
  other.path = "/b/**";
  policy.route_tables["api/v1"].routes.push_back(other);
  Plan().per = {LimitKey::kConsumer, LimitKey::kRoute};
  Plan().windows = {{1, minutes(1)}};
  path.Adopt(policy);
  for (const char* consumer : {"shop-42", "shop-43"}) {
    for (const char* target : {"/a/x", "/b/x"}) {
      EXPECT_EQ(Get(target, BearerOf(consumer)).status, 200) << consumer << target;
      EXPECT_EQ(Get(target, BearerOf(consumer)).status, 429) << consumer << target;
    }
  }
  Plan().per = {LimitKey::kConsumer, LimitKey::kApi};
  Plan().name = "by-api";
  path.Adopt(policy);
  EXPECT_EQ(Get("/a/x", BearerOf("shop-42")).status, 200);
  EXPECT_EQ(Get("/b/x", BearerOf("shop-42")).status, 429);
}

TEST_F(LimitsPathTest, ConsumersAndClaimsWithColonsInThemAreNotConfused) {
  Plan().per = {LimitKey::kConsumer, LimitKeyPart(LimitKey::kClaim, "tenant")};
  Plan().windows = {{1, minutes(1)}};
  Consumer("a").plan = "standard";
  Consumer("a:b").plan = "standard";
  path.Adopt(policy);
  tokens.claims["tenant"] = "\"b:c\"";
  EXPECT_EQ(Get("/x", BearerOf("a")).status, 200);
  tokens.claims["tenant"] = "\"c\"";
  EXPECT_EQ(Get("/x", BearerOf("a:b")).status, 200);
  EXPECT_EQ(Get("/x", BearerOf("a:b")).status, 429);
}

TEST_F(LimitsPathTest, WhatOneIssuerClaimsIsNotWhatAnotherClaims) {
  TokenMaker other;
  other.policy.name = "shop-login";
  other.policy.issuer = "https://login.shop.example/";
  other.claims["iss"] = "\"https://login.shop.example/\"";
  policy.issuers["shop-login"] = other.policy;
  Api().authenticate.push_back({AuthenticatorPolicy::Kind::kJwt, "shop-login", ""});
  policy.consumers["shop-42"].tokens.push_back({"shop-login", "shop-42"});
  Plan().per = {LimitKeyPart(LimitKey::kClaim, "tenant")};
  Plan().windows = {{1, minutes(1)}};
  path.Adopt(policy);
  for (const char* tenant : {"\"acme\"", "null", "[\"acme\"]", "7"}) {
    tokens.claims["tenant"] = other.claims["tenant"] = tenant;
    const std::string theirs = absl::StrCat("Authorization: Bearer ", other.Token(), "\r\n");
    const bool first_without = absl::string_view(tenant) != "[\"acme\"]";
    EXPECT_EQ(Get("/x", BearerOf("shop-42")).status, first_without ? 200 : 429) << tenant;
    EXPECT_EQ(Get("/x", BearerOf("shop-43")).status, 429) << tenant;
    EXPECT_EQ(Get("/x", theirs).status, first_without ? 200 : 429) << tenant;
    EXPECT_EQ(Get("/x", theirs).status, 429) << tenant;
  }
}

TEST_F(LimitsPathTest, AddressesOfOneSlash64AreOneAndThePrefixMayBeAnother) {
  Plan().per = {LimitKey::kAddress};
  Plan().windows = {{1, minutes(1)}};
  for (auto& [name, consumer] : policy.consumers) consumer.plan.clear();
  Api().address_plan = "standard";
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  EXPECT_EQ(Get("/x", shop, "[2001:db8:1:2::1]:1").status, 200);
  EXPECT_EQ(Get("/x", shop, "[2001:db8:1:2:ffff::9]:1").status, 429);
  EXPECT_EQ(Get("/x", shop, "[2001:db8:1:3::1]:1").status, 200);
  EXPECT_EQ(Get("/x", shop, "192.0.2.1:1").status, 200);
  EXPECT_EQ(Get("/x", shop, "[::ffff:192.0.2.1]:1").status, 429) << "the same, mapped";
  Plan().ipv6_prefix = 48;
  Plan().ipv4_prefix = 24;
  path.Adopt(policy);
  EXPECT_EQ(Get("/x", shop, "[2001:db8:2:3::1]:1").status, 200);
  EXPECT_EQ(Get("/x", shop, "[2001:db8:2:4::1]:1").status, 429);
  EXPECT_EQ(Get("/x", shop, "198.51.100.1:1").status, 200);
  EXPECT_EQ(Get("/x", shop, "198.51.100.2:1").status, 429);
}

TEST_F(LimitsPathTest, ARoutesPlanByCallerIsAskedOnceTheCallerIsKnown) {
  OnlyTheRouteHasAPlan();
  Plan().per = {LimitKey::kRoute, LimitKey::kConsumer};
  Plan().windows = {{1, minutes(1)}};
  path.Adopt(policy);
  EXPECT_EQ(Get("/x").status, 401);
  EXPECT_EQ(Get("/x").status, 401) << "strangers use nothing up";
  EXPECT_EQ(Get("/x", BearerOf("shop-42")).status, 200);
  EXPECT_EQ(Get("/x", BearerOf("shop-42")).status, 429);
  EXPECT_EQ(Get("/x", BearerOf("shop-43")).status, 200);
}

TEST_F(LimitsPathTest, StrangersUseUpNothingThatIsCountedForARouteAsAWhole) {
  OnlyTheRouteHasAPlan();
  for (const LimitKey key : {LimitKey::kRoute, LimitKey::kApi}) {
    Plan().name = key == LimitKey::kRoute ? "by-route" : "by-api";
    Plan().per = {key};
    Plan().windows = {{1, minutes(1)}};
    path.Adopt(policy);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(Get("/x").status, 401);
    EXPECT_EQ(Get("/x", BearerOf("shop-42")).status, 200);
    EXPECT_EQ(Get("/x", BearerOf("shop-43")).status, 429);
  }
  Plan().name = "by-address";
  Plan().per = {LimitKey::kRoute, LimitKey::kAddress};
  path.Adopt(policy);
  EXPECT_EQ(Get("/x").status, 401);
  EXPECT_EQ(Get("/x").status, 429) << "guessing is limited by address";
}

TEST_F(LimitsPathTest, WhatIsPublicIsLimitedForAllTogether) {
  OnlyTheRouteHasAPlan();
  Route().is_public = true;
  Route().require.clear();
  Plan().per = {LimitKey::kRoute};
  Plan().windows = {{1, minutes(1)}};
  path.Adopt(policy);
  EXPECT_EQ(Get("/x").status, 200);
  EXPECT_EQ(Get("/x", "", "192.0.2.8:1").status, 429);
}

// A request to one plan, though that is named in several places.

TEST_F(LimitsPathTest, AConsumersPlanThatIsTheRoutesAsWellCountsTheRequestOnce) {
  Route().plan = "standard";
  Plan().windows = {{2, minutes(1)}};
  Plan().concurrency = 1;
  Plan().headers = LimitHeaders::kDraft10;
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  const Answer first = Get("/x", shop);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.Field("ratelimit"), "\"m\";r=1;t=60, \"concurrency\";r=0");
  EXPECT_EQ(Get("/x", shop).status, 200);
  EXPECT_EQ(Get("/x", shop).status, 429);
  EXPECT_EQ(path.limits.Stats().refused, 1u);
}

TEST_F(LimitsPathTest, AnAddressesPlanThatIsTheRoutesAsWellCountsTheRequestOnce) {
  OnlyTheRouteHasAPlan();
  Api().address_plan = "standard";
  Plan().per = {LimitKey::kAddress};
  Plan().windows = {{3, minutes(1)}};
  Plan().concurrency = 1;
  Plan().headers = LimitHeaders::kDraft10;
  Route().cost.units = 2;
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  const Answer first = Get("/x", shop);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.Field("ratelimit"), "\"address-m\";r=1;t=60, \"address-concurrency\";r=0");
  EXPECT_EQ(Get("/x", shop).status, 429) << "the larger of the two costs";
}

TEST_F(LimitsPathTest, APlanInAllThreePlacesCountsTheRequestOnce) {
  Api().address_plan = "standard";
  Route().plan = "standard";
  Plan().per = {LimitKey::kAddress};
  Plan().windows = {{6, minutes(1)}};
  Plan().concurrency = 1;
  Route().cost.units = 2;
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get("/x", shop).status, 200) << i;
  EXPECT_EQ(Get("/x", shop).status, 429);
  Route().plan.clear();
  path.Adopt(policy);
  EXPECT_EQ(Get("/x", shop, "192.0.2.8:1").status, 200);
  EXPECT_EQ(Get("/x", shop, "192.0.2.8:1").status, 200);
  EXPECT_EQ(Get("/x", shop, "192.0.2.8:1").status, 200) << "1 for the address, 1 more by cost";
  EXPECT_EQ(Get("/x", shop, "192.0.2.8:1").status, 429);
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(LimitsPathTest, WhatTheRouteRefusesCostsTheCallerNothing) {
  PlanPolicy& route = policy.plans["route"];
  route.name = "route";
  route.windows = {{1, minutes(1)}};
  route.per = {LimitKey::kRoute, LimitKey::kConsumer};
  Route().plan = "route";
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  EXPECT_EQ(Get("/x", shop).status, 200);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Get("/x", shop).status, 429);
  Route().plan.clear();
  path.Adopt(policy);
  EXPECT_EQ(Get("/x", shop).status, 200) << "the second of two in its own plan";
  EXPECT_EQ(Get("/x", shop).status, 429);
}

// --- Requests in progress.

class ConcurrencyPathTest : public LimitsPathTest {
 protected:
  ConcurrencyPathTest() {
    Plan().windows.clear();
    Plan().concurrency = 1;
    path.Adopt(policy);
    shop = BearerOf("shop-42");
  }
  // A request that the upstream has and does not answer.
  std::unique_ptr<Peer> Start() {
    auto client = path.Connect();
    client->Send(absl::StrCat("GET /slow HTTP/1.1\r\nHost: pay.example\r\n", shop, "\r\n"));
    EXPECT_TRUE(UpstreamHas(a, "GET /slow"));
    EXPECT_EQ(InProgress(), 1u);
    return client;
  }
  // The upstream answers nothing meanwhile.
  void ExpectFull() {
    auto client = path.Connect();
    client->Send(absl::StrCat("GET /x HTTP/1.1\r\nHost: x\r\n", shop, "\r\n"));
    ASSERT_TRUE(path.RunUntil([&] { return TakeApart(client->Got()).has_value(); }));
    const Answer answer = *TakeApart(client->Got());
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.Field("retry-after"), "1");
    EXPECT_THAT(answer.body, HasSubstr("\"code\":\"concurrency_exceeded\""));
  }
  std::string shop;
};

TEST_F(ConcurrencyPathTest, ASecondRequestIsRefusedUntilTheFirstHasFinished) {
  auto client = Start();
  ExpectFull();
  EXPECT_EQ(InProgress(), 1u) << "a refused request gives back no place that it never had";
  auto other = path.Connect();
  other->Send(absl::StrCat("GET /other HTTP/1.1\r\nHost: x\r\n", BearerOf("shop-43"), "\r\n"));
  ASSERT_TRUE(UpstreamHas(a, "GET /other"));
  EXPECT_EQ(InProgress(), 2u) << "each caller for itself";
  AnswerUpstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
  ASSERT_TRUE(path.Receives(*other, "ok"));
  EXPECT_EQ(InProgress(), 0u);
  EXPECT_EQ(Get("/x", shop).status, 200);
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(ConcurrencyPathTest, APlaceIsFreeWhenTheClientIsGone) {
  auto client = Start();
  client->Close();
  AnswerUpstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");  // nobody takes it
  path.Settle();
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(ConcurrencyPathTest, APlaceIsFreeWhenTheUpstreamBreaksOff) {
  auto client = Start();
  Upstream(a).Reset();
  ASSERT_TRUE(path.Receives(*client, "502"));
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(ConcurrencyPathTest, APlaceIsFreeWhenTheResponseBreaksOffHalfway) {
  auto client = Start();
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
  ASSERT_TRUE(path.Receives(*client, "half"));
  EXPECT_EQ(InProgress(), 1u) << "until its end";
  Upstream(a).Reset();
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(ConcurrencyPathTest, APlaceIsFreeAfterATimeout) {
  auto client = Start();
  path.Pass(seconds(16));
  ASSERT_TRUE(path.Receives(*client, "504"));
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(ConcurrencyPathTest, APlaceIsFreeWhenTheConnectionsAreCut) {
  auto client = Start();
  path.CloseConnections();
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(ConcurrencyPathTest, APlaceIsFreeWhenALaterLimitRefuses) {
  Plan().windows = {{1, minutes(1)}};
  path.Adopt(policy);
  EXPECT_EQ(Get("/x", shop).status, 200);
  EXPECT_THAT(Get("/x", shop).body, HasSubstr("limit_exceeded"));
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(ConcurrencyPathTest, ATokenThatIsRevokedFreesItsPlace) {
  auto client = Start();
  TokenDenial denial;
  denial.token = {tokens.policy.issuer, DeniedClaim::kClient, "shop-42"};
  path.Deny({}, {denial});
  ASSERT_TRUE(path.Receives(*client, "401"));
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(ConcurrencyPathTest, APlanThatIsPushedCountsWhatIsInProgress) {
  auto client = Start();
  Policy next = policy;
  next.plans["standard"].concurrency = 2;
  path.Adopt(next);
  auto second = path.Connect();
  second->Send(absl::StrCat("GET /second HTTP/1.1\r\nHost: x\r\n", shop, "\r\n"));
  ASSERT_TRUE(UpstreamHas(a, "GET /second"));
  path.Adopt(policy);
  ExpectFull();
  AnswerUpstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
  ASSERT_TRUE(path.Receives(*second, "ok"));
  EXPECT_EQ(InProgress(), 0u);
}

// --- Costs.

class CostPathTest : public LimitsPathTest {
 protected:
  CostPathTest() {
    Plan().windows = {{100, minutes(1)}};
    Plan().algorithm = LimitAlgorithm::kGcra;
    Route().cost = {.units = 0, .json = "/amount", .divide = 10, .max_body_bytes = 64};
    path.Adopt(policy);
    shop = BearerOf("shop-42");
  }
  std::string shop;
};

TEST_F(CostPathTest, ARouteMayCostMoreThanOne) {
  Route().cost = CostPolicy();
  Route().cost.units = 40;
  path.Adopt(policy);
  EXPECT_EQ(Get("/x", shop).status, 200);
  EXPECT_EQ(Get("/x", shop).status, 200);
  const Answer answer = Get("/x", shop);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.Field("retry-after"), "12") << "20 units are missing, 0.6 s each";
}

TEST_F(CostPathTest, TheBodySaysWhatARequestCosts) {
  EXPECT_EQ(Post(R"({"amount": 601})", shop).status, 200);
  EXPECT_THAT(a.All(), HasSubstr(R"({"amount": 601})")) << "passed on as it was";
  const Answer answer = Post(R"({"amount": 400})", shop);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.Field("retry-after"), "1") << "39 of the 40 units are there";
  EXPECT_EQ(Post(R"({"amount": 390})", shop).status, 200);
}

TEST_F(CostPathTest, TheBodyMayComeInPieces) {
  auto client = path.Connect();
  client->Send(absl::StrCat("POST /x HTTP/1.1\r\nHost: x\r\n", shop,
                            "Content-Type: application/json\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"amo\r\n"));
  path.Settle();
  EXPECT_EQ(a.All(), "") << "nothing goes upstream before it is charged";
  client->Send("8\r\nunt\": 9}\r\n0\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "unt\": 9}"));
  AnswerUpstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_TRUE(path.Receives(*client, "ok"));
}

TEST_F(CostPathTest, AClientThatWaitsToBeAskedForTheBodyIsAsked) {
  auto client = path.Connect();
  client->Send(absl::StrCat("POST /x HTTP/1.1\r\nHost: x\r\n", shop,
                            "Content-Type: application/json\r\n"
                            "Expect: 100-continue\r\nContent-Length: 13\r\n\r\n"));
  ASSERT_TRUE(path.Receives(*client, "100 Continue"));
  client->Send(R"({"amount": 9})");
  EXPECT_TRUE(UpstreamHas(a, R"({"amount": 9})"));
}

TEST_F(CostPathTest, WhatCannotBeReadIsRefusedBeforeAnythingIsSent) {
  const std::pair<const char*, const char*> bad[] = {
      {"", "cost_not_json"},
      {"amount=5", "cost_not_json"},
      {R"({"amount": 1, "amount": 900})", "cost_not_json"},
      {R"({"Amount": 5})", "cost_missing"},
      {R"({"amount": -5})", "cost_not_a_number"},
      {R"({"amount": null})", "cost_not_a_number"},
  };
  for (const auto& [body, code] : bad) {
    const Answer answer = Post(body, shop);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.body, HasSubstr(absl::StrCat("\"code\":\"", code, "\""))) << body;
    EXPECT_FALSE(answer.Has("retry-after"));
  }
  EXPECT_EQ(Get("/x", shop).status, 400) << "no body at all";
  EXPECT_EQ(a.All(), "");
  EXPECT_EQ(Post(R"({"amount": 1000})", shop).status, 200) << "and costs nothing";
}

TEST_F(CostPathTest, ABodyThatDoesNotCallItselfJsonIsNotReadAsJson) {
  for (const char* type :
       {"", "Content-Type: text/plain\r\n", "Content-Type: application/json; charset=utf-16\r\n",
        "Content-Type: application/json\r\nContent-Type: application/xml\r\n"}) {
    const Answer answer = Post(R"({"amount": 5})", shop, type);
    EXPECT_EQ(answer.status, 400) << type;
    EXPECT_THAT(answer.body, HasSubstr("\"code\":\"cost_not_json\"")) << type;
  }
  EXPECT_EQ(a.All(), "");
  EXPECT_EQ(Post(R"({"amount": 5})", shop, "Content-Type: application/vnd.shop+json\r\n").status,
            200);
}

TEST_F(CostPathTest, ANameThatDiffersInCaseDoesNotHideTheAmount) {
  const Answer answer = Post(R"({"amount": 1, "Amount": 1000000})", shop);
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("\"code\":\"cost_not_json\""));
  EXPECT_EQ(a.All(), "");
}

TEST_F(CostPathTest, WhoHasNoRoomForOneUnitNeedNotSendTheBody) {
  EXPECT_EQ(Post(R"({"amount": 1000})", shop).status, 200);
  auto client = path.Connect();
  client->Send(absl::StrCat("POST /x HTTP/1.1\r\nHost: x\r\n", shop,
                            "Content-Type: application/json\r\nContent-Length: 20\r\n\r\n"));
  EXPECT_TRUE(path.Receives(*client, "429"));
  EXPECT_EQ(path.limits.Stats().refused, 1u);
  path.Pass(seconds(1));
  EXPECT_EQ(Post(R"({"amount": 10})", shop).status, 200) << "and it has cost nothing";
}

TEST_F(CostPathTest, AnAddressesPlanThatTheBodyChargesAsWellTakesTheLargerCost) {
  OnlyTheRouteHasAPlan();
  Plan().per = {LimitKey::kAddress};
  Plan().concurrency = 1;
  Api().address_plan = "standard";
  path.Adopt(policy);
  EXPECT_EQ(Post(R"({"amount": 1010})", shop).status, 403) << "1 for the attempt";
  EXPECT_EQ(Post(R"({"amount": 980})", shop).status, 200) << "1 for the attempt, 97 more";
  EXPECT_EQ(Post(R"({"amount": 10})", shop).status, 200);
  EXPECT_EQ(Post(R"({"amount": 10})", shop).status, 429);
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(CostPathTest, ACallersPlanThatTheBodyChargesAsTheRoutesTakesTheLargerCost) {
  Route().plan = "standard";
  Plan().concurrency = 1;
  path.Adopt(policy);
  EXPECT_EQ(Post(R"({"amount": 990})", shop).status, 200);
  EXPECT_EQ(Post(R"({"amount": 10})", shop).status, 200);
  EXPECT_EQ(Post(R"({"amount": 10})", shop).status, 429);
}

TEST_F(CostPathTest, ABodyThatIsTooLargeToBeReadIsRefused) {
  const std::string body = absl::StrCat(R"({"amount": 5, "x": ")", std::string(50, 'x'), R"("})");
  EXPECT_EQ(Post(body, shop).status, 413);
  auto client = path.Connect();
  client->Send(absl::StrCat("POST /x HTTP/1.1\r\nHost: x\r\n", shop,
                            "Content-Type: application/json\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n41\r\n",
                            std::string(65, ' ')));
  EXPECT_TRUE(path.Receives(*client, "413"));
  EXPECT_EQ(a.All(), "");
}

TEST_F(CostPathTest, ACostThatNoWindowEverAdmitsIsRefusedForGood) {
  const Answer answer = Post(R"({"amount": 1001})", shop);
  EXPECT_EQ(answer.status, 403);
  EXPECT_FALSE(answer.Has("retry-after"));
  EXPECT_THAT(answer.body, AllOf(HasSubstr("\"code\":\"cost_too_large\""),
                                 HasSubstr("costs 101 units"), HasSubstr("more than 100")));
  Route().cost.max = 50;
  path.Adopt(policy);
  EXPECT_EQ(Post(R"({"amount": 501})", shop).status, 403);
  EXPECT_EQ(Post(R"({"amount": 500})", shop).status, 200);
  EXPECT_THAT(a.All(), Not(HasSubstr("501")));
}

TEST_F(CostPathTest, NobodysBodyIsReadBeforeItIsKnownWhoSentIt) {
  OnlyTheRouteHasAPlan();
  Plan().per = {LimitKey::kRoute};
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n");
  EXPECT_TRUE(path.Receives(*client, "401"));
  EXPECT_EQ(Post(R"({"amount": 1000})", BearerOf("shop-42")).status, 200);
  EXPECT_EQ(Post(R"({"amount": 10})", BearerOf("shop-43")).status, 429) << "one for all";
}

TEST_F(CostPathTest, WhatTheBodySaysIsTakenFromTheRoutesPlanIfThereIsOne) {
  PlanPolicy& amounts = policy.plans["amounts"];
  amounts.name = "amounts";
  amounts.windows = {{100, minutes(1)}};
  amounts.per = {LimitKey::kConsumer, LimitKey::kRoute};
  Route().plan = "amounts";
  Plan().algorithm = LimitAlgorithm::kSlidingWindow;
  Plan().windows = {{3, minutes(1)}};
  path.Adopt(policy);
  EXPECT_EQ(Post(R"({"amount": 400})", shop).status, 200);
  EXPECT_EQ(Post(R"({"amount": 500})", shop).status, 200);
  EXPECT_EQ(Post(R"({"amount": 200})", shop).status, 429);
  EXPECT_THAT(path.LogText(), HasSubstr("\"plan\":\"amounts\""));
  EXPECT_EQ(Post(R"({"amount": 10})", shop).status, 200) << "the third request of the caller";
  EXPECT_EQ(Post(R"({"amount": 10})", shop).status, 429);
  EXPECT_THAT(path.LogText(), HasSubstr("\"plan\":\"standard\""));
}

TEST_F(CostPathTest, ABodyThatAShadowedPlanCannotReadIsStillARequestOfItsCaller) {
  PlanPolicy& amounts = policy.plans["amounts"];
  amounts.name = "amounts";
  amounts.windows = {{100, minutes(1)}};
  amounts.per = {LimitKey::kRoute};
  amounts.shadow = true;
  Route().plan = "amounts";
  Plan().windows = {{1, minutes(1)}};
  path.Adopt(policy);
  EXPECT_EQ(Post("nonsense", shop).status, 200);
  EXPECT_EQ(Post(std::string(500, 'x'), shop).status, 429);
}

TEST_F(CostPathTest, ABodyIsNotReadForNobodysLimit) {
  for (auto& [name, consumer] : policy.consumers) consumer.plan.clear();
  path.Adopt(policy);
  EXPECT_EQ(Post("amount=5", shop).status, 200);
}

TEST_F(CostPathTest, TheAddressPaysForTheAttemptNotForTheAmount) {
  PlanPolicy& guesses = policy.plans["guesses"];
  guesses.name = "guesses";
  guesses.windows = {{3, minutes(1)}};
  guesses.per = {LimitKey::kAddress};
  Api().address_plan = "guesses";
  path.Adopt(policy);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Post(R"({"amount": 100})", shop).status, 200);
  EXPECT_EQ(Post(R"({"amount": 100})", shop).status, 429);
}

// --- What strangers are told.

TEST_F(LimitsPathTest, StrangersAreNotToldWhatAPlanIsCalledAndHowMuchItAllows) {
  for (auto& [name, consumer] : policy.consumers) consumer.plan.clear();
  Plan().per = {LimitKey::kAddress};
  Plan().windows = {{1, minutes(1)}};
  Api().address_plan = "standard";
  path.Adopt(policy);
  EXPECT_EQ(Get("/x").status, 401);
  const Answer refused = Get("/x");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Field("retry-after"), "60");
  EXPECT_THAT(refused.body, AllOf(HasSubstr("Too many requests; try again in 60 s."),
                                  Not(HasSubstr("standard"))));
  Plan().headers = LimitHeaders::kDraft10;
  path.Adopt(policy);
  EXPECT_THAT(Get("/x").body, HasSubstr("The limit of plan standard is used up"));
}

TEST_F(ConcurrencyPathTest, StrangersAreNotToldHowManyMayBeInProgress) {
  for (auto& [name, consumer] : policy.consumers) consumer.plan.clear();
  Plan().per = {LimitKey::kAddress};
  Api().address_plan = "standard";
  path.Adopt(policy);
  auto client = Start();
  auto other = path.Connect();
  other->Send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(path.Receives(*other, "concurrency_exceeded"));
  EXPECT_THAT(other->Got(),
              AllOf(HasSubstr("Too many requests are in progress"), Not(HasSubstr("standard"))));
}

TEST_F(LimitsPathTest, CallersThatAreKnownAreToldWhichPlanRefuses) {
  Plan().windows = {{1, minutes(1)}};
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  Get("/x", shop);
  EXPECT_THAT(Get("/x", shop).body, HasSubstr("The limit of plan standard is used up"));
}

// --- Fields for clients.

TEST_F(LimitsPathTest, ClientsAreToldOfTheirLimitsWhenThePlanSaysSo) {
  path.Adopt(policy);
  EXPECT_FALSE(Get("/x", BearerOf("shop-43")).Has("ratelimit"));
  Plan().headers = LimitHeaders::kDraft10;
  Plan().windows = {{2, seconds(10)}, {5, minutes(1)}};
  Plan().concurrency = 3;
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  const Answer served = Get("/x", shop);
  EXPECT_EQ(served.Field("ratelimit-policy"),
            "\"10s\";q=2;w=10, \"m\";q=5;w=60, \"concurrency\";q=3;qu=\"concurrent-requests\"");
  EXPECT_EQ(served.Field("ratelimit"), "\"10s\";r=1;t=10, \"concurrency\";r=2");
  EXPECT_FALSE(served.Has("retry-after"));
  path.Pass(seconds(4));
  Get("/x", shop);
  const Answer refused = Get("/x", shop);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Field("ratelimit"), "\"10s\";r=0;t=6, \"concurrency\";r=2");
  EXPECT_EQ(refused.Field("retry-after"), "6");
  EXPECT_TRUE(refused.Has("ratelimit-policy"));
  EXPECT_THAT(refused.body,
              AllOf(HasSubstr("\"type\":\"https://iana.org/assignments/http-problem-types"
                              "#quota-exceeded\""),
                    HasSubstr("\"violated-policies\":[\"10s\"]"),
                    HasSubstr("\"code\":\"limit_exceeded\"")));
}

TEST_F(LimitsPathTest, OnlyAnswersThatCountedTellAndTheServiceDoesNotContradict) {
  Plan().headers = LimitHeaders::kDraft10;
  path.Adopt(policy);
  const std::string request =
      absl::StrCat("GET /x HTTP/1.1\r\nHost: x\r\n", BearerOf("shop-42"), "\r\n");
  const Answer own =
      Ask(request, "192.0.2.7:1",
          "HTTP/1.1 200 OK\r\nratelimit: \"theirs\";r=9\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_EQ(own.Field("ratelimit"), "\"m\";r=1;t=60");
  EXPECT_THAT(own.head, Not(HasSubstr("theirs")));
  const Answer failed =
      Ask(request, "192.0.2.7:1", "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno");
  EXPECT_FALSE(failed.Has("ratelimit"));
  EXPECT_FALSE(failed.Has("ratelimit-policy"));
  EXPECT_EQ(Get("/x").status, 401);
}

TEST_F(LimitsPathTest, ThePlansOfARequestHaveNamesOfTheirOwn) {
  Plan().headers = LimitHeaders::kDraft10;
  for (const auto& [name, key] :
       {std::pair("addresses", LimitKey::kAddress), std::pair("routes", LimitKey::kRoute)}) {
    PlanPolicy& plan = policy.plans[name];
    plan.name = name;
    plan.windows = {{9, minutes(1)}};
    plan.per = {key};
    plan.headers = LimitHeaders::kDraft10;
  }
  Api().address_plan = "addresses";
  Route().plan = "routes";
  path.Adopt(policy);
  const Answer answer = Get("/x", BearerOf("shop-42"));
  EXPECT_EQ(answer.Field("ratelimit-policy"),
            "\"address-m\";q=9;w=60, \"route-m\";q=9;w=60, \"m\";q=2;w=60");
  EXPECT_THAT(answer.Field("ratelimit"),
              AllOf(HasSubstr("\"address-m\";r=8"), HasSubstr("\"m\";r=1")));
}

// --- Shadow mode.

TEST_F(LimitsPathTest, InShadowModeAPlanCountsLogsAndRefusesNothing) {
  Plan().shadow = true;
  Plan().headers = LimitHeaders::kDraft10;
  Plan().concurrency = 1;
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  for (int i = 0; i < 5; ++i) {
    const Answer answer = Get("/x", shop);
    EXPECT_EQ(answer.status, 200);
    EXPECT_FALSE(answer.Has("ratelimit")) << "it promises nothing either";
  }
  EXPECT_EQ(path.limits.Stats().shadow_refused, 3u);
  EXPECT_EQ(path.limits.Stats().refused, 0u);
  EXPECT_EQ(CountOf(path.LogText(), "\"shadow_plan\":\"standard\""), 3u);
  EXPECT_THAT(path.LogText(), Not(HasSubstr("\"plan\":")));
  Plan().shadow = false;
  path.Adopt(policy);
  EXPECT_EQ(Get("/x", shop).status, 429) << "what was counted in shadow mode counts";
  EXPECT_THAT(path.LogText(), HasSubstr("\"reason\":\"limit_exceeded\",\"plan\":\"standard\""));
}

TEST_F(LimitsPathTest, InShadowModeNoPlaceIsRefused) {
  Plan().windows.clear();
  Plan().concurrency = 1;
  Plan().shadow = true;
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  auto client = path.Connect();
  client->Send(absl::StrCat("GET /slow HTTP/1.1\r\nHost: x\r\n", shop, "\r\n"));
  ASSERT_TRUE(UpstreamHas(a, "GET /slow"));
  auto second = path.Connect();
  second->Send(absl::StrCat("GET /second HTTP/1.1\r\nHost: x\r\n", shop, "\r\n"));
  EXPECT_TRUE(UpstreamHas(a, "GET /second"));
  EXPECT_EQ(path.limits.concurrency().shadow_refused(), 1u);
  path.CloseConnections();
  EXPECT_EQ(InProgress(), 0u);
}

TEST_F(CostPathTest, InShadowModeNoBodyIsRefusedHoweverItLooks) {
  Plan().shadow = true;
  path.Adopt(policy);
  EXPECT_EQ(Post("amount=5", shop).status, 200);
  EXPECT_EQ(Post(R"({"amount": 99999})", shop).status, 200);
  EXPECT_EQ(Post(std::string(500, 'x'), shop).status, 200);
  EXPECT_EQ(CountOf(path.LogText(), "\"shadow_plan\":\"standard\""), 3u);
  EXPECT_EQ(Post(R"({"amount": 5})", shop).status, 200);
  EXPECT_EQ(CountOf(path.LogText(), "\"shadow_plan\":\"standard\""), 3u);
}

TEST_F(CostPathTest, InShadowModeNothingIsReportedOfABodyThatNobodyLookedAt) {
  Plan().shadow = true;
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(absl::StrCat("POST /x HTTP/1.1\r\nHost: x\r\n", shop,
                            "Content-Type: application/json\r\n"
                            "Transfer-Encoding: chunked\r\n\r\nd\r\n{\"amount\": 5}\r\n"
                            "0\r\n\r\n"));
  ASSERT_TRUE(UpstreamHas(a, "{\"amount\": 5}"));
  AnswerUpstream("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  ASSERT_TRUE(path.Receives(*client, "ok"));
  path.Settle();
  EXPECT_THAT(path.LogText(), AllOf(HasSubstr("\"status\":200"), Not(HasSubstr("shadow_plan"))));
  EXPECT_EQ(path.limits.Stats().shadow_refused, 0u);
}

TEST_F(LimitsPathTest, APlanBehindAShadowedOneIsStillEnforced) {
  PlanPolicy& trial = policy.plans["trial"];
  trial.name = "trial";
  trial.windows = {{1, minutes(1)}};
  trial.per = {LimitKey::kRoute};
  trial.shadow = true;
  Route().plan = "trial";
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  EXPECT_EQ(Get("/x", shop).status, 200);
  EXPECT_EQ(Get("/x", shop).status, 200);
  EXPECT_EQ(Get("/x", shop).status, 429);
  EXPECT_THAT(path.LogText(), HasSubstr("\"plan\":\"standard\",\"shadow_plan\":\"trial\""));
}

}  // namespace
}  // namespace tollgate::proxy
