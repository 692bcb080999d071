// The bytes of one connection, non-blocking: plain TCP or Unix socket now, TLS behind the same
// face. Owns its descriptor. Loop thread only.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/types/span.h"
#include "common/base/address.h"

namespace tollgate::proxy {

struct IoResult {
  enum class Kind : uint8_t {
    kOk,          // `bytes` > 0 were moved
    kWouldBlock,  // try again after the next edge
    kEof,         // read only: the peer closed its side in order
    kError,       // `error` is an errno; the connection is unusable
  };
  Kind kind;
  int error = 0;
  size_t bytes = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // Reads at most `size` bytes. A plain socket's short read means that the socket is drained: the
  // caller need not ask again before the next edge (`drained_by` tells), unless this edge said
  // hangup: then it reads on until kEof. `size` > 0.
  virtual IoResult Read(char* out, size_t size) = 0;
  virtual bool drained_by(size_t asked, size_t got) const = 0;
  // Takes as much as the socket does: fewer bytes than offered mean that it is full until the next
  // edge, so nobody need ask again to learn that (epoll(7), Q9).
  virtual IoResult Write(const iovec* parts, int count) = 0;
  // Sends what TLS has to say last and FIN; reading may go on.
  virtual void ShutdownWrite() = 0;
  virtual int fd() const = 0;
};

// Takes ownership of a connected (or connecting), non-blocking descriptor.
std::unique_ptr<Transport> MakePlainTransport(int fd);

}  // namespace tollgate::proxy
