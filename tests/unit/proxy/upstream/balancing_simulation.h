// A discrete-event simulation around the production load balancer and outlier detector: Poisson
// arrivals, servers that answer after a latency of their own (with 20 % jitter), deterministic for
// a seed.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/policy/balancing.h"
#include "proxy/upstream/load_balancer.h"

namespace tollgate::proxy {

class BalancingSimulation {
 public:
  struct Answer {
    Duration latency;
    bool failed = false;
    std::optional<LoadReport> report = {};
  };
  // What a server does with a request that arrives `at` after the beginning.
  using Behaviour = std::function<Answer(Duration at)>;

  struct Tally {
    std::vector<uint64_t> picked;
    uint64_t total = 0;
    uint64_t failed = 0;
    double latency_sum = 0;  // s, of answers that came in this period
    uint64_t answers = 0;
    double Share(size_t server) const {
      return static_cast<double>(picked[server]) / static_cast<double>(total);
    }
    double MeanLatency() const { return latency_sum / static_cast<double>(answers); }
  };

  static OutlierDetectionPolicy NoOutliers() {
    OutlierDetectionPolicy policy;
    policy.enabled = false;
    return policy;
  }

  // Without outlier detection, unless it is asked for.
  BalancingSimulation(Balance kind, double requests_per_second, uint64_t seed,
                      BalancingPolicy policy = {}, OutlierDetectionPolicy outliers = NoOutliers())
      : kind_(kind),
        policy_(policy),
        outliers_(outliers),
        balancer_(kind, policy, &detector_, nullptr),
        rate_(requests_per_second),
        random_(seed) {}

  size_t Add(Behaviour behaviour, uint32_t weight = 1) {
    servers_.push_back({std::move(behaviour), std::make_unique<EndpointStats>(), weight});
    changed_ = true;
    return servers_.size() - 1;
  }
  size_t Add(Duration latency) {
    return Add([latency](Duration) { return Answer{latency}; });
  }

  // Goes on for `time`, and says what happened in it.
  Tally Run(Duration time) {
    Tally tally;
    if (changed_) SetEndpoints();
    tally.picked.resize(servers_.size());
    const Duration end = now_ + time;
    while (true) {
      if (next_arrival_ < now_) next_arrival_ = now_;
      const bool answer_first = !events_.empty() && events_.top().at <= next_arrival_;
      const Duration next = answer_first ? events_.top().at : next_arrival_;
      if (next > end) break;
      now_ = next;
      if (answer_first) {
        const Event event = events_.top();
        events_.pop();
        const Server& server = servers_[event.server];
        EndpointStats& stats = *server.stats;
        stats.Answered(Mono(), event.at - event.started,
                       event.failed ? Outcome::kFailure : Outcome::kSuccess);
        stats.Ended();
        detector_.Report(*server.health, event.failed, Mono());
        if (event.report) {
          stats.reported_weight().OnReport(*event.report, policy_.load_reports, Mono());
        }
        tally.failed += event.failed;
        tally.latency_sum += static_cast<double>((event.at - event.started).count()) / 1e9;
        ++tally.answers;
      } else {
        next_arrival_ += Duration(static_cast<int64_t>(-std::log1p(-random_.Unit()) / rate_ * 1e9));
        LoadBalancer::Request request{Mono(), random_};
        if (IsHashing(kind_)) request.hash = random_();
        const uint32_t server = *balancer_.Pick(request);
        servers_[server].stats->Started(Mono());
        const Answer answer = servers_[server].behaviour(now_);
        const double jitter = 0.8 + 0.4 * random_.Unit();
        const Duration latency(
            static_cast<int64_t>(static_cast<double>(answer.latency.count()) * jitter));
        events_.push({now_ + latency, now_, server, answer.failed, answer.report});
        ++tally.picked[server];
        ++tally.total;
      }
    }
    now_ = end;
    return tally;
  }

  const EndpointStats& stats(size_t server) const { return *servers_[server].stats; }

 private:
  struct Server {
    Behaviour behaviour;
    std::unique_ptr<EndpointStats> stats;
    uint32_t weight = 1;
    std::shared_ptr<EndpointHealth> health = {};
    std::string name = {};
  };
  struct Event {
    Duration at;
    Duration started;
    uint32_t server;
    bool failed;
    std::optional<LoadReport> report;
    bool operator<(const Event& other) const { return at > other.at; }
  };

  MonoTime Mono() const { return MonoTime(std::chrono::hours(1) + now_); }

  void SetEndpoints() {
    changed_ = false;
    std::vector<Address> members;
    for (size_t i = 0; i < servers_.size(); ++i) {
      servers_[i].name = absl::StrCat("10.0.0.", i + 1, ":80");
      members.push_back(*Address::Parse(servers_[i].name));
    }
    detector_.Update(outliers_, members, Mono());
    std::vector<LoadBalancer::Endpoint> endpoints;
    for (size_t i = 0; i < servers_.size(); ++i) {
      Server& server = servers_[i];
      server.health = detector_.Find(members[i]);
      endpoints.push_back(
          {server.stats.get(), server.health.get(), server.weight, "", 0, &server.name});
    }
    balancer_.SetEndpoints(endpoints);
  }

  const Balance kind_;
  const BalancingPolicy policy_;
  const OutlierDetectionPolicy outliers_;
  OutlierDetector detector_;
  LoadBalancer balancer_;
  double rate_;
  Random random_;
  std::vector<Server> servers_;
  bool changed_ = false;  // servers_, since the balancer was told
  std::priority_queue<Event> events_;
  Duration now_{};
  Duration next_arrival_{};
};

}  // namespace tollgate::proxy
