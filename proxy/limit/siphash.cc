#include "proxy/limit/siphash.h"

#include <sys/random.h>

#include <bit>
#include <cstdlib>
#include <cstring>

namespace tollgate::proxy {
namespace {

static_assert(std::endian::native == std::endian::little);

struct State {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

}  // namespace

SipKey RandomSipKey() {
  SipKey key;
  // Up to 256 bytes come whole or, before the kernel is seeded, not at all. A table without a
  // secret key could be attacked: better no process.
  if (getrandom(&key, sizeof(key), 0) != sizeof(key)) std::abort();
  return key;
}

uint64_t SipHash(const SipKey& key, absl::string_view text) {
  State s{key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d, key.k0 ^ 0x6c7967656e657261,
          key.k1 ^ 0x7465646279746573};
  const char* at = text.data();
  size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    s.Absorb(word);
  }
  uint64_t last = uint64_t{text.size()} << 56;
  for (size_t i = 0; i < left; ++i) {
    last |= uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  }
  s.Absorb(last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.Round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace tollgate::proxy
