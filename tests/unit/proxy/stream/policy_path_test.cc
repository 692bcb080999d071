// Limits, versions, lifecycles, response fields and refusals, on real snapshots and a fake clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/path_test.h"
#include "tests/unit/proxy/auth/token_maker.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

PlanPolicy PlanOf(const char* name, uint32_t count, LimitKey per) {
  PlanPolicy plan;
  plan.name = name;
  plan.windows = {{count, minutes(1)}};
  plan.per = {per};
  return plan;
}

class LimitPathTest : public PathTest {
 protected:
  LimitPathTest() : policy(DataPath::PublicPolicy({a.address()})) {
    policy.issuers["bank-login"] = tokens.policy;
    ApiBindingPolicy& api = policy.listeners["in"].apis.front();
    api.authenticate = {{AuthenticatorPolicy::Kind::kJwt, "bank-login", ""}};
    for (const char* name : {"shop-42", "shop-43"}) {
      ConsumerPolicy& consumer = policy.consumers[name];
      consumer.name = name;
      consumer.grants = {"payments.read"};
      consumer.tokens = {{"bank-login", name}};
      consumer.plan = "standard";
    }
    policy.plans["standard"] = PlanOf("standard", 2, LimitKey::kConsumer);
    RoutePolicy& route = DataPath::RouteOf(policy);
    route.is_public = false;
    route.require = {"payments.read"};
  }
  std::string BearerOf(const char* consumer) {
    tokens.claims["client_id"] = absl::StrCat("\"", consumer, "\"");
    return absl::StrCat("Authorization: Bearer ", tokens.Token(), "\r\n");
  }

  TokenMaker tokens;
  Policy policy;
};

TEST_F(LimitPathTest, AConsumerThatHasUsedItsPlanUpIsToldWhenToComeBack) {
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  EXPECT_EQ(Get("/x", shop).status, 200);
  path.Pass(seconds(10));
  EXPECT_EQ(Get("/x", shop).status, 200);
  const Answer answer = Get("/x", shop);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.Field("retry-after"), "50");
  EXPECT_THAT(answer.body, HasSubstr("\"code\":\"limit_exceeded\""));
  EXPECT_EQ(Get("/x", BearerOf("shop-43")).status, 200);  // another one has his own
  path.Pass(seconds(50));
  EXPECT_EQ(Get("/x", shop).status, 200);
}

TEST_F(LimitPathTest, WhatIsExhaustedStaysSoThroughAPushAndBack) {
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  Get("/x", shop);
  Get("/x", shop);
  EXPECT_EQ(Get("/x", shop).status, 429);
  Policy next = policy;
  next.epoch.release = 2;
  next.plans["standard"].response_headers = {{"x-plan", "2"}};
  DataPath::RouteOf(next).response_headers = {{"x-stamp", "2"}};
  path.Adopt(next);
  const Answer answer = Get("/x", shop);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.Field("x-stamp"), "2");
  path.Adopt(policy);
  EXPECT_EQ(Get("/x", shop).status, 429);
  next.plans["standard"].windows = {{3, minutes(1)}};  // a larger plan: what was used counts
  path.Adopt(next);
  EXPECT_EQ(Get("/x", shop).status, 200);
  EXPECT_EQ(Get("/x", shop).status, 429);
}

TEST_F(LimitPathTest, AnAddressIsLimitedBeforeItsTokenIsLookedAt) {
  policy.plans["guesses"] = PlanOf("guesses", 2, LimitKey::kAddress);
  policy.listeners["in"].apis.front().address_plan = "guesses";
  path.Adopt(policy);
  EXPECT_EQ(Get("/x").status, 401);
  EXPECT_EQ(Get("/x", "Authorization: Bearer a.b.c\r\n").status, 401);
  EXPECT_EQ(Get("/x", BearerOf("shop-42")).status, 429);
  EXPECT_EQ(Get("/x", BearerOf("shop-42"), "192.0.2.8:1").status, 200);
}

