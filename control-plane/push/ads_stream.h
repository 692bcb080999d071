// One ADS stream on gRPC: owns a Session, reads requests into it, writes what it wants written, one
// message at a time. Lives until gRPC says OnDone; the hub may keep it a little longer.
// Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "control-plane/push/fleet.h"
#include "control-plane/push/hub.h"
#include "control-plane/push/session.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"

namespace tollgate::control {

class AdsStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                        public Peer,
                        private SessionObserver {
 public:
  // Keeps itself alive until OnDone.
  static AdsStream* Start(Hub* hub, Fleet* fleet);

  // Peer, on the hub's thread.
  void Offer(std::shared_ptr<const ResourceSet> set) override;
  void Close(absl::Status why) override;

  // gRPC.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  AdsStream(Hub* hub, Fleet* fleet) : hub_(hub), fleet_(fleet) {}

  void OnOffered(const CutIdentity& cut) override;
  void OnAcknowledged(const CutIdentity& cut) override;
  void OnRefused(const CutIdentity& cut, std::vector<ResourceError> errors) override;
  void OnRevocationRefused(std::vector<ResourceError> errors) override;

  // With mutex_ held.
  void WriteNext();
  void CloseLocked(const absl::Status& why);

  Hub* const hub_;
  Fleet* const fleet_;
  grpc::ByteBuffer incoming_;  // between StartRead and OnReadDone gRPC's

  std::mutex mutex_;
  std::shared_ptr<AdsStream> self_;
  Session session_{this};
  uint64_t fleet_session_ = 0;  // 0: not introduced yet
  grpc::ByteBuffer outgoing_;
  bool writing_ = false;
  bool closing_ = false;   // `why_` is to be sent once nothing is being written
  bool finished_ = false;  // Finish was called
  absl::Status why_;
};

// The bytes of one response: a header of its own and shared entries.
grpc::ByteBuffer Encode(const Session::Response& response);

}  // namespace tollgate::control
