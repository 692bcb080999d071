#include "proxy/health/probe.h"

#include "proxy/net/socket.h"

namespace tollgate::proxy {
namespace {

std::string AuthorityOf(const Address& address) {
  return address.kind() == Address::Kind::kUnix ? "localhost" : address.ToString();
}

}  // namespace

Probe::Probe(Loop& loop, BufferPool& buffers, const HealthCheckPolicy& policy,
             const Address& address, Done done)
    : loop_(loop),
      exchange_(MakeProbeExchange(policy, AuthorityOf(address))),
      out_(buffers),
      timeout_([this] { Finish("timeout"); }),
      finished_([this] {
        // May destroy this, and the callback with it: it is called from the stack.
        Done call = std::move(done_);
        call(failure_);
      }),
      done_(std::move(done)) {
  absl::StatusOr<ConnectingSocket> socket = Connect(address);
  if (!socket.ok()) {
    Finish(absl::IsResourceExhausted(socket.status()) ? kNoDescriptor : "connect_failed");
    return;
  }
  loop_.ArmAfter(timeout_, policy.timeout);
  transport_ = MakePlainTransport(socket->fd.release());
  if (!loop_.Watch(transport_->fd(), this).ok()) {
    transport_.reset();
    Finish(kNoDescriptor);
    return;
  }
  if (!socket->in_progress) Connected();
}

Probe::~Probe() { Close(); }

void Probe::OnIo(IoEvents events) {
  if (!connected_) {
    if (!events.writable && !events.hangup) return;
    if (ConnectResult(transport_->fd()) != 0) {
      Finish("connect_failed");
      return;
    }
    Connected();
  } else if (events.writable && !out_.empty()) {
    Exchange();
  }
  if (transport_ != nullptr && (events.readable || events.hangup)) ReadAll();
}

void Probe::Connected() {
  connected_ = true;
  if (exchange_ == nullptr) {
    Finish(nullptr);
  } else {
    Exchange();
  }
}

void Probe::Exchange() {
  exchange_->Write(out_);
  // An error shows again when it is read: an answer may have come before it.
  if (!exchange_->done()) out_.Flush(*transport_);
  if (exchange_->done()) Finish(exchange_->failure());
}

void Probe::ReadAll() {
  char bytes[4096];
  while (transport_ != nullptr) {
    const IoResult got = transport_->Read(bytes, sizeof(bytes));
    if (got.kind == IoResult::Kind::kWouldBlock) return;
    if (got.kind != IoResult::Kind::kOk) {
      Finish(got.kind == IoResult::Kind::kEof ? "closed" : "reset");
      return;
    }
    received_ += got.bytes;
    exchange_->Feed({bytes, got.bytes});
    if (!exchange_->done() && received_ > kMaxBytes) {
      Finish("response_too_long");
      return;
    }
    Exchange();
  }
}

void Probe::Close() {
  if (transport_ == nullptr) return;
  loop_.Unwatch(transport_->fd(), this);
  transport_.reset();
}

void Probe::Finish(const char* failure) {
  failure_ = failure;
  timeout_.Cancel();
  Close();
  loop_.Defer(finished_);
}

}  // namespace tollgate::proxy
