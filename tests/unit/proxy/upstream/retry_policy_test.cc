#include "proxy/upstream/retry_policy.h"

#include <iterator>
#include <optional>
#include <vector>

#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

const std::vector<RetryCondition> kAll = {RetryCondition::kNotSent, RetryCondition::kConnectionLost,
                                          RetryCondition::kStatus502, RetryCondition::kStatus503,
                                          RetryCondition::kStatus504};
const IdempotencyPolicy kHonoured = {"idempotency-key", true, true};

RetryEvidence Lost() { return {.end = AttemptEnd::kConnectionLost, .sent = true}; }
RetryEvidence Status(int status) {
  return {.end = AttemptEnd::kStatus, .status = status, .sent = true};
}
const RetryPolicy kThree = {3, kAll, false};

TEST(MayRetry, WhatWasNotSentIsSafeWhateverTheMethodAndWithoutLeave) {
  for (absl::string_view method : {"GET", "POST", "PATCH", "DELETE", "BREW"}) {
    RetryEvidence evidence{.end = AttemptEnd::kConnectFailed};
    const RetryDecision decision = MayRetry(evidence, {}, {}, {method});
    EXPECT_TRUE(decision.retry) << method;
    EXPECT_EQ(decision.reason, "not-sent");
    evidence.retries = kUnsentRetries;
    EXPECT_FALSE(MayRetry(evidence, {}, {}, {method}).retry);
    EXPECT_TRUE(MayRetry(evidence, kThree, {}, {method}).retry);
  }
}

TEST(MayRetry, APostWithoutKeyIsNeverSentTwice) {
  for (absl::string_view method : {"POST", "PATCH", "BREW", "get", ""}) {
    for (const RetryEvidence& e : {Lost(), Status(502), Status(503), Status(504)}) {
      const RetryDecision decision = MayRetry(e, kThree, {}, {method});
      EXPECT_FALSE(decision.retry) << method;
      EXPECT_EQ(decision.reason, "outcome-unknown");
    }
  }
}

// RFC 9112 9.3.1: the connection had served before, and closed while the request was on its way.
TEST(MayRetry, ASafeRequestThatMetAClosingConnectionGoesOnceMoreWithoutLeave) {
  RetryEvidence stale = Lost();
  stale.stale = true;
  for (absl::string_view method : {"GET", "HEAD", "OPTIONS"}) {
    const RetryDecision decision = MayRetry(stale, {}, {}, {method});
    EXPECT_TRUE(decision.retry) << method;
    EXPECT_FALSE(decision.other_endpoint);
    EXPECT_EQ(decision.reason, "stale-connection");
    RetryEvidence again = stale;
    again.retries = 1;
    EXPECT_FALSE(MayRetry(again, {}, {}, {method}).retry);
    RetryEvidence lost_body = stale;
    lost_body.replayable = false;
    EXPECT_FALSE(MayRetry(lost_body, {}, {}, {method}).retry);
  }
  for (absl::string_view method : {"POST", "PATCH", "PUT", "DELETE", "BREW"}) {
    EXPECT_FALSE(MayRetry(stale, {}, {}, {method}).retry) << method;
  }
  EXPECT_FALSE(MayRetry(Lost(), {}, {}, {"GET"}).retry);  // on a fresh connection: not unasked
}

TEST(MayRetry, AKeyThatOnlyTheRouteKnowsIsNoEvidence) {
  const IdempotencyPolicy ours = {"idempotency-key", true, false};
  EXPECT_FALSE(MayRetry(Lost(), kThree, ours, {"POST", true}).retry);
  EXPECT_FALSE(MayRetry(Lost(), kThree, kHonoured, {"POST", false}).retry);
  const IdempotencyPolicy nameless = {"", false, true};
  EXPECT_FALSE(MayRetry(Lost(), kThree, nameless, {"POST", true}).retry);
}

