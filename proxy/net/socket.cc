#include "proxy/net/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace tollgate::proxy {
namespace {

// A peer that vanished without a FIN is noticed after idle + probes * interval = 90 s.
constexpr int kKeepAliveIdleSeconds = 60;
constexpr int kKeepAliveIntervalSeconds = 10;
constexpr int kKeepAliveProbes = 3;

void SetOption(int fd, int level, int name, int value) {
  // Failure leaves the default, which works too.
  setsockopt(fd, level, name, &value, sizeof(value));
}

// `here`: the peer is on this machine. Then no path can be congested, and Reno, which every kernel
// has, costs least: BBR paces each segment with a timer.
void TuneTcp(int fd, bool here) {
  constexpr absl::string_view kReno = "reno";
  if (here) setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, kReno.data(), kReno.size());
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

int Family(const Address& address) {
  switch (address.kind()) {
    case Address::Kind::kIp4:
      return AF_INET;
    case Address::Kind::kIp6:
      return AF_INET6;
    case Address::Kind::kUnix:
      return AF_UNIX;
    case Address::Kind::kName:
      return AF_UNSPEC;
  }
  return AF_UNSPEC;
}

absl::Status NameRefused(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      what, ": a host name must be resolved first; expected an IP address or unix:/path"));
}

absl::StatusOr<UniqueFd> NewSocket(const Address& address, absl::string_view what) {
  const int family = Family(address);
  if (family == AF_UNSPEC) return NameRefused(what);
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoStatus(errno, what);
  return fd;
}

absl::Status BindError(int error, absl::string_view what) {
  const absl::Status status = ErrnoStatus(error, what);
  if (error == EADDRINUSE) return absl::AlreadyExistsError(status.message());
  if (error == EADDRNOTAVAIL) return absl::FailedPreconditionError(status.message());
  return status;
}

// Removes the file of a Unix socket that nobody listens on any more. Somebody who is just starting
// to listen there cannot be told from nobody: two proxies must not share a path.
absl::Status RemoveStale(const Address& address, absl::string_view what) {
  struct stat info;
  if (lstat(address.host().c_str(), &info) != 0) {
    // No file: good. Whatever else is wrong with the path, bind will tell.
    return absl::OkStatus();
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(what, ": the file exists and is not a socket"));
  }
  ASSIGN_OR_RETURN(UniqueFd probe, NewSocket(address, what));
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(&storage);
  if (connect(probe.get(), reinterpret_cast<sockaddr*>(&storage), length) == 0 ||
      errno != ECONNREFUSED) {
    // Connected, its backlog is full, or we may not know.
    return absl::AlreadyExistsError(absl::StrCat(what, ": Address already in use"));
  }
  if (unlink(address.host().c_str()) != 0 && errno != ENOENT) {
    return ErrnoStatus(errno, absl::StrCat(what, ": removing the stale socket"));
  }
  return absl::OkStatus();
}

}  // namespace

void UniqueFd::reset(int fd) {
  const int old = std::exchange(fd_, fd);
  if (old >= 0) close(old);
}

absl::StatusOr<ListeningSocket> Listen(const Address& address, const ListenOptions& options) {
  const std::string what = absl::StrCat("listen ", address.ToString());
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(address, what));
  const bool is_unix = address.kind() == Address::Kind::kUnix;
  if (is_unix) {
    RETURN_IF_ERROR(RemoveStale(address, what));
    // bind(2) creates the file with the socket's own mode (less the umask): at no moment may others
    // connect than shall.
    if (fchmod(fd.get(), options.unix_mode) != 0) return ErrnoStatus(errno, what);
  } else {
    SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.kind() == Address::Kind::kIp6) SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    TuneTcp(fd.get(), address.is_local());  // accepted connections inherit it
  }
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(&storage);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    return BindError(errno, what);
  }
  if (is_unix && chmod(address.host().c_str(), options.unix_mode) != 0) {
    return ErrnoStatus(errno, what);
  }
  // A port of SO_REUSEADDR sockets may be bound twice and listened on once: listen tells.
  if (listen(fd.get(), options.backlog) != 0) return BindError(errno, what);
  ASSIGN_OR_RETURN(Address bound, LocalAddress(fd.get()));
  return ListeningSocket{std::move(fd), std::move(bound)};
}

absl::StatusOr<ListeningSocket> AdoptListening(UniqueFd fd) {
  const std::string what = absl::StrCat("inherited descriptor ", fd.get());
  int listening = 0;
  socklen_t length = sizeof(listening);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0 || !listening) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": expected a listening stream socket"));
  }
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
    return ErrnoStatus(errno, what);
  }
  ASSIGN_OR_RETURN(Address bound, LocalAddress(fd.get()));
  return ListeningSocket{std::move(fd), std::move(bound)};
}

absl::StatusOr<ListeningSocket> Duplicate(const ListeningSocket& socket) {
  UniqueFd fd(fcntl(socket.fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("duplicate listener ", socket.address.ToString()));
  }
  return ListeningSocket{std::move(fd), socket.address};
}

absl::StatusOr<ConnectingSocket> Connect(const Address& address) {
  const std::string what = absl::StrCat("connect ", address.ToString());
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(address, what));
  if (address.is_ip()) TuneTcp(fd.get(), address.is_local());
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(&storage);
  int result;
  do {
    result = connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), length);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return ConnectingSocket{std::move(fd), false};
  if (errno == EINPROGRESS) return ConnectingSocket{std::move(fd), true};
  // A Unix socket whose backlog is full answers EAGAIN, and no event follows: a failure as well.
  return absl::UnavailableError(ErrnoStatus(errno, what).message());
}

int ConnectResult(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

void ResetOnClose(int fd) {
  const linger hard{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

int Accept(int listening_fd, Address* peer) {
  sockaddr_storage storage;
  socklen_t length = sizeof(storage);
  const int fd = accept4(listening_fd, reinterpret_cast<sockaddr*>(&storage), &length,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -errno;
  if (peer != nullptr) {
    // Of a stream socket that we listen on, the family is one that Address knows.
    auto address = Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), length);
    if (address.ok()) *peer = *std::move(address);
  }
  return fd;
}

absl::StatusOr<Address> LocalAddress(int fd) {
  sockaddr_storage storage;
  socklen_t length = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return ErrnoStatus(errno, "getsockname");
  }
  return Address::FromSockaddr(reinterpret_cast<sockaddr*>(&storage), length);
}

}  // namespace tollgate::proxy
