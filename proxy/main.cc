// tollgate-proxy: the whole program, wired. Read it from top to bottom.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "common/base/version.h"
#include "common/policy/from_proto.h"
#include "proxy/control/control_client.h"
#include "proxy/control/last_known_good.h"
#include "proxy/observe/admin_server.h"
#include "proxy/server/bootstrap.h"
#include "proxy/server/lifecycle.h"
#include "proxy/server/server.h"
#include "proxy/server/start.h"
#include "proxy/server/startup_code.h"

namespace tollgate::proxy {
namespace {

constexpr size_t kMaxBootstrap = 1 << 20;

struct Flags {
  std::string bootstrap_file;
  std::string policy_file;
  bool check = false;
  config::v1::Bootstrap overrides;
};

// Exit codes: 0 ended in order, 1 failed at run time, 2 wrong usage or configuration.
int Fail(int code, const absl::Status& status) {
  std::fprintf(stderr, "tollgate-proxy: %s\n", std::string(status.message()).c_str());
  return code;
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--bootstrap", flags.bootstrap_file, "bootstrap file (JSON)")
      ->check(CLI::ExistingFile);
  app.add_option("--policy", flags.policy_file,
                 "serve this policy (JSON, from `tollgatectl translate`) without a control plane")
      ->check(CLI::ExistingFile);
  app.add_flag("--check", flags.check, "validate bootstrap and policy, then exit");
  const auto text = [&app](const char* name, const char* help, auto set) {
    app.add_option_function<std::string>(name, set, help);
  };
  const auto number = [&app](const char* name, const char* help, auto set) {
    app.add_option_function<uint64_t>(name, set, help);
  };
  auto& o = flags.overrides;
  text("--node", "unique name of this sidecar", [&o](const std::string& v) {
    o.mutable_node()->set_id(v);
  });
  text("--service", "the service that this sidecar stands beside", [&o](const std::string& v) {
    o.mutable_node()->set_service(v);
  });
  text("--environment", "its environment (default)", [&o](const std::string& v) {
    o.mutable_node()->set_environment(v);
  });
  text("--address", "where callers reach it, HOST:PORT", [&o](const std::string& v) {
    o.mutable_node()->set_address(v);
  });
  text("--control", "control plane, unix:/path or loopback HOST:PORT",
       [&o](const std::string& v) { o.set_control(v); });
  text("--admin", "admin endpoint, unix:/path or loopback HOST:PORT",
       [&o](const std::string& v) { o.set_admin(v); });
  text("--access-log", "path, - for standard output, or none",
       [&o](const std::string& v) { o.set_access_log(v); });
  text("--log-level", "trace, debug, info, warn, error",
       [&o](const std::string& v) { o.set_log_level(v); });
  text("--state-dir", "where the last good policy is kept",
       [&o](const std::string& v) { o.set_state_dir(v); });
  text("--state-key-file", "32 bytes in hex that seal it",
       [&o](const std::string& v) { o.set_state_key_file(v); });
  number("--workers", "worker threads (0: the CPU quota)",
         [&o](uint64_t v) { o.set_workers(static_cast<uint32_t>(v)); });
  number("--max-stale", "seconds: an older last good policy is not served (0: any age)",
         [&o](uint64_t v) { o.set_max_stale_seconds(static_cast<uint32_t>(v)); });
  number("--drain-delay", "seconds between not ready and not accepting",
         [&o](uint64_t v) { o.set_drain_delay_seconds(static_cast<uint32_t>(v)); });
  number("--drain-deadline", "seconds until what is left is cut (30)",
         [&o](uint64_t v) { o.set_drain_deadline_seconds(static_cast<uint32_t>(v)); });
  app.add_flag_callback(
      "--allow-faults", [&o] { o.set_allow_faults(true); },
      "take policies that inject faults (delays and errors on purpose)");
  app.set_version_flag("--version", std::string("tollgate-proxy ") + kVersion);
}

absl::StatusOr<config::v1::Bootstrap> LoadBootstrap(const Flags& flags, FileSystem& files) {
  config::v1::Bootstrap bootstrap;
  if (!flags.bootstrap_file.empty()) {
    ASSIGN_OR_RETURN(const std::string json, files.Read(flags.bootstrap_file, kMaxBootstrap));
    ASSIGN_OR_RETURN(bootstrap, ParseBootstrap(json));
  }
  bootstrap.MergeFrom(flags.overrides);
  RETURN_IF_ERROR(CompleteBootstrap(&bootstrap, !flags.policy_file.empty()));
  return bootstrap;
}

int Serve(const config::v1::Bootstrap& bootstrap, std::optional<config::v1::Bundle> file_policy, FileSystem& files) {
  const SystemClock clock;
  if (const absl::Status s = InitLog("tollgate-proxy", bootstrap.log_level()); !s.ok()) {
    return Fail(2, s);
  }
  BlockSignals();

  std::unique_ptr<AccessLogWriter> log;
  if (bootstrap.access_log() != "none") {
    auto opened = AccessLogWriter::Open(bootstrap.access_log());
    if (!opened.ok()) return Fail(1, opened.status());
    log = *std::move(opened);
  }

  Readiness readiness;
  SignalWaiter signals;
  Metrics metrics;
  ControlHolder control;  // set below; unknown keys are reported through it
  auto server = Server::Create(
      {.workers = bootstrap.workers(),
       .budget_bytes = bootstrap.buffer_budget_bytes(),
       .limits = {.max_entries = bootstrap.limit_keys(), .max_bytes = bootstrap.limit_bytes()},
       .log = log.get(),
       .on_unknown_key = [&control](absl::string_view id) { control.ReportUnknownKey(id); },
       .allow_faults = bootstrap.allow_faults()},
      clock, metrics);
  if (!server.ok()) return Fail(1, server.status());
  RegisterGauges(metrics, **server, log.get(), control);

  Serving serving(**server, readiness);
  std::unique_ptr<LastKnownGood> kept;
  // However this ends: the control client's thread calls into the server, and is to end before it.
  const absl::Cleanup disconnect = [&control] { control.Set(nullptr); };
  if (file_policy.has_value()) {
    serving.Deny(DenialsOf(*file_policy), [] {});
    if (const absl::Status s = serving.AdoptNow(*file_policy); !s.ok()) return Fail(1, s);
  } else {
    auto started = StartControl(bootstrap, **server, serving, metrics, readiness, files, clock,
                                &kept);
    if (!started.ok()) return Fail(1, started.status());
    control.Set(*std::move(started));
  }

  std::unique_ptr<AdminServer> admin;
  if (!bootstrap.admin().empty()) {
    auto opened = OpenAdmin(bootstrap, file_policy.has_value() ? &*file_policy : nullptr, **server,
                            readiness, metrics, control, signals, clock);
    if (!opened.ok()) return Fail(1, opened.status());
    admin = *std::move(opened);
  }

  spdlog::info("tollgate-proxy {} pid {}: {} workers", kVersion, getpid(), bootstrap.workers());
  ReleaseStartupCode();
  signals.Wait([&log] {
    if (log == nullptr) return;
    const absl::Status reopened = log->Reopen();
    if (reopened.ok()) {
      spdlog::info("access log reopened");
    } else {
      spdlog::error("access log: {}; the old file goes on", std::string(reopened.message()));
    }
  });
  DrainServer(**server, readiness, clock, std::chrono::seconds(bootstrap.drain_delay_seconds()),
              std::chrono::seconds(bootstrap.drain_deadline_seconds()));
  admin.reset();
  control.Set(nullptr);
  kept.reset();
  server->reset();
  if (log != nullptr) log->Flush();
  spdlog::info("stopped");
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "The data plane of Tollgate: a proxy beside a service that authenticates, permits, limits\n"
      "and balances its requests by a policy that the control plane pushes.");
  Flags flags;
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }

  PosixFileSystem files;
  auto bootstrap = LoadBootstrap(flags, files);
  if (!bootstrap.ok()) return Fail(2, bootstrap.status());
  std::optional<config::v1::Bundle> policy;
  if (!flags.policy_file.empty()) {
    auto read = ReadPolicyFile(flags.policy_file, files, bootstrap->allow_faults());
    if (!read.ok()) return Fail(2, read.status());
    policy = *std::move(read);
  }
  if (flags.check) {
    std::printf("configuration is valid\n");
    return 0;
  }
  return Serve(*bootstrap, std::move(policy), files);
}

}  // namespace
}  // namespace tollgate::proxy

int main(int argc, char** argv) { return tollgate::proxy::Main(argc, argv); }