TEST_F(LimitPathTest, EveryPlanThatAppliesSetsItsFieldsAndTheMoreSpecificOneHolds) {
  policy.plans["address"] = PlanOf("address", 3, LimitKey::kAddress);
  policy.plans["address"].response_headers = {{"x-address", "1"}, {"x-plan", "address"}};
  policy.plans["route"] = PlanOf("route", 9, LimitKey::kRoute);
  policy.plans["route"].response_headers = {{"x-route", "1"}, {"x-plan", "route"}};
  policy.plans["standard"].response_headers = {{"x-plan", "standard"}};
  policy.listeners["in"].apis.front().address_plan = "address";
  DataPath::RouteOf(policy).plan = "route";
  path.Adopt(policy);
  const Answer served = Get("/x", BearerOf("shop-42"));
  EXPECT_EQ(served.status, 200);
  EXPECT_EQ(served.Field("x-address"), "1");
  EXPECT_EQ(served.Field("x-route"), "1");
  EXPECT_EQ(served.Field("x-plan"), "standard");
  const Answer unknown = Get("/x");  // refused before there is a consumer
  EXPECT_EQ(unknown.status, 401);
  EXPECT_EQ(unknown.Field("x-plan"), "route");
  Get("/x");
  const Answer refused = Get("/x");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.Field("x-address"), "1");
}

TEST_F(LimitPathTest, ARefusedRequestCostsTheConsumerNothing) {
  DataPath::RouteOf(policy).idempotency = {.header = "idempotency-key", .required = true};
  path.Adopt(policy);
  const std::string shop = BearerOf("shop-42");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Get("/x", shop).status, 400);
  EXPECT_EQ(Get("/x", shop + "Idempotency-Key: 1\r\n").status, 200);
}

TEST_F(LimitPathTest, ARouteIsLimitedForAllTogether) {
  policy.plans["route"] = PlanOf("route", 1, LimitKey::kRoute);
  DataPath::RouteOf(policy).plan = "route";
  path.Adopt(policy);
  EXPECT_EQ(Get("/x", BearerOf("shop-42")).status, 200);
  EXPECT_EQ(Get("/x", BearerOf("shop-43"), "192.0.2.8:1").status, 429);
}

TEST_F(LimitPathTest, AClientBehindATrustedHopIsLimitedByItsOwnAddress) {
  policy.plans["guesses"] = PlanOf("guesses", 1, LimitKey::kAddress);
  policy.listeners["in"].apis.front().address_plan = "guesses";
  policy.listeners["in"].trusted_hops = 1;
  path.Adopt(policy);
  EXPECT_EQ(Get("/x", "X-Forwarded-For: 198.51.100.1, 198.51.100.2\r\n").status, 401);
  // What stands before the trusted entry is a claim, and changes nothing.
  EXPECT_EQ(Get("/x", "X-Forwarded-For: 198.51.100.9, 198.51.100.2\r\n").status, 429);
  EXPECT_EQ(Get("/x", "X-Forwarded-For: 198.51.100.3\r\n").status, 401);
}

TEST_F(LimitPathTest, ATrustedHopMayWriteAddressesWithPorts) {
  policy.listeners["in"].trusted_hops = 1;
  policy.consumers["shop-42"].plan.clear();
  path.Adopt(policy);
  const std::pair<const char*, const char*> forms[] = {
      {"198.51.100.1", "198.51.100.1"},     {"198.51.100.2:4711", "198.51.100.2"},
      {"2001:db8::1", "2001:db8::1"},       {"[2001:db8::2]", "2001:db8::2"},
      {"[2001:db8::3]:443", "2001:db8::3"},
  };
  for (const auto& [written, host] : forms) {
    Get("/x", absl::StrCat(BearerOf("shop-42"), "X-Forwarded-For: ", written, "\r\n"));
    EXPECT_THAT(a.All(), HasSubstr(absl::StrCat("\r\nx-forwarded-for: ", host, "\r\n")));
  }
}

