#include "control-plane/admin/endpoint.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/address.h"
#include "common/base/status.h"
#include "control-plane/push/listen.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"

namespace tollgate::control {
namespace {

constexpr int kMaxMessageBytes = 16 << 20;
constexpr mode_t kSocketMode = 0660;

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status InUse(const Address& address) {
  return absl::AlreadyExistsError(
      absl::StrCat(address.ToString(),
                   ": another process listens there; stop it, or choose "
                   "another address"));
}

// gRPC would take over a socket that somebody serves, and does not say why it cannot listen: this
// finds out first.
absl::Status CheckFree(const Address& address) {
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(&storage);
  const auto* sockaddr = reinterpret_cast<const struct sockaddr*>(&storage);
  const Socket socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (length == 0 || socket.fd() < 0) {
    return absl::InvalidArgumentError(absl::StrCat(address.ToString(), ": cannot be listened at"));
  }
  if (address.kind() != Address::Kind::kUnix) {
    const int on = 1;
    setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(socket.fd(), sockaddr, length) == 0) return absl::OkStatus();
    return errno == EADDRINUSE ? InUse(address) : ErrnoStatus(errno, address.ToString());
  }
  struct stat info {};
  if (lstat(address.host().c_str(), &info) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return ErrnoStatus(errno, address.ToString());
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(address.ToString(),
                     ": there is a file that is not a socket; remove it, or choose another"));
  }
  if (connect(socket.fd(), sockaddr, length) == 0) return InUse(address);
  if (errno != ECONNREFUSED) return ErrnoStatus(errno, address.ToString());
  if (unlink(address.host().c_str()) != 0) return ErrnoStatus(errno, address.ToString());
  return absl::OkStatus();
}

class GrpcEndpoint final : public Endpoint {
 public:
  explicit GrpcEndpoint(std::unique_ptr<grpc::Server> server) : server_(std::move(server)) {}
  ~GrpcEndpoint() override { Shutdown(std::chrono::milliseconds::zero()); }
  void SetServing(bool serving) override {
    server_->GetHealthCheckService()->SetServingStatus(serving);
  }
  void Shutdown(std::chrono::milliseconds grace) override {
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
  }

 private:
  const std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Endpoint>> Endpoint::Open(const EndpointOptions& options) {
  ASSIGN_OR_RETURN(const std::string uri, ListeningUri(options.address));
  ASSIGN_OR_RETURN(const Address address, Address::Parse(options.address));
  RETURN_IF_ERROR(CheckFree(address));
  // Process-wide, and both are set before the first builder: harmless to repeat.
  grpc::EnableDefaultHealthCheckService(true);
  if (!options.streams) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(uri, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  if (options.streams) ConfigureStreams(&builder);
  for (grpc::Service* service : options.services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat(address.ToString(), ": cannot listen there"));
  }
  if (address.kind() == Address::Kind::kUnix && chmod(address.host().c_str(), kSocketMode) != 0) {
    return ErrnoStatus(errno, absl::StrCat(address.ToString(), ": setting its mode"));
  }
  // It knows only the names that it has been told once.
  for (const std::string& name : options.health_names) {
    server->GetHealthCheckService()->SetServingStatus(name, true);
  }
  return std::make_unique<GrpcEndpoint>(std::move(server));
}

}  // namespace tollgate::control
