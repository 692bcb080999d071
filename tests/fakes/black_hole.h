// An address whose connects are never answered.
#pragma once

#include <poll.h>

#include <vector>

#include "common/base/address.h"
#include "proxy/net/socket.h"

namespace tollgate::proxy {

class BlackHole {
 public:
  // Nobody accepts: the kernel's queue of this listener is full, so further SYNs are dropped.
  BlackHole() : full_(*Listen(*Address::Parse("127.0.0.1:0"), {.backlog = 0})) {
    for (int i = 0; i < 4; ++i) fillers_.push_back(std::move(Connect(full_.address)->fd));
    poll(nullptr, 0, 20);  // the kernel's loopback needs a moment
  }
  const Address& address() const { return full_.address; }

 private:
  ListeningSocket full_;
  std::vector<UniqueFd> fillers_;
};

}  // namespace tollgate::proxy
