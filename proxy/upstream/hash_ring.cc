// MakeRing of hash_table.h.
#include <algorithm>
#include <bit>
#include <utility>

#include "common/base/stable_hash.h"
#include "proxy/upstream/hash_table.h"

namespace tollgate::proxy {
namespace {

constexpr uint64_t kMaxPoints = 1 << 20;

// Points sorted by place; where each 2^k-th part of the circle begins is looked up, so that a hash
// finds its point in constant time.
class HashRing final : public HashTable {
 public:
  HashRing(std::vector<HashMember> members, uint32_t points_each) : HashTable(std::move(members)) {
    uint64_t sum = 0, most = 1;
    for (const HashMember& member : this->members()) {
      sum += member.weight;
      most = std::max<uint64_t>(most, member.weight);
    }
    const uint64_t each = std::min<uint64_t>(points_each, kMaxPoints * most / std::max(sum, most));
    for (uint32_t i = 0; i < this->members().size(); ++i) {
      const HashMember& member = this->members()[i];
      const uint64_t points = std::max<uint64_t>(1, (each * member.weight + most / 2) / most);
      const uint64_t seed = StableHash(member.name);
      for (uint64_t k = 0; k < points; ++k) {
        points_.push_back({Mix64(seed + k * 0x9e3779b97f4a7c15), i});
      }
    }
    std::sort(points_.begin(), points_.end(), [](const Point& a, const Point& b) {
      return a.place != b.place ? a.place < b.place : a.member < b.member;
    });
    shift_ = 64 - std::max(1, static_cast<int>(std::bit_width(points_.size() - 1)));
    parts_.resize(size_t{1} << (64 - shift_));
    size_t at = 0;
    for (size_t part = 0; part < parts_.size(); ++part) {
      while (at < points_.size() && (points_[at].place >> shift_) < part) ++at;
      parts_[part] = static_cast<uint32_t>(at);
    }
  }

  uint32_t First(uint64_t hash, Probe* probe) const override {
    size_t at = parts_[hash >> shift_];
    while (at < points_.size() && points_[at].place < hash) ++at;
    probe->at = at < points_.size() ? at : 0;
    return points_[probe->at].member;
  }
  uint32_t Next(Probe* probe) const override {
    if (++probe->at == points_.size()) probe->at = 0;
    return points_[probe->at].member;
  }

 private:
  struct Point {
    uint64_t place;
    uint32_t member;
  };
  std::vector<Point> points_;
  std::vector<uint32_t> parts_;  // first point at or behind the beginning of each part
  int shift_ = 0;
};

}  // namespace

std::unique_ptr<const HashTable> MakeRing(std::vector<HashMember> members, uint32_t points) {
  return std::make_unique<HashRing>(std::move(members), points);
}

}  // namespace tollgate::proxy
