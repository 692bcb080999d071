// The format of the last-known-good's files:
//
//   "TGLK" | version 1 | kind | flags | 0 | written (u64, Unix ms) | node length (u16) | node |
//   payload length (u64) | payload | SHA-256 of everything before
//
// Integers are little-endian. The payload is a DeltaDiscoveryResponse (xDS) that holds the
// resources as they came, sealed (common/crypto/sealed.h) with the header as associated data when
// there is a key. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/crypto/secret.h"

namespace tollgate::proxy {

enum class LkgKind : uint8_t { kPolicy = 1, kRevocations = 2 };

struct LkgFile {
  LkgKind kind = LkgKind::kPolicy;
  bool complete = true;  // false: without secrets
  WallTime written{};    // to the millisecond
  std::string node;
  std::string payload;
};

inline constexpr size_t kMaxLkgBytes = size_t{1} << 30;

// `key` may be null: not sealed. InvalidArgument: a node id of more than 65535 bytes.
absl::StatusOr<std::string> EncodeLkg(const LkgFile& file, const SecretBytes* key);
// DataLoss: damaged, or another kind of file. FailedPrecondition: of another node, or sealed and no
// key is given, or the other way round. Unauthenticated: another key.
absl::StatusOr<LkgFile> DecodeLkg(absl::string_view content, LkgKind kind, absl::string_view node,
                                  const SecretBytes* key);

}  // namespace tollgate::proxy
