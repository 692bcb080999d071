#include "control-plane/translate/shards.h"

#include <bit>
#include <map>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tollgate::control {
namespace {

std::vector<ConsumerPolicy> Consumers(int count) {
  std::map<std::string, ConsumerPolicy> sorted;
  for (int i = 0; i < count; ++i) {
    const std::string name = absl::StrCat("consumer-", i);
    sorted[name] = {name, "standard", {"payments.read"}, {{"bank-login", name}}, {}};
  }
  std::vector<ConsumerPolicy> out;
  for (auto& [name, consumer] : sorted) out.push_back(std::move(consumer));
  return out;
}

TEST(Shards, AreAPowerOfTwo) {
  EXPECT_EQ(ShardCount(0), 1u);
  EXPECT_EQ(ShardCount(kShardBytes), 1u);
  EXPECT_EQ(ShardCount(kShardBytes + 1), 2u);
  EXPECT_EQ(ShardCount(5 * kShardBytes), 8u);
  EXPECT_EQ(ShardCount(size_t{1} << 60), 1u << 20);
}

TEST(Shards, AreTheSameInEveryBuild) {
  EXPECT_EQ(ShardOf("shop-42", 1), 0u);
  EXPECT_EQ(ShardOf("shop-42", 1024), 398u);
  EXPECT_EQ(ShardOf("consumer-7", 1024), 202u);
}

TEST(Shards, AreEvenAndAboutEightKilobytes) {
  const std::vector<config::v1::ConsumerShard> shards = MakeShards(Consumers(10'000));
  EXPECT_TRUE(std::has_single_bit(shards.size()));
  int consumers = 0;
  for (const config::v1::ConsumerShard& shard : shards) {
    EXPECT_LT(shard.ByteSizeLong(), 2 * kShardBytes);
    consumers += shard.consumers_size();
    for (int i = 1; i < shard.consumers_size(); ++i) {
      EXPECT_LT(shard.consumers(i - 1).name(), shard.consumers(i).name());
    }
  }
  EXPECT_EQ(consumers, 10'000);
}

TEST(Shards, ChangeOneByOne) {
  std::vector<ConsumerPolicy> consumers = Consumers(1000);
  std::map<std::string, std::string> before;
  for (const auto& shard : MakeShards(consumers)) before[shard.name()] = shard.SerializeAsString();
  ASSERT_GT(before.size(), 4u);
  consumers.erase(consumers.begin() + 500);
  int changed = 0;
  for (const auto& shard : MakeShards(consumers)) {
    changed += before.at(shard.name()) != shard.SerializeAsString();
  }
  EXPECT_EQ(changed, 1);
}

TEST(Shards, WithoutConsumersAreNone) { EXPECT_TRUE(MakeShards({}).empty()); }

}  // namespace
}  // namespace tollgate::control
