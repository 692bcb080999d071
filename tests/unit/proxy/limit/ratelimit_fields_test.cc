// The fields of draft-ietf-httpapi-ratelimit-headers-10.
#include "proxy/limit/ratelimit_fields.h"

#include <string>

#include "gtest/gtest.h"
#include "proxy/limit/limit_table.h"
#include "tests/unit/proxy/limit/plans.h"

namespace tollgate::proxy {
namespace {

PlanPolicy Reporting(LimitAlgorithm algorithm, std::vector<WindowPolicy> windows,
                     uint32_t burst = 0) {
  PlanPolicy policy = Policy(algorithm, std::move(windows), burst);
  policy.headers = LimitHeaders::kDraft10;
  return policy;
}

std::string State(const RateLimitFields& fields, const LimitDecision& decision) {
  std::string out;
  fields.AppendWindow(decision, &out);
  return out;
}

TEST(RateLimitFields, TellThePolicies) {
  const PlanPolicy plan = Reporting(LimitAlgorithm::kGcra, {PerSecond(10),
                                                            PerMinute(10),
                                                            PerDay(500),
                                                            {7, std::chrono::hours(1)},
                                                            {3, std::chrono::seconds(10)}});
  EXPECT_EQ(RateLimitFields(plan, LimitRole::kCaller).policy(),
            "\"s\";q=10;w=1, \"m\";q=10;w=60, \"d\";q=500;w=86400, \"h\";q=7;w=3600, "
            "\"10s\";q=3;w=10");
  EXPECT_EQ(
      RateLimitFields(Reporting(LimitAlgorithm::kGcra, {PerSecond(2)}), LimitRole::kRoute).policy(),
      "\"route-s\";q=2;w=1");
  EXPECT_EQ(RateLimitFields(Reporting(LimitAlgorithm::kGcra, {{2, std::chrono::milliseconds(250)}}),
                            LimitRole::kAddress)
                .policy(),
            "\"address-250ms\";q=2")
      << "a window of less than a second cannot be said";
  PlanPolicy both = plan;
  both.windows = {PerSecond(1)};
  both.concurrency = 4;
  EXPECT_EQ(RateLimitFields(both, LimitRole::kCaller).policy(),
            "\"s\";q=1;w=1, \"concurrency\";q=4;qu=\"concurrent-requests\"");
}

TEST(RateLimitFields, TellTheTightestWindowAndWhenItHasRoomAgain) {
  // "10/second;10/minute", GCRA: the eleventh request waits six seconds, for the minute.
  const PlanPolicy policy = Reporting(LimitAlgorithm::kGcra, {PerSecond(10), PerMinute(10)});
  const auto plan = LimitPlan::Compile(policy);
  const RateLimitFields fields(policy, LimitRole::kCaller);
  LimitTable table;
  LimitDecision decision = table.Check(plan, "a", At(0));
  EXPECT_EQ(State(fields, decision), "\"s\";r=9;t=1");
  for (int i = 0; i < 9; ++i) decision = table.Check(plan, "a", At(0.5));
  decision = table.Check(plan, "a", At(0.5));
  EXPECT_FALSE(decision.allowed);
  EXPECT_EQ(State(fields, decision), "\"m\";r=0;t=6");
  EXPECT_EQ(RetryAfterSeconds(decision.retry_after), 6);
  std::string violated;
  fields.AppendViolated(decision, &violated);
  EXPECT_EQ(violated, "[\"m\"]");
}

TEST(RateLimitFields, NeverPromiseARetryBeforeTheResetNorMoreThanTheQuota) {
  const PlanPolicy policy = Reporting(LimitAlgorithm::kSlidingWindow, {PerSecond(3), PerMinute(5)});
  const auto plan = LimitPlan::Compile(policy);
  const RateLimitFields fields(policy, LimitRole::kCaller);
  LimitTable table;
  for (int i = 0; i < 3; ++i) table.Check(plan, "a", At(0));
  const LimitDecision second = table.Check(plan, "a", At(0.4), 2);
  EXPECT_FALSE(second.allowed);
  EXPECT_EQ(State(fields, second), "\"s\";r=0;t=1");
  EXPECT_LE(second.reset, second.retry_after);
  table.Check(plan, "a", At(1), 2);
  const LimitDecision minute = table.Check(plan, "a", At(30), 3);
  EXPECT_EQ(State(fields, minute), "\"m\";r=0;t=30");
  EXPECT_GE(RetryAfterSeconds(minute.retry_after), 30);
  // A burst above the count is not what the policy promises.
  const PlanPolicy bursty = Reporting(LimitAlgorithm::kGcra, {PerSecond(2)}, 20);
  const RateLimitFields few(bursty, LimitRole::kCaller);
  EXPECT_EQ(State(few, table.Check(LimitPlan::Compile(bursty), "b", At(31))), "\"s\";r=2;t=1");
}

TEST(RateLimitFields, TellThePlacesThatAreLeft) {
  PlanPolicy policy;
  policy.name = "p";
  policy.concurrency = 4;
  policy.headers = LimitHeaders::kDraft10;
  const RateLimitFields fields(policy, LimitRole::kRoute);
  std::string out = "\"s\";r=1";
  fields.AppendConcurrency(3, &out);
  EXPECT_EQ(out, "\"s\";r=1, \"route-concurrency\";r=1");
  out.clear();
  fields.AppendConcurrency(9, &out);
  EXPECT_EQ(out, "\"route-concurrency\";r=0");
  out.clear();
  fields.AppendConcurrencyViolated(&out);
  EXPECT_EQ(out, "[\"route-concurrency\"]");
}

}  // namespace
}  // namespace tollgate::proxy
