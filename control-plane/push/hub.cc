#include "control-plane/push/hub.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"

namespace tollgate::control {

Hub::Hub(ResourceSource* source, Fleet* fleet, Options options)
    : source_(source), fleet_(fleet), options_(options) {
  source_->OnChange([this] {
    const std::lock_guard lock(mutex_);
    changed_ = true;
    wake_.notify_one();
  });
  thread_ = std::thread([this] { Run(); });
}

Hub::~Hub() {
  source_->OnChange(nullptr);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

void Hub::Attach(const NodeInfo& node, uint64_t session, std::shared_ptr<Peer> peer) {
  std::shared_ptr<Peer> replaced;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = members_.begin(); it != members_.end(); ++it) {
      if (it->second.node.id != node.id || it->second.node.environment != node.environment) {
        continue;
      }
      replaced = std::move(it->second.peer);
      members_.erase(it);
      break;
    }
    members_[session] = Member{node, session, std::move(peer)};
    newcomers_.push_back(session);
    wake_.notify_one();
  }
  if (replaced == nullptr) return;
  spdlog::warn(absl::StrCat("sidecar ", node.id,
                            " opened another stream; the older one is closed "
                            "(if this repeats, two sidecars share one id)"));
  replaced->Close(
      absl::AlreadyExistsError(absl::StrCat("another stream was opened for sidecar ", node.id)));
}

void Hub::Detach(uint64_t session) {
  std::shared_ptr<Peer> last;  // released without the lock
  const std::lock_guard lock(mutex_);
  const auto it = members_.find(session);
  if (it == members_.end()) return;
  last = std::move(it->second.peer);
  members_.erase(it);
}

void Hub::Run() {
  auto next_round = std::chrono::steady_clock::time_point::min();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = std::chrono::steady_clock::now();
    const bool round = changed_ && now >= next_round;
    if (!round && newcomers_.empty()) {
      if (changed_) {
        wake_.wait_until(lock, next_round);
      } else {
        wake_.wait(lock);
      }
      continue;
    }
    std::vector<Member> members;
    if (round) {
      changed_ = false;
      next_round = now + options_.window;
      for (const auto& [session, member] : members_) members.push_back(member);
    } else {
      for (const uint64_t session : newcomers_) {
        const auto it = members_.find(session);
        if (it != members_.end()) members.push_back(it->second);
      }
    }
    newcomers_.clear();
    lock.unlock();
    for (const Member& member : members) Serve(member);
    members.clear();
    lock.lock();
  }
}

void Hub::Serve(const Member& member) {
  auto [set, release] = source_->Resources(member.node);
  if (!set.ok()) {
    spdlog::warn(absl::StrCat("nothing to offer to sidecar ", member.node.id, ": ",
                              set.status().ToString()));
    fleet_->Unservable(member.node, member.session, release,
                       {"", member.node.service, absl::StatusCodeToString(set.status().code()), "",
                        std::string(set.status().message())});
    return;
  }
  if (member.node.schema < (*set)->schema) {
    const std::string why =
        absl::StrCat("sidecar ", member.node.id, " understands schema ", member.node.schema,
                     "; this policy needs ", (*set)->schema, ": upgrade the sidecar");
    fleet_->Unservable(member.node, member.session, release,
                       {"", member.node.id, "UNSUPPORTED_SCHEMA", "", why});
    member.peer->Close(absl::FailedPreconditionError(why));
    return;
  }
  member.peer->Offer(*std::move(set));
}

}  // namespace tollgate::control
