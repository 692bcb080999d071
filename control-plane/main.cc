// tollgate-control: stores, validates, publishes and pushes policy. This file builds the object
// graph; read it to see the program.
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "common/base/version.h"
#include "control-plane/admin/admin_api.h"
#include "control-plane/admin/admin_service.h"
#include "control-plane/admin/endpoint.h"
#include "control-plane/admin/publish_check.h"
#include "control-plane/push/ads_server.h"
#include "control-plane/push/agent_server.h"
#include "control-plane/push/fleet.h"
#include "control-plane/push/hub.h"
#include "control-plane/push/listen.h"
#include "control-plane/push/questions.h"
#include "control-plane/push/release_source.h"
#include "control-plane/release/credential_store.h"
#include "control-plane/release/pepper.h"
#include "control-plane/release/releases.h"
#include "control-plane/release/state.h"
#include "control-plane/store/sqlite_store.h"

namespace tollgate::control {
namespace {

constexpr std::chrono::milliseconds kGrace{500};  // for calls that run when we are told to stop
constexpr timespec kCheckEvery{.tv_sec = 1, .tv_nsec = 0};
constexpr Duration kCollectEvery = std::chrono::hours(1);

struct Flags {
  std::string data_dir = "/var/lib/tollgate";
  std::string listen = "unix:/run/tollgate/control.sock";
  std::string admin = "unix:/run/tollgate/admin.sock";
  std::string log_level = "info";
  std::vector<std::string> allow_faults;  // environments
  bool new_incarnation = false;
  bool check = false;
};

sigset_t TerminationSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Returns when told to stop. Meanwhile removes what is beyond the retention, now and then, and says
// through gRPC's health service whether what is pushed follows the store: while it does not, a
// revocation would reach nobody. Sidecars are served what there is either way.
// An error: the store is damaged or has closed itself, and only a new process can open it again.
absl::Status RunUntilSignal(Releases& releases, const StateView& state, Endpoint& admin,
                            const Clock& clock) {
  const sigset_t signals = TerminationSignals();
  MonoTime collect = clock.Mono() + kCollectEvery;
  bool serving = true;
  while (true) {
    const int signal = sigtimedwait(&signals, nullptr, &kCheckEvery);
    if (signal > 0) {
      spdlog::info(absl::StrCat("stopping: ", strsignal(signal)));
      return absl::OkStatus();
    }
    const absl::Status health = state.Health();
    if (absl::IsDataLoss(health)) return health;
    if (health.ok() != serving) admin.SetServing(serving = !serving);
    if (clock.Mono() < collect) continue;
    collect = clock.Mono() + kCollectEvery;
    const absl::StatusOr<Collected> collected = releases.Collect(Retention());
    if (!collected.ok()) {
      spdlog::warn(absl::StrCat("collecting old releases: ", collected.status().ToString()));
    }
  }
}

absl::Status Run(const Flags& flags) {
  RETURN_IF_ERROR(Annotate(CheckControlAddress(flags.listen), "--listen"));
  RETURN_IF_ERROR(Annotate(CheckControlAddress(flags.admin), "--admin"));

  const SystemClock clock;
  PosixFileSystem files;
  RETURN_IF_ERROR(Annotate(files.MakeDirectory(flags.data_dir), "--data-dir"));
  ASSIGN_OR_RETURN(const auto store,
                   SqliteStore::Open({.path = absl::StrCat(flags.data_dir, "/store.db"),
                                      .new_incarnation = flags.new_incarnation},
                                     files, clock));
  ASSIGN_OR_RETURN(const Peppers peppers,
                   Peppers::LoadOrCreate(files, absl::StrCat(flags.data_dir, "/peppers")));
  CredentialStore credentials(*store, clock, peppers);
  RETURN_IF_ERROR(credentials.CheckPeppers());
  if (flags.check) {
    spdlog::info("the configuration is valid and the store opens");
    return absl::OkStatus();
  }

  DenialStore denials(*store, clock);
  Fleet fleet(&clock);
  Releases* published = nullptr;  // the check looks at the head of what it checks for
  const PublishCheck check(fleet,
                           [&published](absl::string_view environment) {
                             const absl::StatusOr<Release> head =
                                 published->Load(std::string(environment), 0);
                             return head.ok() ? head->documents : DocumentSet();
                           },
                           {flags.allow_faults.begin(), flags.allow_faults.end()});
  Releases releases(*store, clock, check);
  published = &releases;

  ReleaseSource source(peppers.all());
  ASSIGN_OR_RETURN(const auto state,
                   StateView::Start(
                       *store, releases, [&source](const auto& current) { source.Update(current); },
                       Backoff(static_cast<uint64_t>(clock.Mono().time_since_epoch().count()))));
  source.Update(state->Current());
  Hub hub(&source, &fleet);
  AdsServer ads(&hub, &fleet);
  Questions questions;
  AgentServer agents(&fleet, &questions);
  AdminApi api(*store, releases, credentials, denials, fleet, questions, *state);
  AdminService admin(&api);

  ASSIGN_OR_RETURN(const auto control_endpoint,
                   Endpoint::Open({.address = flags.listen,
                                   .services = {ads.service(), agents.service()},
                                   .streams = true}));
  ASSIGN_OR_RETURN(const auto admin_endpoint,
                   Endpoint::Open({.address = flags.admin,
                                   .services = {admin.service()},
                                   .health_names = {AdminService::kName}}));
  spdlog::info(absl::StrCat("ready: version ", kVersion, ", sidecars at ", flags.listen,
                            ", operators at ", flags.admin, ", revision ",
                            state->Current()->revision));
  const absl::Status ended = RunUntilSignal(releases, *state, *admin_endpoint, clock);
  admin_endpoint->Shutdown(kGrace);
  control_endpoint->Shutdown(kGrace);
  return ended;
}

}  // namespace
}  // namespace tollgate::control

