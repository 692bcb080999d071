#include "proxy/server/start.h"

#include <condition_variable>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "common/base/version.h"
#include "common/crypto/sealed.h"
#include "common/policy/from_proto.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kMaxPolicyFile = size_t{256} << 20;
constexpr size_t kMaxKeyFile = 4096;

absl::Status AllOf(const std::vector<ResourceError>& errors) {
  if (errors.empty()) return absl::OkStatus();
  std::string text = absl::StrCat(errors.size(), errors.size() == 1 ? " error" : " errors");
  for (const ResourceError& error : errors) absl::StrAppend(&text, "\n  ", ToString(error));
  return absl::InvalidArgumentError(text);
}

std::string Age(Duration age) {
  return absl::StrCat(std::chrono::duration_cast<std::chrono::seconds>(age).count(), " s");
}

}  // namespace

absl::StatusOr<config::v1::Bundle> ReadPolicyFile(const std::string& path, FileSystem& files) {
  ASSIGN_OR_RETURN(const std::string json, files.Read(path, kMaxPolicyFile));
  auto bundle = BundleFromJson(json);
  if (!bundle.ok()) return Annotate(bundle.status(), path);
  RETURN_IF_ERROR(Annotate(AllOf(FromBundle(*bundle).errors), path));
  return bundle;
}

void Serving::Adopt(std::shared_ptr<const Policy> policy,
                    std::function<void(std::vector<ResourceError>)> done) {
  const uint64_t release = policy->epoch.release;
  const uint64_t revision = policy->epoch.revision;
  server_.Adopt(std::move(policy), [this, release, revision,
                                    done = std::move(done)](std::vector<ResourceError> errors) {
    if (errors.empty()) {
      readiness_.SetServing(true);
      readiness_.SetNote("");
      spdlog::info("serving release {} (revision {})", release, revision);
    } else {
      spdlog::error("release {} is refused, the one before goes on: {}", release,
                    ToString(errors.front()));
    }
    done(std::move(errors));
  });
}

void Serving::Revoke(std::vector<std::string> key_ids, std::function<void()> done) {
  server_.Revoke(std::move(key_ids), std::move(done));
}

absl::Status Serving::AdoptNow(const config::v1::Bundle& bundle) {
  PolicyOrErrors policy = FromBundle(bundle);
  if (!policy.ok()) return AllOf(policy.errors);
  std::mutex mutex;
  std::condition_variable wake;
  std::optional<std::vector<ResourceError>> result;
  Adopt(std::make_shared<const Policy>(std::move(policy.policy)),
        [&](std::vector<ResourceError> errors) {
          std::lock_guard lock(mutex);
          result = std::move(errors);
          wake.notify_one();
        });
  std::unique_lock lock(mutex);
  wake.wait(lock, [&] { return result.has_value(); });
  return AllOf(*result);
}

void ControlHolder::Set(std::unique_ptr<ControlClient> client) {
  std::unique_ptr<ControlClient> before;  // ends outside of the lock: its threads may be in here
  std::lock_guard lock(mutex_);
  before = std::exchange(client_, std::move(client));
}

void ControlHolder::ReportUnknownKey(absl::string_view id) const {
  std::lock_guard lock(mutex_);
  if (client_ != nullptr) client_->ReportUnknownKey(id);
}

std::optional<ControlClient::Status> ControlHolder::status() const {
  std::lock_guard lock(mutex_);
  if (client_ == nullptr) return std::nullopt;
  return client_->status();
}

absl::StatusOr<std::unique_ptr<ControlClient>> StartControl(
    const config::v1::Bootstrap& bootstrap, Server& server, Serving& serving, Metrics& metrics,
    Readiness& readiness, FileSystem& files, const Clock& clock,
    std::unique_ptr<LastKnownGood>* kept) {
  ControlClient::Options options;
  options.node = {bootstrap.node().id(), bootstrap.node().service(),
                  bootstrap.node().environment(), bootstrap.node().address(), kVersion};
  options.address = bootstrap.control();
  options.usage = [&metrics, &server] {
    agent::v1::Usage usage;
    const Metrics::Totals totals = metrics.Sum();
    usage.set_requests(totals.requests);
    usage.set_failed(totals.failed);
    usage.set_connections(server.connections(Direction::kInbound) +
                          server.connections(Direction::kOutbound));
    return usage;
  };
  if (!bootstrap.state_dir().empty()) {
    LastKnownGood::Options lkg;
    lkg.directory = bootstrap.state_dir();
    lkg.node = bootstrap.node().id();
    if (!bootstrap.state_key_file().empty()) {
      ASSIGN_OR_RETURN(std::string content, files.Read(bootstrap.state_key_file(), kMaxKeyFile));
      auto key = ParseSealKey(content);
      if (!key.ok()) return Annotate(key.status(), bootstrap.state_key_file());
      lkg.key = *std::move(key);
    }
    ASSIGN_OR_RETURN(*kept, LastKnownGood::Open(std::move(lkg), &files, &clock));
    options.last_known_good = kept->get();
    absl::StatusOr<LastKnownGood::Loaded> loaded = (*kept)->Load();
    if (loaded.ok()) {
      // What was revoked stays revoked, before anything is served.
      std::vector<std::string> revoked;
      for (const auto& [name, revocation] : loaded->revocations) {
        revoked.insert(revoked.end(), revocation.key_ids.begin(), revocation.key_ids.end());
      }
      if (!revoked.empty()) serving.Revoke(std::move(revoked), [] {});
      options.revocations = std::move(loaded->revocations);
      const Duration age = clock.Wall() - loaded->written;
      const auto max_stale = std::chrono::seconds(bootstrap.max_stale_seconds());
      if (!loaded->has_policy) {
        spdlog::info("no last-known-good policy is kept");
      } else if (max_stale.count() > 0 && age > max_stale) {
        spdlog::error("the last-known-good policy is {} old, more than max_stale {} s: not served",
                      Age(age), max_stale.count());
      } else if (const absl::Status s = serving.AdoptNow(loaded->bundle); !s.ok()) {
        spdlog::error("the last-known-good policy cannot be applied: {}",
                      std::string(s.message()));
      } else {
        const std::string note = absl::StrCat(
            "serving last-known-good release ", loaded->bundle.epoch().release(), ", ", Age(age),
            " old", loaded->complete ? "" : ", without its secrets");
        spdlog::warn("{}, until the control plane answers", note);
        readiness.SetNote(note);
        options.active = std::move(loaded->active);
      }
    } else if (!absl::IsNotFound(loaded.status())) {
      spdlog::error("last-known-good: {}", std::string(loaded.status().message()));
    }
  }
  return ControlClient::Create(std::move(options), &serving, &clock);
}

}  // namespace tollgate::proxy
