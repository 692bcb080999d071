#include "proxy/http/http1_target.h"

#include <algorithm>

#include "proxy/http/chars.h"

namespace tollgate::proxy {
namespace {

bool Refuse(ProtocolError& error, const char* reason) {
  error = {400, reason};
  return false;
}

bool IsAlnum(char c) {
  const char lower = ToLower(c);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

bool IsHostChar(char c) { return IsAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~'; }

bool IsIpLiteralChar(char c) {
  const char lower = ToLower(c);
  return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f') || c == ':' || c == '.';
}

bool IsPort(absl::string_view text) {
  if (text.empty() || text.size() > 5) return false;
  int port = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + (c - '0');
  }
  return port >= 1 && port <= 65535;
}

// "http://" or "https://": its length, or 0.
size_t SchemeSize(absl::string_view target) {
  for (absl::string_view scheme : {"http://", "https://"}) {
    if (EqualsLower(target.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

bool SameIgnoringCase(absl::string_view a, absl::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return ToLower(x) == ToLower(y);
         });
}

}  // namespace

bool IsAuthority(absl::string_view text) {
  size_t host_end = 0;
  if (!text.empty() && text.front() == '[') {
    host_end = text.find(']');
    if (host_end == absl::string_view::npos || host_end < 3) return false;
    for (char c : text.substr(1, host_end - 1)) {
      if (!IsIpLiteralChar(c)) return false;
    }
    ++host_end;
  } else {
    while (host_end < text.size() && IsHostChar(text[host_end])) ++host_end;
  }
  if (host_end == 0) return false;
  if (host_end == text.size()) return true;
  return text[host_end] == ':' && IsPort(text.substr(host_end + 1));
}

bool ParseTarget(absl::string_view target, size_t host_count, absl::string_view host,
                 RequestHead& head, ProtocolError& error) {
  // RFC 9112 3.2 asks it of HTTP/1.1; from HTTP/1.0 too, nothing is routed without a host here.
  if (host_count == 0) return Refuse(error, "no_host");
  if (host_count > 1) return Refuse(error, "many_hosts");
  if (!IsAuthority(host)) return Refuse(error, "bad_host");
  head.authority.assign(host.data(), host.size());
  for (char& c : head.authority) c = ToLower(c);

  if (target == "*") {
    if (head.method != Method::kOptions) return Refuse(error, "bad_target");
    head.path = "*";
    return true;
  }
  if (target.find('#') != absl::string_view::npos) return Refuse(error, "bad_target");
  if (target.front() != '/') {
    const size_t scheme = SchemeSize(target);
    if (scheme == 0) return Refuse(error, "bad_target");
    target.remove_prefix(scheme);
    const size_t end = std::min(target.find_first_of("/?"), target.size());
    // RFC 9112 3.2.2 has a client send both alike, and a server believe the target. Who sends two
    // different ones hopes that two parties believe different ones.
    if (!SameIgnoringCase(target.substr(0, end), host)) return Refuse(error, "target_is_not_host");
    target.remove_prefix(end);
  }
  const size_t mark = target.find('?');
  head.has_query = mark != absl::string_view::npos;
  if (head.has_query) {
    const absl::string_view query = target.substr(mark + 1);
    head.query.assign(query.data(), query.size());
  }
  const absl::string_view path = target.substr(0, mark);
  if (!path.empty()) {
    head.path.assign(path.data(), path.size());
  } else {  // only in absolute form (RFC 9112 3.2.1, 3.2.4)
    head.path = head.method == Method::kOptions && !head.has_query ? "*" : "/";
  }
  return true;
}

}  // namespace tollgate::proxy