int main(int argc, char** argv) {
  tollgate::control::Flags flags;
  CLI::App app(
      "tollgate-control: the control plane of Tollgate. Stores services, APIs, consumers and\n"
      "policy, validates every change, publishes it as a release and pushes it to the sidecars.\n"
      "Operators use it through tollgatectl.",
      "tollgate-control");
  app.add_option("--data-dir", flags.data_dir,
                 "Directory of the store and of the secrets under which API keys are hashed\n"
                 "(made with mode 0700; back up both together)")
      ->capture_default_str();
  app.add_option("--listen", flags.listen,
                 "Where sidecars connect: unix:/path, or a loopback address such as\n"
                 "127.0.0.1:18000 (plaintext never leaves this machine)")
      ->capture_default_str();
  app.add_option("--admin", flags.admin,
                 "Where tollgatectl connects: unix:/path (mode 0660: its group may operate),\n"
                 "or a loopback address")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warn or error")
      ->capture_default_str();
  app.add_option("--allow-faults", flags.allow_faults,
                 "An environment whose routes may inject faults (delays and errors on purpose);\n"
                 "may be repeated. Its sidecars need --allow-faults too")
      ->type_name("ENVIRONMENT");
  app.add_flag("--new-incarnation", flags.new_incarnation,
               "Once, after the store was restored from a backup or copied: sidecars then accept\n"
               "its revisions although they are lower than what they have seen");
  app.add_flag("--check", flags.check, "Check flags and store, then exit");
  app.set_version_flag("--version", absl::StrCat("tollgate-control ", tollgate::kVersion));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  // Before any thread starts, so that all inherit it: the main thread waits for these.
  const sigset_t signals = tollgate::control::TerminationSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  umask(0077);
  if (const absl::Status status = tollgate::InitLog("tollgate-control", flags.log_level);
      !status.ok()) {
    std::fprintf(stderr, "tollgate-control: --log-level: %s\n",
                 std::string(status.message()).c_str());
    return 2;
  }
  const absl::Status status = tollgate::control::Run(flags);
  if (status.ok()) return 0;
  spdlog::error(std::string(status.message()));
  return 1;
}
