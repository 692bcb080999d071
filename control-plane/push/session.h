// One sidecar's delta ADS stream as a state machine, without I/O. The server decides the set
// (wildcard subscriptions only). A cut is one consistent set: for each type in order the changes
// and removals since what the sidecar has active, then the Epoch. A cut that has begun is always
// sent to its end, and the answer to its Epoch decides: acknowledged, the set is active; refused,
// nothing of it is, and it is not sent again until something newer exists. Then the newest set is
// next, whatever came in between (no queue). Revocations are sent at once, also in the middle of a
// cut. One thread at a time: the owner locks.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/policy/from_proto.h"
#include "control-plane/push/resource_set.h"
#include "control-plane/push/source.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace tollgate::control {

class SessionObserver {
 public:
  virtual ~SessionObserver() = default;
  virtual void OnOffered(const CutIdentity& cut) = 0;
  virtual void OnAcknowledged(const CutIdentity& cut) = 0;
  virtual void OnRefused(const CutIdentity& cut, std::vector<ResourceError> errors) = 0;
  virtual void OnRevocationRefused(std::vector<ResourceError> errors) = 0;
};

class Session {
 public:
  // One DeltaDiscoveryResponse to be written.
  struct Response {
    ResourceType type = ResourceType::kUpstream;
    std::string nonce;
    std::string version_info;  // for people who debug
    ResourceList resources;
    std::vector<std::string> removed;
  };
  // Responses stay below this, unless one resource alone is larger.
  static constexpr size_t kMaxResponseBytes = 1000 * 1000;
  // What the sidecar may say about a refused cut.
  static constexpr size_t kMaxErrors = 64;

  explicit Session(SessionObserver* observer) : observer_(observer) {}

  // An error ends the stream with it.
  absl::Status OnRequest(const envoy::service::discovery::v3::DeltaDiscoveryRequest& request);
  // Set by the first request.
  const std::optional<NodeInfo>& node() const { return node_; }

  void Offer(std::shared_ptr<const ResourceSet> set) { newest_ = std::move(set); }
  // The next response to write, if there is one now.
  std::optional<Response> Next();

 private:
  struct Part {
    ResourceType type;
    ResourceList resources;
    std::vector<std::string> removed;
  };
  struct Cut {
    std::shared_ptr<const ResourceSet> set;
    std::deque<Part> parts;   // still to be sent
    std::string epoch_nonce;  // set once the Epoch is sent
    bool refused = false;     // a part was
    std::vector<ResourceError> errors;
  };
  struct Outstanding {
    ResourceType type;
    std::string nonce;
  };

  absl::Status Introduce(const envoy::service::discovery::v3::DeltaDiscoveryRequest& request);
  absl::Status Subscribe(ResourceType type,
                         const envoy::service::discovery::v3::DeltaDiscoveryRequest& request);
  absl::Status OnAnswer(ResourceType type,
                        const envoy::service::discovery::v3::DeltaDiscoveryRequest& request);
  void BeginCut();
  std::optional<Response> NextRevocation();
  Response Send(Part part, const ResourceSet& set);

  SessionObserver* const observer_;
  std::optional<NodeInfo> node_;
  std::array<bool, kResourceTypes> subscribed_{};
  // What the sidecar has active: what it said when it connected, later the set that it
  // acknowledged.
  std::array<ResourceList, kResourceTypes> known_;
  ResourceList revocations_sent_;
  std::shared_ptr<const ResourceSet> newest_;
  std::string decided_;  // version of the Epoch that was last answered, for or against
  std::optional<Cut> cut_;
  std::vector<Outstanding> outstanding_;
  uint64_t next_nonce_ = 1;
};

}  // namespace tollgate::control
