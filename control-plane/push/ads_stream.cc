#include "control-plane/push/ads_stream.h"

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"

namespace tollgate::control {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

// The codes of absl::Status and of gRPC are the same numbers.
grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

// A slice of the entry's own bytes, which live as long as the slice.
grpc::Slice Share(const ResourcePtr& resource) {
  return grpc::Slice(
      const_cast<char*>(resource->entry.data()), resource->entry.size(),
      [](void* owner) { delete static_cast<ResourcePtr*>(owner); }, new ResourcePtr(resource));
}

}  // namespace

grpc::ByteBuffer Encode(const Session::Response& response) {
  DeltaDiscoveryResponse header;
  header.set_system_version_info(response.version_info);
  header.set_type_url(std::string(TypeUrl(response.type)));
  header.set_nonce(response.nonce);
  for (const std::string& name : response.removed) header.add_removed_resources(name);
  std::vector<grpc::Slice> slices;
  slices.reserve(1 + response.resources.size());
  slices.emplace_back(header.SerializeAsString());
  for (const ResourcePtr& resource : response.resources) slices.push_back(Share(resource));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

AdsStream* AdsStream::Start(Hub* hub, Fleet* fleet) {
  std::shared_ptr<AdsStream> stream(new AdsStream(hub, fleet));
  stream->self_ = stream;
  stream->StartSendInitialMetadata();  // tells the sidecar that it is connected, if nothing else
  stream->StartRead(&stream->incoming_);
  return stream.get();
}

void AdsStream::Offer(std::shared_ptr<const ResourceSet> set) {
  const std::lock_guard lock(mutex_);
  session_.Offer(std::move(set));
  WriteNext();
}

void AdsStream::Close(absl::Status why) {
  const std::lock_guard lock(mutex_);
  CloseLocked(why);
}

void AdsStream::OnReadDone(bool ok) {
  if (!ok) {  // the sidecar has half-closed, or the stream is gone
    Close(absl::OkStatus());
    return;
  }
  DeltaDiscoveryRequest request;
  if (!grpc::SerializationTraits<DeltaDiscoveryRequest>::Deserialize(&incoming_, &request).ok()) {
    Close(absl::InvalidArgumentError("the request is not a DeltaDiscoveryRequest"));
    return;
  }
  bool introduce;
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    if (absl::Status status = session_.OnRequest(request); !status.ok()) {
      spdlog::warn(absl::StrCat("ADS stream of ",
                                session_.node().has_value() ? session_.node()->id : "a stranger",
                                " ends: ", status.ToString()));
      CloseLocked(status);
      return;
    }
    introduce = fleet_session_ == 0;
    if (introduce) fleet_session_ = fleet_->Connected(*session_.node());
  }
  // Without the lock: Attach closes an older stream of this sidecar, which may be doing the same.
  if (introduce) hub_->Attach(*session_.node(), fleet_session_, self_);
  const std::lock_guard lock(mutex_);
  WriteNext();
  if (!finished_) StartRead(&incoming_);
}

void AdsStream::WriteNext() {
  if (writing_ || closing_) return;
  const std::optional<Session::Response> response = session_.Next();
  if (!response.has_value()) return;
  outgoing_ = Encode(*response);
  writing_ = true;
  StartWrite(&outgoing_);
}

void AdsStream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  outgoing_.Clear();
  if (!ok && !closing_) CloseLocked(absl::UnavailableError("the stream broke"));
  if (closing_ && !finished_) {
    finished_ = true;
    Finish(ToGrpc(why_));
    return;
  }
  WriteNext();
}

void AdsStream::CloseLocked(const absl::Status& why) {
  if (closing_) return;
  closing_ = true;
  why_ = why;
  if (writing_) return;  // OnWriteDone goes on
  finished_ = true;
  Finish(ToGrpc(why_));
}

void AdsStream::OnCancel() { Close(absl::CancelledError("the sidecar went away")); }

void AdsStream::OnDone() {
  if (fleet_session_ != 0) {
    hub_->Detach(fleet_session_);
    fleet_->Disconnected(*session_.node(), fleet_session_);
  }
  std::shared_ptr<AdsStream> self;
  const std::lock_guard lock(mutex_);
  self_.swap(self);
}

void AdsStream::OnOffered(const CutIdentity& cut) {
  fleet_->Offered(*session_.node(), fleet_session_, cut);
}

void AdsStream::OnAcknowledged(const CutIdentity& cut) {
  fleet_->Acknowledged(*session_.node(), fleet_session_, cut);
}

void AdsStream::OnRefused(const CutIdentity& cut, std::vector<ResourceError> errors) {
  spdlog::warn(absl::StrCat("sidecar ", session_.node()->id, " refuses release ", cut.release, ": ",
                            ToString(errors.front())));
  fleet_->Refused(*session_.node(), fleet_session_, cut, std::move(errors));
}

void AdsStream::OnRevocationRefused(std::vector<ResourceError> errors) {
  spdlog::error(absl::StrCat("sidecar ", session_.node()->id,
                             " refuses a revocation: ", ToString(errors.front())));
  fleet_->RevocationRefused(*session_.node(), fleet_session_, std::move(errors));
}

}  // namespace tollgate::control
