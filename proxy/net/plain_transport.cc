#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "proxy/net/socket.h"
#include "proxy/net/transport.h"

namespace tollgate::proxy {
namespace {

IoResult Failure(int error) {
  const bool full = error == EAGAIN || error == EWOULDBLOCK;
  return {full ? IoResult::Kind::kWouldBlock : IoResult::Kind::kError, full ? 0 : error};
}

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int fd) : fd_(fd) {}

  IoResult Read(char* out, size_t size) override {
    if (size == 0) return Failure(EINVAL);  // recv would answer 0, which reads as the peer's FIN
    ssize_t n;
    do {
      n = recv(fd_.get(), out, size, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) return {IoResult::Kind::kOk, 0, static_cast<size_t>(n)};
    if (n == 0) return {IoResult::Kind::kEof};
    return Failure(errno);
  }

  bool drained_by(size_t asked, size_t got) const override { return got < asked; }

  IoResult Write(const iovec* parts, int count) override {
    ssize_t n;
    do {
      n = count == 1 ? send(fd_.get(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                     : SendParts(parts, count);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return Failure(errno);
    return {IoResult::Kind::kOk, 0, static_cast<size_t>(n)};
  }

  void ShutdownWrite() override { shutdown(fd_.get(), SHUT_WR); }
  int fd() const override { return fd_.get(); }

 private:
  ssize_t SendParts(const iovec* parts, int count) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<size_t>(count);
    return sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  }

  UniqueFd fd_;
};

}  // namespace

std::unique_ptr<Transport> MakePlainTransport(int fd) {
  return std::make_unique<PlainTransport>(fd);
}

}  // namespace tollgate::proxy
