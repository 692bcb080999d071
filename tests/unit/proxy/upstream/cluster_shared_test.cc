#include "proxy/upstream/cluster_shared.h"

#include <thread>

#include "gtest/gtest.h"
#include "proxy/observe/exposition.h"
#include "proxy/upstream/cluster_view.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Breaker = ClusterShared::Breaker;

class AdmissionTest : public testing::Test {
 protected:
  explicit AdmissionTest() { policy_.name = "payments"; }
  void Use(uint32_t max_requests, bool priorities = false) {
    policy_.max_requests = max_requests;
    policy_.has_priorities = priorities;
    shared_ = std::make_unique<ClusterShared>(policy_);
  }
  // How many more of this priority are admitted; they stay.
  size_t Fill(Priority priority) {
    for (size_t n = 0;; ++n) {
      Admission admission = shared_->Admit(priority, now_);
      if (admission.refused() != nullptr) return n;
      admitted_.push_back(std::move(admission));
    }
  }
  std::string Refusal(Priority priority, bool short_of_memory = false) {
    const Admission admission = shared_->Admit(priority, now_, short_of_memory);
    return admission.refused() != nullptr ? admission.refused() : "";
  }

  UpstreamPolicy policy_;
  std::unique_ptr<ClusterShared> shared_;
  std::vector<Admission> admitted_;
  MonoTime now_{std::chrono::hours(1)};
};

TEST_F(AdmissionTest, AdmitsUpToTheCapAndAgainWhenOneIsOver) {
  Use(10);
  EXPECT_EQ(Fill(Priority::kDefault), 10u);
  EXPECT_EQ(Refusal(Priority::kDefault), "requests_overflow");
  EXPECT_EQ(Refusal(Priority::kCritical), "requests_overflow") << "a cap is a cap";
  EXPECT_EQ(shared_->overflows(Breaker::kRequests), 3u) << "with the one that ended Fill";
  admitted_.back().Finish({now_ - milliseconds(3), milliseconds(3)}, now_);
  EXPECT_EQ(Fill(Priority::kDefault), 1u);
  admitted_.clear();
  EXPECT_EQ(shared_->retry_budget().active_requests(), 0u);
}

TEST_F(AdmissionTest, FinishGivesThePlaceBackOnce) {
  Use(10);
  Admission admission = shared_->Admit(Priority::kDefault, now_);
  admission.Finish({now_ - milliseconds(1), milliseconds(1)}, now_);
  admission.Finish({now_ - milliseconds(1), milliseconds(1)}, now_);
  EXPECT_EQ(shared_->retry_budget().active_requests(), 0u);
}

TEST_F(AdmissionTest, PrioritiesFillTheirPartOfTheCap) {
  Use(100, /*priorities=*/true);
  EXPECT_EQ(Fill(Priority::kSheddable), 80u);
  EXPECT_EQ(Refusal(Priority::kSheddable), "shed");
  EXPECT_EQ(Fill(Priority::kDefault), 10u);
  EXPECT_EQ(Refusal(Priority::kDefault), "shed");
  EXPECT_EQ(Fill(Priority::kCritical), 10u);
  EXPECT_EQ(Refusal(Priority::kCritical), "requests_overflow");
  EXPECT_EQ(Refusal(Priority::kSheddable), "requests_overflow") << "there is no room for anybody";
  EXPECT_EQ(shared_->shed(Priority::kSheddable), 2u);
  EXPECT_EQ(shared_->shed(Priority::kDefault), 2u);
  EXPECT_EQ(shared_->shed(Priority::kCritical), 0u);
}

TEST_F(AdmissionTest, WithoutPrioritiesNothingIsReserved) {
  Use(100);
  EXPECT_EQ(Fill(Priority::kDefault), 100u);
}

TEST_F(AdmissionTest, ASmallCapHasRoomForEveryPriority) {
  Use(1, /*priorities=*/true);
  for (const Priority p : {Priority::kSheddable, Priority::kDefault, Priority::kCritical}) {
    EXPECT_EQ(Fill(p), 1u);
    admitted_.clear();
  }
}

TEST_F(AdmissionTest, ShortOfMemoryTheSheddableGoFirst) {
  Use(100);
  EXPECT_EQ(Refusal(Priority::kSheddable, /*short_of_memory=*/true), "shed");
  EXPECT_EQ(Refusal(Priority::kDefault, true), "");
  EXPECT_EQ(Refusal(Priority::kCritical, true), "");
  EXPECT_EQ(shared_->shed(Priority::kSheddable), 1u);
  EXPECT_EQ(shared_->retry_budget().active_requests(), 0u);
}

