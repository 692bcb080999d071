// limits: who is near a limit, or over it.
#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"

namespace tollgate::control {
namespace {

// "87%", and never "100%" unless all of it is used.
std::string Share(const agent::v1::LimitKeyUsage& key) {
  if (key.limit() == 0) return "?";
  const auto percent = static_cast<unsigned __int128>(key.used()) * 100 / key.limit();
  return absl::StrCat(static_cast<uint64_t>(percent), "%");
}

// What of the counters' memory is used, and what the limits did.
std::string SidecarText(const admin::v1::SidecarLimits& sidecar, Duration ago) {
  const agent::v1::LimitUsage& usage = sidecar.usage();
  std::string text =
      absl::StrCat(sidecar.node(), ": ", usage.keys(), " of ", usage.max_keys(), " keys, ",
                   usage.bytes() >> 10, " KiB; ", usage.refused(), " refused");
  if (usage.shadow_refused() > 0) {
    absl::StrAppend(&text, ", ", usage.shadow_refused(), " would be in shadow mode");
  }
  if (usage.overflowed() > 0) {
    absl::StrAppend(&text, ", ", usage.overflowed(), " counted by a shared counter");
  }
  return absl::StrCat(text, "; ", Age(ago), " ago\n");
}

}  // namespace

ExitCode RunLimits(Session& session, const std::string& service, uint32_t top) {
  admin::v1::ListLimitsRequest request;
  request.set_environment(session.environment());
  request.set_service(service);
  request.set_top(top);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::ListLimitsResponse> response = (*client)->ListLimits(request);
  if (!response.ok()) return session.Fail(response.status());
  if (!session.table()) {
    session.PrintMessage(*response);
    return ExitCode::kOk;
  }
  if (response->sidecars().empty()) {
    session.Note(absl::StrCat("no connected sidecar of environment ", session.environment(),
                              service.empty() ? "" : absl::StrCat(" and service ", service),
                              " has reported its limits yet\n"));
    return ExitCode::kOk;
  }
  std::string text;
  for (const admin::v1::SidecarLimits& sidecar : response->sidecars()) {
    const WallTime reported(std::chrono::milliseconds(sidecar.reported()));
    text += SidecarText(sidecar, session.now() - reported);
  }
  Table table({"NODE", "PLAN", "KEY", "WINDOW", "USED", "LIMIT", "SHARE", "REFUSED", "MODE"});
  for (const admin::v1::LimitRow& row : response->rows()) {
    const agent::v1::LimitKeyUsage& key = row.key();
    table.Add({row.node(), key.plan(), key.key(), key.window(), absl::StrCat(key.used()),
               absl::StrCat(key.limit()), Share(key), absl::StrCat(key.refused()),
               key.shadow() ? "shadow" : "enforce"});
  }
  session.Print(absl::StrCat(text, response->rows().empty()
                                       ? "no counter is in use\n"
                                       : absl::StrCat("\n", table.ToString())));
  return ExitCode::kOk;
}

}  // namespace tollgate::control