TEST_F(LimitPathTest, WhatATrustedHopWritesThatIsNoAddressIsNotBelieved) {
  policy.listeners["in"].trusted_hops = 1;
  policy.consumers["shop-42"].plan.clear();
  path.Adopt(policy);
  for (const char* written : {"shop.example:80", "unix:/run/x", "[::1", "[shop]:1", "1.2.3.4:x",
                              "shop.example", "[2001:db8::1]443", "1.2.3.4.5"}) {
    Get("/x", absl::StrCat(BearerOf("shop-42"), "X-Forwarded-For: ", written, "\r\n"));
  }
  EXPECT_EQ(CountOf(a.All(), "\r\nx-forwarded-for: 192.0.2.7\r\n"), 8u);
}

class VersionPathTest : public PathTest {
 protected:
  VersionPathTest() : policy(DataPath::PublicPolicy({a.address()})) {
    RouteTablePolicy v1 = policy.route_tables["api/v1"];
    v1.routes.front().method = "GET";
    v1.routes.front().path = "/payments/{id}";
    RouteTablePolicy v2 = v1;
    v1.state = VersionState::kDeprecated;
    v1.deprecated = At(kNow + 10);
    v1.sunset = At(kNow + 20);
    v1.successor = "v2";
    v2.name = "api/v2";
    v2.version = "v2";
    policy.route_tables = {{"api/v1", v1}, {"api/v2", v2}};
    ApiBindingPolicy& api = policy.listeners["in"].apis.front();
    api.route_tables = {"api/v1", "api/v2"};
    api.version_from.path = true;
    api.version_from.header = "x-api-version";
  }
  Policy policy;
};

TEST_F(VersionPathTest, IsChosenByPathOrHeaderAndNotByBothAtOdds) {
  path.Adopt(policy);
  EXPECT_EQ(Get("/v2/payments/7").status, 200);
  EXPECT_EQ(Get("/payments/7", "X-Api-Version: v2\r\n").status, 200);
  EXPECT_EQ(Get("/v2/payments/7", "X-Api-Version: v2\r\n").status, 200);
  const size_t before = a.All().size();
  EXPECT_THAT(Get("/v2/payments/7", "X-Api-Version: v1\r\n").body,
              HasSubstr("version_contradiction"));
  EXPECT_EQ(Get("/v2/payments/7", "X-Api-Version: v1\r\n").status, 400);
  EXPECT_EQ(Get("/payments/7", "X-Api-Version: v9\r\n").status, 400);
  EXPECT_EQ(Get("/payments/7", "X-Api-Version: v2\r\nX-Api-Version: v2\r\n").status, 400);
  EXPECT_EQ(Get("/v9/payments/7").status, 404);
  EXPECT_EQ(Get("/payments/7").status, 404);
  EXPECT_EQ(a.All().size(), before);
}

TEST_F(VersionPathTest, StripsTheVersionOnlyIfAskedTo) {
  path.Adopt(policy);
  Get("/v2/payments/7?x=1");
  EXPECT_THAT(a.All(), StartsWith("GET /v2/payments/7?x=1 HTTP/1.1\r\n"));
  policy.listeners["in"].apis.front().version_from.strip = true;
  path.Adopt(policy);
  Get("/v2/payments/8?x=1");
  EXPECT_THAT(a.All(), HasSubstr("\r\n\r\nGET /payments/8?x=1 HTTP/1.1\r\n"));
}

TEST_F(VersionPathTest, AnnouncesItsDeprecationFromThatSecondOn) {
  path.Adopt(policy);
  path.Pass(seconds(9));
  Answer answer = Get("/v1/payments/7");
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.Has("deprecation"));
  EXPECT_EQ(answer.Field("sunset"), "Tue, 14 Nov 2023 22:13:40 GMT");
  path.Pass(seconds(1));
  answer = Get("/v1/payments/7");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Field("deprecation"), "@1700000010");
  EXPECT_THAT(answer.Field("link"), HasSubstr("</v2/>; rel=\"successor-version\""));
  EXPECT_FALSE(Get("/v2/payments/7").Has("deprecation"));
}

