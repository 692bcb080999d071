// The permission to send one request upstream (the third law). Only ChainRun can make one, after
// every step said Continue; an upstream attempt demands one and serialises its request from it, so
// what is sent is what was authorised: method, host, canonical path. It owns the request: no step
// sees it again. Move-only; retries of a stream use the same permit: all that differs from attempt
// to attempt is how much time the upstream is told to have left. Health probes are another type,
// which carries no request.
#pragma once

#include <utility>

#include "common/base/clock.h"
#include "common/policy/policy.h"
#include "proxy/filter/deadline.h"
#include "proxy/http/message.h"

namespace tollgate::proxy {

class Permit {
 public:
  Permit(Permit&&) = default;
  Permit& operator=(Permit&&) = default;

  // The whole sanitised request, as it goes on the wire.
  const RequestHead& request() const { return request_; }
  // The route it was authorised under; lives as long as the stream's snapshot.
  const RoutePolicy& route() const { return *route_; }

  // What the next attempt tells its upstream.
  void TellDeadline(Duration left) { SetDeadline(left, request_.headers); }

  // Gives the storage back for reuse; the permit is used up.
  static RequestHead Recycle(Permit&& permit) { return std::move(permit.request_); }

 private:
  friend class ChainRun;
  Permit(RequestHead&& request, const RoutePolicy& route)
      : request_(std::move(request)), route_(&route) {}

  RequestHead request_;
  const RoutePolicy* route_;
};

}  // namespace tollgate::proxy
