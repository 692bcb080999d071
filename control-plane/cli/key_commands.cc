// key issue, rotate, revoke, list.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/base/status.h"
#include "control-plane/cli/commands.h"

namespace tollgate::control {
namespace {

std::string DateOf(int64_t unix_seconds) {
  return absl::FormatTime("%Y-%m-%d %H:%MZ", absl::FromUnixSeconds(unix_seconds),
                          absl::UTCTimeZone());
}

int64_t Seconds(Duration d) { return std::chrono::ceil<std::chrono::seconds>(d).count(); }

ExitCode PrintIssued(const Session& session, const admin::v1::IssueKeyResponse& response) {
  if (!session.table()) {
    session.PrintMessage(response);
    return ExitCode::kOk;
  }
  // Only the key on standard output, so that KEY=$(tollgatectl key issue ...) works.
  session.Print(absl::StrCat(response.key(), "\n"));
  session.Note(absl::StrCat("key ", response.id(),
                            " issued; this is the only time that its secret is shown\n"));
  return ExitCode::kOk;
}

std::string StateOf(const admin::v1::Key& key, int64_t now) {
  if (key.revoked() != 0) return absl::StrCat("revoked ", DateOf(key.revoked()));
  if (key.not_after() != 0 && key.not_after() <= now) return "expired";
  return "live";
}

}  // namespace

ExitCode RunKeyIssue(Session& session, const std::string& consumer, const std::string& name,
                     Duration expires) {
  admin::v1::IssueKeyRequest request;
  request.set_environment(session.environment());
  request.set_consumer(consumer);
  request.set_name(name);
  request.set_expires_in_seconds(Seconds(expires));
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::IssueKeyResponse> response = (*client)->IssueKey(request);
  if (!response.ok()) return session.Fail(response.status());
  return PrintIssued(session, *response);
}

ExitCode RunKeyRotate(Session& session, const std::string& consumer, const std::string& name,
                      Duration expires, Duration old_valid_for) {
  admin::v1::IssueKeyRequest request;
  request.set_environment(session.environment());
  request.set_consumer(consumer);
  request.set_name(name);
  request.set_expires_in_seconds(Seconds(expires));
  request.set_old_valid_for_seconds(Seconds(old_valid_for));
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::IssueKeyResponse> response = (*client)->RotateKey(request);
  if (!response.ok()) return session.Fail(response.status());
  return PrintIssued(session, *response);
}

ExitCode RunKeyRevoke(Session& session, const std::string& consumer, const std::string& name,
                      const std::string& id) {
  admin::v1::RevokeKeyRequest request;
  request.set_environment(session.environment());
  request.set_consumer(consumer);
  request.set_name(name);
  request.set_id(id);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::RevokeKeyResponse> response = (*client)->RevokeKey(request);
  if (!response.ok()) return session.Fail(response.status());
  if (!session.table()) {
    session.PrintMessage(*response);
  } else if (response->ids().empty()) {
    session.Print("nothing to revoke: every key of this name is revoked already\n");
  } else {
    session.Print(absl::StrCat("revoked ", absl::StrJoin(response->ids(), ", "), " (revision ",
                               response->revision(), "); no rollback brings it back\n"));
  }
  return ExitCode::kOk;
}

ExitCode RunKeyList(Session& session, const std::string& consumer) {
  admin::v1::ListKeysRequest request;
  request.set_environment(session.environment());
  request.set_consumer(consumer);
  const absl::StatusOr<Client*> client = session.Connect();
  if (!client.ok()) return session.Fail(client.status());
  const absl::StatusOr<admin::v1::ListKeysResponse> response = (*client)->ListKeys(request);
  if (!response.ok()) return session.Fail(response.status());
  if (!session.table()) {
    session.PrintMessage(*response);
    return ExitCode::kOk;
  }
  if (response->keys().empty()) {
    session.Note("no keys\n");
    return ExitCode::kOk;
  }
  const int64_t now = UnixSeconds(session.now());
  Table table({"ID", "CONSUMER", "NAME", "AGE", "EXPIRES", "STATE"});
  for (const admin::v1::Key& key : response->keys()) {
    table.Add({key.id(), key.consumer(), key.name(), Age(std::chrono::seconds(now - key.created())),
               key.not_after() == 0 ? "never" : DateOf(key.not_after()), StateOf(key, now)});
  }
  session.Print(table.ToString());
  return ExitCode::kOk;
}

}  // namespace tollgate::control
