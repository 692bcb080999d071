// The text by which a counter is found, made of the parts that its plan counts by, and what of it
// operators may see. Stateless.
//
// A part is a letter for its kind, a colon and a value: kinds are kept apart, so that a consumer
// who is named like an address does not share its counter. One part stands alone; several stand
// each behind its length, so that no value can reach into the next.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "proxy/limit/limit_plan.h"
#include "proxy/limit/siphash.h"

namespace tollgate::proxy {

class LimitKeyText {
 public:
  static constexpr char kAddress = 'a';
  static constexpr char kRoute = 'r';
  static constexpr char kApi = 'p';
  static constexpr char kConsumer = 'c';
  static constexpr char kKeyId = 'k';
  // What a token says is what its issuer says: another's is another's.
  static constexpr char kToken = 't';  // issuer and value, a newline between
  static constexpr char kClaim = 'm';  // issuer and value, a newline between
  // Tokens without the claim: those of an issuer (the value; "": no token) share one counter.
  static constexpr char kNoClaim = 'n';

  // `out` is overwritten; its storage is kept. `parts`: how many will be added.
  LimitKeyText(std::string* out, size_t parts) : out_(out), several_(parts > 1) { out->clear(); }

  // The pieces are appended to each other.
  void Add(char kind, absl::string_view a, absl::string_view b = {}, absl::string_view c = {});

 private:
  std::string* out_;
  const bool several_;
};

// "consumer=shop-42 route=cards/v2/pay": the key of a counter of `plan`, for operators. Claims and
// identities of strangers are shown as a hash under `secret` ("claim:sub=bank/#1f3a...", another
// after each start), unless the plan says that they may be shown. Control characters are escaped,
// and the text is bounded.
std::string DescribeLimitKey(const LimitPlan& plan, absl::string_view key, const SipKey& secret);

}  // namespace tollgate::proxy
