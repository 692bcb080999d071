#include "proxy/control/lkg_file.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "common/crypto/digest.h"
#include "common/crypto/sealed.h"

namespace tollgate::proxy {
namespace {

constexpr absl::string_view kMagic("TGLK\x01", 5);
constexpr uint8_t kSealed = 1;
constexpr uint8_t kIncomplete = 2;
constexpr size_t kDigestBytes = 32;
constexpr uint64_t kMaxUnixMillis = 9'000'000'000'000;  // year 2255: fits WallTime's nanoseconds

void Put(std::string* out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

// Takes an integer from the front; false: too short.
bool Take(absl::string_view* in, int bytes, uint64_t* value) {
  if (in->size() < static_cast<size_t>(bytes)) return false;
  *value = 0;
  for (int i = 0; i < bytes; ++i) {
    *value |= static_cast<uint64_t>(static_cast<uint8_t>((*in)[i])) << (8 * i);
  }
  in->remove_prefix(bytes);
  return true;
}

absl::Status Damaged(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("damaged (", what, ")"));
}

}  // namespace

absl::StatusOr<std::string> EncodeLkg(const LkgFile& file, const SecretBytes* key) {
  if (file.node.size() > 0xffff) {
    return absl::InvalidArgumentError("node id: expected at most 65535 bytes");
  }
  std::string out(kMagic.data(), kMagic.size());
  Put(&out, static_cast<uint8_t>(file.kind), 1);
  Put(&out, (key != nullptr ? kSealed : 0) | (file.complete ? 0 : kIncomplete), 1);
  Put(&out, 0, 1);
  Put(&out, static_cast<uint64_t>(UnixMillis(file.written)), 8);
  Put(&out, file.node.size(), 2);
  out += file.node;
  std::string sealed;
  if (key != nullptr) {
    ASSIGN_OR_RETURN(sealed, Seal(*key, out, file.payload));
  }
  const std::string& payload = key != nullptr ? sealed : file.payload;
  Put(&out, payload.size(), 8);
  out += payload;
  const Digest256 digest = Sha256(out);
  out.append(AsBytes(digest).data(), kDigestBytes);
  return out;
}

absl::StatusOr<LkgFile> DecodeLkg(absl::string_view content, LkgKind kind, absl::string_view node,
                                  const SecretBytes* key) {
  if (content.size() < kMagic.size() + kDigestBytes) return Damaged("too short");
  if (content.substr(0, kMagic.size()) != kMagic) {
    return Damaged("not a last-known-good file of this version");
  }
  const absl::string_view body = content.substr(0, content.size() - kDigestBytes);
  const Digest256 digest = Sha256(body);
  if (AsBytes(digest) != content.substr(body.size())) return Damaged("wrong checksum");

  LkgFile file;
  uint64_t found_kind, flags, zero, written, size;
  absl::string_view in = body.substr(kMagic.size());
  if (!Take(&in, 1, &found_kind) || !Take(&in, 1, &flags) || !Take(&in, 1, &zero) ||
      !Take(&in, 8, &written) || !Take(&in, 2, &size) || in.size() < size) {
    return Damaged("too short");
  }
  if (found_kind != static_cast<uint8_t>(kind)) return Damaged("another kind of file");
  if ((flags & ~uint64_t{kSealed | kIncomplete}) != 0 || zero != 0) return Damaged("unknown flags");
  if (written > kMaxUnixMillis) return Damaged("impossible time");
  file.kind = kind;
  file.complete = (flags & kIncomplete) == 0;
  file.written = WallTime(std::chrono::milliseconds(static_cast<int64_t>(written)));
  file.node = std::string(in.substr(0, size));
  in.remove_prefix(size);
  const absl::string_view header = body.substr(0, body.size() - in.size());
  if (!Take(&in, 8, &size) || in.size() != size) return Damaged("wrong length");
  if (file.node != node) {
    return absl::FailedPreconditionError(
        absl::StrCat("of node \"", absl::CHexEscape(file.node), "\"; this is \"", node, "\""));
  }
  const bool sealed = (flags & kSealed) != 0;
  if (sealed && key == nullptr) {
    return absl::FailedPreconditionError(
        "sealed; expected the bootstrap key that it was sealed with");
  }
  // Whoever can write the directory must not be able to replace a sealed policy by an open one.
  if (!sealed && key != nullptr) {
    return absl::FailedPreconditionError(
        "not sealed, although a bootstrap key is given; remove the file to start without it");
  }
  if (!sealed) {
    file.payload = std::string(in);
    return file;
  }
  absl::StatusOr<std::string> opened = Open(*key, header, in);
  if (!opened.ok()) {
    return absl::UnauthenticatedError("sealed with another bootstrap key, or tampered with");
  }
  file.payload = *std::move(opened);
  return file;
}

}  // namespace tollgate::proxy
