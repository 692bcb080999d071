#include "proxy/control/ads_client.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/policy/from_proto.h"

namespace tollgate::proxy {
namespace {

// What is said about one refused cut: enough to act on, bounded for the stream.
constexpr size_t kMaxErrors = 64;
// A stream that lived this long has proved useful, even if there was nothing to say.
constexpr Duration kStable = std::chrono::seconds(5);

void SetText(google::protobuf::Struct* metadata, const char* key, const std::string& value) {
  if (!value.empty()) (*metadata->mutable_fields())[key].set_string_value(value);
}

}  // namespace

AdsClient::AdsClient(Options options, AdsTransport* transport, PolicySink* sink,
                     std::shared_ptr<Executor> executor, const Clock* clock)
    : options_(std::move(options)),
      transport_(transport),
      sink_(sink),
      executor_(std::move(executor)),
      clock_(clock),
      staging_(std::make_shared<const ActiveSet>(std::exchange(options_.active, {}))),
      book_(std::exchange(options_.revocations, {})),
      backoff_(options_.seed) {
  // Their names, so that it is told what is gone, and no version: what was kept may have been kept
  // by a version of this program that understood less of it.
  for (const auto& [name, version] : book_.Versions()) durable_revocations_[name] = "";
  const config::v1::Epoch& epoch = staging_.active_epoch();
  if (epoch.revision() != 0) book_.Adopted(epoch);
  status_.incarnation = epoch.incarnation();
  status_.serving_revision = epoch.revision();
  status_.serving_release = epoch.release();
  status_.active = staging_.active();
}

ControlClient::Status AdsClient::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

void AdsClient::Start() {
  executor_->Post([this] {
    // What was loaded is what is kept. The process before may have ended before it could forget.
    if (staging_.active_epoch().revision() != 0) OnKept(staging_.active_epoch());
    Reconnect();
  });
}

void AdsClient::Reconnect() {
  executor_->PostAfter(backoff_.Next(), [this] { Connect(); });
}

void AdsClient::Connect() {
  // What is active is about to change, and it is what a new stream has to list.
  if (adoption_.has_value()) {
    reconnect_ = true;
    return;
  }
  const uint64_t number = ++stream_number_;
  opened_ = clock_->Mono();
  const std::shared_ptr<Executor> executor = executor_;
  AdsTransport::Events events;
  events.on_open = [this, number, executor] { executor->Post([this, number] { OnOpen(number); }); };
  events.on_message = [this, number, executor](Response response) {
    executor->Post([this, number, response = std::move(response)]() mutable {
      OnMessage(number, std::move(response));
    });
  };
  events.on_closed = [this, number, executor](const absl::Status& why) {
    executor->Post([this, number, why] { OnClosed(number, why); });
  };
  stream_ = transport_->Open(std::move(events));
  // Denials are wanted before anything else; the Epoch is what makes the set complete.
  stream_->Send(Subscription(ResourceType::kRevocation, true));
  for (size_t i = 0; i < kCutTypes; ++i) stream_->Send(Subscription(TypeAt(i), false));
  stream_->Send(Subscription(ResourceType::kEpoch, false));
}

AdsClient::Request AdsClient::Subscription(ResourceType type, bool first) const {
  Request request;
  if (first) {
    auto* node = request.mutable_node();
    node->set_id(options_.node.id);
    node->set_cluster(options_.node.service);
    if (!options_.node.zone.empty()) node->mutable_locality()->set_zone(options_.node.zone);
    auto* metadata = node->mutable_metadata();
    (*metadata->mutable_fields())["schema"].set_number_value(kSchema);
    SetText(metadata, "environment", options_.node.environment);
    SetText(metadata, "address", options_.node.address);
    SetText(metadata, "version", options_.node.version);
  }
  request.set_type_url(std::string(TypeUrl(type)));
  request.mutable_resource_names_subscribe()->Add(std::string(1, '*'));
  auto* known = request.mutable_initial_resource_versions();
  const ActiveSet& active = *staging_.active();
  if (InCut(type)) {
    for (const auto& [name, held] : active.types[Index(type)]) (*known)[name] = held.version;
  } else if (type == ResourceType::kRevocation) {
    for (const auto& [name, version] : durable_revocations_) (*known)[name] = version;
  } else if (!active.epoch_version.empty()) {
    (*known)[std::string(kEpochName)] = active.epoch_version;
  }
  return request;
}

void AdsClient::OnClosed(uint64_t stream, const absl::Status& why) {
  if (stream != stream_number_ || stream_ == nullptr) return;
  if (clock_->Mono() - opened_ >= kStable) backoff_.Succeeded();
  stream_ = nullptr;
  deferred_.clear();
  // A cut that was under way is void; the next stream lists what is active.
  if (!adoption_.has_value()) staging_.Activate(staging_.active());
  const std::string reason = why.ok() ? "the control plane ended the stream" : why.ToString();
  bool is_news;  // not every attempt while the control plane is away
  {
    const std::lock_guard lock(mutex_);
    is_news = std::exchange(status_.connected, false) || status_.last_error != reason;
    status_.last_error = reason;
  }
  if (is_news) {
    spdlog::warn(absl::StrCat("no control plane (", reason, "); ",
                              staging_.active_epoch().revision() == 0 ? "no policy has come yet"
                                                                      : "the last policy goes on",
                              "; reconnecting"));
  }
  Reconnect();
}

void AdsClient::OnOpen(uint64_t stream) {
  if (stream != stream_number_ || stream_ == nullptr) return;
  const std::lock_guard lock(mutex_);
  status_.connected = true;
}

void AdsClient::OnMessage(uint64_t stream, Response response) {
  if (stream != stream_number_ || stream_ == nullptr) return;
  backoff_.Succeeded();
  const std::optional<ResourceType> type = ParseTypeUrl(response.type_url());
  if (!type.has_value()) return;  // never subscribed to
  if (*type == ResourceType::kRevocation) {
    OnRevocation(response);
  } else if (adoption_.has_value()) {
    deferred_.push_back(std::move(response));  // the base that it builds on is being decided
  } else {
    OnCutResponse(response, *type);
  }
}

void AdsClient::OnCutResponse(const Response& response, ResourceType type) {
  if (type == ResourceType::kEpoch) {
    OnEpoch(response);
  } else {
    Answer(stream_number_, type, response.nonce(), staging_.Stage(type, response));
  }
}

void AdsClient::OnEpoch(const Response& response) {
  Staging::Closed closed = staging_.Close(response);
  std::shared_ptr<Policy> policy;
  if (closed.set != nullptr) {
    BundleOrErrors bundle = ToBundle(*closed.set);
    closed.errors = std::move(bundle.errors);
    if (closed.errors.empty()) {
      PolicyOrErrors result = FromBundle(bundle.bundle);
      closed.errors = std::move(result.errors);
      policy = std::make_shared<Policy>(std::move(result.policy));
    }
  }
  if (!closed.errors.empty()) {
    Report(closed.epoch, closed.errors);
    Answer(stream_number_, ResourceType::kEpoch, response.nonce(), closed.errors);
    return;
  }
  const config::v1::Epoch& active = staging_.active_epoch();
  if (!active.incarnation().empty() && active.incarnation() != closed.epoch.incarnation()) {
    spdlog::warn(absl::StrCat(
        "the control plane's store has another incarnation: ", closed.epoch.incarnation(),
        " at revision ", closed.epoch.revision(), " replaces ", active.incarnation(),
        " at revision ", active.revision(), "; expected after a restore only"));
  }
  adoption_ =
      Adoption{stream_number_, response.nonce(), std::move(closed.set), std::move(closed.epoch)};
  sink_->Adopt(std::move(policy), [this, executor = executor_](std::vector<ResourceError> errors) {
    executor->Post([this, errors = std::move(errors)]() mutable { OnAdopted(std::move(errors)); });
  });
}

void AdsClient::OnAdopted(std::vector<ResourceError> errors) {
  if (!adoption_.has_value()) return;
  const Adoption adoption = *std::exchange(adoption_, std::nullopt);
  bool revocations_changed = false;
  if (errors.empty()) {
    staging_.Activate(adoption.set);
    revocations_changed = book_.Adopted(adoption.epoch);
    const std::lock_guard lock(mutex_);
    status_.active = adoption.set;
  }
  Report(adoption.epoch, errors);
  Answer(adoption.stream, ResourceType::kEpoch, adoption.nonce, errors);
  if (errors.empty()) {
    Keep(revocations_changed);
  } else {
    Forget();  // what waited for this outcome
  }
  if (std::exchange(reconnect_, false)) {
    Connect();
    return;
  }
  while (!deferred_.empty() && !adoption_.has_value()) {
    const Response response = std::move(deferred_.front());
    deferred_.pop_front();
    OnCutResponse(response, *ParseTypeUrl(response.type_url()));
  }
}

void AdsClient::Keep(bool revocations_changed) {
  const config::v1::Epoch epoch = staging_.active_epoch();
  if (options_.last_known_good == nullptr) {
    OnKept(epoch);
    return;
  }
  // Before the policy (the writer keeps that order), else a restart between the two would compare
  // this Epoch with revisions of another life of the store.
  if (revocations_changed) SaveRevocations();
  options_.last_known_good->SavePolicy(
      staging_.active(), [this, executor = executor_, epoch](const absl::Status& status) {
        if (status.ok()) executor->Post([this, epoch] { OnKept(epoch); });
      });
}

void AdsClient::OnKept(const config::v1::Epoch& epoch) {
  kept_ = epoch;
  Forget();
}

void AdsClient::Forget() {
  // Another policy is in force, or about to be: what that one needs is not for this Epoch to say.
  const config::v1::Epoch& active = staging_.active_epoch();
  if (adoption_.has_value() || kept_.revision() != active.revision() ||
      kept_.incarnation() != active.incarnation()) {
    return;
  }
  if (!book_.Kept(kept_, clock_->Wall())) return;
  SaveRevocations();
  sink_->Deny({{}, DeniedTokens(book_.held())}, [] {});
}

void AdsClient::SaveRevocations() {
  if (options_.last_known_good == nullptr) return;
  options_.last_known_good->SaveRevocations(book_.held(), [](const absl::Status&) {});
}

void AdsClient::OnRevocation(const Response& response) {
  RevocationBook::Change change = book_.Apply(response);
  auto denial = std::make_shared<Denial>();
  denial->stream = stream_number_;
  denial->nonce = response.nonce();
  denial->errors = std::move(change.errors);
  denial->versions = book_.Versions();
  Denials denials{std::move(change.key_ids), DeniedTokens(book_.held())};
  spdlog::info(absl::StrCat("revoked: ", denials.key_ids.size(), " more API keys; denied: ",
                            denials.tokens.size(), " tokens, subjects and clients"));
  sink_->Deny(std::move(denials), [this, denial, executor = executor_] {
    executor->Post([this, denial] { OnDenied(denial, absl::OkStatus()); });
  });
  if (options_.last_known_good == nullptr) {
    OnDenied(denial, absl::OkStatus());
    return;
  }
  options_.last_known_good->SaveRevocations(
      book_.held(), [this, denial, executor = executor_](const absl::Status& status) {
        executor->Post([this, denial, status] { OnDenied(denial, status); });
      });
}

void AdsClient::OnDenied(const std::shared_ptr<Denial>& denial, const absl::Status& status) {
  if (!status.ok()) {
    denial->errors.push_back({std::string(TypeUrl(ResourceType::kRevocation)), "", "NOT_DURABLE",
                              "", absl::StrCat("in force, but not kept: ", status.message())});
  }
  if (--denial->waiting > 0) return;
  if (denial->errors.empty()) durable_revocations_ = denial->versions;
  Answer(denial->stream, ResourceType::kRevocation, denial->nonce, denial->errors);
}

void AdsClient::Report(const config::v1::Epoch& epoch, const std::vector<ResourceError>& errors) {
  const config::v1::Epoch& serving = staging_.active_epoch();
  {
    const std::lock_guard lock(mutex_);
    ++(errors.empty() ? status_.adopted : status_.refused);
    status_.errors = errors;
    status_.incarnation = serving.incarnation();
    status_.serving_revision = serving.revision();
    status_.serving_release = serving.release();
  }
  for (size_t i = 0; i < errors.size() && i < kMaxErrors; ++i) {
    spdlog::error(absl::StrCat("refused release ", epoch.release(), ": ", ToString(errors[i])));
  }
  if (options_.on_outcome == nullptr) return;
  agent::v1::ApplyStatus status;
  status.set_incarnation(epoch.incarnation());
  status.set_revision(epoch.revision());
  status.set_release(epoch.release());
  status.set_applied(errors.empty());
  for (size_t i = 0; i < errors.size() && i < kMaxErrors; ++i) {
    *status.add_errors() = ToProto(errors[i]);
  }
  status.set_serving_release(serving.release());
  status.set_serving_revision(serving.revision());
  options_.on_outcome(status);
}

void AdsClient::Answer(uint64_t stream, ResourceType type, const std::string& nonce,
                       const std::vector<ResourceError>& errors) {
  if (stream != stream_number_ || stream_ == nullptr) return;
  Request request;
  request.set_type_url(std::string(TypeUrl(type)));
  request.set_response_nonce(nonce);
  if (!errors.empty()) {
    auto* detail = request.mutable_error_detail();
    detail->set_code(3);  // INVALID_ARGUMENT
    detail->set_message(ToString(errors.front()));
    for (size_t i = 0; i < errors.size() && i < kMaxErrors; ++i) {
      detail->add_details()->PackFrom(ToProto(errors[i]));
    }
  }
  stream_->Send(std::move(request));
}

}  // namespace tollgate::proxy
