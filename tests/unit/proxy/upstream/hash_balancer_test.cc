#include "proxy/upstream/hash_balancer.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "common/base/stable_hash.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

class HashBalancerTest : public testing::TestWithParam<Balance> {
 protected:
  static constexpr uint32_t kEndpoints = 8;

  HashBalancerTest() {
    std::vector<Address> members;
    for (uint32_t i = 0; i < kEndpoints; ++i) {
      names_[i] = absl::StrCat("10.0.0.", i + 1, ":80");
      members.push_back(*Address::Parse(names_[i]));
    }
    detector_.Update(Outliers(), members);
    std::vector<EndpointSlot> slots;
    for (uint32_t i = 0; i < kEndpoints; ++i) {
      health_[i] = detector_.Find(members[i]);
      slots.push_back({&stats_[i], health_[i].get(), 1, i, &names_[i]});
    }
    balancer_->SetEndpoints(slots);
  }
  uint32_t Pick(int key, std::vector<const EndpointStats*> exclude = {}) {
    PickContext context{now_, random_, exclude, StableHash(absl::StrCat(key))};
    context.least = Standing::kHealthy;
    return balancer_->Pick(context)->index;
  }
  std::vector<uint32_t> PicksOf(int keys) {
    std::vector<uint32_t> picks;
    for (int key = 0; key < keys; ++key) picks.push_back(Pick(key));
    return picks;
  }

  static OutlierDetectionPolicy Outliers() {
    OutlierDetectionPolicy policy;
    policy.consecutive_errors = 1;
    policy.max_ejected_percent = 100;
    return policy;
  }
  OutlierDetector detector_{Outliers()};
  Random random_{1};
  MonoTime now_{std::chrono::hours(1)};
  std::string names_[kEndpoints];
  EndpointStats stats_[kEndpoints];
  std::shared_ptr<EndpointHealth> health_[kEndpoints];
  std::unique_ptr<Balancer> balancer_ = MakeBalancer(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Kinds, HashBalancerTest,
                         testing::Values(Balance::kRingHash, Balance::kMaglev));

TEST_P(HashBalancerTest, AKeyKeepsToOneEndpoint) {
  const std::vector<uint32_t> first = PicksOf(100);
  EXPECT_EQ(PicksOf(100), first);
  std::map<uint32_t, int> used;
  for (const uint32_t index : first) ++used[index];
  EXPECT_EQ(used.size(), kEndpoints);
}

TEST_P(HashBalancerTest, OnlyKeysOfAnEjectedEndpointMoveAndTheyComeBack) {
  const std::vector<uint32_t> before = PicksOf(1000);
  ASSERT_TRUE(detector_.Report(*health_[3], true, now_));
  const std::vector<uint32_t> during = PicksOf(1000);
  std::map<uint32_t, int> heirs;
  for (size_t key = 0; key < before.size(); ++key) {
    if (before[key] != 3) {
      ASSERT_EQ(during[key], before[key]);
    } else {
      ++heirs[during[key]];
    }
  }
  EXPECT_GT(heirs.size(), 4u) << "its load is spread";
  now_ += std::chrono::seconds(30);
  EXPECT_EQ(PicksOf(1000), before);
}

TEST_P(HashBalancerTest, ARetryGoesOnToTheSameOther) {
  for (int key = 0; key < 100; ++key) {
    const uint32_t first = Pick(key);
    const uint32_t second = Pick(key, {&stats_[first]});
    ASSERT_NE(second, first);
    ASSERT_EQ(Pick(key, {&stats_[first]}), second);
  }
}

TEST_P(HashBalancerTest, WhatIsLeftSharesKeysByWeight) {
  std::vector<EndpointSlot> slots(balancer_->slots().begin(), balancer_->slots().begin() + 3);
  slots[0].weight = 1000;
  slots[1].weight = 10;
  balancer_->SetEndpoints(slots);
  int second = 0;
  for (int key = 0; key < 4000; ++key) second += Pick(key, {slots[0].stats}) == 1;
  // Most look-ups never meet either. Those that do find a ring of two points and one.
  const double expected = GetParam() == Balance::kRingHash ? 0.82 : 10.0 / 11;
  EXPECT_NEAR(second / 4000.0, expected, 0.05);
}

TEST_P(HashBalancerTest, FindsTheOnlyOneThatIsLeft) {
  for (uint32_t i = 0; i < kEndpoints; ++i) {
    if (i != 5) detector_.Report(*health_[i], true, now_);
  }
  for (int key = 0; key < 1000; ++key) ASSERT_EQ(Pick(key), 5u);
}

}  // namespace
}  // namespace tollgate::proxy
