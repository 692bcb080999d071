// MakeMaglevTable of hash_table.h: section 3.4 of "Maglev: A Fast and Reliable Software Network
// Load Balancer" (NSDI 2016). Members take turns; each takes the next free entry of its own
// permutation of the table. With weights, a member misses turns: it has taken entries in proportion
// to its weight after every round.
#include <algorithm>
#include <functional>
#include <queue>
#include <tuple>
#include <utility>

#include "common/base/stable_hash.h"
#include "proxy/upstream/hash_table.h"

namespace tollgate::proxy {
namespace {

constexpr uint64_t kOffsetSeed = 1;
constexpr uint64_t kSkipSeed = 2;

class MaglevTable final : public HashTable {
 public:
  MaglevTable(std::vector<HashMember> members, uint32_t size)
      : HashTable(std::move(members)), entries_(size, kFree) {
    struct Turn {
      uint64_t round;  // the heaviest has a turn in each
      uint32_t member;
      bool operator>(const Turn& other) const {
        return std::tie(round, member) > std::tie(other.round, other.member);
      }
    };
    struct Permutation {
      uint32_t next;
      uint32_t skip;
      uint64_t taken = 0;
    };
    uint64_t most = 0;
    std::vector<Permutation> permutations;
    std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns;
    for (const HashMember& member : this->members()) {
      turns.push({1, static_cast<uint32_t>(permutations.size())});
      permutations.push_back(
          {static_cast<uint32_t>(StableHash(member.name, kOffsetSeed) % size),
           static_cast<uint32_t>(StableHash(member.name, kSkipSeed) % (size - 1) + 1)});
      most = std::max<uint64_t>(most, member.weight);
    }
    for (uint32_t filled = 0; filled < size; ++filled) {
      const uint32_t member = turns.top().member;
      turns.pop();
      Permutation& at = permutations[member];
      while (entries_[at.next] != kFree) at.next = Step(at.next, at.skip, size);
      entries_[at.next] = member;
      ++at.taken;
      turns.push({at.taken * most / this->members()[member].weight + 1, member});
    }
  }

  uint32_t First(uint64_t hash, Probe* probe) const override {
    probe->at = hash;
    return At(hash);
  }
  // Another hash of the same key.
  uint32_t Next(Probe* probe) const override {
    probe->at = Mix64(probe->at + 0x9e3779b97f4a7c15);
    return At(probe->at);
  }

 private:
  static constexpr uint32_t kFree = ~uint32_t{0};

  static uint32_t Step(uint32_t at, uint32_t skip, uint32_t size) {
    const uint64_t next = uint64_t{at} + skip;
    return static_cast<uint32_t>(next < size ? next : next - size);
  }
  // Uniform without a division.
  uint32_t At(uint64_t hash) const {
    return entries_[static_cast<size_t>((hash >> 32) * entries_.size() >> 32)];
  }

  std::vector<uint32_t> entries_;
};

}  // namespace

std::unique_ptr<const HashTable> MakeMaglevTable(std::vector<HashMember> members, uint32_t size) {
  return std::make_unique<MaglevTable>(std::move(members), size);
}

}  // namespace tollgate::proxy
