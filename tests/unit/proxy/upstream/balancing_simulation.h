// A discrete-event simulation around the production balancer: Poisson arrivals, servers that answer
// after a latency of their own (with 20 % jitter), deterministic for a seed.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "common/base/random.h"
#include "proxy/upstream/balancer.h"

namespace tollgate::proxy {

class BalancingSimulation {
 public:
  struct Answer {
    Duration latency;
    bool failed = false;
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

  BalancingSimulation(Balance kind, double requests_per_second, uint64_t seed)
      : balancer_(MakeBalancer(kind)), rate_(requests_per_second), random_(seed) {}

  size_t Add(Behaviour behaviour, uint32_t weight = 1) {
    servers_.push_back({std::move(behaviour), std::make_unique<EndpointStats>()});
    slots_.push_back({servers_.back().stats.get(), nullptr, weight});
    return servers_.size() - 1;
  }
  size_t Add(Duration latency) {
    return Add([latency](Duration) { return Answer{latency}; });
  }

  // Goes on for `time`, and says what happened in it.
  Tally Run(Duration time) {
    Tally tally;
    tally.picked.resize(slots_.size());
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
        EndpointStats& stats = *servers_[event.server].stats;
        stats.Answered(Mono(), event.at - event.started,
                       event.failed ? Outcome::kFailure : Outcome::kSuccess);
        stats.Ended();
        tally.failed += event.failed;
        tally.latency_sum += static_cast<double>((event.at - event.started).count()) / 1e9;
        ++tally.answers;
      } else {
        next_arrival_ += Duration(static_cast<int64_t>(-std::log1p(-random_.Unit()) / rate_ * 1e9));
        const uint32_t server = *balancer_->Pick(slots_, {Mono(), random_});
        servers_[server].stats->Started(Mono());
        const Answer answer = servers_[server].behaviour(now_);
        const double jitter = 0.8 + 0.4 * random_.Unit();
        const Duration latency(
            static_cast<int64_t>(static_cast<double>(answer.latency.count()) * jitter));
        events_.push({now_ + latency, now_, server, answer.failed});
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
  };
  struct Event {
    Duration at;
    Duration started;
    uint32_t server;
    bool failed;
    bool operator<(const Event& other) const { return at > other.at; }
  };

  MonoTime Mono() const { return MonoTime(std::chrono::hours(1) + now_); }

  std::unique_ptr<Balancer> balancer_;
  double rate_;
  Random random_;
  std::vector<Server> servers_;
  std::vector<EndpointSlot> slots_;
  std::priority_queue<Event> events_;
  Duration now_{};
  Duration next_arrival_{};
};

}  // namespace tollgate::proxy
