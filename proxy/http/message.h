// HTTP messages independent of version (RFC 9110): what codecs deliver and encode. Hop-by-hop
// fields never appear here: the codec has consumed them (RFC 9110 7.6.1), Host has become
// `authority`. Values that are reused from request to request so that a steady state allocates
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace tollgate::proxy {

// Names that the data path asks for, found without comparing strings.
enum class HeaderId : uint8_t {
  kOther = 0,
  kAccept,
  kAcceptEncoding,
  kAuthorization,
  kCacheControl,
  kConnection,
  kContentEncoding,
  kContentLength,
  kContentType,
  kCookie,
  kDate,
  kDeprecation,
  kETag,
  kExpect,
  kForwarded,
  kHost,
  kIdempotencyKey,
  kKeepAlive,
  kLink,
  kLocation,
  kProxyConnection,
  kRetryAfter,
  kServer,
  kSetCookie,
  kSunset,
  kTe,
  kTollgateOutcome,
  kTraceparent,
  kTracestate,
  kTrailer,
  kTransferEncoding,
  kUpgrade,
  kUserAgent,
  kVary,
  kVia,
  kWwwAuthenticate,
  kXApiKey,
  kXForwardedFor,
  kXForwardedHost,
  kXForwardedProto,
  kXRequestDeadlineMs,
  kXRequestId,
};
// `name` in lower case.
HeaderId IdOf(absl::string_view name);
namespace internal {
// In the order of HeaderId.
inline constexpr absl::string_view kHeaderNames[] = {
    "",
    "accept",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "deprecation",
    "etag",
    "expect",
    "forwarded",
    "host",
    "idempotency-key",
    "keep-alive",
    "link",
    "location",
    "proxy-connection",
    "retry-after",
    "server",
    "set-cookie",
    "sunset",
    "te",
    "tollgate-outcome",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-deadline-ms",
    "x-request-id",
};
static_assert(std::size(kHeaderNames) == static_cast<size_t>(HeaderId::kXRequestId) + 1);
}  // namespace internal
// The lower-case name; "" for kOther. Static storage.
inline absl::string_view NameOf(HeaderId id) {
  return internal::kHeaderNames[static_cast<size_t>(id)];
}

// An ordered multimap of fields. Names are lower case. Bytes live in one string of its own; views
// stay valid until the next Add, Set or Clear. Arguments may be views of this very map.
class HeaderMap {
 public:
  struct Field {
    HeaderId id;
    absl::string_view name;
    absl::string_view value;
  };

  // Lower-cases `name`. Neither is checked: codecs check what comes from the wire, policy what
  // comes from configuration.
  void Add(absl::string_view name, absl::string_view value);
  void Add(HeaderId id, absl::string_view value);  // not kOther
  // For codecs, which have done both already: `name` is lower case and `id` is IdOf(name).
  void AddLower(HeaderId id, absl::string_view name, absl::string_view value);
  // For codecs whose fields arrive side by side: copies `block` once and returns the copy, in which
  // names may be lowered in place until the next Add, Set or Clear. AddWithin adds a field that
  // lies inside of that copy.
  char* Import(absl::string_view block);
  void AddWithin(HeaderId id, absl::string_view name, absl::string_view value) {
    entries_.push_back({id, static_cast<uint16_t>(name.size()), Offset(name), Offset(value),
                        static_cast<uint32_t>(value.size())});
  }
  // Replaces every field of that name by one, where the first of them was (or at the end).
  void Set(absl::string_view name, absl::string_view value);
  void Set(HeaderId id, absl::string_view value);
  void Remove(HeaderId id);
  void Remove(absl::string_view name);
  template <typename Pred>  // bool(const Field&)
  void RemoveIf(Pred pred);

  // The first value; nullopt when absent.
  std::optional<absl::string_view> Get(HeaderId id) const;
  std::optional<absl::string_view> Get(absl::string_view name) const;
  size_t Count(HeaderId id) const;
  size_t Count(absl::string_view name) const;

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  Field operator[](size_t i) const;
  void Clear();  // keeps capacity

  class Iterator;  // forward, yields Field by value
  Iterator begin() const;
  Iterator end() const;

 private:
  struct Entry {
    HeaderId id;
    uint16_t name_size;  // unused, like name_at, when `id` says the name
    uint32_t name_at;
    uint32_t value_at;
    uint32_t value_size;
  };
  Entry Store(HeaderId id, absl::string_view name, absl::string_view value);
  uint32_t Offset(absl::string_view view) const {
    return static_cast<uint32_t>(view.data() - bytes_.data());
  }
  bool Is(const Entry& e, HeaderId id, absl::string_view lower_name) const;
  void SetEntry(HeaderId id, absl::string_view lower_name, absl::string_view value);
  void RemoveEntries(size_t from, HeaderId id, absl::string_view lower_name);

  std::string bytes_;
  std::vector<Entry> entries_;
};

class HeaderMap::Iterator {
 public:
  using difference_type = std::ptrdiff_t;
  using value_type = Field;

  Iterator() = default;
  Iterator(const HeaderMap* map, size_t at) : map_(map), at_(at) {}
  Field operator*() const { return (*map_)[at_]; }
  Iterator& operator++() {
    ++at_;
    return *this;
  }
  Iterator operator++(int) {
    Iterator old = *this;
    ++at_;
    return old;
  }
  friend bool operator==(const Iterator&, const Iterator&) = default;

 private:
  const HeaderMap* map_ = nullptr;
  size_t at_ = 0;
};

inline HeaderMap::Iterator HeaderMap::begin() const { return {this, 0}; }
inline HeaderMap::Iterator HeaderMap::end() const { return {this, entries_.size()}; }

inline HeaderMap::Field HeaderMap::operator[](size_t i) const {
  const Entry& e = entries_[i];
  const absl::string_view value(bytes_.data() + e.value_at, e.value_size);
  if (e.id != HeaderId::kOther) return {e.id, NameOf(e.id), value};
  return {e.id, {bytes_.data() + e.name_at, e.name_size}, value};
}

template <typename Pred>
void HeaderMap::RemoveIf(Pred pred) {
  size_t kept = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!pred((*this)[i])) entries_[kept++] = entries_[i];
  }
  entries_.resize(kept);
}

