// SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012): a keyed hash, so that
// clients who choose the keys of a hash table cannot choose where they land.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace tollgate::proxy {

struct SipKey {
  uint64_t k0 = 0;
  uint64_t k1 = 0;
};

// From the kernel (getrandom(2)).
SipKey RandomSipKey();

uint64_t SipHash(const SipKey& key, absl::string_view text);

}  // namespace tollgate::proxy
