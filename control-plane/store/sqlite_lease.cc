// SqliteStore: leases. Their deadlines are in memory and monotonic: a clock that is set ends none.
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status.h"
#include "control-plane/store/sqlite_store.h"

namespace tollgate::control {
namespace {

absl::Status Ended(LeaseId lease) {
  return absl::NotFoundError(absl::StrCat("lease ", lease, " has ended or never was"));
}

}  // namespace

bool SqliteStore::Alive(LeaseId lease) const {
  const auto it = leases_.find(lease);
  return it != leases_.end() && clock_.Mono() < it->second.deadline;
}

absl::StatusOr<LeaseId> SqliteStore::GrantLease(Duration ttl) {
  if (ttl < std::chrono::seconds(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("lease: its time is ", ttl.count(), "ns; expected at least 1s"));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(failed_);
  RETURN_IF_ERROR(Write([&](Writing&) { return sql_.add_lease.Run({int64_t{ttl.count()}}); }));
  const LeaseId lease = db_->last_insert_id();
  leases_[lease] = LeaseState{.ttl = ttl, .deadline = clock_.Mono() + ttl};
  return lease;
}

absl::Status SqliteStore::KeepAlive(LeaseId lease) {
  const std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(failed_);
  if (!Alive(lease)) return Ended(lease);
  LeaseState& state = leases_[lease];
  state.deadline = clock_.Mono() + state.ttl;
  return absl::OkStatus();
}

absl::Status SqliteStore::RevokeLease(LeaseId lease) {
  const std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(failed_);
  if (!leases_.contains(lease)) return Ended(lease);
  RETURN_IF_ERROR(Write([&](Writing& writing) { return EndLease(lease, writing); }));
  leases_.erase(lease);
  return absl::OkStatus();
}

absl::Status SqliteStore::ExpireLeases() {
  const std::lock_guard<std::mutex> lock(mutex_);
  RETURN_IF_ERROR(failed_);
  std::vector<LeaseId> over;
  for (const auto& [lease, state] : leases_) {
    if (clock_.Mono() >= state.deadline) over.push_back(lease);
  }
  for (const LeaseId lease : over) {
    RETURN_IF_ERROR(Write([&](Writing& writing) { return EndLease(lease, writing); }));
    leases_.erase(lease);
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::EndLease(LeaseId lease, Writing& writing) {
  std::vector<std::string> keys;
  RETURN_IF_ERROR(sql_.keys_of_lease.Each({lease}, [&](const SqlRow& row) {
    keys.push_back(row.Bytes(0));
    return true;
  }));
  for (const std::string& key : keys) RETURN_IF_ERROR(Delete(key, writing));
  return sql_.remove_lease.Run({lease});
}

void SqliteStore::SweepLeases(Duration interval) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!close_.wait_for(lock, interval, [&] { return closing_; })) {
    if (!failed_.ok()) return;
    lock.unlock();
    const absl::Status status = ExpireLeases();
    if (!status.ok()) spdlog::error(absl::StrCat("leases: ", status.message()));
    lock.lock();
  }
}

}  // namespace tollgate::control
