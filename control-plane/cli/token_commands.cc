// token, keygen: demo credentials. Real ones come from your identity provider.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/status.h"
#include "common/crypto/digest.h"
#include "common/crypto/encoding.h"
#include "common/crypto/json.h"
#include "common/crypto/jwk.h"
#include "common/crypto/signing_key.h"
#include "control-plane/cli/commands.h"

namespace tollgate::control {
namespace {

std::string Quoted(absl::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

// A claim's value as JSON: what is JSON already, or else a text.
std::string ClaimValue(const std::string& written) {
  StrictJson json;
  simdjson::dom::element element;
  return json.Parse(written, &element) == JsonError::kNone ? written : Quoted(written);
}

// Claims by name; a later one replaces an earlier one, so --claim can override anything.
absl::StatusOr<std::string> Payload(const TokenFlags& flags, WallTime now) {
  std::map<std::string, std::string> claims;
  if (!flags.issuer.empty()) claims["iss"] = Quoted(flags.issuer);
  if (!flags.subject.empty()) claims["sub"] = Quoted(flags.subject);
  if (flags.audiences.size() == 1) claims["aud"] = Quoted(flags.audiences.front());
  if (flags.audiences.size() > 1) {
    std::string list;
    for (const std::string& audience : flags.audiences) {
      absl::StrAppend(&list, list.empty() ? "[" : ",", Quoted(audience));
    }
    claims["aud"] = absl::StrCat(list, "]");
  }
  if (!flags.scope.empty()) claims["scope"] = Quoted(flags.scope);
  claims["iat"] = absl::StrCat(UnixSeconds(now));
  claims["exp"] = absl::StrCat(UnixSeconds(now + flags.ttl));
  if (flags.profile == "rfc9068") {  // RFC 9068 section 2.2: mandatory
    claims["jti"] = Quoted(HexEncode(RandomBytes(16)));
    if (!flags.subject.empty()) claims["client_id"] = Quoted(flags.subject);
  }
  for (const std::string& claim : flags.claims) {
    const size_t equals = claim.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("--claim \"", claim, "\": expected name=value"));
    }
    claims[claim.substr(0, equals)] = ClaimValue(claim.substr(equals + 1));
  }
  std::string payload;
  for (const auto& [name, value] : claims) {
    absl::StrAppend(&payload, payload.empty() ? "{" : ",", Quoted(name), ":", value);
  }
  return absl::StrCat(payload, "}");
}

absl::StatusOr<std::string> MakeToken(const TokenFlags& flags, WallTime now) {
  PosixFileSystem files;
  ASSIGN_OR_RETURN(const std::string jwk, files.Read(flags.key_file, kMaxJwkSetBytes));
  absl::StatusOr<SigningKey> key = SigningKey::Parse(jwk, flags.kid, flags.alg);
  if (!key.ok()) return Annotate(key.status(), absl::StrCat("--key-file ", flags.key_file));
  ASSIGN_OR_RETURN(const std::string payload, Payload(flags, now));
  return key->Sign(payload, flags.profile == "rfc9068" ? "at+jwt" : "JWT");  // RFC 9068 section 2.1
}

absl::Status WritePublic(const std::string& path, absl::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, path);
  const ssize_t written = write(fd, text.data(), text.size());
  const absl::Status status = written == static_cast<ssize_t>(text.size())
                                  ? absl::OkStatus()
                                  : ErrnoStatus(written < 0 ? errno : ENOSPC, path);
  close(fd);
  return status;
}

absl::Status MakeKey(const KeygenFlags& flags) {
  const std::optional<JwsAlgorithm> alg = ParseJwsAlgorithm(flags.alg);
  if (!alg.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--alg ", flags.alg,
                     ": expected ES256, ES384, RS256, PS256, EdDSA, HS256, HS384 or HS512"));
  }
  ASSIGN_OR_RETURN(const SigningKey key, SigningKey::Generate(*alg, flags.kid));
  // Of a symmetric key the verifier's half is the key itself: it is a secret too.
  const bool symmetric = IsSymmetric(*alg);
  std::string shared = key.PrivateJwk();
  if (!symmetric) {
    ASSIGN_OR_RETURN(shared, key.PublicJwk());
  }
  const std::string set = absl::StrCat("{\"keys\": [", shared, "]}\n");
  PosixFileSystem files;
  const absl::StatusOr<FileInfo> there = files.Stat(flags.private_file);
  if (!absl::IsNotFound(there.status())) {
    return absl::AlreadyExistsError(absl::StrCat(
        "--private ", flags.private_file, ": exists already; remove it, or choose another name"));
  }
  RETURN_IF_ERROR(files.Write(flags.private_file, absl::StrCat(key.PrivateJwk(), "\n")));
  return symmetric ? files.Write(flags.public_file, set) : WritePublic(flags.public_file, set);
}

}  // namespace

ExitCode RunToken(Session& session, const TokenFlags& flags) {
  const absl::StatusOr<std::string> token = MakeToken(flags, session.now());
  if (!token.ok()) return session.Fail(token.status());
  session.Print(absl::StrCat(*token, "\n"));
  return ExitCode::kOk;
}

ExitCode RunKeygen(Session& session, const KeygenFlags& flags) {
  const absl::Status status = MakeKey(flags);
  if (!status.ok()) return session.Fail(status);
  session.Print(absl::StrCat("wrote ", flags.private_file, " (keep it secret) and ",
                             flags.public_file, " (an Issuer's keys: {file: ...})\n"));
  return ExitCode::kOk;
}

}  // namespace tollgate::control