TEST_F(VersionPathTest, IsGoneTheSecondAfterItsSunset) {
  path.Adopt(policy);
  path.Pass(seconds(20));
  EXPECT_EQ(Get("/v1/payments/7").status, 200);
  path.Pass(milliseconds(999));
  EXPECT_EQ(Get("/v1/payments/7").status, 200);
  const size_t before = a.All().size();
  path.Pass(milliseconds(1));
  const Answer answer = Get("/v1/payments/7");
  EXPECT_EQ(answer.status, 410);
  EXPECT_FALSE(answer.Has("sunset"));
  EXPECT_THAT(answer.Field("link"), HasSubstr("successor-version"));
  EXPECT_EQ(a.All().size(), before);
  EXPECT_EQ(Get("/v2/payments/7").status, 200);
}

TEST_F(VersionPathTest, NamesTheMethodsThatAResourceKnows) {
  path.Adopt(policy);
  const Answer answer = Ask("DELETE /v2/payments/7 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer.status, 405);
  EXPECT_THAT(answer.Field("allow"), HasSubstr("GET"));
  const Answer trace = Ask("TRACE /v2/payments/7 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(trace.status, 405);
  EXPECT_TRUE(trace.Has("allow"));
  EXPECT_EQ(a.All(), "");
}

TEST_F(VersionPathTest, RefusesAnEscapeThatWouldBeAnotherResourceBehind) {
  Policy plain = DataPath::PublicPolicy({a.address()});
  RoutePolicy read = DataPath::RouteOf(plain);
  read.method = "GET";
  read.path = "/payments/{id}";
  RoutePolicy verb = read;
  verb.name = "export";
  verb.path = "/payments/all:export";
  plain.route_tables.begin()->second.routes = {read, verb};
  path.Adopt(plain);
  EXPECT_EQ(Get("/payments/all:export").status, 200);
  EXPECT_EQ(Get("/payments/a%40b").status, 200);  // no literal here has an '@'
  const size_t before = a.All().size();
  const Answer escaped = Get("/payments/all%3Aexport");
  EXPECT_EQ(escaped.status, 400);
  EXPECT_THAT(escaped.body, HasSubstr("ambiguous_path"));
  EXPECT_EQ(Get("/payments/all:export;x").status, 400);
  EXPECT_EQ(Get("/payments/all:export%3bx").status, 400);
  EXPECT_EQ(a.All().size(), before);
}

TEST_F(VersionPathTest, RefusesAPathThatMayBeAnotherResourceBehind) {
  Policy plain = DataPath::PublicPolicy({a.address()});
  RoutePolicy all = DataPath::RouteOf(plain);
  all.method = "GET";
  all.path = "/payments/**";
  RoutePolicy export_all = all;
  export_all.name = "export";
  export_all.path = "/payments/export";
  plain.route_tables.begin()->second.routes = {all, export_all};
  path.Adopt(plain);
  EXPECT_EQ(Get("/payments/export").status, 200);
  EXPECT_EQ(Get("/payments/P7/").status, 200);
  const size_t before = a.All().size();
  for (const char* target : {"/payments/export/", "/payments/EXPORT", "/payments/Export/"}) {
    const Answer answer = Get(target);
    EXPECT_EQ(answer.status, 400) << target;
    EXPECT_THAT(answer.body, HasSubstr("ambiguous_path")) << target;
  }
  EXPECT_EQ(a.All().size(), before);
}

class ResponsePathTest : public PathTest {
 protected:
  // It has the form that every refusal has, and tells nothing of what is behind.
  void ExpectProblem(const Answer& answer, int status) {
    EXPECT_EQ(answer.status, status) << answer.head;
    EXPECT_EQ(answer.Field("content-type"), "application/problem+json");
    const std::string id = answer.Field("x-request-id");
    EXPECT_FALSE(id.empty()) << answer.head;
    EXPECT_THAT(answer.body, HasSubstr(absl::StrCat("\"status\":", status)));
    EXPECT_THAT(answer.body, HasSubstr(absl::StrCat("\"request_id\":\"", id, "\"")));
    for (const char* detail : {"127.0.0.1", "backend", "errno", "ECONN"}) {
      EXPECT_THAT(answer.body, Not(HasSubstr(detail)));
      EXPECT_THAT(answer.head, Not(HasSubstr(detail)));
    }
  }
};

TEST_F(ResponsePathTest, CarriesTheFieldsOfUpstreamAndRoute) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  policy.upstreams["backend"].response_headers = {{"x-upstream", "1"}, {"x-both", "upstream"}};
  DataPath::RouteOf(policy).response_headers = {{"x-route", "1"}, {"x-both", "route"}};
  path.Adopt(policy);
  const Answer answer =
      Ask("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine-1\r\n\r\n", "192.0.2.7:1",
          "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-route: theirs\r\nx-tollgate-a: b\r\n\r\nok");
  EXPECT_EQ(answer.Field("x-upstream"), "1");
  EXPECT_EQ(answer.Field("x-route"), "1");
  EXPECT_EQ(answer.Field("x-both"), "route");
  EXPECT_EQ(answer.Field("x-request-id"), "mine-1");
  EXPECT_FALSE(answer.Has("x-tollgate-a"));
  EXPECT_THAT(answer.head, Not(HasSubstr("theirs")));
}

TEST_F(ResponsePathTest, RefusalsAreProblemsAndKeepTheUpstreamToThemselves) {
  ExpectProblem(Get("/"), 503);  // no policy yet
  Policy policy = DataPath::PublicPolicy({a.address()});
  policy.listeners["in"].apis.front().hosts = {"pay.example"};
  RoutePolicy& route = DataPath::RouteOf(policy);
  route.timeout = seconds(2);
  path.Adopt(policy);
  ExpectProblem(Get("/%2f"), 400);
  ExpectProblem(Ask("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"), 404);
  ExpectProblem(Ask("GET / HTTP/1.1\r\nHost: pay.example\r\nContent-Length: +1\r\n\r\n"), 400);
  ExpectProblem(
      Ask(absl::StrCat("GET /", std::string(9000, 'x'), " HTTP/1.1\r\nHost: pay.example\r\n\r\n")),
      414);
  ExpectProblem(Ask(absl::StrCat("GET / HTTP/1.1\r\nHost: pay.example\r\nX: ",
                                 std::string(70000, 'x'), "\r\n\r\n")),
                431);
  ExpectProblem(Ask("POST / HTTP/1.1\r\nHost: pay.example\r\nContent-Length: 99999999\r\n\r\n"),
                413);
  ExpectProblem(Get("/", "Connection: upgrade\r\nUpgrade: websocket\r\n"), 403);
  ExpectProblem(Ask("GET / HTTP/1.1\r\nHost: pay.example\r\n\r\n", "192.0.2.7:1",
                    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n"),
                502);
  auto slow = path.Connect();
  slow->Send("GET /slow HTTP/1.1\r\nHost: pay.example\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "GET /slow"));
  path.Pass(seconds(2) + milliseconds(2));
  ASSERT_TRUE(path.RunUntil([&] { return TakeApart(slow->Got()).has_value(); }));
  ExpectProblem(*TakeApart(slow->Got()), 504);
  a.StopListening();
  for (const auto& c : a.connections()) c->Close();
  path.Settle();
  auto unreachable = path.Connect();
  unreachable->Send("GET / HTTP/1.1\r\nHost: pay.example\r\n\r\n");
  for (int i = 0; i < 5; ++i) path.Pass(milliseconds(100));  // nothing was sent: it is tried again
  ASSERT_TRUE(path.RunUntil([&] { return TakeApart(unreachable->Got()).has_value(); }));
  ExpectProblem(*TakeApart(unreachable->Got()), 503);
}

TEST_F(ResponsePathTest, ForwardingFieldsOfStrangersAreReplacedByOurs) {
  ServeOne();
  Get("/",
      "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-User: root\r\nX-Forwarded-Proto: https\r\n"
      "Forwarded: for=9.9.9.9\r\nX-Forwarded-Email: root@x\r\n");
  EXPECT_THAT(a.All(), Not(HasSubstr("9.9.9.9")));
  EXPECT_THAT(a.All(), Not(HasSubstr("root")));
  EXPECT_THAT(a.All(), HasSubstr("\r\nx-forwarded-proto: http\r\n"));
}

}  // namespace
}  // namespace tollgate::proxy
