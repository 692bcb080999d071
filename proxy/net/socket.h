// Sockets: made non-blocking and close-on-exec, described by Address, refused with an error that
// names the address. Values and plain functions; any thread.
#pragma once

#include <sys/types.h>

#include <utility>

#include "absl/status/statusor.h"
#include "common/base/address.h"

namespace tollgate::proxy {

// Owns a descriptor. Movable; destruction closes it.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

struct ListenOptions {
  int backlog = 4096;       // the kernel caps it at net.core.somaxconn
  mode_t unix_mode = 0660;  // of a Unix socket's file
};

struct ListeningSocket {
  UniqueFd fd;
  Address address;  // as bound: with the port that the kernel chose for port 0
};

// Binds and listens on an IP address or Unix socket. A Unix socket's file that a dead process left
// is replaced (only a socket, and only if nobody answers on it). Connections accepted from the
// socket inherit TCP_NODELAY and keep-alive, so accepting costs no further system call.
// Errors name the address: AlreadyExists: somebody else listens there; PermissionDenied;
// FailedPrecondition: this machine does not have the address; InvalidArgument: a host name.
absl::StatusOr<ListeningSocket> Listen(const Address& address, const ListenOptions& options = {});

// A listening descriptor inherited from another process (take-over). InvalidArgument if it is none.
absl::StatusOr<ListeningSocket> AdoptListening(UniqueFd fd);

// The same socket under a second descriptor, for an acceptor on another loop.
absl::StatusOr<ListeningSocket> Duplicate(const ListeningSocket& socket);

struct ConnectingSocket {
  UniqueFd fd;
  bool in_progress = false;  // ask ConnectResult when it becomes writable
};

// Starts to connect to an IP address or Unix socket, with TCP_NODELAY and keep-alive. An immediate
// refusal is an error (Unavailable) that names the address.
absl::StatusOr<ConnectingSocket> Connect(const Address& address);

// What became of a connection in progress, once its descriptor is writable: 0 or an errno. Clears
// the socket's pending error.
int ConnectResult(int fd);

// A close of `fd` is to reach the peer as a reset (SO_LINGER of 0), not as an end in order. TCP only.
void ResetOnClose(int fd);

// accept4(2), non-blocking and close-on-exec: a descriptor, or -errno. `peer` may be null.
int Accept(int listening_fd, Address* peer);

// The local address of a bound or connected socket.
absl::StatusOr<Address> LocalAddress(int fd);

}  // namespace tollgate::proxy
