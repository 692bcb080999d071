#include "common/policy/token_denial.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/policy/check.h"
#include "common/policy/convert.h"

namespace tollgate {
namespace internal {

std::optional<TokenDenial> ConvertTokenDenial(const config::v1::TokenDenial& from, const At& at,
                                              Errors& errors) {
  TokenDenial to;
  bool usable = CheckIdentifier(from.issuer(), at["issuer"], errors);
  to.token.issuer = from.issuer();
  absl::string_view field;
  switch (from.what_case()) {
    case config::v1::TokenDenial::kTokenId:
      to.token.claim = DeniedClaim::kTokenId;
      to.token.value = from.token_id();
      field = "token_id";
      break;
    case config::v1::TokenDenial::kSubject:
      to.token.claim = DeniedClaim::kSubject;
      to.token.value = from.subject();
      field = "subject";
      break;
    case config::v1::TokenDenial::kClient:
      to.token.claim = DeniedClaim::kClient;
      to.token.value = from.client();
      field = "client";
      break;
    case config::v1::TokenDenial::WHAT_NOT_SET:
      errors.Add(Code::kMissing, at, "says neither token_id nor subject nor client");
      return std::nullopt;
  }
  const std::string& value = to.token.value;
  if (value.empty()) {
    errors.Add(Code::kMissing, at[field], "is empty");
    usable = false;
  } else if (value.size() > kMaxDeniedValue) {
    errors.Add(Code::kOutOfRange, at[field],
               absl::StrCat(value.size(), " bytes; expected at most ", kMaxDeniedValue));
  } else if (std::any_of(value.begin(), value.end(),
                         [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    errors.Add(Code::kInvalid, at[field], "has control characters; no token has them here");
  }
  // A date that makes no sense ends nothing.
  to.until = CheckDate(from.until(), at["until"], errors).value_or(kNoEnd);
  if (!usable) return std::nullopt;
  return to;
}

std::vector<TokenDenial> ConvertTokenDenials(const config::v1::Revocation& from, Errors& errors) {
  const At root;
  std::vector<TokenDenial> denials;
  for (int i = 0; i < from.tokens_size(); ++i) {
    if (auto denial = ConvertTokenDenial(from.tokens(i), root("tokens", i), errors)) {
      denials.push_back(*std::move(denial));
    }
  }
  if (from.tokens().empty()) return denials;
  CheckIdentifier(from.incarnation(), root["incarnation"], errors);
  if (from.revision() == 0) errors.Add(Code::kMissing, root["revision"], "is not set");
  return denials;
}

}  // namespace internal

absl::string_view ToString(DeniedClaim claim) {
  switch (claim) {
    case DeniedClaim::kTokenId:
      return "jti";
    case DeniedClaim::kSubject:
      return "sub";
    case DeniedClaim::kClient:
      return "client_id";
  }
  return "";
}

std::optional<DeniedClaim> ParseDeniedClaim(absl::string_view text) {
  for (const DeniedClaim claim :
       {DeniedClaim::kTokenId, DeniedClaim::kSubject, DeniedClaim::kClient}) {
    if (text == ToString(claim)) return claim;
  }
  return std::nullopt;
}

config::v1::TokenDenial ToProto(const TokenDenial& denial) {
  config::v1::TokenDenial out;
  out.set_issuer(denial.token.issuer);
  switch (denial.token.claim) {
    case DeniedClaim::kTokenId:
      out.set_token_id(denial.token.value);
      break;
    case DeniedClaim::kSubject:
      out.set_subject(denial.token.value);
      break;
    case DeniedClaim::kClient:
      out.set_client(denial.token.value);
      break;
  }
  if (denial.until != kNoEnd) out.set_until(UnixSeconds(denial.until));
  return out;
}

std::vector<TokenDenial> TokenDenialsOf(const config::v1::Revocation& revocation,
                                        std::vector<ResourceError>* errors) {
  internal::Errors found;
  found.Enter("Revocation", revocation.name(), 0);
  internal::CheckUnknownFields(revocation, internal::At(), found);
  std::vector<TokenDenial> denials = internal::ConvertTokenDenials(revocation, found);
  for (ResourceError& error : found.Take()) errors->push_back(std::move(error));
  return denials;
}

}  // namespace tollgate
