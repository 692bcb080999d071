#include "control-plane/push/session.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "control-plane/push/node_info.h"
#include "tollgate/agent/v1/agent.pb.h"

namespace tollgate::control {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;

struct Difference {
  ResourceList changed;
  std::vector<std::string> removed;
};

// What leads from `have` to `want`; both are sorted by name.
Difference Diff(const ResourceList& have, const ResourceList& want) {
  Difference out;
  auto h = have.begin();
  for (const ResourcePtr& resource : want) {
    while (h != have.end() && (*h)->name < resource->name) out.removed.push_back((*h++)->name);
    if (h == have.end() || (*h)->name != resource->name) {
      out.changed.push_back(resource);
      continue;
    }
    if (*h != resource && (*h)->version != resource->version) out.changed.push_back(resource);
    ++h;
  }
  for (; h != have.end(); ++h) out.removed.push_back((*h)->name);
  return out;
}

// Its own account of what went wrong; at least one error.
std::vector<ResourceError> ErrorsOf(ResourceType type, const google::rpc::Status& detail) {
  std::vector<ResourceError> errors;
  for (const google::protobuf::Any& any : detail.details()) {
    agent::v1::ResourceError error;
    if (errors.size() == Session::kMaxErrors || !any.UnpackTo(&error)) continue;
    errors.push_back(
        {error.type_url(), error.name(), error.code(), error.field_path(), error.message()});
  }
  if (errors.empty()) {
    errors.push_back({std::string(TypeUrl(type)), "", "REFUSED", "", detail.message()});
  }
  return errors;
}

}  // namespace

absl::Status Session::OnRequest(const DeltaDiscoveryRequest& request) {
  RETURN_IF_ERROR(Introduce(request));
  const std::optional<ResourceType> type = ParseTypeUrl(request.type_url());
  // A newer sidecar may ask for types that this control plane does not have: it gets none.
  if (!type.has_value()) return absl::OkStatus();
  RETURN_IF_ERROR(Subscribe(*type, request));
  if (request.response_nonce().empty()) return absl::OkStatus();
  return OnAnswer(*type, request);
}

absl::Status Session::Introduce(const DeltaDiscoveryRequest& request) {
  if (node_.has_value()) return absl::OkStatus();
  if (!request.has_node()) {
    return absl::InvalidArgumentError("node: expected in the first request of a stream");
  }
  ASSIGN_OR_RETURN(node_, ParseNode(request.node()));
  return absl::OkStatus();
}

absl::Status Session::Subscribe(ResourceType type, const DeltaDiscoveryRequest& request) {
  if (request.resource_names_unsubscribe_size() > 0) {
    return absl::InvalidArgumentError(
        "resource_names_unsubscribe: expected none, the server decides the set");
  }
  for (const std::string& name : request.resource_names_subscribe()) {
    if (name != "*") {
      return absl::InvalidArgumentError(
          absl::StrCat("resource_names_subscribe: expected \"*\", got ", request.type_url(), " \"",
                       name, "\"; the server decides the set"));
    }
  }
  // Naming nothing in the first request of a type is a wildcard too.
  const bool first = !subscribed_[Index(type)];
  if (!first) return absl::OkStatus();
  subscribed_[Index(type)] = true;
  // The map on the wire has no order.
  std::map<std::string, std::string> initial(request.initial_resource_versions().begin(),
                                             request.initial_resource_versions().end());
  ResourceList& known = type == ResourceType::kRevocation ? revocations_sent_ : known_[Index(type)];
  for (auto& [name, version] : initial) {
    known.push_back(std::make_shared<const Resource>(Resource{name, version, ""}));
  }
  return absl::OkStatus();
}

