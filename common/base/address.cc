#include "common/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tollgate {
namespace {

constexpr absl::string_view kForms =
    "expected HOST:PORT, [IPV6]:PORT or unix:/absolute/path, e.g. 127.0.0.1:8080";

absl::Status Bad(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("address \"", text, "\": ", why, "; ", kForms));
}

// RFC 1123 host name: labels of letters, digits and hyphens (underscore too, as Kubernetes and
// Docker names have it), at most 253 octets.
bool IsHostName(absl::string_view s) {
  if (s.empty() || s.size() > 253) return false;
  size_t label = 0;
  for (char c : s) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (absl::ascii_isalnum(c) || c == '-' || c == '_') {
      if (++label > 63) return false;
    } else {
      return false;
    }
  }
  return true;
}

bool AllDigitsAndDots(absl::string_view s) {
  return s.find_first_not_of("0123456789.") == absl::string_view::npos;
}

}  // namespace

absl::StatusOr<Address> Address::Parse(absl::string_view text) {
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    if (rest.empty() || rest[0] != '/') return Bad(text, "the socket path is not absolute");
    if (rest.size() >= sizeof(sockaddr_un::sun_path)) {
      return Bad(text, absl::StrCat("the socket path is longer than ",
                                    sizeof(sockaddr_un::sun_path) - 1, " bytes"));
    }
    if (rest.find('\0') != absl::string_view::npos) return Bad(text, "NUL in the socket path");
    return Address(Kind::kUnix, std::string(rest), 0);
  }
  size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos) return Bad(text, "no port");
  absl::string_view host = rest.substr(0, colon);
  absl::string_view port_text = rest.substr(colon + 1);
  uint32_t port = 0;
  if (port_text.empty() || port_text.size() > 5 ||
      port_text.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(port_text, &port) || port > 65535) {
    return Bad(text, absl::StrCat("port \"", port_text, "\" is not a number from 0 to 65535"));
  }
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    std::string literal(host.substr(1, host.size() - 2));
    in6_addr addr;
    if (inet_pton(AF_INET6, literal.c_str(), &addr) != 1) return Bad(text, "not an IPv6 address");
    char canonical[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &addr, canonical, sizeof(canonical));
    return Address(Kind::kIp6, canonical, port);
  }
  if (host.find(':') != absl::string_view::npos) {
    return Bad(text, "an IPv6 address must stand in brackets");
  }
  if (!host.empty() && AllDigitsAndDots(host)) {
    std::string literal(host);
    in_addr addr;
    if (inet_pton(AF_INET, literal.c_str(), &addr) != 1) return Bad(text, "not an IPv4 address");
    return Address(Kind::kIp4, std::move(literal), port);
  }
  if (!IsHostName(host)) return Bad(text, "not a host name");
  return Address(Kind::kName, absl::AsciiStrToLower(host), port);
}

absl::StatusOr<Address> Address::FromSockaddr(const sockaddr* sa, socklen_t len) {
  char text[INET6_ADDRSTRLEN];
  if (sa->sa_family == AF_INET && len >= sizeof(sockaddr_in)) {
    auto* in = reinterpret_cast<const sockaddr_in*>(sa);
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
    return Address(Kind::kIp4, text, ntohs(in->sin_port));
  }
  if (sa->sa_family == AF_INET6 && len >= sizeof(sockaddr_in6)) {
    auto* in6 = reinterpret_cast<const sockaddr_in6*>(sa);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
      inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, sizeof(text));
      return Address(Kind::kIp4, text, ntohs(in6->sin6_port));
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    return Address(Kind::kIp6, text, ntohs(in6->sin6_port));
  }
  if (sa->sa_family == AF_UNIX) {
    auto* un = reinterpret_cast<const sockaddr_un*>(sa);
    size_t header = offsetof(sockaddr_un, sun_path);
    size_t path = len > header ? strnlen(un->sun_path, len - header) : 0;
    return Address(Kind::kUnix, std::string(un->sun_path, path), 0);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("address family ", sa->sa_family, " is not IPv4, IPv6 or Unix"));
}

bool Address::is_local() const {
  switch (kind_) {
    case Kind::kUnix:
      return true;
    case Kind::kIp4:
      return absl::StartsWith(host_, "127.");
    case Kind::kIp6:
      return host_ == "::1";
    case Kind::kName:
      return host_ == "localhost";
  }
  return false;
}

bool Address::Overlaps(const Address& other) const {
  if (kind_ != other.kind_ || port_ != other.port_ || (is_ip() && port_ == 0)) return false;
  const auto every = [](const Address& a) {
    return a.is_ip() && (a.host_ == "0.0.0.0" || a.host_ == "::");
  };
  return host_ == other.host_ || every(*this) || every(other);
}

std::string Address::ToString() const {
  switch (kind_) {
    case Kind::kUnix:
      return absl::StrCat("unix:", host_);
    case Kind::kIp6:
      return absl::StrCat("[", host_, "]:", port_);
    case Kind::kIp4:
    case Kind::kName:
      return absl::StrCat(host_, ":", port_);
  }
  return "";
}

socklen_t Address::ToSockaddr(sockaddr_storage* out) const {
  std::memset(out, 0, sizeof(*out));
  if (kind_ == Kind::kIp4) {
    auto* in = reinterpret_cast<sockaddr_in*>(out);
    in->sin_family = AF_INET;
    in->sin_port = htons(port_);
    inet_pton(AF_INET, host_.c_str(), &in->sin_addr);
    return sizeof(*in);
  }
  if (kind_ == Kind::kIp6) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(out);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port_);
    inet_pton(AF_INET6, host_.c_str(), &in6->sin6_addr);
    return sizeof(*in6);
  }
  if (kind_ == Kind::kUnix) {
    auto* un = reinterpret_cast<sockaddr_un*>(out);
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, host_.data(), host_.size());
    return offsetof(sockaddr_un, sun_path) + host_.size() + 1;
  }
  return 0;
}

}  // namespace tollgate
