// The last policy that this sidecar adopted, and the revocations that it has acknowledged, on disk:
// what it serves when it boots without a control plane.
//
// Two files in one locked directory (0700): `policy.lkg`, rewritten after each adopted Epoch, and
// `revocations.lkg`, rewritten before a Revocation is acknowledged. Each is replaced atomically and
// synced (FileSystem::Write), 0600, carries a checksum, and is bound to this node: a file of
// another node is refused. Formats: lkg_file.h.
//
// With a bootstrap key both files are sealed whole (AES-256-GCM, the node's id as associated data).
// Without one, nothing secret is kept: Secret resources are left out; so are API keys, whose hashes
// could not be checked without their pepper and would only be material for guessing; and symmetric
// JWK sets leave an issuer that no token satisfies. Such a file is `complete == false`: what needs
// a secret is refused (401) until a control plane is back. Everything else goes on.
//
// Thread-safe. Writes happen on a thread of its own, newest wins; nothing here blocks a worker.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/crypto/secret.h"
#include "proxy/control/lkg_file.h"
#include "proxy/control/resources.h"
#include "tollgate/config/v1/config.pb.h"

namespace tollgate::proxy {

class LastKnownGood {
 public:
  struct Options {
    std::string directory;
    std::string node;                // id of this sidecar
    std::optional<SecretBytes> key;  // 32 bytes (ParseSealKey); none: secrets are not kept
  };
  struct Loaded {
    config::v1::Bundle bundle;  // for FromBundle; revocations not included
    ActiveSet active;           // what to tell the control plane that we have
    Revocations revocations;    // acknowledged once: in force before anything is served
    WallTime written{};         // when the policy was kept; its age is the staleness
    bool complete = true;       // false: kept without secrets
    bool has_policy = false;    // false: only revocations are loaded, `bundle` is empty
    absl::Status policy_error;  // not OK: a policy was kept, but cannot be used
  };

  // Makes the directory, takes its lock. FailedPrecondition: another process has it.
  // `files` and `clock` outlive the result.
  static absl::StatusOr<std::unique_ptr<LastKnownGood>> Open(Options options, FileSystem* files,
                                                             const Clock* clock);
  ~LastKnownGood();  // writes what is pending first
  LastKnownGood(const LastKnownGood&) = delete;
  LastKnownGood& operator=(const LastKnownGood&) = delete;

  // NotFound: nothing was kept yet. Any other error: revocations were kept, but cannot be read;
  // what was revoked is then unknown here, so the caller must not go on. A policy that cannot be
  // used costs the policy only: `policy_error`. Either error is DataLoss: the file is damaged;
  // FailedPrecondition: of another node, sealed and no key given, or not sealed although a key is
  // given; or Unauthenticated: another key. The message names the file and the remedy. How stale
  // is too stale is the caller's to judge.
  absl::StatusOr<Loaded> Load() const;

  using Done = std::function<void(absl::Status)>;
  // Keeps this set. A newer one may replace it before it is written; `done` (on the writer thread)
  // then comes with the newer one.
  void SavePolicy(std::shared_ptr<const ActiveSet> set, Done done);
  // Keeps all these revocations instead of the ones before. `done` with OK means durable.
  void SaveRevocations(Revocations revocations, Done done);

 private:
  LastKnownGood(Options options, FileSystem* files, const Clock* clock,
                std::unique_ptr<FileLock> lock);
  void Run();
  absl::StatusOr<LkgFile> ReadFile(const std::string& path, LkgKind kind) const;
  absl::Status LoadPolicy(Loaded* loaded) const;
  absl::Status WritePolicy(const ActiveSet& set);
  absl::Status WriteRevocations(const Revocations& revocations);
  std::string PolicyPath() const { return options_.directory + "/policy.lkg"; }
  std::string RevocationsPath() const { return options_.directory + "/revocations.lkg"; }

  const Options options_;
  FileSystem* const files_;
  const Clock* const clock_;
  const std::unique_ptr<FileLock> lock_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::shared_ptr<const ActiveSet> policy_;  // to be written; null: none
  std::vector<Done> policy_done_;
  std::optional<Revocations> revocations_;  // to be written
  std::vector<Done> revocations_done_;
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace tollgate::proxy
