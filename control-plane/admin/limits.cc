// Who is near a limit, or over it, across the fleet.
#include <algorithm>

#include "control-plane/admin/admin_api.h"
#include "control-plane/admin/wire.h"

namespace tollgate::control {
namespace {

constexpr uint32_t kDefaultTop = 20;
constexpr uint32_t kMaxTop = 1000;

// The fuller one first; of the equally full, the one that was refused more often.
bool Fuller(const admin::v1::LimitRow& a, const admin::v1::LimitRow& b) {
  // used / limit, compared without dividing: a sidecar's numbers may be anything.
  const auto left = static_cast<unsigned __int128>(a.key().used()) * b.key().limit();
  const auto right = static_cast<unsigned __int128>(b.key().used()) * a.key().limit();
  return left != right ? left > right : a.key().refused() > b.key().refused();
}

}  // namespace

absl::Status AdminApi::ListLimits(const admin::v1::ListLimitsRequest& request,
                                  admin::v1::ListLimitsResponse* response) {
  std::vector<admin::v1::LimitRow> rows;
  for (const SidecarStatus& status : fleet_.List(EnvironmentOf(request.environment()))) {
    // What one that is away counted is not what it counts now.
    if (!status.connected || status.limits == nullptr) continue;
    if (!request.service().empty() && status.node.service != request.service()) continue;
    admin::v1::SidecarLimits* sidecar = response->add_sidecars();
    sidecar->set_node(status.node.id);
    sidecar->set_service(status.node.service);
    sidecar->set_reported(
        std::chrono::duration_cast<std::chrono::milliseconds>(status.limits_at.time_since_epoch())
            .count());
    *sidecar->mutable_usage() = *status.limits;
    sidecar->mutable_usage()->clear_top();
    for (const agent::v1::LimitKeyUsage& key : status.limits->top()) {
      admin::v1::LimitRow& row = rows.emplace_back();
      row.set_node(status.node.id);
      row.set_service(status.node.service);
      *row.mutable_key() = key;
    }
  }
  const size_t top = std::min(request.top() == 0 ? kDefaultTop : request.top(), kMaxTop);
  std::stable_sort(rows.begin(), rows.end(), Fuller);
  if (rows.size() > top) rows.resize(top);
  for (admin::v1::LimitRow& row : rows) *response->add_rows() = std::move(row);
  return absl::OkStatus();
}

}  // namespace tollgate::control
