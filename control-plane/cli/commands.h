// The commands of tollgatectl: plain functions of their flags. main.cc reads the command line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control-plane/cli/deny_command.h"
#include "control-plane/cli/exit_code.h"
#include "control-plane/cli/session.h"

namespace tollgate::control {

struct ApplyFlags {
  std::vector<std::string> paths;
  bool dry_run = false;
  bool prune = false;
  std::string owner;
  std::optional<Duration> wait;
  std::string message;
  std::optional<uint64_t> base;
};
ExitCode RunApply(Session& session, const ApplyFlags& flags);
ExitCode RunDiff(Session& session, const std::vector<std::string>& paths);
ExitCode RunValidate(Session& session, const std::vector<std::string>& paths, bool offline);
ExitCode RunGet(Session& session, const std::string& kind, const std::string& name,
                uint64_t release);
ExitCode RunDelete(Session& session, const std::string& kind, const std::string& name,
                   bool dry_run);
ExitCode RunReleases(Session& session, uint32_t limit);
// to 0: the one before the head.
ExitCode RunRollback(Session& session, uint64_t to, std::optional<Duration> wait);

// node "": all of them, a line each; else this one in detail.
ExitCode RunProxies(Session& session, const std::string& node);
struct ExplainFlags {
  std::string node;
  std::string method;
  std::string url;  // http://HOST/PATH, or /PATH with `host`
  std::string host;
  std::string listener;
  std::vector<std::string> headers;  // "Name: value"
};
ExitCode RunExplain(Session& session, const ExplainFlags& flags);
// Waits until every connected sidecar has answered, and prints what each said (beside a table on
// standard output, else on standard error).
ExitCode WaitAndReport(Session& session, uint64_t release, Duration wait);

// Who is near a limit, or over it. service "": of all; top 0: as many as the control plane likes.
ExitCode RunLimits(Session& session, const std::string& service, uint32_t top);

ExitCode RunKeyIssue(Session& session, const std::string& consumer, const std::string& name,
                     Duration expires);
ExitCode RunKeyRotate(Session& session, const std::string& consumer, const std::string& name,
                      Duration expires, Duration old_valid_for);
// (consumer, name), or an id.
ExitCode RunKeyRevoke(Session& session, const std::string& consumer, const std::string& name,
                      const std::string& id);
ExitCode RunKeyList(Session& session, const std::string& consumer);

ExitCode RunDenyAdd(Session& session, const DenyFlags& flags);
ExitCode RunDenyRemove(Session& session, const std::string& id);
// issuer "": of all.
ExitCode RunDenyList(Session& session, const std::string& issuer);

struct TokenFlags {
  std::string key_file;
  std::string alg;
  std::string kid;
  std::string issuer;
  std::vector<std::string> audiences;
  std::string subject;
  std::vector<std::string> claims;  // name=value; JSON, or else a text
  std::string scope;
  Duration ttl = std::chrono::minutes(10);
  std::string profile = "jwt";
};
ExitCode RunToken(Session& session, const TokenFlags& flags);

struct KeygenFlags {
  std::string alg;
  std::string kid;
  std::string private_file;
  std::string public_file;
};
ExitCode RunKeygen(Session& session, const KeygenFlags& flags);

ExitCode RunTranslate(Session& session, const std::vector<std::string>& paths,
                      const std::string& service, const std::string& instance,
                      const std::string& address);
ExitCode RunVersion(Session& session);

}  // namespace tollgate::control
