// What a request is hashed by, and load reports, through the whole data path.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <map>

#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class BalancingPathTest : public PathTest {
 protected:
  Policy Balanced(Balance balance, HashKeyPolicy hash = {}) {
    std::vector<Address> addresses;
    for (FakeUpstream& upstream : many_) {
      addresses.push_back(upstream.address());
      path.upstreams.push_back(&upstream);
    }
    Policy policy = DataPath::PublicPolicy(addresses);
    policy.upstreams["backend"].balance = balance;
    policy.upstreams["backend"].balancing.hash = std::move(hash);
    return policy;
  }
  using AnswerOf = std::function<std::string(size_t endpoint)>;  // after the status line

  // Which of many_ a GET of `target` with these fields reaches; it is answered with `more` fields.
  size_t Reached(absl::string_view target, absl::string_view fields = "",
                 absl::string_view more = "") {
    return Reached(target, fields,
                   [&](size_t) { return absl::StrCat("content-length: 2\r\n", more, "\r\nok"); });
  }
  size_t Reached(absl::string_view target, absl::string_view fields, const AnswerOf& answer_of) {
    auto client = path.Connect();
    client->Send(absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: x\r\n", fields, "\r\n"));
    std::optional<size_t> reached;
    EXPECT_TRUE(path.RunUntil([&] {
      for (size_t i = 0; i < many_.size() && !reached.has_value(); ++i) {
        for (auto& connection : many_[i].connections()) {
          if (!absl::StrContains(connection->Got(), "\r\n\r\n")) continue;
          connection->Forget();
          connection->Send(absl::StrCat("HTTP/1.1 200 OK\r\n", answer_of(i)));
          reached = i;
        }
      }
      return reached.has_value();
    }));
    EXPECT_TRUE(path.Receives(*client, "ok"));
    path.Settle();
    answer_ = client->Got();
    client->Close();
    path.Settle();
    return reached.value_or(99);
  }

  std::array<FakeUpstream, 5> many_;
  std::string answer_;
};

TEST_F(BalancingPathTest, AHeaderKeepsToOneEndpoint) {
  path.Adopt(Balanced(Balance::kRingHash, {HashKeyPolicy::Kind::kHeader, "x-account"}));
  std::map<size_t, int> used;
  for (int account = 0; account < 12; ++account) {
    const std::string field = absl::StrCat("X-Account: a-", account, "\r\n");
    const size_t first = Reached("/x", field);
    ++used[first];
    EXPECT_EQ(Reached("/y", field), first) << account;
  }
  EXPECT_GT(used.size(), 2u);
}

TEST_F(BalancingPathTest, APathParameterKeepsToOneEndpoint) {
  Policy policy = Balanced(Balance::kMaglev, {HashKeyPolicy::Kind::kPathParameter, "account"});
  DataPath::RouteOf(policy).path = "/tenants/{tenant}/accounts/{account}/**";
  policy.listeners["in"].apis[0].base_path = "/ledger";
  path.Adopt(policy);
  std::map<size_t, int> used;
  for (int account = 0; account < 12; ++account) {
    const size_t first = Reached(absl::StrCat("/ledger/tenants/a/accounts/", account, "/x"));
    ++used[first];
    EXPECT_EQ(Reached(absl::StrCat("/ledger/tenants/b/accounts/", account, "/y/z?q=", account)),
              first)
        << account;
  }
  EXPECT_GT(used.size(), 2u);
}

TEST_F(BalancingPathTest, AConsumerKeepsToOneEndpoint) {
  Policy policy = Balanced(Balance::kMaglev, {HashKeyPolicy::Kind::kConsumer, ""});
  policy.listeners["in"].direction = Direction::kOutbound;
  path.Adopt(policy);
  std::map<size_t, int> used;
  for (int consumer = 0; consumer < 12; ++consumer) {
    const std::string field = absl::StrCat("X-Tollgate-Consumer: shop-", consumer, "\r\n");
    const size_t first = Reached("/x", field);
    ++used[first];
    EXPECT_EQ(Reached("/y", field), first) << consumer;
  }
  EXPECT_GT(used.size(), 2u);
}

TEST_F(BalancingPathTest, WithoutItsKeyARequestIsServedByAny) {
  path.Adopt(Balanced(Balance::kMaglev, {HashKeyPolicy::Kind::kHeader, "x-account"}));
  std::map<size_t, int> used;
  for (int i = 0; i < 20; ++i) ++used[Reached("/x", "X-Other: 1\r\n")];
  EXPECT_GT(used.size(), 2u);
}

TEST_F(BalancingPathTest, APushThatChangesOtherThingsMovesNoKey) {
  Policy policy = Balanced(Balance::kMaglev, {HashKeyPolicy::Kind::kHeader, "x-account"});
  path.Adopt(policy);
  const size_t before = Reached("/x", "X-Account: 7\r\n");
  policy.upstreams["backend"].max_pending = 17;
  policy.upstreams["backend"].balancing.panic_threshold = 20;
  path.Adopt(policy);
  EXPECT_EQ(Reached("/x", "X-Account: 7\r\n"), before);
}

std::string ReportOf(size_t endpoint) {
  return absl::StrCat("endpoint-load-metrics: TEXT cpu_utilization=", endpoint == 0 ? "0.9" : "0.1",
                      ",rps_fractional=90\r\n");
}

class LoadReportsTest : public BalancingPathTest {
 protected:
  // Asks two endpoints until their reports count, then for how the load is.
  void ExpectLoadMoves(absl::string_view fields, const AnswerOf& answer_of) {
    Policy policy = Balanced(Balance::kLoadWeighted);
    policy.upstreams["backend"].endpoints.resize(2);
    path.Adopt(policy);
    int counts[2] = {};
    const auto ask = [&](int times) {
      counts[0] = counts[1] = 0;
      for (int i = 0; i < times; ++i) {
        ++counts[Reached("/x", fields, answer_of)];
        EXPECT_THAT(answer_, Not(HasSubstr("endpoint-load-metrics")));
      }
    };
    ask(10);
    EXPECT_EQ(counts[0], 5) << "the first reports do not count";
    path.Pass(seconds(11));
    ask(4);
    path.Pass(seconds(2));
    ask(20);
    EXPECT_NEAR(counts[0], 2, 1) << "100 to 900";
  }
};

TEST_F(LoadReportsTest, MoveLoadAndStayHere) {
  ExpectLoadMoves("", [](size_t endpoint) {
    return absl::StrCat("content-length: 2\r\n", ReportOf(endpoint), "\r\nok");
  });
}

TEST_F(LoadReportsTest, CountInTrailersToo) {
  ExpectLoadMoves("TE: trailers\r\n", [](size_t endpoint) {
    return absl::StrCat("transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\n",
                        ReportOf(endpoint), "x-sum: 7\r\n\r\n");
  });
  EXPECT_THAT(answer_, HasSubstr("x-sum: 7\r\n"));
}

TEST_F(BalancingPathTest, OtherPoliciesPassAReportOn) {
  Policy policy = Balanced(Balance::kRoundRobin);
  path.Adopt(policy);
  Reached("/x", "", "endpoint-load-metrics: TEXT eps=1\r\n");
  EXPECT_THAT(answer_, HasSubstr("endpoint-load-metrics: TEXT eps=1"));
}

}  // namespace
}  // namespace tollgate::proxy
