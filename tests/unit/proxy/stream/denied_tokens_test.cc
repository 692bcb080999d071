// Tokens that verify and are refused all the same: when a request begins, and while it runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crypto/api_key.h"
#include "tests/fakes/path_test.h"
#include "tests/unit/proxy/auth/token_maker.h"

namespace tollgate::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr absl::string_view kPepper = "a pepper of many bytes";
constexpr absl::string_view kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

class DeniedTokensTest : public PathTest {
 protected:
  DeniedTokensTest() : policy(DataPath::PublicPolicy({a.address()})) {
    RoutePolicy& route = DataPath::RouteOf(policy);
    route.is_public = false;
    route.require = {"payments.read"};
    policy.issuers["bank-login"] = tokens.policy;
    policy.secrets["pepper"] = std::string(kPepper);
    policy.listeners["in"].apis.front().authenticate = {
        {AuthenticatorPolicy::Kind::kJwt, "bank-login", ""},
        {AuthenticatorPolicy::Kind::kApiKey, "", "x-api-key"}};
    ConsumerPolicy& consumer = policy.consumers["shop-42"];
    consumer.name = "shop-42";
    consumer.grants = {"payments.read"};
    consumer.tokens = {{"bank-login", "shop-42"}};
    consumer.api_keys.emplace_back();
    consumer.api_keys.back().id = till.id;
    consumer.api_keys.back().hash = std::string(AsBytes(HashApiKeySecret(kPepper, till.secret)));
    consumer.api_keys.back().pepper = "pepper";
  }

  // A token of this subject, as a header field.
  std::string Bearer(const std::string& subject) {
    tokens.claims["sub"] = absl::StrCat("\"", subject, "\"");
    return absl::StrCat("Authorization: Bearer ", tokens.Token(), "\r\n");
  }
  static std::string Request(absl::string_view target, absl::string_view fields) {
    return absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: x\r\n", fields, "\r\n");
  }
  static TokenDenial Denial(const std::string& value, DeniedClaim claim = DeniedClaim::kSubject,
                            WallTime until = kNoEnd) {
    return {{"https://login.bank.example/", claim, value}, until};
  }
  bool Answered(Peer& client) {
    return path.RunUntil([&] {
      AnswerUpstream(kOk);
      return absl::EndsWith(client.Got(), "ok");
    });
  }

  TokenMaker tokens;
  GeneratedApiKey till = GenerateApiKey();
  Policy policy;
};

TEST_F(DeniedTokensTest, ATokenIsRefusedByEachOfItsClaimsAlsoWhenItsVerificationIsCached) {
  path.Adopt(policy);
  const std::string bearer = Bearer("mallory");
  ASSERT_EQ(Get("/x", bearer).status, 200);
  for (const TokenDenial& denial :
       {Denial("t-1", DeniedClaim::kTokenId), Denial("mallory", DeniedClaim::kSubject),
        Denial("shop-42", DeniedClaim::kClient)}) {
    path.Deny({}, {denial});
    const Answer answer = Get("/x", bearer);
    EXPECT_EQ(answer.status, 401);
    EXPECT_THAT(answer.body, HasSubstr("\"code\":\"token_revoked\""));
    EXPECT_THAT(answer.Field("www-authenticate"), HasSubstr("Bearer error=\"invalid_token\""));
    path.Adopt(policy);  // a push lifts nothing
    EXPECT_EQ(Get("/x", bearer).status, 401);
    path.Deny({});
    EXPECT_EQ(Get("/x", bearer).status, 200) << "lifted";
  }
  EXPECT_THAT(path.LogText(), HasSubstr("\"step\":\"authenticate\",\"reason\":\"token_revoked\""));
}

TEST_F(DeniedTokensTest, ADenialEndsWithItsTime) {
  path.Adopt(policy);
  path.Deny({}, {Denial("mallory", DeniedClaim::kSubject, At(kNow + 100))});
  path.Pass(std::chrono::seconds(159));
  EXPECT_EQ(Get("/x", Bearer("mallory")).status, 401);
  path.Pass(std::chrono::seconds(1));
  EXPECT_EQ(Get("/x", Bearer("mallory")).status, 200);
}

TEST_F(DeniedTokensTest, ARequestThatWaitsForItsAnswerGets401) {
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(Request("/x", Bearer("mallory")));
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  path.Deny({}, {Denial("mallory")});
  ASSERT_TRUE(path.Receives(*client, "\"code\":\"token_revoked\""));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(client->Got(), HasSubstr("www-authenticate: Bearer error=\"invalid_token\""));
  ASSERT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));  // nobody waits for it any more
  EXPECT_EQ(path.active_streams(), 0);
}

