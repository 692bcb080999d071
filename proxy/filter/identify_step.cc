// The first step: a request that has one canonical path, an id, a trace and a client's address, and
// carries no identity that a client could have made up.
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/policy/path.h"
#include "proxy/filter/context.h"
#include "proxy/filter/deadline.h"
#include "proxy/filter/header_trust.h"
#include "proxy/filter/steps.h"

namespace tollgate::proxy {
namespace {

// What we take over from a caller as a request id: it goes into logs.
bool GoodRequestId(absl::string_view id) {
  if (id.empty() || id.size() > 64) return false;
  for (char c : id) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

// W3C Trace Context, version 00: "00-<32 hex>-<16 hex>-<2 hex>", ids not all zero.
bool GoodTraceparent(absl::string_view t) {
  if (t.size() != 55 || t.substr(0, 3) != "00-" || t[35] != '-' || t[52] != '-') return false;
  const auto hex = [](absl::string_view s) {
    for (char c : s) {
      if (!absl::ascii_isdigit(c) && !(c >= 'a' && c <= 'f')) return false;
    }
    return true;
  };
  const auto zero = [](absl::string_view s) {
    return s.find_first_not_of('0') == absl::string_view::npos;
  };
  return hex(t.substr(3, 32)) && hex(t.substr(36, 16)) && hex(t.substr(53, 2)) &&
         !zero(t.substr(3, 32)) && !zero(t.substr(36, 16));
}

class IdentifyStep final : public Filter {
 public:
  explicit IdentifyStep(const ListenerPolicy& listener)
      : trusted_hops_(listener.trusted_hops), inbound_(listener.direction == Direction::kInbound) {}

  const char* name() const override { return "identify"; }
  uint8_t phases() const override { return kRequestHead | kResponseHead; }

  StepResult OnRequestHead(RequestContext& c, StepSlot&) const override {
    c.method = c.head.method_name;
    TakeRequestId(c);
    TakeTraceparent(c);
    TakeClient(c);
    // The own service behind an outbound listener is no stranger; others are.
    if (inbound_) c.head.headers.RemoveIf(IsInternalField);
    c.head.headers.Remove(HeaderId::kExpect);  // answered by us, with 100 once it is permitted
    c.head.headers.Add(HeaderId::kVia, c.head.http_minor == 0 ? "1.0 tollgate" : "1.1 tollgate");

    std::optional<Duration> left;
    if (!TakeDeadline(c.head.headers, &left)) return BadDeadline(c);
    if (left.has_value()) {
      if (*left == Duration::zero()) return Expired(c);
      c.deadline = c.mono + *left;
    }
    return TakePath(c);
  }

  StepResult Explain(RequestContext& c, std::vector<std::string>&) const override {
    c.method = c.head.method_name;
    return TakePath(c);
  }

  void OnResponseHead(RequestContext& c, StepSlot&, ResponseHead& head) const override {
    head.headers.Set(HeaderId::kXRequestId, c.request_id);
    head.headers.RemoveIf(
        [](const HeaderMap::Field& field) { return absl::StartsWith(field.name, "x-tollgate-"); });
  }

 private:
  // The one path that is matched, authorised and forwarded.
  static StepResult TakePath(RequestContext& c) {
    if (c.head.method == Method::kTrace) {
      c.reason = "trace";
      // RFC 9110 15.5.6: with what is allowed, as far as it is known before the route is.
      return LocalReply{.status = 405,
                        .reason = "trace",
                        .detail = "TRACE is not allowed.",
                        .headers = {{"allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}}};
    }
    const CanonicalResult canonical = CanonicalPath(c.head.path, &c.path_scratch);
    if (!canonical.ok()) {
      c.reason = "bad_path";
      return LocalReply{.status = 400,
                        .reason = "bad_path",
                        .detail = absl::StrCat("The path has ", ToString(canonical.error), "."),
                        .close = true};
    }
    // The context's own copy: head.path is rewritten and given away.
    if (canonical.path.data() != c.path_scratch.data()) {
      c.path_scratch.assign(canonical.path.data(), canonical.path.size());
    }
    c.path = c.path_scratch;
    c.path_escapes = canonical.escaped;
    return kContinue;
  }

  static StepResult BadDeadline(RequestContext& c) {
    c.reason = "bad_deadline";
    return LocalReply{.status = 400,
                      .reason = "bad_deadline",
                      .detail =
                          "x-request-deadline-ms: expected one number of milliseconds, 1 to "
                          "10 digits."};
  }
  static StepResult Expired(RequestContext& c) {
    c.reason = "deadline_exceeded";
    return LocalReply{.status = 504,
                      .reason = "deadline_exceeded",
                      .detail = "The caller's deadline had passed already; nothing was sent."};
  }

  static void TakeRequestId(RequestContext& c) {
    HeaderMap& headers = c.head.headers;
    const auto given = headers.Get(HeaderId::kXRequestId);
    if (given.has_value() && headers.Count(HeaderId::kXRequestId) == 1 && GoodRequestId(*given)) {
      c.request_id.assign(given->data(), given->size());
      return;
    }
    c.request_id = NewRequestId(c.services->random);
    headers.Set(HeaderId::kXRequestId, c.request_id);
  }

  static void TakeTraceparent(RequestContext& c) {
    HeaderMap& headers = c.head.headers;
    const auto given = headers.Get(HeaderId::kTraceparent);
    if (given.has_value() && headers.Count(HeaderId::kTraceparent) == 1 &&
        GoodTraceparent(*given)) {
      c.traceparent.assign(given->data(), given->size());
      return;
    }
    // Without a valid parent a new trace begins, and tracestate is not ours to forward.
    headers.Remove(HeaderId::kTracestate);
    c.traceparent = "00-";
    AppendHex(&c.traceparent, c.services->random() | 1);
    AppendHex(&c.traceparent, c.services->random());
    c.traceparent += '-';
    AppendHex(&c.traceparent, c.services->random() | 1);
    c.traceparent += "-00";
    headers.Set(HeaderId::kTraceparent, c.traceparent);
  }

  // X-Forwarded-For is believed for as many entries, from the right, as there are trusted hops;
  // beyond them it is a client's claim and is dropped.
  void TakeClient(RequestContext& c) const {
    HeaderMap& headers = c.head.headers;
    c.client = *c.peer;
    if (trusted_hops_ > 0) {
      std::string all;
      for (const HeaderMap::Field field : headers) {
        if (field.id != HeaderId::kXForwardedFor) continue;
        if (!all.empty()) all += ',';
        all.append(field.value.data(), field.value.size());
      }
      size_t end = all.size();
      for (uint32_t hop = 0; hop < trusted_hops_ && end > 0; ++hop) {
        const size_t comma = all.rfind(',', end - 1);
        const size_t begin = comma == std::string::npos ? 0 : comma + 1;
        absl::string_view entry =
            absl::StripAsciiWhitespace(absl::string_view(all).substr(begin, end - begin));
        const auto parsed = ParseForwarded(entry);
        if (!parsed.ok()) break;
        c.client = *parsed;
        end = comma == std::string::npos ? 0 : comma;
      }
    } else if (inbound_) {
      headers.RemoveIf(IsForwardingField);
    }
    if (!inbound_) return;
    headers.Set(HeaderId::kXForwardedFor, HostOf(c.client));
    if (!headers.Get(HeaderId::kXForwardedProto).has_value()) {
      headers.Set(HeaderId::kXForwardedProto, "http");
    }
  }

  // An IP address, with a port or without: "192.0.2.1", "192.0.2.1:443", "2001:db8::1",
  // "[2001:db8::1]", "[2001:db8::1]:443". A name or a path is a claim of whoever wrote it.
  static absl::StatusOr<Address> ParseForwarded(absl::string_view entry) {
    const bool bracketed = absl::StartsWith(entry, "[");
    const bool bare_ip6 = !bracketed && entry.find(':') != entry.rfind(':');
    const bool has_port = bracketed ? !absl::EndsWith(entry, "]") : absl::StrContains(entry, ":");
    auto address = bare_ip6   ? Address::Parse(absl::StrCat("[", entry, "]:0"))
                   : has_port ? Address::Parse(entry)
                              : Address::Parse(absl::StrCat(entry, ":0"));
    if (address.ok() && !address->is_ip()) return absl::InvalidArgumentError("not an IP address");
    return address;
  }

  static std::string HostOf(const Address& address) {
    return address.kind() == Address::Kind::kUnix ? "unix" : address.host();
  }

  const uint32_t trusted_hops_;
  const bool inbound_;
};

}  // namespace

std::unique_ptr<const Filter> MakeIdentifyStep(const ListenerPolicy& listener) {
  return std::make_unique<IdentifyStep>(listener);
}

}  // namespace tollgate::proxy
