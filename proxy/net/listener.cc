#include "proxy/net/listener.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"

namespace tollgate::proxy {
namespace {

constexpr Duration kComplainEvery = std::chrono::seconds(10);

bool IsWildcard(const Address& address) {
  return address.is_ip() && (address.host() == "0.0.0.0" || address.host() == "::");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Create(Loop& loop, ListeningSocket socket,
                                                           OnAccept on_accept, Options options) {
  auto acceptor =
      absl::WrapUnique(new Acceptor(loop, std::move(socket), std::move(on_accept), options));
  if (absl::Status status = acceptor->Resume(); !status.ok()) return status;
  return acceptor;
}

Acceptor::Acceptor(Loop& loop, ListeningSocket socket, OnAccept on_accept, Options options)
    : loop_(loop),
      socket_(std::move(socket)),
      on_accept_(std::move(on_accept)),
      options_(options),
      wildcard_(IsWildcard(socket_.address)),
      pause_timer_([this] { EndPause(); }) {
  OpenReserve();
}

Acceptor::~Acceptor() { Stop(); }

void Acceptor::Stop() {
  accepting_ = false;
  pause_timer_.Cancel();
  if (watching_) loop_.Unwatch(socket_.fd.get(), this);
  watching_ = false;
}

void Acceptor::Close() {
  for (int i = 0; i < SOMAXCONN && watching_; ++i) {
    if (!AcceptOne()) break;
  }
  Stop();
  socket_.fd.reset();
}

absl::Status Acceptor::Resume() {
  accepting_ = true;
  if (watching_ || pause_timer_.armed()) return absl::OkStatus();
  absl::Status status = loop_.WatchLevel(socket_.fd.get(), this);
  watching_ = status.ok();
  accepting_ = status.ok();
  return status;
}

void Acceptor::OnIo(IoEvents) {
  for (int i = 0; i < options_.batch && watching_; ++i) {
    if (!AcceptOne()) return;
  }
}

// False: nothing more to accept now.
bool Acceptor::AcceptOne() {
  AcceptedConnection connection;
  const int fd = Accept(socket_.fd.get(), &connection.peer);
  if (fd < 0) return HandleError(-fd);
  connection.fd = UniqueFd(fd);
  connection.local = socket_.address;
  if (wildcard_) {
    auto local = LocalAddress(fd);
    if (local.ok()) connection.local = *std::move(local);
  }
  ++counters_.accepted;
  on_accept_(std::move(connection));
  return true;
}

bool Acceptor::HandleError(int error) {
  switch (error) {
    case EAGAIN:
      return false;
    case EINTR:
      return true;
    // accept(2): errors of the new connection, which is gone. Linux passes pending network errors.
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
      ++counters_.failed;
      return true;
    case EMFILE:
    case ENFILE:
      if (reserve_.valid()) {
        const int result = Shed();
        if (result == 0) return true;
        // EAGAIN above all: accept4 looks for a descriptor before it looks for a connection.
        if (result != EMFILE && result != ENFILE) return HandleError(result);
      }
      break;  // another thread took the reserve's place
    default:
      break;
  }
  Pause(std::strerror(error));
  return false;
}

// Out of descriptors: spends the reserve to accept one connection and to close it. 0 or an errno.
int Acceptor::Shed() {
  reserve_.reset();
  const int fd = Accept(socket_.fd.get(), nullptr);
  UniqueFd(fd).reset();
  OpenReserve();
  if (fd < 0) return -fd;
  ++counters_.shed;
  Complain("out of descriptors: connections are accepted and closed at once; raise LimitNOFILE");
  return 0;
}

void Acceptor::Pause(absl::string_view why) {
  ++counters_.pauses;
  Complain(absl::StrCat("cannot accept: ", why, "; pausing"));
  loop_.Unwatch(socket_.fd.get(), this);
  watching_ = false;
  loop_.ArmAfter(pause_timer_, options_.pause);
}

void Acceptor::EndPause() {
  if (!reserve_.valid()) OpenReserve();
  if (!Resume().ok()) {  // the kernel has no memory for the registration: once more
    accepting_ = true;
    loop_.ArmAfter(pause_timer_, options_.pause);
  }
}

void Acceptor::OpenReserve() { reserve_.reset(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

void Acceptor::Complain(absl::string_view what) {
  if (loop_.now() < complain_next_) return;
  complain_next_ = loop_.now() + kComplainEvery;
  spdlog::warn(absl::StrCat("listener ", socket_.address.ToString(), ": ", what));
}

}  // namespace tollgate::proxy
