#include "proxy/limit/limit_key.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kMaxShown = 128;  // of one value

// Takes the next part off `key`: kind and value. False: it is not a key of several parts.
bool TakePart(absl::string_view* key, char* kind, absl::string_view* value) {
  const size_t colon = key->find(':');
  size_t length = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(key->substr(0, colon), &length) ||
      length < 2 || key->size() - colon - 1 < length) {
    return false;
  }
  const absl::string_view part = key->substr(colon + 1, length);
  *kind = part[0];
  *value = part.substr(2);
  key->remove_prefix(colon + 1 + length);
  return true;
}

// Values of claims and names are valid UTF-8; what is cut stays so.
std::string Shown(absl::string_view value) {
  if (value.size() <= kMaxShown) return absl::Utf8SafeCEscape(value);
  size_t cut = kMaxShown;
  while (cut > 0 && (static_cast<uint8_t>(value[cut]) & 0xC0) == 0x80) --cut;
  return absl::StrCat(absl::Utf8SafeCEscape(value.substr(0, cut)), "...");
}

std::string Private(const LimitPlan& plan, absl::string_view value, const SipKey& secret) {
  if (plan.show_claims()) return Shown(value);
  return absl::StrCat("#", absl::Hex(SipHash(secret, value), absl::kZeroPad16));
}

// Of the two lines of `value`, issuer and what it says. Names of issuers have no newline.
std::string OfIssuer(const LimitPlan& plan, absl::string_view value, const SipKey& secret) {
  const size_t line = std::min(value.find('\n'), value.size());
  return absl::StrCat(Shown(value.substr(0, line)), "/",
                      Private(plan, value.substr(std::min(line + 1, value.size())), secret));
}

std::string DescribePart(const LimitPlan& plan, const LimitKeyPart& part, char kind,
                         absl::string_view value, const SipKey& secret) {
  switch (kind) {
    case LimitKeyText::kAddress:
      return absl::StrCat("address=", Shown(value));
    case LimitKeyText::kRoute:
      return absl::StrCat("route=", Shown(value));
    case LimitKeyText::kApi:
      return absl::StrCat("api=", Shown(value));
    case LimitKeyText::kConsumer:
      return absl::StrCat("consumer=", Shown(value));
    case LimitKeyText::kKeyId:
      return absl::StrCat("key=", Shown(value));
    case LimitKeyText::kToken:
      return absl::StrCat("token=", OfIssuer(plan, value, secret));
    case LimitKeyText::kClaim:
      return absl::StrCat("claim:", part.claim, "=", OfIssuer(plan, value, secret));
    case LimitKeyText::kNoClaim:
      return absl::StrCat("claim:", part.claim, "=", Shown(value), value.empty() ? "" : "/",
                          "(none)");
    default:
      return "?";
  }
}

}  // namespace

void LimitKeyText::Add(char kind, absl::string_view a, absl::string_view b, absl::string_view c) {
  if (several_) absl::StrAppend(out_, 2 + a.size() + b.size() + c.size(), ":");
  out_->push_back(kind);
  out_->push_back(':');
  out_->append(a.data(), a.size());
  out_->append(b.data(), b.size());
  out_->append(c.data(), c.size());
}

std::string DescribeLimitKey(const LimitPlan& plan, absl::string_view key, const SipKey& secret) {
  if (key.empty()) return "(shared by keys that found no room)";
  const std::vector<LimitKeyPart>& parts = plan.per();
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    char kind = 0;
    absl::string_view value;
    if (parts.size() > 1) {
      // A counter that was made when its plan counted by something else.
      if (!TakePart(&key, &kind, &value)) return "(of a plan that has changed)";
    } else if (key.size() < 2 || key[1] != ':') {
      return "(of a plan that has changed)";
    } else {
      kind = key[0];
      value = key.substr(2);
    }
    absl::StrAppend(&out, out.empty() ? "" : " ",
                    DescribePart(plan, parts[i], kind, value, secret));
  }
  return out;
}

}  // namespace tollgate::proxy
