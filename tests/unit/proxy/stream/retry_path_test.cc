// What is sent again, and what never is, through the whole data path. The rule itself has its tests
// beside it (retry_policy_test.cc).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;

using RetryPathTest = PathTest;

// The connection is there in the very turn in which the attempt's time is over: the request lies in
// the queue, and must stay there, for it is sent elsewhere.
TEST_F(RetryPathTest, ARequestThatWasGivenUpBeforeItLeftNeverLeaves) {
  Policy policy = DataPath::PublicPolicy({a.address()});
  DataPath::RouteOf(policy).attempt_timeout = milliseconds(100);
  policy.upstreams["backend"].max_connections = 1;
  path.Adopt(policy);
  auto busy = path.Connect();
  busy->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(UpstreamHas(a, "GET /"));
  path.Pass(milliseconds(50));
  auto client = path.Connect();
  client->Send("POST /once HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  path.Settle();
  path.Pass(milliseconds(40));
  // Frees the connection for the one that waits, whose time is over.
  Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  path.clock.Advance(milliseconds(61));
  for (int i = 0; i < 20; ++i) path.Pass(milliseconds(100));
  ASSERT_TRUE(path.Receives(*client, "\r\n\r\n"));
  const bool unknown = absl::StrContains(client->Got(), "tollgate-outcome: unknown");
  EXPECT_EQ(CountOf(a.All(), "POST /once"), unknown ? 1u : 0u);
}

}  // namespace
}  // namespace tollgate::proxy
