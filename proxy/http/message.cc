#include "proxy/http/message.h"

#include <cstring>
#include <utility>

#include "proxy/http/chars.h"

namespace tollgate::proxy {
namespace {

// The size is a constant, so that the comparison is one of integers.
template <size_t N>
bool Same(const char* p, const char (&literal)[N]) {
  return std::memcmp(p, literal, N - 1) == 0;
}

std::string Lower(absl::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = ToLower(c);
  return lower;
}

}  // namespace

HeaderId IdOf(absl::string_view name) {
  using enum HeaderId;
  const char* p = name.data();
  switch (name.size()) {
    case 2:
      return Same(p, "te") ? kTe : kOther;
    case 3:
      return Same(p, "via") ? kVia : kOther;
    case 4:
      if (Same(p, "host")) return kHost;
      if (Same(p, "date")) return kDate;
      if (Same(p, "etag")) return kETag;
      if (Same(p, "link")) return kLink;
      return Same(p, "vary") ? kVary : kOther;
    case 6:
      if (Same(p, "accept")) return kAccept;
      if (Same(p, "cookie")) return kCookie;
      if (Same(p, "expect")) return kExpect;
      if (Same(p, "server")) return kServer;
      return Same(p, "sunset") ? kSunset : kOther;
    case 7:
      if (Same(p, "trailer")) return kTrailer;
      return Same(p, "upgrade") ? kUpgrade : kOther;
    case 8:
      return Same(p, "location") ? kLocation : kOther;
    case 9:
      if (Same(p, "forwarded")) return kForwarded;
      return Same(p, "x-api-key") ? kXApiKey : kOther;
    case 10:
      if (Same(p, "connection")) return kConnection;
      if (Same(p, "user-agent")) return kUserAgent;
      if (Same(p, "keep-alive")) return kKeepAlive;
      if (Same(p, "set-cookie")) return kSetCookie;
      return Same(p, "tracestate") ? kTracestate : kOther;
    case 11:
      if (Same(p, "traceparent")) return kTraceparent;
      if (Same(p, "retry-after")) return kRetryAfter;
      return Same(p, "deprecation") ? kDeprecation : kOther;
    case 12:
      if (Same(p, "content-type")) return kContentType;
      return Same(p, "x-request-id") ? kXRequestId : kOther;
    case 13:
      if (Same(p, "authorization")) return kAuthorization;
      return Same(p, "cache-control") ? kCacheControl : kOther;
    case 14:
      return Same(p, "content-length") ? kContentLength : kOther;
    case 15:
      if (Same(p, "accept-encoding")) return kAcceptEncoding;
      if (Same(p, "idempotency-key")) return kIdempotencyKey;
      return Same(p, "x-forwarded-for") ? kXForwardedFor : kOther;
    case 16:
      if (Same(p, "content-encoding")) return kContentEncoding;
      if (Same(p, "proxy-connection")) return kProxyConnection;
      if (Same(p, "tollgate-outcome")) return kTollgateOutcome;
      if (Same(p, "www-authenticate")) return kWwwAuthenticate;
      return Same(p, "x-forwarded-host") ? kXForwardedHost : kOther;
    case 17:
      if (Same(p, "transfer-encoding")) return kTransferEncoding;
      return Same(p, "x-forwarded-proto") ? kXForwardedProto : kOther;
    case 21:
      return Same(p, "x-request-deadline-ms") ? kXRequestDeadlineMs : kOther;
    default:
      return kOther;
  }
}

// Appends both to bytes_. What a view of this map refers to is still alive while it is copied.
HeaderMap::Entry HeaderMap::Store(HeaderId id, absl::string_view name, absl::string_view value) {
  if (id != HeaderId::kOther) name = {};
  const size_t at = bytes_.size();
  const size_t needed = at + name.size() + value.size();
  if (needed > bytes_.capacity()) {
    std::string grown;
    grown.reserve(needed < 512 ? 1024 : 2 * needed);
    grown.append(bytes_);
    grown.append(name.data(), name.size());
    grown.append(value.data(), value.size());
    bytes_.swap(grown);
  } else {
    bytes_.append(name.data(), name.size());
    bytes_.append(value.data(), value.size());
  }
  return {id, static_cast<uint16_t>(name.size()), static_cast<uint32_t>(at),
          static_cast<uint32_t>(at + name.size()), static_cast<uint32_t>(value.size())};
}

char* HeaderMap::Import(absl::string_view block) {
  const size_t at = bytes_.size();
  bytes_.append(block.data(), block.size());
  return bytes_.data() + at;
}

bool HeaderMap::Is(const Entry& e, HeaderId id, absl::string_view lower_name) const {
  if (e.id != id) return false;
  return id != HeaderId::kOther ||
         lower_name == absl::string_view(bytes_.data() + e.name_at, e.name_size);
}

void HeaderMap::AddLower(HeaderId id, absl::string_view name, absl::string_view value) {
  entries_.push_back(Store(id, name, value));
}

void HeaderMap::Add(HeaderId id, absl::string_view value) { AddLower(id, {}, value); }

void HeaderMap::Add(absl::string_view name, absl::string_view value) {
  const std::string lower = Lower(name);
  AddLower(IdOf(lower), lower, value);
}

void HeaderMap::RemoveEntries(size_t from, HeaderId id, absl::string_view lower_name) {
  size_t kept = from;
  for (size_t i = from; i < entries_.size(); ++i) {
    if (!Is(entries_[i], id, lower_name)) entries_[kept++] = entries_[i];
  }
  entries_.resize(kept);
}

void HeaderMap::SetEntry(HeaderId id, absl::string_view lower_name, absl::string_view value) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!Is(entries_[i], id, lower_name)) continue;
    entries_[i] = Store(id, lower_name, value);
    RemoveEntries(i + 1, id, lower_name);
    return;
  }
  AddLower(id, lower_name, value);
}

