#include "control-plane/push/questions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"

namespace tollgate::control {
namespace {

// How soon a wait notices that its caller went away, or that the program ends.
constexpr std::chrono::milliseconds kSlice{100};

}  // namespace

uint64_t Questions::Opened(absl::string_view environment, const agent::v1::Hello& hello,
                           AgentPeer* peer) {
  const std::lock_guard lock(mutex_);
  const uint64_t session = next_id_++;
  const Key key(std::string(environment), hello.node());
  sessions_[session] = {key, hello.version(), hello.explains(), peer};
  newest_[key] = session;
  return session;
}

void Questions::Closed(uint64_t session) {
  const std::lock_guard lock(mutex_);
  const auto it = sessions_.find(session);
  if (it == sessions_.end()) return;
  const auto newest = newest_.find(it->second.key);
  if (newest->second == session) newest_.erase(newest);
  sessions_.erase(it);
  for (auto& [id, open] : open_) {
    if (open.session == session) open.gone = true;
  }
  changed_.notify_all();
}

void Questions::Answered(uint64_t session, agent::v1::Explanation explanation) {
  const std::lock_guard lock(mutex_);
  const auto it = open_.find(explanation.id());
  // One sidecar must not answer what another was asked.
  if (it == open_.end() || it->second.session != session) return;
  it->second.answer = std::move(explanation);
  changed_.notify_all();
}

absl::StatusOr<uint64_t> Questions::SessionOf(absl::string_view environment,
                                              absl::string_view node) const {
  const auto newest = newest_.find(Key(std::string(environment), std::string(node)));
  if (newest == newest_.end()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "sidecar ", node, " has no agent stream now; only a connected one can be asked"));
  }
  const Session& session = sessions_.at(newest->second);
  if (!session.explains) {
    return absl::FailedPreconditionError(absl::StrCat(
        "sidecar ", node, " (version ", session.version.empty() ? "?" : session.version,
        ") is too old to be asked; upgrade it"));
  }
  if (session.open >= kMaxOpen) {
    return absl::ResourceExhaustedError(absl::StrCat("sidecar ", node, " is being asked ", kMaxOpen,
                                                     " questions already; try again"));
  }
  return newest->second;
}

absl::StatusOr<agent::v1::Explanation> Questions::Explain(absl::string_view environment,
                                                          absl::string_view node,
                                                          const agent::v1::Explain& question,
                                                          std::chrono::milliseconds timeout,
                                                          const std::function<bool()>& cancelled) {
  std::unique_lock lock(mutex_);
  ASSIGN_OR_RETURN(const uint64_t session, SessionOf(environment, node));
  agent::v1::Question asked;
  asked.set_id(next_id_++);
  *asked.mutable_explain() = question;
  Open& open = open_[asked.id()];
  open.session = session;
  ++sessions_.at(session).open;
  sessions_.at(session).peer->Ask(asked);
  std::chrono::milliseconds left = timeout;
  while (!open.answer.has_value() && !open.gone && left.count() > 0 && !cancelled()) {
    const std::chrono::milliseconds slice = std::min(left, kSlice);
    if (!changed_.wait_for(lock, slice, [&] { return open.answer.has_value() || open.gone; })) {
      left -= slice;
    }
  }
  const Open ended = std::move(open);
  open_.erase(asked.id());
  if (const auto it = sessions_.find(session); it != sessions_.end()) --it->second.open;
  if (ended.answer.has_value()) return *ended.answer;
  if (ended.gone) {
    return absl::FailedPreconditionError(
        absl::StrCat("sidecar ", node, " went away before it answered; ask it again"));
  }
  if (left.count() > 0) return absl::CancelledError("the caller did not wait for the answer");
  return absl::FailedPreconditionError(
      absl::StrCat("sidecar ", node, " did not answer within ", timeout.count(), " ms; --timeout gives it more time"));
}

}  // namespace tollgate::control
