#include "proxy/upstream/hash_table.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/stable_hash.h"
#include "gtest/gtest.h"

namespace tollgate::proxy {
namespace {

constexpr int kKeys = 100'000;

uint64_t KeyHash(int key) { return StableHash(absl::StrCat("consumer-", key)); }

std::vector<HashMember> Members(int count, int without = -1) {
  std::vector<HashMember> members;
  for (int i = 0; i < count; ++i) {
    if (i != without) members.push_back({absl::StrCat("10.0.1.", i, ":8080"), 1});
  }
  std::sort(members.begin(), members.end());
  return members;
}

class HashTableTest : public testing::TestWithParam<Balance> {
 protected:
  HashTables::Handle Get(std::vector<HashMember> members) {
    return tables_.Get(GetParam(), policy_, std::move(members));
  }
  static const std::string& NameOf(const HashTable& table, int key) {
    HashTable::Probe probe;
    return table.members()[table.First(KeyHash(key), &probe)].name;
  }
  static std::map<std::string, double> Shares(const HashTable& table) {
    std::map<std::string, double> shares;
    Random random(1);
    HashTable::Probe probe;
    constexpr int kDraws = 1'000'000;
    for (int i = 0; i < kDraws; ++i) {
      shares[table.members()[table.First(random(), &probe)].name] += 1.0 / kDraws;
    }
    return shares;
  }
  // Of the keys whose endpoint stays, the part that moves when one of `count` goes.
  double MovedWithoutNeed(int count) {
    const HashTables::Handle before = Get(Members(count));
    const HashTables::Handle after = Get(Members(count, count / 2));
    const std::string gone = absl::StrCat("10.0.1.", count / 2, ":8080");
    int moved = 0, stays = 0;
    for (int key = 0; key < kKeys; ++key) {
      const std::string& name = NameOf(*before, key);
      if (name == gone) continue;
      ++stays;
      moved += name != NameOf(*after, key);
    }
    EXPECT_NEAR(1 - stays / double{kKeys}, 1.0 / count, 0.3 / count);
    return moved / double{kKeys};
  }

