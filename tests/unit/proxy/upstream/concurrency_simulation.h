// A discrete-event simulation around production admission: Poisson arrivals at one upstream of so
// many servers, which take what is admitted in order of arrival and need a service time each (with
// 20 % jitter). What is refused is gone. Deterministic for a seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <queue>
#include <string>
#include <vector>

#include "common/base/random.h"
#include "proxy/upstream/cluster_shared.h"

namespace tollgate::proxy {

class ConcurrencySimulation {
 public:
  struct Tally {
    uint64_t offered = 0;
    uint64_t answered = 0;
    std::vector<Duration> latencies;  // of what was answered
    std::map<Priority, uint64_t> offered_of, refused_of;
    double seconds = 0;

    double Goodput() const { return static_cast<double>(answered) / seconds; }
    Duration Percentile(double part) {
      std::sort(latencies.begin(), latencies.end());
      return latencies[static_cast<size_t>(part * static_cast<double>(latencies.size() - 1))];
    }
    double Refused(Priority priority) const {
      const auto refused = refused_of.find(priority);
      return refused == refused_of.end() ? 0
                                         : static_cast<double>(refused->second) /
                                               static_cast<double>(offered_of.at(priority));
    }
  };

  // `load`: how many times what the upstream can do.
  ConcurrencySimulation(const UpstreamPolicy& policy, size_t servers, Duration service, double load,
                        uint64_t seed)
      : shared_(policy), random_(seed), servers_(servers), service_(service) {
    rate_ = load * Capacity();
  }

  void SetService(Duration service) { service_ = service; }
  // Each request has one of these.
  void SetPriorities(std::vector<Priority> priorities) { priorities_ = std::move(priorities); }
  double Capacity() const {
    return static_cast<double>(servers_) / (static_cast<double>(service_.count()) * 1e-9);
  }
  ClusterShared& shared() { return shared_; }

  // Goes on for `time`, and says what happened in it.
  Tally Run(Duration time) {
    Tally tally;
    tally.seconds = static_cast<double>(time.count()) * 1e-9;
    const MonoTime end = now_ + time;
    for (;;) {
      const bool answer_first = !running_.empty() && running_.top().at <= arrival_;
      const MonoTime next = answer_first ? running_.top().at : arrival_;
      if (next > end) break;
      now_ = next;
      if (answer_first) {
        Answer(tally);
      } else {
        Arrive(tally);
      }
    }
    now_ = end;
    return tally;
  }

 private:
  struct Running {
    MonoTime at;
    size_t request;
    friend bool operator<(const Running& a, const Running& b) { return a.at > b.at; }
  };
  struct Request {
    MonoTime began;
    Admission admission;
  };

  void Arrive(Tally& tally) {
    arrival_ = now_ + Duration(static_cast<int64_t>(-std::log1p(-random_.Unit()) / rate_ * 1e9));
    const Priority priority = priorities_[random_.Below(static_cast<uint32_t>(priorities_.size()))];
    ++tally.offered;
    ++tally.offered_of[priority];
    Admission admission = shared_.Admit(priority, now_);
    if (admission.refused() != nullptr) {
      ++tally.refused_of[priority];
      return;
    }
    size_t index = requests_.size();
    if (free_.empty()) {
      requests_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    requests_[index] = {now_, std::move(admission)};
    if (running_.size() < servers_) {
      Serve(index);
    } else {
      waiting_.push(index);
    }
  }

  void Serve(size_t index) {
    const double jitter = 0.8 + 0.4 * random_.Unit();
    running_.push(
        {now_ + Duration(static_cast<int64_t>(static_cast<double>(service_.count()) * jitter)),
         index});
  }

  void Answer(Tally& tally) {
    const size_t index = running_.top().request;
    running_.pop();
    ++tally.answered;
    tally.latencies.push_back(now_ - requests_[index].began);
    requests_[index].admission.Finish({requests_[index].began, now_ - requests_[index].began},
                                      now_);
    free_.push_back(index);
    while (!waiting_.empty() && running_.size() < servers_) {
      Serve(waiting_.front());
      waiting_.pop();
    }
  }

  ClusterShared shared_;
  Random random_;
  const size_t servers_;
  Duration service_;
  double rate_;
  std::vector<Priority> priorities_ = {Priority::kDefault};
  std::vector<Request> requests_;
  std::vector<size_t> free_;
  std::priority_queue<Running> running_;
  std::queue<size_t> waiting_;
  MonoTime now_{std::chrono::seconds(1)};
  MonoTime arrival_{std::chrono::seconds(1)};
};

}  // namespace tollgate::proxy
