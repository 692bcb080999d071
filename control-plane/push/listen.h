// How the control port is opened: only where plaintext may go, and with settings that notice a dead
// peer. Stateless.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/server_builder.h"

namespace tollgate::control {

// OK for loopback addresses and Unix sockets, which are all that may be served without TLS. The
// message names the address and what was expected.
absl::Status CheckControlAddress(absl::string_view address);

// What AddListeningPort takes for an address that CheckControlAddress accepts.
absl::StatusOr<std::string> ListeningUri(absl::string_view address);

// Keepalive, ping limits and sizes for long-lived streams. `max_age` is when a connection is asked
// to reconnect elsewhere (gRPC adds its jitter); zero: never.
void ConfigureStreams(grpc::ServerBuilder* builder,
                      std::chrono::seconds max_age = std::chrono::minutes(30));

}  // namespace tollgate::control