  BalancingPolicy policy_;
  HashTables tables_;
};
INSTANTIATE_TEST_SUITE_P(Kinds, HashTableTest,
                         testing::Values(Balance::kRingHash, Balance::kMaglev));

TEST_P(HashTableTest, IsTheSameWhateverTheOrderOfMembers) {
  std::vector<HashMember> members = Members(20);
  const HashTables::Handle table = Get(members);
  HashTables elsewhere;
  std::reverse(members.begin(), members.end());
  const HashTables::Handle other = elsewhere.Get(GetParam(), policy_, members);
  for (int key = 0; key < 10'000; ++key) ASSERT_EQ(NameOf(*table, key), NameOf(*other, key));
}

TEST_P(HashTableTest, IsTheSameInEveryRelease) {
  // What a new release of Tollgate hashes otherwise goes elsewhere than what an old one hashes, for
  // as long as both run: these may change only for a reason.
  const HashTables::Handle table = Get(Members(10));
  std::string names;
  for (int key = 0; key < 12; ++key) names += NameOf(*table, key)[7];
  EXPECT_EQ(names, GetParam() == Balance::kRingHash ? "351317634366" : "536108298785");
}

TEST_P(HashTableTest, RemovingOneMovesItsKeysAndFewOthers) {
  // A ring moves no others; Maglev a few, where permutations meet other free entries.
  for (const int count : {5, 20, 100}) {
    SCOPED_TRACE(count);
    const double moved = MovedWithoutNeed(count);
    if (GetParam() == Balance::kRingHash) {
      EXPECT_EQ(moved, 0);
    } else {
      EXPECT_LT(moved, 0.05);
    }
  }
}

TEST_P(HashTableTest, GoesOnToEveryMember) {
  const HashTables::Handle table = Get(Members(5));
  for (int key = 0; key < 1000; ++key) {
    std::map<uint32_t, int> seen;
    HashTable::Probe probe;
    uint32_t member = table->First(KeyHash(key), &probe);
    for (int i = 0; i < 200 && seen.size() < 5; ++i, member = table->Next(&probe)) ++seen[member];
    ASSERT_EQ(seen.size(), 5u);
  }
}

TEST_P(HashTableTest, SharesByWeight) {
  const HashTables::Handle table = Get({{"a", 1}, {"b", 2}, {"c", 7}});
  const auto shares = Shares(*table);
  const double within = GetParam() == Balance::kRingHash ? 0.05 : 0.002;
  EXPECT_NEAR(shares.at("a"), 0.1, within);
  EXPECT_NEAR(shares.at("b"), 0.2, within);
  EXPECT_NEAR(shares.at("c"), 0.7, within);
}

TEST_P(HashTableTest, EqualOnesAreBuiltOnceAndFreedWithTheLast) {
  HashTables::Handle table = Get(Members(10));
  EXPECT_EQ(Get(Members(10)), table);
  EXPECT_NE(Get(Members(9)), table);
  std::weak_ptr<const HashTable> gone = table;
  table.reset();
  EXPECT_TRUE(gone.expired());
  EXPECT_NE(Get(Members(10)), nullptr);
}

TEST_P(HashTableTest, PreparesWhatClustersWillAskFor) {
  UpstreamPolicy upstream;
  upstream.balance = GetParam();
  for (const char* address : {"10.0.0.1:80", "10.0.0.2:80"}) {
    upstream.endpoints.push_back({*Address::Parse(address), 1});
  }
  upstream.endpoints.push_back({*Address::Parse("10.0.1.1:80"), 1, "", 1});
  UpstreamPolicy by_name = upstream;
  by_name.endpoints.push_back({*Address::Parse("pay.internal:80"), 1});
  UpstreamPolicy other = upstream;
  other.balance = Balance::kRandom;
  const auto handles = tables_.Prepare({{"a", upstream}, {"b", by_name}, {"c", other}});
  ASSERT_EQ(handles.size(), 2u) << "one a priority";
  EXPECT_EQ(Get({{"10.0.0.2:80", 1}, {"10.0.0.1:80", 1}}), handles[0]);
  EXPECT_EQ(Get({{"10.0.1.1:80", 1}}), handles[1]);
}

TEST(Maglev, SharesAreEvenWithinOnePercent) {
  for (const size_t count : {3u, 10u, 100u, 256u}) {
    std::vector<HashMember> members = Members(static_cast<int>(count));
    const auto table = MakeMaglevTable(members, 65537);
    // Each entry once: the middle of its part of the hashes.
    std::vector<int> entries(count);
    HashTable::Probe probe;
    for (uint64_t i = 0; i < 65537; ++i) {
      ++entries[table->First(((i << 32) / 65537 + 1) << 32, &probe)];
    }
    const auto [least, most] = std::minmax_element(entries.begin(), entries.end());
    EXPECT_LE(*most - *least, 2) << count;
    EXPECT_NEAR(*most * static_cast<double>(count) / 65537, 1, 0.01) << count;
  }
}

TEST(Ring, SharesAreOffByTheRootOfTheirPoints) {
  for (const size_t count : {3u, 10u, 100u}) {
    const auto table = MakeRing(Members(static_cast<int>(count)), 200);
    std::vector<int> picks(count);
    Random random(1);
    HashTable::Probe probe;
    for (int i = 0; i < 1'000'000; ++i) ++picks[table->First(random(), &probe)];
    const auto [least, most] = std::minmax_element(picks.begin(), picks.end());
    // Three standard deviations of 1 / sqrt(200) are 21 %.
    EXPECT_LT(*most * static_cast<double>(count) / 1e6, 1.22) << count;
    EXPECT_GT(*least * static_cast<double>(count) / 1e6, 0.78) << count;
  }
}

}  // namespace
}  // namespace tollgate::proxy
