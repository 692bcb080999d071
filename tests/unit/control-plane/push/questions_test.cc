#include "control-plane/push/questions.h"

#include <future>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tollgate::control {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class FakePeer final : public AgentPeer {
 public:
  void Ask(const agent::v1::Question& question) override {
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(question);
    }
    changed_.notify_all();
  }
  // The n-th question, once it has come.
  agent::v1::Question Question(size_t n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_.size() > n; });
    return asked_[n];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<agent::v1::Question> asked_;
};

class QuestionsTest : public ::testing::Test {
 protected:
  using Result = absl::StatusOr<agent::v1::Explanation>;

  uint64_t Open(const std::string& node, AgentPeer* peer, bool explains = true) {
    agent::v1::Hello hello;
    hello.set_node(node);
    hello.set_version("0.0.9");
    hello.set_explains(explains);
    return questions_.Opened("default", hello, peer);
  }
  Result Ask(const std::string& node, milliseconds timeout = std::chrono::minutes(1),
             bool cancelled = false) {
    agent::v1::Explain question;
    question.set_path("/payments");
    return questions_.Explain("default", node, question, timeout, [=] { return cancelled; });
  }
  std::future<Result> AskAside(const std::string& node) {
    return std::async(std::launch::async, [this, node] { return Ask(node); });
  }
  void Answer(uint64_t session, const agent::v1::Question& question, uint64_t release) {
    agent::v1::Explanation answer;
    answer.set_id(question.id());
    answer.set_release(release);
    questions_.Answered(session, answer);
  }

  Questions questions_;
  FakePeer peer_;
};

TEST_F(QuestionsTest, GivesEachCallerTheAnswerToItsOwnQuestion) {
  const uint64_t session = Open("a", &peer_);
  auto one = AskAside("a");
  const auto first = peer_.Question(0);
  auto two = AskAside("a");
  const auto second = peer_.Question(1);
  EXPECT_NE(first.id(), second.id());
  Answer(session, second, 2);
  Answer(session, first, 1);
  EXPECT_EQ(one.get()->release(), 1u);
  EXPECT_EQ(two.get()->release(), 2u);
}

TEST_F(QuestionsTest, TakesNoAnswerFromAnotherSidecarThanTheAsked) {
  const uint64_t session = Open("a", &peer_);
  FakePeer other;
  const uint64_t foreign = Open("b", &other);
  auto answer = AskAside("a");
  const auto question = peer_.Question(0);
  Answer(foreign, question, 666);
  Answer(session, question, 1);
  EXPECT_EQ(answer.get()->release(), 1u);
}

TEST_F(QuestionsTest, AsksTheNewestStreamOfASidecar) {
  const uint64_t old = Open("a", &peer_);
  FakePeer newest;
  const uint64_t session = Open("a", &newest);
  questions_.Closed(old);
  auto answer = AskAside("a");
  Answer(session, newest.Question(0), 1);
  EXPECT_EQ(answer.get()->release(), 1u);
}

TEST_F(QuestionsTest, TellsWhoWaitsThatTheSidecarWentAway) {
  const uint64_t session = Open("a", &peer_);
  auto answer = AskAside("a");
  peer_.Question(0);
  questions_.Closed(session);
  const Result result = answer.get();
  EXPECT_TRUE(absl::IsFailedPrecondition(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("went away"));
}

TEST_F(QuestionsTest, EndsWhenTheTimeIsOver) {
  Open("a", &peer_);
  const Result result = Ask("a", milliseconds(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(result.status()));
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("did not answer within 1 ms"));
}

TEST_F(QuestionsTest, DropsAnAnswerThatComesTooLate) {
  const uint64_t session = Open("a", &peer_);
  EXPECT_FALSE(Ask("a", milliseconds(1)).ok());
  Answer(session, peer_.Question(0), 1);
  auto answer = AskAside("a");
  Answer(session, peer_.Question(1), 2);
  EXPECT_EQ(answer.get()->release(), 2u);
}

TEST_F(QuestionsTest, SaysWhoCannotBeAsked) {
  EXPECT_THAT(std::string(Ask("a").status().message()), HasSubstr("no agent stream"));
  Open("a", &peer_, /*explains=*/false);
  EXPECT_THAT(std::string(Ask("a").status().message()), HasSubstr("too old to be asked"));
  Open("b", &peer_);
  EXPECT_EQ(Ask("b", std::chrono::minutes(1), /*cancelled=*/true).status().code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace tollgate::control
