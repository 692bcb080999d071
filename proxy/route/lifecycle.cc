#include "proxy/route/lifecycle.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/http_date.h"

namespace tollgate::proxy {
namespace {

void AddLink(absl::string_view uri, absl::string_view relation, std::vector<HeaderValue>* headers) {
  if (uri.empty()) return;
  headers->push_back({"link", absl::StrCat("<", uri, ">; rel=\"", relation, "\"")});
}

}  // namespace

Lifecycle::Lifecycle(const RouteTablePolicy& table, absl::string_view successor_uri)
    : retired_(table.state == VersionState::kRetired) {
  HeaderValue deprecation;
  if (table.deprecated) {
    deprecated_ = UnixSeconds(*table.deprecated);
    // A Date of structured fields (RFC 9651 section 3.3.7).
    deprecation = {"deprecation", absl::StrCat("@", deprecated_)};
  }
  if (table.sunset) {
    sunset_ = UnixSeconds(*table.sunset);
    before_.push_back({"sunset", HttpDate(*table.sunset)});
    AddLink(table.link, "sunset", &before_);
  }
  if (table.deprecated) after_.push_back(deprecation);
  after_.insert(after_.end(), before_.begin(), before_.end());
  if (table.deprecated) AddLink(table.link, "deprecation", &after_);
  AddLink(successor_uri, "successor-version", &after_);

  if (table.deprecated) gone_.push_back(std::move(deprecation));
  AddLink(table.link, "sunset", &gone_);
  AddLink(successor_uri, "successor-version", &gone_);
}

Lifecycle::Answer Lifecycle::At(WallTime now) const {
  const int64_t seconds = UnixSeconds(now);
  if (retired_ || seconds > sunset_) return {true, gone_};
  if (seconds >= deprecated_) return {false, after_};
  return {false, before_};
}

}  // namespace tollgate::proxy
