// The control plane's sessions and the sidecar's ADS client joined in memory, without gRPC, so that
// ThreadSanitizer sees all of it. What is "written" is what would go over the wire, parsed again.
// Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/push/fleet.h"
#include "control-plane/push/hub.h"
#include "control-plane/push/session.h"
#include "proxy/control/transport.h"

namespace tollgate::fakes {

class MemoryAds final : public proxy::AdsTransport {
 public:
  MemoryAds(control::Hub* hub, control::Fleet* fleet) : hub_(hub), fleet_(fleet) {}

  std::unique_ptr<Stream> Open(Events events) override {
    auto end = std::make_shared<ServerEnd>(hub_, fleet_, &resources_, std::move(events));
    {
      const std::lock_guard lock(mutex_);
      newest_ = end;
    }
    end->Accept();
    return std::make_unique<Handle>(std::move(end));
  }

  // Resources sent so far, over all streams.
  int resources() const { return resources_; }
  // Breaks the newest stream.
  void Break() {
    std::shared_ptr<ServerEnd> end;
    {
      const std::lock_guard lock(mutex_);
      end = newest_.lock();
    }
    if (end != nullptr) end->Close(absl::UnavailableError("broken by the test"));
  }

 private:
  using Request = envoy::service::discovery::v3::DeltaDiscoveryRequest;
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;

  class ServerEnd final : public control::Peer,
                          public control::SessionObserver,
                          public std::enable_shared_from_this<ServerEnd> {
   public:
    ServerEnd(control::Hub* hub, control::Fleet* fleet, std::atomic<int>* resources, Events events)
        : hub_(hub), fleet_(fleet), resources_(resources), events_(std::move(events)) {}

    void Accept() {
      if (events_.on_open != nullptr) events_.on_open();
    }
    void Receive(const Request& request) {
      bool introduce;
      {
        const std::lock_guard lock(mutex_);
        if (closed_) return;
        const absl::Status status = session_.OnRequest(request);
        if (!status.ok()) {
          CloseLocked(status);
          return;
        }
        introduce = number_ == 0;
        if (introduce) number_ = fleet_->Connected(*session_.node());
      }
      if (introduce) hub_->Attach(*session_.node(), number_, shared_from_this());
      const std::lock_guard lock(mutex_);
      Write();
    }
    void Offer(std::shared_ptr<const control::ResourceSet> set) override {
      const std::lock_guard lock(mutex_);
      session_.Offer(std::move(set));
      Write();
    }
    void Close(absl::Status why) override {
      const std::lock_guard lock(mutex_);
      CloseLocked(why);
    }
    // The client let go, or the stream broke.
    void End() {
      Close(absl::CancelledError("let go"));
      uint64_t number;
      {
        const std::lock_guard lock(mutex_);
        number = number_;
      }
      if (number == 0) return;
      hub_->Detach(number);
      fleet_->Disconnected(*session_.node(), number);
    }

   private:
    void OnOffered(const control::CutIdentity& cut) override {
      fleet_->Offered(*session_.node(), number_, cut);
    }
    void OnAcknowledged(const control::CutIdentity& cut) override {
      fleet_->Acknowledged(*session_.node(), number_, cut);
    }
    void OnRefused(const control::CutIdentity& cut, std::vector<ResourceError> errors) override {
      fleet_->Refused(*session_.node(), number_, cut, std::move(errors));
    }
    void OnRevocationRefused(std::vector<ResourceError> errors) override {
      fleet_->RevocationRefused(*session_.node(), number_, std::move(errors));
    }
    void CloseLocked(const absl::Status& why) {
      if (std::exchange(closed_, true)) return;
      events_.on_closed(why);
    }
    void Write() {
      while (!closed_) {
        const std::optional<control::Session::Response> next = session_.Next();
        if (!next.has_value()) return;
        Response header;
        header.set_type_url(std::string(TypeUrl(next->type)));
        header.set_nonce(next->nonce);
        for (const std::string& name : next->removed) header.add_removed_resources(name);
        std::string wire = header.SerializeAsString();
        for (const control::ResourcePtr& resource : next->resources) wire += resource->entry;
        *resources_ += static_cast<int>(next->resources.size());
        Response response;
        if (!response.ParseFromString(wire)) {
          CloseLocked(absl::InternalError("does not parse"));
          return;
        }
        events_.on_message(std::move(response));
      }
    }

    control::Hub* const hub_;
    control::Fleet* const fleet_;
    std::atomic<int>* const resources_;
    const Events events_;
    std::mutex mutex_;
    control::Session session_{this};
    uint64_t number_ = 0;
    bool closed_ = false;
  };

  class Handle final : public Stream {
   public:
    explicit Handle(std::shared_ptr<ServerEnd> end) : end_(std::move(end)) {}
    ~Handle() override { end_->End(); }
    void Send(Request message) override { end_->Receive(message); }

   private:
    const std::shared_ptr<ServerEnd> end_;
  };

  control::Hub* const hub_;
  control::Fleet* const fleet_;
  std::atomic<int> resources_ = 0;
  std::mutex mutex_;
  std::weak_ptr<ServerEnd> newest_;
};

}  // namespace tollgate::fakes
