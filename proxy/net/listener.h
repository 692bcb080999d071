// Accepts connections of one listening socket on one loop. To accept on several loops, give each an
// Acceptor with a Duplicate of the socket: the kernel wakes one of them. Owned by a worker (or the
// server's accepting loop); loop thread only.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "proxy/event/loop.h"
#include "proxy/net/socket.h"

namespace tollgate::proxy {

struct AcceptedConnection {
  UniqueFd fd;
  Address peer;
  Address local;
};

class Acceptor final : private IoHandler {
 public:
  // May stop the acceptor, but not destroy it.
  using OnAccept = absl::AnyInvocable<void(AcceptedConnection)>;

  struct Options {
    int batch = 32;  // connections accepted per wake-up: other descriptors wait meanwhile
    Duration pause = std::chrono::milliseconds(100);  // when the kernel cannot accept
  };
  struct Counters {
    uint64_t accepted = 0;
    uint64_t shed = 0;    // out of descriptors: accepted and closed at once
    uint64_t failed = 0;  // gone before they were accepted, or refused by a firewall
    uint64_t pauses = 0;  // the kernel could not accept, or the process had no descriptor at all
  };

  // Begins to accept.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Create(Loop& loop, ListeningSocket socket,
                                                          OnAccept on_accept, Options options);
  static absl::StatusOr<std::unique_ptr<Acceptor>> Create(Loop& loop, ListeningSocket socket,
                                                          OnAccept on_accept) {
    return Create(loop, std::move(socket), std::move(on_accept), Options());
  }
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // While stopped (a cap is reached), connections wait in the kernel's backlog.
  void Stop();
  // For good: hands over what waits in the backlog (unless stopped), then closes the socket, so that
  // who comes later is refused at once.
  void Close();
  absl::Status Resume();
  bool accepting() const { return accepting_; }

  // Stays valid and listening until destruction (take-over passes it on).
  const ListeningSocket& socket() const { return socket_; }
  const Address& address() const { return socket_.address; }
  const Counters& counters() const { return counters_; }

 private:
  Acceptor(Loop& loop, ListeningSocket socket, OnAccept on_accept, Options options);
  void OnIo(IoEvents events) override;
  bool AcceptOne();
  bool HandleError(int error);
  int Shed();
  void Pause(absl::string_view why);
  void EndPause();
  void OpenReserve();
  void Complain(absl::string_view what);

  Loop& loop_;
  ListeningSocket socket_;
  OnAccept on_accept_;
  const Options options_;
  bool wildcard_;           // the local address differs by connection
  bool accepting_ = false;  // wanted
  bool watching_ = false;   // accepting_ and not in a pause
  // Held so that, when descriptors run out, one can be freed to accept and close: the client learns
  // at once, and the backlog does not keep the loop spinning.
  UniqueFd reserve_;
  Timer pause_timer_;
  Counters counters_;
  MonoTime complain_next_{};  // one log line in ten seconds
};

}  // namespace tollgate::proxy
