#include "proxy/observe/admin_server.h"

#include <pthread.h>

#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "proxy/event/loop.h"
#include "proxy/net/listener.h"
#include "proxy/observe/admin_connection.h"

namespace tollgate::proxy {
namespace {

class ThreadedAdminServer final : public AdminServer, private AdminConnection::Owner {
 public:
  ThreadedAdminServer(std::unique_ptr<Loop> loop, AdminActions actions, Options options)
      : actions_(std::move(actions)),
        options_(options),
        loop_(std::move(loop)),
        bury_([this] { Bury(); }) {}

  absl::Status Listen(ListeningSocket socket) {
    address_ = socket.address;
    ASSIGN_OR_RETURN(acceptor_,
                     Acceptor::Create(*loop_, std::move(socket),
                                      [this](AcceptedConnection c) { OnAccept(std::move(c)); }));
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "admin");
      loop_->Run();
    });
    return absl::OkStatus();
  }

  ~ThreadedAdminServer() override {
    if (!thread_.joinable()) return;
    loop_->Stop();
    thread_.join();
  }

  const Address& address() const override { return address_; }

 private:
  void OnAccept(AcceptedConnection accepted) {
    Owner& self = *this;  // a private base: make_unique could not convert
    auto made = std::make_unique<AdminConnection>(*loop_, pool_, self, actions_, options_.timeout,
                                                  std::move(accepted.fd));
    AdminConnection* connection = made.get();
    connections_.emplace(connection, std::move(made));
    if (connections_.size() >= options_.max_connections) acceptor_->Stop();
    connection->Start();
  }

  void OnClosed(AdminConnection& connection) override {
    const auto found = connections_.find(&connection);
    closed_.push_back(std::move(found->second));
    connections_.erase(found);
    loop_->Defer(bury_);
  }

  // At the end of the iteration: nobody is inside of them any more.
  void Bury() {
    closed_.clear();
    if (acceptor_->accepting() || connections_.size() >= options_.max_connections) return;
    if (const absl::Status status = acceptor_->Resume(); !status.ok()) {
      spdlog::error("{}", absl::StrCat("admin endpoint: ", status.ToString()));
    }
  }

  const AdminActions actions_;
  const Options options_;
  Address address_;
  // The loop's thread only, until it has been joined:
  std::unique_ptr<Loop> loop_;
  BufferPool pool_;
  std::unique_ptr<Acceptor> acceptor_;
  std::map<AdminConnection*, std::unique_ptr<AdminConnection>> connections_;
  std::vector<std::unique_ptr<AdminConnection>> closed_;
  Deferred bury_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const Address& address,
                                                                AdminActions actions,
                                                                const Clock& clock,
                                                                Options options) {
  if (!address.is_local()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "admin address '", address.ToString(),
        "' can be reached from other machines, and the endpoint has no authentication; expected a "
        "loopback address (127.0.0.1:9901) or a Unix socket (unix:/run/tollgate/admin.sock)"));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Loop> loop, Loop::Create(clock));
  ASSIGN_OR_RETURN(ListeningSocket socket, Listen(address));
  auto server = std::make_unique<ThreadedAdminServer>(std::move(loop), std::move(actions), options);
  RETURN_IF_ERROR(Annotate(server->Listen(std::move(socket)), "admin endpoint"));
  return server;
}

}  // namespace tollgate::proxy
