#include "proxy/observe/worker_metrics.h"

#include <algorithm>

#include "proxy/http/message.h"

namespace tollgate::proxy {
namespace {

constexpr absl::string_view kOther = "other";
constexpr size_t kMaxPairs = 500;
constexpr size_t kMaxUpstreams = 500;

absl::string_view CodeClass(int status) {
  switch (status / 100) {
    case 1:
      return "1xx";
    case 2:
      return "2xx";
    case 3:
      return "3xx";
    case 4:
      return "4xx";
    case 5:
      return "5xx";
    default:
      return "none";  // the client went before there was an answer
  }
}

// The client chooses the method, so only those that we know are told apart.
absl::string_view MethodLabel(absl::string_view method) {
  return MethodOf(method) == Method::kOther ? kOther : method;
}

}  // namespace

WorkerMetrics::WorkerMetrics(size_t max_series) : impl_(std::make_unique<Impl>(max_series)) {}
WorkerMetrics::~WorkerMetrics() = default;

// When series run short, consumers are given up first (there are many), then routes. Methods and
// codes are few, so what is "other" still tells them.
WorkerMetrics::Impl::Requests::Series& WorkerMetrics::Impl::MakeRequest(const Requests::Key& key) {
  const auto& [api, version, route, consumer, method, code] = key;
  Requests::Key used = key;
  if (requests.size() >= max_series - max_series / 4) {
    used = {api, version, route, kOther, method, code};
    if (Requests::Series* found = requests.Find(used)) return *found;
  }
  if (requests.size() >= max_series) {
    used = {kOther, kOther, kOther, kOther, method, code};
    if (Requests::Series* found = requests.Find(used)) return *found;
  }
  Requests::Series& made = requests.Make(used);
  made.value.route = &routes.Get({used[0], used[1], used[2]});
  return made;
}

WorkerMetrics::Impl::Requests::Series& WorkerMetrics::Impl::FindRequest(const Requests::Key& key) {
  Requests::Series* found = requests.Find(key);
  return found != nullptr ? *found : MakeRequest(key);
}

void WorkerMetrics::Impl::CountUpstream(const AccessRecord& record, Request& request) {
  if (request.upstream == nullptr || request.upstream->labels[0] != record.upstream) {
    request.upstream = &upstreams.GetBounded({record.upstream}, kMaxUpstreams, {kOther});
  }
  request.upstream->value.attempts.Add(record.attempts);
  if (record.upstream_duration > Duration::zero()) {
    request.upstream->value.duration.Observe(record.upstream_duration);
  }
  if (record.step.empty() && !record.reason.empty()) {
    failures.GetBounded({record.upstream, record.reason}, kMaxPairs, {kOther, kOther}).value.Add(1);
  }
  absl::string_view left = record.retries;
  while (!left.empty()) {
    const size_t comma = std::min(left.find(','), left.size());
    retries.GetBounded({record.upstream, left.substr(0, comma)}, kMaxPairs, {kOther, kOther})
        .value.Add(1);
    left.remove_prefix(std::min(comma + 1, left.size()));
  }
}

void WorkerMetrics::Record(const AccessRecord& record) {
  Impl& impl = *impl_;
  Impl::Request& request =
      impl.FindRequest({record.api, record.version, record.route, record.consumer,
                        MethodLabel(record.method), CodeClass(record.status)})
          .value;
  request.count.Add(1);
  Impl::Route& route = request.route->value;
  route.duration.Observe(record.duration);
  route.bytes_in.Add(record.bytes_in);
  route.bytes_out.Add(record.bytes_out);
  impl.total.Add(1);
  if (record.status >= 500) impl.failed.Add(1);
  if (!record.step.empty()) {
    impl.refused.GetBounded({record.step, record.reason}, kMaxPairs, {kOther, kOther}).value.Add(1);
  }
  if (!record.plan.empty()) {
    impl.limited.GetBounded({record.plan, "refused"}, kMaxPairs, {kOther, "refused"}).value.Add(1);
  }
  if (!record.shadow_plan.empty()) {
    impl.limited.GetBounded({record.shadow_plan, "shadow"}, kMaxPairs, {kOther, "shadow"})
        .value.Add(1);
  }
  if (!record.fault.empty()) {
    impl.faults
        .GetBounded({record.api, record.version, record.route, record.fault}, kMaxPairs,
                    {kOther, kOther, kOther, record.fault})
        .value.Add(1);
  }
  if (record.attempts > 0) impl.CountUpstream(record, request);
}

void WorkerMetrics::Refused(absl::string_view listener, absl::string_view reason) {
  impl_->errors.GetBounded({listener, reason}, kMaxPairs, {kOther, kOther}).value.Add(1);
}

}  // namespace tollgate::proxy
