#include "proxy/server/start.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <condition_variable>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "common/base/version.h"
#include "common/crypto/sealed.h"
#include "common/policy/fault_check.h"
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

absl::StatusOr<config::v1::Bundle> ReadPolicyFile(const std::string& path, FileSystem& files,
                                                  bool allow_faults) {
  ASSIGN_OR_RETURN(const std::string json, files.Read(path, kMaxPolicyFile));
  auto bundle = BundleFromJson(json);
  if (!bundle.ok()) return Annotate(bundle.status(), path);
  const PolicyOrErrors policy = FromBundle(*bundle);
  RETURN_IF_ERROR(Annotate(AllOf(policy.errors), path));
  if (!allow_faults) RETURN_IF_ERROR(Annotate(AllOf(RefuseFaults(policy.policy)), path));
  return bundle;
}

Denials DenialsOf(const config::v1::Bundle& bundle) {
  Denials denials;
  std::vector<ResourceError> errors;  // FromBundle has looked for them
  for (const config::v1::Revocation& revocation : bundle.revocations()) {
    denials.key_ids.insert(denials.key_ids.end(), revocation.key_ids().begin(),
                           revocation.key_ids().end());
    for (TokenDenial& denial : TokenDenialsOf(revocation, &errors)) {
      denials.tokens.push_back(std::move(denial));
    }
  }
  return denials;
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

void Serving::Deny(Denials denials, std::function<void()> done) {
  server_.Deny(std::move(denials), std::move(done));
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

// Called by workers: a report that would have to wait is dropped.
void ControlHolder::ReportUnknownKey(absl::string_view id) const {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock() && client_ != nullptr) client_->ReportUnknownKey(id);
}

std::optional<ControlClient::Status> ControlHolder::status() const {
  std::lock_guard lock(mutex_);
  if (client_ == nullptr) return std::nullopt;
  return client_->status();
}

config::v1::Bundle ControlHolder::Bundle() const {
  const auto now = status();
  return now.has_value() && now->active != nullptr ? ToBundle(*now->active).bundle
                                                   : config::v1::Bundle();
}

absl::StatusOr<std::unique_ptr<ControlClient>> StartControl(
    const config::v1::Bootstrap& bootstrap, Server& server, Serving& serving, Metrics& metrics,
    Readiness& readiness, FileSystem& files, const Clock& clock,
    std::unique_ptr<LastKnownGood>* kept) {
  ControlClient::Options options;
  options.node = {bootstrap.node().id(), bootstrap.node().service(),
                  bootstrap.node().environment(), bootstrap.node().address(), kVersion,
                  bootstrap.node().zone()};
  options.address = bootstrap.control();
  options.usage = [&metrics, &server] {
    agent::v1::Usage usage;
    const Metrics::Totals totals = metrics.Sum();
    usage.set_requests(totals.requests);
    usage.set_failed(totals.failed);
    usage.set_connections(server.connections(Direction::kInbound) +
                          server.connections(Direction::kOutbound));
    usage.set_log_dropped(server.log_dropped());
    return usage;
  };
  options.limits = [&server] { return server.LimitUsageNow(); };
  options.explainer = &server;
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
      serving.Deny({KeyIds(loaded->revocations), DeniedTokens(loaded->revocations)}, [] {});
      options.revocations = std::move(loaded->revocations);
      const Duration age = clock.Wall() - loaded->written;
      const auto max_stale = std::chrono::seconds(bootstrap.max_stale_seconds());
      if (!loaded->policy_error.ok()) {
        spdlog::error("{}: not served; waiting for the control plane",
                      std::string(loaded->policy_error.message()));
      } else if (!loaded->has_policy) {
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
      // Going on would serve keys that were revoked, and overwrite what may still be restored.
      return loaded.status();
    }
  }
  return ControlClient::Create(std::move(options), &serving, &clock);
}


