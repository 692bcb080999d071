#include "control-plane/push/listen.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "common/base/address.h"
#include "common/base/status.h"

namespace tollgate::control {

absl::Status CheckControlAddress(absl::string_view address) {
  ASSIGN_OR_RETURN(const Address parsed, Address::Parse(address));
  if (parsed.is_local()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("control address \"", address,
                   "\": plaintext is for this machine only; expected a loopback address such as "
                   "127.0.0.1:18000, or unix:/path"));
}

absl::StatusOr<std::string> ListeningUri(absl::string_view address) {
  RETURN_IF_ERROR(CheckControlAddress(address));
  ASSIGN_OR_RETURN(const Address parsed, Address::Parse(address));
  return parsed.ToString();  // gRPC's own spelling of "unix:/path", "127.0.0.1:80" and "[::1]:80"
}

void ConfigureStreams(grpc::ServerBuilder* builder, std::chrono::seconds max_age) {
  // A sidecar that vanished is noticed within 40 s; sidecars ping every 30 s, which the default
  // limits (two pings without data, five minutes apart) would punish with GOAWAY too_many_pings.
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  if (max_age > std::chrono::seconds::zero()) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(max_age).count();
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, static_cast<int>(ms));
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 60'000);
  }
}

}  // namespace tollgate::control