TEST_F(DeniedTokensTest, ARequestWhoseBodyIsBeingUploadedGets401AndItsOutcomeIsUnknown) {
  DataPath::RouteOf(policy).method = "";
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(absl::StrCat("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n",
                            Bearer("mallory"), "\r\nhalf"));
  ASSERT_TRUE(UpstreamHas(a, "half"));
  path.Deny({}, {Denial("mallory")});
  ASSERT_TRUE(path.Receives(*client, "\"code\":\"token_revoked\""));
  EXPECT_THAT(client->Got(), HasSubstr("tollgate-outcome: unknown\r\n"));
  client->Send("rest!");
  ASSERT_TRUE(path.RunUntil([&] { return Upstream(a).Closed(); }));
  EXPECT_THAT(a.All(), Not(HasSubstr("rest")));
}

TEST_F(DeniedTokensTest, OneThatWaitsForAConnectionGets401AndIsNeverSent) {
  policy.upstreams["backend"].max_connections = 1;
  path.Adopt(policy);
  auto first = path.Connect();
  first->Send(Request("/first", Bearer("alice")));
  ASSERT_TRUE(UpstreamHas(a, "GET /first "));
  auto second = path.Connect();
  second->Send(Request("/second", Bearer("mallory")));
  path.Settle();
  path.Deny({}, {Denial("mallory")});
  ASSERT_TRUE(path.Receives(*second, "\"code\":\"token_revoked\""));
  EXPECT_THAT(second->Got(), Not(HasSubstr("tollgate-outcome")));
  ASSERT_TRUE(Answered(*first));
  path.Settle();
  EXPECT_THAT(a.All(), Not(HasSubstr("/second")));
}

TEST_F(DeniedTokensTest, AResponseThatHasBegunEndsAtOnceThoughItsClientDoesNotRead) {
  path.Adopt(policy);
  auto client = path.ConnectTcp();
  client->Send(Request("/x", Bearer("mallory")));
  ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
  Upstream(a).Send(absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n"));
  const std::string block(64 << 10, 'x');
  // Far more than the sockets hold, so that some waits here.
  for (int i = 0; i < 500; ++i) {
    Upstream(a).Send(block);
    path.loop().RunOnce(Duration::zero());
  }
  path.Deny({}, {Denial("mallory")});
  ASSERT_TRUE(path.RunUntil([&] { return path.open_connections() == 0; }));
  EXPECT_EQ(path.active_streams(), 0);
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_TRUE(client->WasReset());
}

TEST_F(DeniedTokensTest, AnEarlierResponseOnTheSameConnectionStillLeavesWhole) {
  path.Adopt(policy);
  auto client = path.Connect();
  client->Send(Request("/first", Bearer("alice")) + Request("/second", Bearer("mallory")));
  ASSERT_TRUE(UpstreamHas(a, "GET /first "));
  // More than the socket takes, less than stops reading.
  const std::string body(400 << 10, 'f');
  const std::string head =
      absl::StrCat("HTTP/1.1 200 OK\r\ncontent-length: ", body.size(), "\r\n\r\n");
  const std::string whole = head + body;
  for (size_t at = 0; at < whole.size(); at += 16 << 10) {
    Upstream(a).Send(absl::string_view(whole).substr(at, 16 << 10));
    path.Settle();
  }
  ASSERT_TRUE(UpstreamHas(a, "GET /second "));
  a.connections().back()->Send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsecond");
  path.Settle();
  path.Deny({}, {Denial("mallory")});
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  const size_t end = client->Got().find("\r\n\r\n");
  ASSERT_NE(end, std::string::npos);
  EXPECT_THAT(client->Got().substr(end + 4, body.size()), testing::Eq(body));
}

TEST_F(DeniedTokensTest, OthersAndIdleConnectionsAreLeftAlone) {
  path.Adopt(policy);
  auto idle = path.Connect();
  idle->Send(Request("/idle", Bearer("mallory")));
  ASSERT_TRUE(Answered(*idle));
  auto alice = path.Connect();
  alice->Send(Request("/alice", Bearer("alice")));
  ASSERT_TRUE(UpstreamHas(a, "GET /alice "));
  auto key = path.Connect();
  key->Send(Request("/key", absl::StrCat("X-Api-Key: ", till.text(), "\r\n")));
  ASSERT_TRUE(UpstreamHas(a, "GET /key "));
  path.Deny({}, {Denial("mallory")});
  path.Settle();
  EXPECT_EQ(path.active_streams(), 2);
  EXPECT_TRUE(Answered(*alice));
  EXPECT_TRUE(Answered(*key));
  EXPECT_FALSE(idle->Closed());
  idle->Forget();
  idle->Send(Request("/again", Bearer("alice")));  // what it carries next is its own matter
  EXPECT_TRUE(Answered(*idle));
}

}  // namespace
}  // namespace tollgate::proxy
