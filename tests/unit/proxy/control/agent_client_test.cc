#include "proxy/control/agent_client.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_transport.h"
#include "tests/fakes/manual_executor.h"

namespace tollgate::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// Answers when a test says so.
class HeldExplainer final : public Explainer {
 public:
  void Explain(agent::v1::Explain question,
               std::function<void(agent::v1::Explanation)> done) override {
    question_ = std::move(question);
    done_ = std::move(done);
  }
  const agent::v1::Explain& question() const { return question_; }
  void Answer(uint64_t release) {
    agent::v1::Explanation answer;
    answer.set_release(release);
    done_(std::move(answer));
  }

 private:
  agent::v1::Explain question_;
  std::function<void(agent::v1::Explanation)> done_;
};

class AgentClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    AgentClient::Options options;
    options.node = {"payments-1", "payments", "default", "", "0.1.0"};
    options.usage = [this] {
      agent::v1::Usage usage;
      usage.set_requests(++requests_);
      return usage;
    };
    if (reports_limits_) {
      options.limits = [] {
        agent::v1::LimitUsage limits;
        limits.set_keys(7);
        return limits;
      };
    }
    options.explainer = &explainer_;
    client_ = std::make_unique<AgentClient>(std::move(options), &transport_, executor_, &clock_);
    client_->Start();
    executor_->Run();
  }
  // The kinds of what was sent since the last call.
  std::vector<agent::v1::Report::KindCase> Sent() {
    std::vector<agent::v1::Report::KindCase> kinds;
    for (const auto& report : transport_.TakeSent()) kinds.push_back(report.kind_case());
    return kinds;
  }

  HeldExplainer explainer_;
  FakeClock clock_;
  std::shared_ptr<fakes::ManualExecutor> executor_ =
      std::make_shared<fakes::ManualExecutor>(&clock_);
  fakes::FakeAgentTransport transport_;
  uint64_t requests_ = 0;
  bool reports_limits_ = false;
  std::unique_ptr<AgentClient> client_;
};

TEST_F(AgentClientTest, SaysHelloFirstThenUsageEveryFewSeconds) {
  const auto sent = transport_.TakeSent();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(sent[0].hello().node(), "payments-1");
  EXPECT_EQ(sent[0].hello().schema(), kSchema);
  EXPECT_EQ(sent[1].usage().requests(), 1u);
  executor_->Advance(std::chrono::seconds(5));
  EXPECT_EQ(transport_.TakeSent().at(0).usage().requests(), 2u);
}

class AgentClientLimitsTest : public AgentClientTest {
 protected:
  AgentClientLimitsTest() { reports_limits_ = true; }
};

TEST_F(AgentClientLimitsTest, TellsWhoIsNearALimitWithTheUsage) {
  const auto sent = transport_.TakeSent();
  ASSERT_THAT(sent, SizeIs(3));
  EXPECT_EQ(sent[2].limits().keys(), 7u);
  executor_->Advance(std::chrono::seconds(5));
  EXPECT_EQ(transport_.TakeSent().at(1).limits().keys(), 7u);
}

TEST_F(AgentClientTest, RepeatsTheLastApplyStatusAfterAReconnect) {
  agent::v1::ApplyStatus status;
  status.set_release(7);
  client_->ReportApply(status);
  transport_.Close(absl::UnavailableError("gone"));
  executor_->Run();
  executor_->Advance(std::chrono::milliseconds(200));
  ASSERT_EQ(transport_.opened(), 2);
  const auto sent = transport_.TakeSent();
  ASSERT_THAT(sent, SizeIs(3));
  EXPECT_TRUE(sent[0].has_hello());
  EXPECT_EQ(sent[1].apply().release(), 7u);
}

TEST_F(AgentClientTest, TellsUnknownKeysOnceAnInterval) {
  Sent();
  client_->ReportUnknownKey("tg_b");
  client_->ReportUnknownKey("tg_a");
  client_->ReportUnknownKey("tg_a");
  client_->ReportUnknownKey("");
  client_->ReportUnknownKey("no key: \xff");
  client_->ReportUnknownKey(std::string(65, 'x'));
  executor_->Run();
  EXPECT_THAT(Sent(), SizeIs(0));
  executor_->Advance(std::chrono::seconds(5));
  const auto sent = transport_.TakeSent();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_THAT(sent[1].unknown_keys().key_ids(), ElementsAre("tg_a", "tg_b"));
  executor_->Advance(std::chrono::seconds(5));
  EXPECT_THAT(Sent(), ElementsAre(agent::v1::Report::kUsage));
}

TEST_F(AgentClientTest, AFloodOfUnknownKeysIsBounded) {
  Sent();
  for (int i = 0; i < 1000; ++i) client_->ReportUnknownKey("tg_" + std::to_string(i));
  executor_->Advance(std::chrono::seconds(5));
  EXPECT_EQ(static_cast<size_t>(transport_.TakeSent().at(1).unknown_keys().key_ids_size()),
            AgentClient::kMaxUnknownKeys);
}

TEST_F(AgentClientTest, AnswersAQuestionUnderItsId) {
  EXPECT_TRUE(transport_.TakeSent().at(0).hello().explains());
  agent::v1::Question question;
  question.set_id(42);
  question.mutable_explain()->set_path("/payments/1");
  transport_.Deliver(question);
  executor_->Run();
  EXPECT_EQ(explainer_.question().path(), "/payments/1");
  EXPECT_THAT(Sent(), SizeIs(0));
  explainer_.Answer(7);
  executor_->Run();
  const auto sent = transport_.TakeSent();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].explanation().id(), 42u);
  EXPECT_EQ(sent[0].explanation().release(), 7u);
}

TEST_F(AgentClientTest, DoesNotAnswerOnAnotherStreamThanItWasAsked) {
  agent::v1::Question question;
  question.mutable_explain()->set_path("/payments/1");
  transport_.Deliver(question);
  executor_->Run();
  transport_.Close(absl::UnavailableError("gone"));
  executor_->Run();
  executor_->Advance(std::chrono::milliseconds(200));
  ASSERT_EQ(transport_.opened(), 2);
  Sent();
  explainer_.Answer(7);
  executor_->Run();
  EXPECT_THAT(Sent(), SizeIs(0));
}

TEST_F(AgentClientTest, SaysThatItDoesNotUnderstandAQuestionOfANewerControlPlane) {
  Sent();
  agent::v1::Question question;
  question.set_id(3);
  transport_.Deliver(question);
  executor_->Run();
  const auto sent = transport_.TakeSent();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].explanation().id(), 3u);
  EXPECT_THAT(sent[0].explanation().error(), ::testing::HasSubstr("upgrade"));
}

}  // namespace
}  // namespace tollgate::proxy