void HeaderMap::Set(HeaderId id, absl::string_view value) { SetEntry(id, {}, value); }

void HeaderMap::Set(absl::string_view name, absl::string_view value) {
  const std::string lower = Lower(name);
  SetEntry(IdOf(lower), lower, value);
}

void HeaderMap::Remove(HeaderId id) { RemoveEntries(0, id, {}); }

void HeaderMap::Remove(absl::string_view name) {
  const std::string lower = Lower(name);
  RemoveEntries(0, IdOf(lower), lower);
}

std::optional<absl::string_view> HeaderMap::Get(HeaderId id) const {
  for (const Entry& e : entries_) {
    if (e.id == id) return absl::string_view(bytes_.data() + e.value_at, e.value_size);
  }
  return std::nullopt;
}

std::optional<absl::string_view> HeaderMap::Get(absl::string_view name) const {
  const std::string lower = Lower(name);
  const HeaderId id = IdOf(lower);
  for (const Entry& e : entries_) {
    if (Is(e, id, lower)) return absl::string_view(bytes_.data() + e.value_at, e.value_size);
  }
  return std::nullopt;
}

size_t HeaderMap::Count(HeaderId id) const {
  size_t count = 0;
  for (const Entry& e : entries_) count += e.id == id;
  return count;
}

size_t HeaderMap::Count(absl::string_view name) const {
  const std::string lower = Lower(name);
  const HeaderId id = IdOf(lower);
  size_t count = 0;
  for (const Entry& e : entries_) count += Is(e, id, lower);
  return count;
}

void HeaderMap::Clear() {
  bytes_.clear();
  entries_.clear();
}

Method MethodOf(absl::string_view name) {
  using enum Method;
  const char* p = name.data();
  switch (name.size()) {
    case 3:
      if (Same(p, "GET")) return kGet;
      return Same(p, "PUT") ? kPut : kOther;
    case 4:
      if (Same(p, "POST")) return kPost;
      return Same(p, "HEAD") ? kHead : kOther;
    case 5:
      if (Same(p, "PATCH")) return kPatch;
      return Same(p, "TRACE") ? kTrace : kOther;
    case 6:
      return Same(p, "DELETE") ? kDelete : kOther;
    case 7:
      if (Same(p, "OPTIONS")) return kOptions;
      return Same(p, "CONNECT") ? kConnect : kOther;
    default:
      return kOther;
  }
}

bool IsSafe(Method m) {
  return m == Method::kGet || m == Method::kHead || m == Method::kOptions || m == Method::kTrace;
}

void RequestHead::Clear() {
  method = Method::kGet;
  method_name.clear();
  authority.clear();
  path.clear();
  query.clear();
  has_query = false;
  headers.Clear();
  body = {};
  expect_continue = false;
  upgrade.clear();
  http_minor = 1;
}

void ResponseHead::Clear() {
  status = 0;
  headers.Clear();
  body = {};
}

}  // namespace tollgate::proxy
