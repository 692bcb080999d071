// For calls into OpenSSL that fail only when memory or the library itself is gone: nothing sensible
// can follow, and going on without a hash or random bytes would be worse than ending.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace tollgate {

inline void OpensslMust(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "fatal: OpenSSL failed: %s\n", what);
  std::abort();
}

}  // namespace tollgate