TEST(MayRetry, AKeyThatTheServiceHonoursAllowsOneRetryElsewhere) {
  const RetryDecision decision = MayRetry(Lost(), kThree, kHonoured, {"POST", true});
  EXPECT_TRUE(decision.retry);
  EXPECT_TRUE(decision.other_endpoint);
  EXPECT_EQ(decision.reason, "key-honoured");
  RetryEvidence again = Lost();
  again.retries = 1;
  again.sent_before = true;
  EXPECT_EQ(MayRetry(again, kThree, kHonoured, {"POST", true}).reason, "key-retry-spent");
  again.sent = false;
  again.end = AttemptEnd::kConnectFailed;
  EXPECT_FALSE(MayRetry(again, kThree, kHonoured, {"POST", true}).retry) << "spent all the same";
  RetryEvidence second = Lost();
  second.retries = 1;  // the first did not get through
  EXPECT_TRUE(MayRetry(second, kThree, kHonoured, {"POST", true}).retry);
}

// RFC 9110 15.5.20: whether or not the method is idempotent, over a different connection.
TEST(MayRetry, WhatWasMisdirectedGoesOnceMoreOnANewConnectionWhateverTheMethod) {
  for (absl::string_view method : {"GET", "PUT", "POST", "PATCH", "BREW"}) {
    const RetryDecision decision = MayRetry(Status(421), {}, {}, {method});
    EXPECT_TRUE(decision.retry) << method;
    EXPECT_TRUE(decision.new_connection);
    EXPECT_FALSE(decision.other_endpoint);
    EXPECT_EQ(decision.reason, "misdirected");
    RetryEvidence again = Status(421);
    again.misdirected_before = true;
    again.retries = 1;
    EXPECT_EQ(MayRetry(again, kThree, kHonoured, {method, true}).reason, "misdirected-again");
  }
  RetryEvidence behind_another = Status(421);
  behind_another.sent_before = true;
  behind_another.retries = 1;
  EXPECT_EQ(MayRetry(behind_another, kThree, {}, {"POST"}).reason, "outcome-unknown");
  EXPECT_EQ(MayRetry(behind_another, kThree, kHonoured, {"POST", true}).reason, "key-retry-spent");
  RetryEvidence fifth = Status(421);
  fifth.retries = kMaxRetries;
  EXPECT_FALSE(MayRetry(fifth, kThree, {}, {"GET"}).retry);
}

// RFC 8470 5.2: what we have not sent early, the client has.
TEST(MayRetry, TooEarlyIsNeverRetried) {
  for (absl::string_view method : {"GET", "PUT", "POST"}) {
    EXPECT_FALSE(MayRetry(Status(425), kThree, kHonoured, {method, true}).retry) << method;
  }
}

TEST(MayRetry, AnUnlistedConditionIsNotRetried) {
  const RetryPolicy only503 = {3, {RetryCondition::kStatus503}, false};
  EXPECT_TRUE(MayRetry(Status(503), only503, {}, {"GET"}).retry);
  for (const RetryEvidence& e : {Lost(), Status(502), Status(504), Status(500), Status(429)}) {
    EXPECT_EQ(MayRetry(e, only503, {}, {"GET"}).reason, "condition-not-listed");
  }
  RetryEvidence timeout{.end = AttemptEnd::kTimedOut, .sent = true};
  EXPECT_FALSE(MayRetry(timeout, only503, {}, {"GET"}).retry);
  EXPECT_TRUE(MayRetry(timeout, {1, {RetryCondition::kStatus504}, false}, {}, {"GET"}).retry);
}

TEST(MayRetry, AttemptsAreAtMostFive) {
  RetryEvidence evidence = Lost();
  const RetryPolicy many = {1000, kAll, false};
  evidence.retries = kMaxRetries - 1;
  EXPECT_TRUE(MayRetry(evidence, many, {}, {"GET"}).retry);
  evidence.retries = kMaxRetries;
  EXPECT_EQ(MayRetry(evidence, many, {}, {"GET"}).reason, "retries-exhausted");
  evidence.sent = false;
  EXPECT_FALSE(MayRetry(evidence, many, {}, {"GET"}).retry);
}

TEST(MayRetry, SaysWhichBarStoodInTheWay) {
  RetryEvidence evidence = Lost();
  evidence.head_forwarded = true;
  EXPECT_EQ(MayRetry(evidence, kThree, {}, {"GET"}).reason, "response-begun");
  evidence = Lost();
  evidence.replayable = false;
  EXPECT_EQ(MayRetry(evidence, kThree, {}, {"GET"}).reason, "body-not-replayable");
  evidence = Lost();
  evidence.deadline_passed = true;
  EXPECT_EQ(MayRetry(evidence, kThree, {}, {"GET"}).reason, "deadline");
}

