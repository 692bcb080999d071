#include "proxy/control/last_known_good.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "proxy/control/without_secrets.h"

namespace tollgate::proxy {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;

// The name under which ids are kept that no Revocation lists any more.
constexpr char kLingering[] = "lingering";

void Add(ResourceType type, const std::string& name, const std::string& version,
         const std::string& bytes, DeltaDiscoveryResponse* out) {
  auto* resource = out->add_resources();
  resource->set_name(name);
  resource->set_version(version);
  resource->mutable_resource()->set_type_url(std::string(TypeUrl(type)));
  resource->mutable_resource()->set_value(bytes);
}

std::string EncodePolicy(const ActiveSet& set) {
  DeltaDiscoveryResponse out;
  for (size_t i = 0; i < kCutTypes; ++i) {
    for (const auto& [name, resource] : set.types[i]) {
      Add(TypeAt(i), name, resource.version, *resource.bytes, &out);
    }
  }
  Add(ResourceType::kEpoch, std::string(kEpochName), set.epoch_version, set.epoch_bytes, &out);
  return out.SerializeAsString();
}

absl::StatusOr<ActiveSet> DecodePolicy(const std::string& payload) {
  DeltaDiscoveryResponse in;
  if (!in.ParseFromString(payload)) return absl::DataLossError("damaged (payload)");
  ActiveSet set;
  for (auto& resource : *in.mutable_resources()) {
    const std::optional<ResourceType> type = ParseTypeUrl(resource.resource().type_url());
    if (!type.has_value() || *type == ResourceType::kRevocation) {
      return absl::DataLossError("damaged (a resource of another type)");
    }
    if (*type == ResourceType::kEpoch) {
      set.epoch_version = resource.version();
      set.epoch_bytes = resource.resource().value();
      continue;
    }
    set.types[Index(*type)][resource.name()] = {
        resource.version(), std::make_shared<const std::string>(
                                std::move(*resource.mutable_resource()->mutable_value()))};
  }
  return set;
}

std::string EncodeRevocations(const Revocations& revocations) {
  DeltaDiscoveryResponse out;
  out.set_system_version_info(revocations.incarnation);
  config::v1::Revocation message;
  for (const auto& [name, held] : revocations.listed) {
    message.set_name(name);
    message.set_revision(held.revision);
    *message.mutable_key_ids() = {held.key_ids.begin(), held.key_ids.end()};
    message.set_incarnation(held.incarnation);
    for (const TokenDenial& denial : held.tokens) *message.add_tokens() = ToProto(denial);
    Add(ResourceType::kRevocation, name, held.version, message.SerializeAsString(), &out);
    message.Clear();
  }
  std::map<uint64_t, std::vector<std::string>> by_revision;
  for (const auto& [id, revision] : revocations.lingering) by_revision[revision].push_back(id);
  for (const auto& [revision, ids] : by_revision) {
    message.set_name(kLingering);
    message.set_revision(revision);
    *message.mutable_key_ids() = {ids.begin(), ids.end()};
    Add(ResourceType::kRevocation, kLingering, "", message.SerializeAsString(), &out);
    message.Clear();
  }
  std::map<std::pair<std::string, uint64_t>, config::v1::Revocation> tokens;  // life and revision
  for (const auto& [lingering, rest] : revocations.lingering_tokens) {
    *tokens[{lingering.incarnation, rest.revision}].add_tokens() =
        ToProto(TokenDenial{lingering.token, rest.until});
  }
  for (auto& [origin, list] : tokens) {
    list.set_name(kLingering);
    list.set_incarnation(origin.first);
    list.set_revision(origin.second);
    Add(ResourceType::kRevocation, kLingering, "", list.SerializeAsString(), &out);
  }
  return out.SerializeAsString();
}

absl::StatusOr<Revocations> DecodeRevocations(const std::string& payload) {
  DeltaDiscoveryResponse in;
  if (!in.ParseFromString(payload)) return absl::DataLossError("damaged (payload)");
  Revocations revocations;
  revocations.incarnation = in.system_version_info();
  for (const auto& resource : in.resources()) {
    config::v1::Revocation message;
    if (!message.ParseFromString(resource.resource().value())) {
      return absl::DataLossError("damaged (a resource)");
    }
    std::vector<ResourceError> errors;
    std::vector<TokenDenial> tokens = TokenDenialsOf(message, &errors);
    // Other errors were reported when it came. But what we do not know, we did not write.
    for (const ResourceError& error : errors) {
      if (error.code != "UNKNOWN_FIELD") continue;
      return absl::FailedPreconditionError("written by a newer version of this program");
    }
    if (resource.version().empty()) {
      for (const std::string& id : message.key_ids()) {
        revocations.lingering[id] = message.revision();
      }
      for (TokenDenial& denial : tokens) {
        revocations.lingering_tokens[{std::move(denial.token), message.incarnation()}] = {
            message.revision(), denial.until};
      }
    } else {
      revocations.listed[resource.name()] = {resource.version(),
                                             message.revision(),
                                             {message.key_ids().begin(), message.key_ids().end()},
                                             std::move(tokens),
                                             message.incarnation()};
    }
  }
  return revocations;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LastKnownGood>> LastKnownGood::Open(Options options,
                                                                   FileSystem* files,
                                                                   const Clock* clock) {
  RETURN_IF_ERROR(files->MakeDirectory(options.directory));
  ASSIGN_OR_RETURN(std::unique_ptr<FileLock> lock, files->Lock(options.directory + "/lock"));
  return std::unique_ptr<LastKnownGood>(
      new LastKnownGood(std::move(options), files, clock, std::move(lock)));
}

LastKnownGood::LastKnownGood(Options options, FileSystem* files, const Clock* clock,
                             std::unique_ptr<FileLock> lock)
    : options_(std::move(options)), files_(files), clock_(clock), lock_(std::move(lock)) {
  writer_ = std::thread([this] { Run(); });
}

LastKnownGood::~LastKnownGood() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  writer_.join();
}

absl::StatusOr<LkgFile> LastKnownGood::ReadFile(const std::string& path, LkgKind kind) const {
  ASSIGN_OR_RETURN(const std::string content, files_->Read(path, kMaxLkgBytes));
  return DecodeLkg(content, kind, options_.node,
                   options_.key.has_value() ? &*options_.key : nullptr);
}

absl::StatusOr<LastKnownGood::Loaded> LastKnownGood::Load() const {
  Loaded loaded;
  // Without its revocations a policy must not be served: a key that was revoked would be back.
  // Nor may a new file replace this one: they would be lost for good.
  const absl::StatusOr<LkgFile> file = ReadFile(RevocationsPath(), LkgKind::kRevocations);
  absl::Status status = file.status();
  if (file.ok()) {
    absl::StatusOr<Revocations> revocations = DecodeRevocations(file->payload);
    status = revocations.status();
    if (revocations.ok()) loaded.revocations = *std::move(revocations);
  }
  if (!status.ok() && !absl::IsNotFound(status)) {
    return absl::Status(
        status.code(),
        absl::StrCat("last-known-good ", RevocationsPath(), ": ", status.message(),
                     ". It holds the API keys and tokens that were revoked: restore the file, or "
                     "the node id and the state key that it was written with. To start without it, "
                     "remove it and ",
                     PolicyPath(), ": then nothing is served until the control plane answers"));
  }
  loaded.policy_error = LoadPolicy(&loaded);
  if (absl::IsNotFound(loaded.policy_error)) {
    if (!file.ok()) return loaded.policy_error;
    loaded.policy_error = absl::OkStatus();
  }
  return loaded;
}

// Changes `loaded` only when the policy can be used.
absl::Status LastKnownGood::LoadPolicy(Loaded* loaded) const {
  const std::string context = absl::StrCat("last-known-good ", PolicyPath());
  const absl::StatusOr<LkgFile> file = ReadFile(PolicyPath(), LkgKind::kPolicy);
  if (!file.ok()) return Annotate(file.status(), context);
  absl::StatusOr<ActiveSet> active = DecodePolicy(file->payload);
  if (!active.ok()) return Annotate(active.status(), context);
  BundleOrErrors bundle = ToBundle(*active);
  if (!bundle.errors.empty()) {
    return absl::DataLossError(
        absl::StrCat(context, ": damaged (", bundle.errors.front().name, ")"));
  }
  loaded->active = *std::move(active);
  loaded->bundle = std::move(bundle.bundle);
  loaded->written = file->written;
  loaded->complete = file->complete;
  loaded->has_policy = true;
  if (loaded->complete) return absl::OkStatus();
  AddStandIns(&loaded->bundle);
  // What was changed is not what the control plane sent: it is not listed, so it comes again.
  for (auto& held : loaded->active.types) {
    std::erase_if(held, [](const auto& item) { return item.second.version.empty(); });
  }
  loaded->active.epoch_version.clear();
  return absl::OkStatus();
}

void LastKnownGood::SavePolicy(std::shared_ptr<const ActiveSet> set, Done done) {
  const std::lock_guard lock(mutex_);
  policy_ = std::move(set);
  policy_done_.push_back(std::move(done));
  wake_.notify_one();
}

void LastKnownGood::SaveRevocations(Revocations revocations, Done done) {
  const std::lock_guard lock(mutex_);
  revocations_ = std::move(revocations);
  revocations_done_.push_back(std::move(done));
  wake_.notify_one();
}

void LastKnownGood::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    // Revocations first: somebody waits for them.
    if (revocations_.has_value()) {
      const Revocations revocations = *std::exchange(revocations_, std::nullopt);
      const std::vector<Done> done = std::exchange(revocations_done_, {});
      lock.unlock();
      const absl::Status status = WriteRevocations(revocations);
      if (!status.ok()) spdlog::error(absl::StrCat("revocations not kept: ", status.ToString()));
      for (const Done& call : done) call(status);
      lock.lock();
    } else if (policy_ != nullptr) {
      const std::shared_ptr<const ActiveSet> policy = std::exchange(policy_, nullptr);
      const std::vector<Done> done = std::exchange(policy_done_, {});
      lock.unlock();
      const absl::Status status = WritePolicy(*policy);
      if (!status.ok()) spdlog::error(absl::StrCat("last policy not kept: ", status.ToString()));
      for (const Done& call : done) call(status);
      lock.lock();
    } else if (stopping_) {
      return;
    } else {
      wake_.wait(lock);
    }
  }
}

absl::Status LastKnownGood::WritePolicy(const ActiveSet& set) {
  const bool sealed = options_.key.has_value();
  LkgFile file;
  file.kind = LkgKind::kPolicy;
  file.written = clock_->Wall();
  file.node = options_.node;
  file.payload = EncodePolicy(sealed ? set : WithoutSecrets(set, &file.complete));
  ASSIGN_OR_RETURN(const std::string content, EncodeLkg(file, sealed ? &*options_.key : nullptr));
  return files_->Write(PolicyPath(), content);
}

absl::Status LastKnownGood::WriteRevocations(const Revocations& revocations) {
  LkgFile file;
  file.kind = LkgKind::kRevocations;
  file.written = clock_->Wall();
  file.node = options_.node;
  file.payload = EncodeRevocations(revocations);
  const SecretBytes* key = options_.key.has_value() ? &*options_.key : nullptr;
  ASSIGN_OR_RETURN(const std::string content, EncodeLkg(file, key));
  return files_->Write(RevocationsPath(), content);
}

}  // namespace tollgate::proxy
