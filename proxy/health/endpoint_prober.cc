#include "proxy/health/endpoint_prober.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"

namespace tollgate::proxy {
namespace {

// The same host at another port.
Address WithPort(const Address& address, uint16_t port) {
  if (port == 0 || !address.is_ip()) return address;
  const bool ip6 = address.kind() == Address::Kind::kIp6;
  return Address::Parse(absl::StrCat(ip6 ? "[" : "", address.host(), ip6 ? "]:" : ":", port))
      .value_or(address);
}

}  // namespace

EndpointProber::EndpointProber(ProbeContext& context, ClusterShared& shared,
                               const HealthCheckPolicy& policy, const Address& address,
                               std::shared_ptr<EndpointHealth> health)
    : context_(context),
      shared_(shared),
      policy_(policy),
      address_(address),
      health_(std::move(health)),
      next_([this] { Begin(); }) {
  const Duration most = std::chrono::seconds(1);
  context_.loop.ArmAfter(next_, Jitter(std::min(policy_.interval, most)));
}

Duration EndpointProber::Jitter(Duration most) {
  return Duration(static_cast<int64_t>(context_.random.Unit() * static_cast<double>(most.count())));
}

void EndpointProber::PolicyChanged() {
  const MonoTime latest = context_.loop.now() + policy_.interval + policy_.jitter;
  if (next_.deadline() > latest) context_.loop.Arm(next_, latest);
}

void EndpointProber::Begin() {
  // The timeout is no longer than the interval: what is still on its way times out at this moment.
  if (probe_ != nullptr) OnDone("timeout");
  context_.loop.ArmAfter(next_, policy_.interval + Jitter(policy_.jitter));
  probe_ = std::make_unique<Probe>(context_.loop, context_.buffers, policy_,
                                   WithPort(address_, policy_.port),
                                   [this](const char* failure) { OnDone(failure); });
}

void EndpointProber::OnDone(const char* failure) {
  probe_.reset();
  if (failure == Probe::kNoDescriptor) return;
  health_->set_probe_failure(failure);
  auto& count = failure == nullptr ? shared_.probes().succeeded : shared_.probes().failed;
  count.fetch_add(1, std::memory_order_relaxed);
  if (failure == nullptr) {
    failures_ = 0;
    if (++successes_ >= policy_.healthy_threshold && health_->failing()) SetFailing(false);
  } else {
    successes_ = 0;
    if (++failures_ >= policy_.unhealthy_threshold && !health_->failing()) SetFailing(true);
  }
}

void EndpointProber::SetFailing(bool failing) {
  shared_.outliers().SetFailing(*health_, failing, context_.loop.now());
  auto& count = failing ? shared_.probes().to_unhealthy : shared_.probes().to_healthy;
  count.fetch_add(1, std::memory_order_relaxed);
  if (failing) {
    spdlog::warn("upstream {}: {} is unhealthy: {} probes in a row failed, the last by {}",
                 shared_.name(), health_->address(), failures_, health_->probe_failure());
  } else {
    spdlog::info("upstream {}: {} is healthy again: {} probes in a row succeeded", shared_.name(),
                 health_->address(), successes_);
  }
}

}  // namespace tollgate::proxy