namespace {

// A control plane that is connected has confirmed what is served: it is stale no more. (It sends
// nothing when nothing has changed.)
std::vector<std::string> Reasons(Readiness& readiness, const ControlHolder& control) {
  const auto status = control.status();
  if (status.has_value() && status->connected) readiness.SetNote("");
  return readiness.reasons();
}

std::string StatsJson(const Server& server, Readiness& readiness,
                      const ControlHolder& control) {
  google::protobuf::Struct stats;
  auto& fields = *stats.mutable_fields();
  const auto policy = server.policy();
  fields["version"].set_string_value(kVersion);
  fields["ready"].set_bool_value(readiness.ready());
  fields["release"].set_number_value(policy ? policy->epoch.release : 0);
  fields["revision"].set_number_value(policy ? policy->epoch.revision : 0);
  fields["adopted"].set_number_value(server.adopted());
  auto& notes = *fields["notes"].mutable_list_value();
  for (const std::string& note : Reasons(readiness, control)) {
    notes.add_values()->set_string_value(note);
  }
  auto& listeners = *fields["listeners"].mutable_struct_value()->mutable_fields();
  for (const auto& [name, address] : server.bound()) {
    listeners[name].set_string_value(address.ToString());
  }
  auto& connections = *fields["connections"].mutable_struct_value()->mutable_fields();
  connections["inbound"].set_number_value(server.connections(Direction::kInbound));
  connections["outbound"].set_number_value(server.connections(Direction::kOutbound));
  if (const auto status = control.status()) {
    auto& c = *fields["control"].mutable_struct_value()->mutable_fields();
    c["connected"].set_bool_value(status->connected);
    c["incarnation"].set_string_value(status->incarnation);
    c["refused"].set_number_value(status->refused);
    c["last_error"].set_string_value(status->last_error);
    auto& errors = *c["errors"].mutable_list_value();
    for (const ResourceError& error : status->errors) {
      errors.add_values()->set_string_value(ToString(error));
    }
  }
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  (void)google::protobuf::util::MessageToJsonString(stats, &json, options);
  return json;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> OpenAdmin(
    const config::v1::Bootstrap& bootstrap, const config::v1::Bundle* file_policy, Server& server,
    Readiness& readiness, Metrics& metrics, const ControlHolder& control, SignalWaiter& signals,
    const Clock& clock) {
  ASSIGN_OR_RETURN(const Address address, Address::Parse(bootstrap.admin()));
  AdminActions actions;
  actions.not_ready = [&readiness] {
    return readiness.ready() ? std::vector<std::string>() : readiness.reasons();
  };
  actions.notes = [&readiness, &control] {
    return readiness.ready() ? Reasons(readiness, control) : std::vector<std::string>();
  };
  actions.metrics = [&metrics] { return metrics.Scrape(); };
  actions.config = [file_policy, &control] {
    return BundleToRedactedJson(file_policy != nullptr ? *file_policy : control.Bundle());
  };
  actions.stats = [&server, &readiness, &control] {
    return StatsJson(server, readiness, control);
  };
  actions.upstreams = [&server] { return server.UpstreamsJson(); };
  actions.set_log_level = [](absl::string_view level) { return SetLogLevel(level); };
  actions.drain = [&signals] {
    signals.RequestStop();
    return absl::OkStatus();
  };
  return AdminServer::Start(address, std::move(actions), clock);
}

void RegisterGauges(Metrics& metrics, Server& server, const AccessLogWriter* log,
                    const ControlHolder& control) {
  metrics.AddGauge("release", "Release that is served.", [&server] {
    const auto policy = server.policy();
    return policy ? static_cast<double>(policy->epoch.release) : 0;
  });
  metrics.AddGauge("revision", "Revision that is served.", [&server] {
    const auto policy = server.policy();
    return policy ? static_cast<double>(policy->epoch.revision) : 0;
  });
  metrics.AddCounter("adopted_total", "Policies adopted since start.",
                     [&server] { return static_cast<double>(server.adopted()); });
  metrics.AddGauge("control_connected", "1 while the control plane is connected.", [&control] {
    const auto status = control.status();
    return status.has_value() && status->connected ? 1.0 : 0.0;
  });
  metrics.AddCounter("policies_refused_total", "Policies refused since start.", [&control] {
    const auto status = control.status();
    return status.has_value() ? static_cast<double>(status->refused) : 0;
  });
  metrics.AddGauge("limit_counters", "Limit counters in memory.", [&server] {
    return static_cast<double>(server.limits().Stats().entries);
  });
  metrics.AddGauge("limit_bytes", "Bytes of limit counters.", [&server] {
    return static_cast<double>(server.limits().Stats().bytes);
  });
  metrics.AddGauge("limit_max_counters", "Beyond so many, new keys share a counter.", [&server] {
    return static_cast<double>(server.limits().Stats().max_entries);
  });
  metrics.AddCounter("limit_overflowed_total", "Checks answered by an overflow bucket.", [&server] {
    return static_cast<double>(server.limits().Stats().overflowed);
  });
  metrics.AddCounter("limit_starved_total",
                     "Requests refused because there was no memory to count them.", [&server] {
                       return static_cast<double>(server.limits().Stats().starved);
                     });
  metrics.AddGauge("limit_concurrency_keys", "Keys that have requests in progress under a plan.",
                   [&server] { return static_cast<double>(server.limits().concurrency().keys()); });
  if (log == nullptr) return;
  metrics.AddCounter("access_log_written_total", "Access log lines written.",
                     [log] { return static_cast<double>(log->written()); });
  metrics.AddCounter("access_log_dropped_total", "Access log lines lost.",
                     [log] { return static_cast<double>(log->dropped()); });
}

}  // namespace tollgate::proxy