TEST_F(AdmissionTest, TheAdaptiveLimitIsACapToo) {
  policy_.adaptive_concurrency.emplace();
  Use(1024, /*priorities=*/true);
  // The first answer begins the measurement, whose limit is 3.
  shared_->Admit(Priority::kDefault, now_).Finish({now_ - milliseconds(5), milliseconds(5)}, now_);
  EXPECT_EQ(Fill(Priority::kDefault), 2u) << "nine tenths of 3";
  EXPECT_EQ(Refusal(Priority::kDefault), "shed");
  EXPECT_EQ(Fill(Priority::kCritical), 1u);
  EXPECT_EQ(Refusal(Priority::kCritical), "concurrency_overflow");
  EXPECT_EQ(shared_->overflows(Breaker::kConcurrency), 2u);
}

TEST_F(AdmissionTest, AnswersThatSayNothingAreNoSamples) {
  policy_.adaptive_concurrency.emplace();
  Use(1024);
  shared_->Admit(Priority::kDefault, now_).Finish({}, now_);
  { const Admission gone = shared_->Admit(Priority::kDefault, now_); }
  EXPECT_FALSE(shared_->adaptive()->measuring());
}

TEST_F(AdmissionTest, APushChangesCapsAtOnceAndKeepsWhoIsIn) {
  Use(10);
  EXPECT_EQ(Fill(Priority::kDefault), 10u);
  policy_.max_requests = 12;
  policy_.adaptive_concurrency.emplace();
  shared_->Update(policy_);
  EXPECT_EQ(Fill(Priority::kDefault), 2u);
  EXPECT_NE(shared_->adaptive(), nullptr);
  policy_.adaptive_concurrency.reset();
  shared_->Update(policy_);
  EXPECT_EQ(shared_->adaptive(), nullptr);
  for (Admission& admission : admitted_)
    admission.Finish({now_ - milliseconds(5), milliseconds(5)}, now_);
  EXPECT_EQ(shared_->retry_budget().active_requests(), 0u);
}

TEST_F(AdmissionTest, NoMoreThanTheCapOverAllWorkers) {
  Use(50);
  std::atomic<uint32_t> in{0}, most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        std::vector<Admission> mine;
        for (int n = 0; n < 20; ++n) {
          mine.push_back(shared_->Admit(Priority::kDefault, now_));
          if (mine.back().refused() != nullptr) continue;
          const uint32_t count = in.fetch_add(1) + 1;
          uint32_t seen = most.load();
          while (seen < count && !most.compare_exchange_weak(seen, count)) {
          }
        }
        for (Admission& admission : mine) {
          if (admission.refused() != nullptr) continue;
          in.fetch_sub(1);
          admission.Finish({now_ - milliseconds(1), milliseconds(1)}, now_);
        }
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_LE(most, 50u);
  EXPECT_EQ(shared_->retry_budget().active_requests(), 0u);
}

TEST_F(AdmissionTest, OperatorsSeeEndpointsAndCounts) {
  Use(1);
  const std::vector<Address> members = {*Address::Parse("10.0.0.1:80"),
                                        *Address::Parse("10.0.0.2:80")};
  shared_->outliers().Update(policy_.outlier_detection, members);
  const auto sick = shared_->outliers().Find(members[1]);
  sick->set_probe_failure("timeout");
  shared_->outliers().SetFailing(*sick, true, now_);
  Fill(Priority::kDefault);
  const auto list = ClusterList{std::shared_ptr<ClusterShared>(std::move(shared_))};
  EXPECT_EQ(ClustersJson(list, now_),
            R"({"upstreams":[{"name":"payments","active_requests":1,"active_retries":0,)"
            R"("connections":0,"pending":0,"endpoints":[)"
            R"({"address":"10.0.0.1:80","state":"healthy","ejections":0},)"
            R"({"address":"10.0.0.2:80","state":"unhealthy","ejections":0,)"
            R"("last_probe":"timeout"}]}]})");
  Exposition exposition;
  ExposeClusters(list, now_, &exposition);
  const std::string text = exposition.Take();
  for (const char* line :
       {"tollgate_upstream_active_requests{upstream=\"payments\"} 1\n",
        "tollgate_upstream_overflow_total{upstream=\"payments\",breaker=\"requests\"} 1\n",
        "tollgate_upstream_endpoints{upstream=\"payments\",state=\"healthy\"} 1\n",
        "tollgate_upstream_endpoints{upstream=\"payments\",state=\"unhealthy\"} 1\n",
        "tollgate_upstream_shed_total{upstream=\"payments\",priority=\"sheddable\"} 0\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  admitted_.clear();
}

}  // namespace
}  // namespace tollgate::proxy
