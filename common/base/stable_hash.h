// A hash that is the same in every process, on every machine and in every release: for what several
// sidecars must agree on without speaking to each other (consistent hashing). Not for tables whose
// keys an attacker chooses, and not for secrets. Changing it moves every key. Stateless.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace tollgate {

// A bijection that lets every bit depend on all others (the finaliser of splitmix64: Steele, Lea,
// Flood 2014).
constexpr uint64_t Mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

constexpr uint64_t StableHash(absl::string_view text, uint64_t seed = 0) {
  uint64_t hash = Mix64(seed + 0x9e3779b97f4a7c15 * (text.size() + 1));
  uint64_t word = 0;
  int bits = 0;
  for (const char c : text) {
    word |= uint64_t{static_cast<unsigned char>(c)} << bits;
    if ((bits += 8) < 64) continue;
    hash = Mix64(hash ^ word) + 0x9e3779b97f4a7c15;
    word = 0;
    bits = 0;
  }
  return Mix64(hash ^ word);
}

}  // namespace tollgate