absl::Status Session::OnAnswer(ResourceType type, const DeltaDiscoveryRequest& request) {
  const auto it = std::find_if(outstanding_.begin(), outstanding_.end(), [&](const auto& o) {
    return o.type == type && o.nonce == request.response_nonce();
  });
  if (it == outstanding_.end()) return absl::OkStatus();  // stale
  // Answers come in order within a type: this one covers those before it.
  const size_t position = it - outstanding_.begin();
  size_t index = 0;
  std::erase_if(outstanding_,
                [&](const Outstanding& o) { return index++ <= position && o.type == type; });
  const bool refused = request.has_error_detail();
  if (type == ResourceType::kRevocation) {
    if (refused) observer_->OnRevocationRefused(ErrorsOf(type, request.error_detail()));
    return absl::OkStatus();
  }
  if (!cut_.has_value()) return absl::OkStatus();
  if (refused) {
    cut_->refused = true;
    for (ResourceError& error : ErrorsOf(type, request.error_detail())) {
      if (cut_->errors.size() < kMaxErrors &&
          std::find(cut_->errors.begin(), cut_->errors.end(), error) == cut_->errors.end()) {
        cut_->errors.push_back(std::move(error));
      }
    }
  }
  if (request.response_nonce() != cut_->epoch_nonce) return absl::OkStatus();
  if (cut_->refused && !refused) {
    return absl::InvalidArgumentError(
        "the Epoch of a cut was acknowledged although a part of it was refused");
  }
  const Cut cut = *std::move(cut_);
  cut_.reset();
  decided_ = cut.set->epoch->version;
  if (cut.refused) {
    observer_->OnRefused(cut.set->identity, cut.errors);
    return absl::OkStatus();
  }
  for (size_t i = 0; i < kCutTypes; ++i) known_[i] = cut.set->types[i];
  known_[Index(ResourceType::kEpoch)] = {cut.set->epoch};
  observer_->OnAcknowledged(cut.set->identity);
  return absl::OkStatus();
}

void Session::BeginCut() {
  if (newest_ == nullptr || newest_->epoch->version == decided_) return;
  for (size_t i = 0; i <= kCutTypes; ++i) {
    if (!subscribed_[i]) return;
  }
  Cut cut;
  cut.set = newest_;
  for (size_t i = 0; i < kCutTypes; ++i) {
    Difference diff = Diff(known_[i], newest_->types[i]);
    if (diff.changed.empty() && diff.removed.empty()) continue;
    Part part{TypeAt(i), {}, std::move(diff.removed)};
    size_t bytes = 0;
    for (const std::string& name : part.removed) bytes += name.size() + 8;
    for (ResourcePtr& resource : diff.changed) {
      if (bytes > 0 && bytes + resource->entry.size() > kMaxResponseBytes) {
        cut.parts.push_back(std::move(part));
        part = Part{TypeAt(i), {}, {}};
        bytes = 0;
      }
      bytes += resource->entry.size();
      part.resources.push_back(std::move(resource));
    }
    cut.parts.push_back(std::move(part));
  }
  const ResourceList& epoch = known_[Index(ResourceType::kEpoch)];
  if (cut.parts.empty() && epoch.size() == 1 && epoch[0]->version == newest_->epoch->version) {
    decided_ = newest_->epoch->version;  // a reconnect: nothing that it does not know
    observer_->OnOffered(newest_->identity);
    observer_->OnAcknowledged(newest_->identity);
    return;
  }
  cut.parts.push_back(Part{ResourceType::kEpoch, {newest_->epoch}, {}});
  observer_->OnOffered(newest_->identity);
  cut_ = std::move(cut);
}

std::optional<Session::Response> Session::NextRevocation() {
  if (newest_ == nullptr || !subscribed_[Index(ResourceType::kRevocation)]) return std::nullopt;
  Difference diff = Diff(revocations_sent_, newest_->revocations);
  revocations_sent_ = newest_->revocations;
  if (diff.changed.empty() && diff.removed.empty()) return std::nullopt;
  return Send(Part{ResourceType::kRevocation, std::move(diff.changed), std::move(diff.removed)},
              *newest_);
}

Session::Response Session::Send(Part part, const ResourceSet& set) {
  Response response;
  response.type = part.type;
  response.nonce = absl::StrCat(next_nonce_++);
  response.version_info = absl::StrCat(set.identity.incarnation, "/", set.identity.revision);
  response.resources = std::move(part.resources);
  response.removed = std::move(part.removed);
  outstanding_.push_back({response.type, response.nonce});
  return response;
}

std::optional<Session::Response> Session::Next() {
  if (std::optional<Response> revocation = NextRevocation(); revocation.has_value()) {
    return revocation;
  }
  if (!cut_.has_value()) BeginCut();
  if (!cut_.has_value() || cut_->parts.empty()) return std::nullopt;
  Part part = std::move(cut_->parts.front());
  cut_->parts.pop_front();
  Response response = Send(std::move(part), *cut_->set);
  if (response.type == ResourceType::kEpoch) cut_->epoch_nonce = response.nonce;
  return response;
}

}  // namespace tollgate::control
