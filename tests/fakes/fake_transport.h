// A control stream in memory: a test sees what the client sent and says what arrives. One thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/control/transport.h"

namespace tollgate::fakes {

template <typename Out, typename In>
class FakeTransport final : public proxy::StreamTransport<Out, In> {
 public:
  using Base = proxy::StreamTransport<Out, In>;

  std::unique_ptr<typename Base::Stream> Open(typename Base::Events events) override {
    ++opened_;
    live_ = std::make_shared<State>();
    live_->events = std::move(events);
    return std::make_unique<Handle>(live_);
  }

  // Streams so far; whether the newest is still held by the client.
  int opened() const { return opened_; }
  bool open() const { return live_ != nullptr && !live_->dropped; }
  // What the client sent on the newest stream since the last call.
  std::vector<Out> TakeSent() { return std::exchange(live_->sent, {}); }
  void Deliver(In message) { live_->events.on_message(std::move(message)); }
  void Accept() { live_->events.on_open(); }
  void Close(absl::Status why) { live_->events.on_closed(std::move(why)); }

 private:
  struct State {
    typename Base::Events events;
    std::vector<Out> sent;
    bool dropped = false;
  };
  class Handle final : public Base::Stream {
   public:
    explicit Handle(std::shared_ptr<State> state) : state_(std::move(state)) {}
    ~Handle() override { state_->dropped = true; }
    void Send(Out message) override { state_->sent.push_back(std::move(message)); }

   private:
    const std::shared_ptr<State> state_;
  };

  int opened_ = 0;
  std::shared_ptr<State> live_;
};

using FakeAdsTransport = FakeTransport<envoy::service::discovery::v3::DeltaDiscoveryRequest,
                                       envoy::service::discovery::v3::DeltaDiscoveryResponse>;
using FakeAgentTransport = FakeTransport<agent::v1::Report, agent::v1::Question>;

}  // namespace tollgate::fakes