// Every combination, against the rule written down once more, as one proposition.
TEST(MayRetry, AgreesWithTheRuleInEveryCase) {
  int cases = 0;
  int allowed = 0;
  const absl::string_view methods[] = {"GET",    "HEAD", "OPTIONS", "TRACE",   "PUT",
                                       "DELETE", "POST", "PATCH",   "CONNECT", "get"};
  struct End {
    AttemptEnd end;
    int status;
    std::optional<RetryCondition> condition;
  };
  const End ends[] = {{AttemptEnd::kConnectFailed, 0, RetryCondition::kConnectionLost},
                      {AttemptEnd::kConnectionLost, 0, RetryCondition::kConnectionLost},
                      {AttemptEnd::kTimedOut, 0, RetryCondition::kStatus504},
                      {AttemptEnd::kStatus, 500, std::nullopt},
                      {AttemptEnd::kStatus, 429, std::nullopt},
                      {AttemptEnd::kStatus, 425, std::nullopt},
                      {AttemptEnd::kStatus, 421, std::nullopt},
                      {AttemptEnd::kStatus, 502, RetryCondition::kStatus502},
                      {AttemptEnd::kStatus, 503, RetryCondition::kStatus503},
                      {AttemptEnd::kStatus, 504, RetryCondition::kStatus504}};
  for (size_t m = 0; m < std::size(methods); ++m) {
    for (const End& end : ends) {
      for (uint32_t bits = 0; bits < 1 << 9; ++bits) {
        for (uint32_t listed = 0; listed < 1 << 5; ++listed) {
          for (uint32_t retries = 0; retries <= 5; ++retries) {
            const auto bit = [&](int i) { return (bits >> i & 1) != 0; };
            RetryEvidence e{.end = end.end,
                            .status = end.status,
                            .sent = bit(0),
                            .sent_before = bit(1),
                            .misdirected_before = bit(8),
                            .head_forwarded = bit(2),
                            .replayable = bit(3),
                            .deadline_passed = bit(4),
                            .retries = retries};
            RetryPolicy policy{retries % 2 == 0 ? 2u : 9u, {}, bit(5)};
            for (size_t c = 0; c < 5; ++c) {
              if (listed >> c & 1) policy.when.push_back(kAll[c]);
            }
            const IdempotencyPolicy key{"idempotency-key", false, bit(6)};
            const RetryDecision decision = MayRetry(e, policy, key, {methods[m], bit(7)});

            // A 421 says that nothing was done.
            const bool misdirected = end.status == 421;
            const bool sent = !misdirected && (e.sent || end.end == AttemptEnd::kStatus);
            const bool idempotent = m < 6;
            const bool keyed = bit(6) && bit(7);
            const bool is_listed =
                end.condition.has_value() && (listed >> static_cast<int>(*end.condition) & 1);
            const bool possible = !e.head_forwarded && e.replayable && !e.deadline_passed;
            const bool harmless =
                !(sent || e.sent_before) || idempotent || (keyed && !e.sent_before);
            const bool wanted = misdirected ? !e.misdirected_before : !sent || is_listed;
            const bool left = retries < (policy.max_retries == 2 && !misdirected ? 2u : 4u);
            ASSERT_EQ(decision.retry, possible && harmless && wanted && left)
                << methods[m] << " end " << static_cast<int>(end.end) << " status " << end.status
                << " bits " << bits << " listed " << listed << " retries " << retries << ": "
                << decision.reason;
            if (decision.retry) {
              ASSERT_EQ(decision.other_endpoint, !misdirected && (bit(5) || (sent && !idempotent)));
              ASSERT_EQ(decision.new_connection, misdirected);
            }
            ASSERT_FALSE(decision.reason.empty());
            ++cases;
            allowed += decision.retry;
          }
        }
      }
    }
  }
  EXPECT_EQ(cases, 10 * 10 * 512 * 32 * 6);
  EXPECT_GT(allowed, 0);
}

}  // namespace
}  // namespace tollgate::proxy