enum class Method : uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kConnect,
  kOptions,
  kTrace,
  kPatch,
  kOther
};
Method MethodOf(absl::string_view name);
// Defined not to change state (RFC 9110 9.2.1): GET, HEAD, OPTIONS, TRACE.
bool IsSafe(Method m);

// How long the body is going to be.
struct BodySize {
  enum class Kind : uint8_t { kNone, kLength, kUnknown };  // kUnknown: chunked, or frames
  Kind kind = Kind::kNone;
  uint64_t length = 0;  // kLength: > 0 or an explicit 0
  friend bool operator==(const BodySize&, const BodySize&) = default;
};

struct RequestHead {
  Method method = Method::kGet;
  std::string method_name;  // as received: "GET"
  std::string authority;    // host[:port] in lower case
  std::string path;         // as received, without query; "*" for OPTIONS *
  std::string query;        // without '?'
  bool has_query = false;   // "/x?" has an empty query
  HeaderMap headers;        // without Host, Expect, Content-Length and hop-by-hop fields
  BodySize body;
  bool expect_continue = false;
  std::string upgrade;     // first protocol of an Upgrade that was asked for, "" if none; a client
                           // codec asks its upstream for it, so clear it to refuse
  uint8_t http_minor = 1;  // HTTP/1 minor version of the peer, for the log
  void Clear();
};

struct ResponseHead {
  int status = 0;
  HeaderMap headers;  // without Content-Length and hop-by-hop fields
  BodySize body;
  void Clear();
};

}  // namespace tollgate::proxy
