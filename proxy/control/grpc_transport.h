// The transports on gRPC's callback API: no thread per stream. Thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "proxy/control/transport.h"

namespace tollgate::proxy {

// A plaintext channel to a loopback address or Unix socket, with keepalive. InvalidArgument:
// another address; the message says what was expected.
absl::StatusOr<std::shared_ptr<grpc::Channel>> OpenChannel(absl::string_view address);

template <typename Out, typename In>
class GrpcTransport final : public StreamTransport<Out, In> {
 public:
  using Base = StreamTransport<Out, In>;
  using Reactor = grpc::ClientBidiReactor<Out, In>;
  // Starts the method of a stub: `stub->async()->Method(context, reactor)`.
  using Method = std::function<void(grpc::ClientContext*, Reactor*)>;

  explicit GrpcTransport(Method method) : method_(std::move(method)) {}
  // Waits until gRPC has let go of every stream; their handles must be gone.
  ~GrpcTransport() override {
    std::unique_lock lock(calls_->mutex);
    calls_->none.wait(lock, [this] { return calls_->count == 0; });
  }

  std::unique_ptr<typename Base::Stream> Open(typename Base::Events events) override {
    auto call = std::make_shared<Call>(std::move(events), calls_);
    call->Start(method_, call);
    return std::make_unique<Handle>(std::move(call));
  }

 private:
  struct Calls {
    std::mutex mutex;
    std::condition_variable none;
    int count = 0;
  };

  // One call. Kept alive by its handle and, until OnDone, by itself.
  class Call final : public Reactor {
   public:
    Call(typename Base::Events events, std::shared_ptr<Calls> calls)
        : events_(std::move(events)), calls_(std::move(calls)) {
      const std::lock_guard lock(calls_->mutex);
      ++calls_->count;
    }

    void Start(const Method& method, std::shared_ptr<Call> self) {
      self_ = std::move(self);
      method(&context_, this);
      this->AddHold();  // writes come from outside of reactions until End
      this->StartRead(&incoming_);
      this->StartCall();
    }

    void Send(Out message) {
      const std::lock_guard lock(mutex_);
      if (ended_) return;
      queue_.push_back(std::move(message));
      if (queue_.size() == 1) this->StartWrite(&queue_.front());
    }

    void Cancel() { context_.TryCancel(); }

    void OnReadInitialMetadataDone(bool ok) override {
      if (ok && events_.on_open != nullptr) events_.on_open();
    }

    void OnReadDone(bool ok) override {
      if (!ok) {
        End();
        return;
      }
      events_.on_message(std::exchange(incoming_, In()));
      this->StartRead(&incoming_);
    }

    void OnWriteDone(bool ok) override {
      if (!ok) {
        context_.TryCancel();  // then the read ends
        return;
      }
      const std::lock_guard lock(mutex_);
      queue_.pop_front();
      if (!ended_ && !queue_.empty()) this->StartWrite(&queue_.front());
    }

    void OnDone(const grpc::Status& status) override {
      events_.on_closed(
          absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message()));
      const std::shared_ptr<Calls> calls = calls_;
      // First of all, for it holds the channel, and this is a thread of gRPC: whoever waits below
      // must be the one to let the channel go. Its end joins this thread.
      std::shared_ptr<Call> self = std::move(self_);
      self.reset();
      const std::lock_guard lock(calls->mutex);
      --calls->count;
      calls->none.notify_all();
    }

   private:
    void End() {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      this->RemoveHold();
    }

    const typename Base::Events events_;
    const std::shared_ptr<Calls> calls_;
    grpc::ClientContext context_;
    In incoming_;
    std::shared_ptr<Call> self_;
    std::mutex mutex_;
    std::deque<Out> queue_;  // the front is being written
    bool ended_ = false;
  };

  class Handle final : public Base::Stream {
   public:
    explicit Handle(std::shared_ptr<Call> call) : call_(std::move(call)) {}
    ~Handle() override { call_->Cancel(); }
    void Send(Out message) override { call_->Send(std::move(message)); }

   private:
    const std::shared_ptr<Call> call_;
  };

  const Method method_;
  const std::shared_ptr<Calls> calls_ = std::make_shared<Calls>();
};

}  // namespace tollgate::proxy
