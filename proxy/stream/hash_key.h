// What keeps a request to one endpoint, where its upstream balances by a hash. Stateless.
#pragma once

#include <cstdint>
#include <optional>

#include "proxy/filter/context.h"
#include "proxy/http/message.h"

namespace tollgate::proxy {

// `request` is the permit's, and `context` found its route. Nullopt: nothing is hashed, or the
// request does not have what is; then any endpoint will do. A consumer is known by the field
// x-tollgate-consumer, which the sidecar of the calling service wrote when it authenticated it, and
// which that service passes on. The same value has the same hash in every sidecar (stable_hash.h).
std::optional<uint64_t> HashKeyOf(const RequestContext& context, const RequestHead& request);

}  // namespace tollgate::proxy
