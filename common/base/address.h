// An address to listen on or to dial: IPv4, IPv6, a Unix socket, or a host name with a port that a
// resolver must turn into one of the others. A value.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tollgate {

class Address {
 public:
  enum class Kind { kIp4, kIp6, kUnix, kName };

  Address() = default;  // 0.0.0.0:0

  // Accepts "10.0.0.1:80", "[::1]:80", "host.name:80", "unix:/absolute/path". The error names the
  // text and what was expected. Port 0 is accepted (listeners let the kernel choose).
  static absl::StatusOr<Address> Parse(absl::string_view text);
  // From what accept(2), getsockname(2) or a resolver gave. InvalidArgument on another family.
  static absl::StatusOr<Address> FromSockaddr(const sockaddr* sa, socklen_t len);

  Kind kind() const { return kind_; }
  bool is_ip() const { return kind_ == Kind::kIp4 || kind_ == Kind::kIp6; }
  // Loopback addresses, and Unix sockets: what never leaves the machine.
  bool is_local() const;
  // Whether two sockets could not listen at both: one place, or every address and one of them. Port
  // 0 is another port each time.
  bool Overlaps(const Address& other) const;
  // The name without port, for kName; the literal without brackets for IPs; the path for Unix.
  const std::string& host() const { return host_; }
  uint16_t port() const { return port_; }
  // What Parse accepts.
  std::string ToString() const;

  // Fills `out`; returns its length. Not for kName (returns 0).
  socklen_t ToSockaddr(sockaddr_storage* out) const;

  friend bool operator==(const Address&, const Address&) = default;
  friend auto operator<=>(const Address&, const Address&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Address& a) {
    return H::combine(std::move(h), a.kind_, a.host_, a.port_);
  }

 private:
  Address(Kind kind, std::string host, uint16_t port)
      : kind_(kind), host_(std::move(host)), port_(port) {}

  Kind kind_ = Kind::kIp4;
  std::string host_ = "0.0.0.0";
  uint16_t port_ = 0;
};

}  // namespace tollgate
