// The last chapter of an API version: Deprecation (RFC 9745), Sunset (RFC 8594), Link and 410, by
// dates. Header values are formatted once, when policy is compiled; a request only compares two
// dates. Immutable, any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/base/clock.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

class Lifecycle {
 public:
  // Always served, no headers.
  Lifecycle() = default;
  // `successor_uri` becomes Link rel=successor-version (see VersionUri); empty: no such link.
  explicit Lifecycle(const RouteTablePolicy& table, absl::string_view successor_uri = {});

  struct Answer {
    bool gone = false;                      // 410
    absl::Span<const HeaderValue> headers;  // for the response, the 410 too; owned by Lifecycle
  };
  // By whole seconds, as the dates are:
  //   Deprecation and its links from the deprecation date on (RFC 9745 would allow it before);
  //   Sunset and its link from the start until the sunset date, that second included;
  //   gone from the second after; a retired version is gone whatever the dates say.
  Answer At(WallTime now) const;

 private:
  bool retired_ = false;
  int64_t deprecated_ = std::numeric_limits<int64_t>::max();  // Unix seconds
  int64_t sunset_ = std::numeric_limits<int64_t>::max();
  std::vector<HeaderValue> before_;  // headers before the deprecation date,
  std::vector<HeaderValue> after_;   // from it on,
  std::vector<HeaderValue> gone_;    // and with the 410
};

}  // namespace tollgate::proxy
