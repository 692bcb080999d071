#include "proxy/control/grpc_transport.h"

#include "absl/strings/str_cat.h"
#include "common/base/address.h"
#include "common/base/status.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace tollgate::proxy {
namespace {

// One RouteTable may be large; responses with many resources are split by the server.
constexpr int kMaxMessageBytes = 64 << 20;

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(absl::string_view address) {
  ASSIGN_OR_RETURN(const Address parsed, Address::Parse(address));
  if (!parsed.is_local()) {
    return absl::InvalidArgumentError(
        absl::StrCat("control plane \"", address,
                     "\": plaintext is for this machine only; expected a loopback address such as "
                     "127.0.0.1:18000, or unix:/path"));
  }
  grpc::ChannelArguments arguments;
  // Notice a dead control plane within 40 s, also while nothing is said.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The clients pace reconnects themselves (backoff.h); the channel must not add minutes to that.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // never leave the machine by way of $http_proxy
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  return grpc::CreateCustomChannel(parsed.ToString(), grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace tollgate::proxy
