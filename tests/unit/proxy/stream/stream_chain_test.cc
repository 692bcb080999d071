// A real stream on a chain of fake steps: ones that need the body, ones that wait.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_steps.h"
#include "tests/fakes/path_test.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class StreamChainTest : public PathTest {
 protected:
  // Steps of streams that are still open write into `log`.
  ~StreamChainTest() override { path.CloseConnections(); }
  // The real steps that every request needs, then those of the test.
  void Serve(std::vector<std::unique_ptr<const Filter>> fakes) {
    path.Adopt(DataPath::PublicPolicy({a.address()}), [&](const ListenerPolicy& listener) {
      std::vector<std::unique_ptr<const Filter>> steps;
      steps.push_back(MakeIdentifyStep(listener));
      steps.push_back(MakeMatchStep());
      for (auto& fake : fakes) steps.push_back(std::move(fake));
      return steps;
    });
  }
  std::unique_ptr<const Filter> Step(const char* name, FakeStep::OnHead head = {},
                                     FakeStep::OnBody body = {}) {
    return std::make_unique<FakeStep>(name, log, std::move(head), std::move(body));
  }
  std::unique_ptr<const Filter> Waits(const char* name, PendingOperation& operation) {
    return Step(name, [&operation](RequestContext&) { return operation.Ask(seconds(1)); });
  }
  std::unique_ptr<const Filter> WantsBody(const char* name, uint64_t max,
                                          FakeStep::OnBody body = {}) {
    return Step(
        name, [max](RequestContext&) { return NeedBody{max}; }, std::move(body));
  }
  template <typename... Steps>
  void ServeThrough(Steps... fakes) {
    std::vector<std::unique_ptr<const Filter>> steps;
    (steps.push_back(std::move(fakes)), ...);
    Serve(std::move(steps));
  }
  void Respond() {
    ASSERT_TRUE(UpstreamHas(a, "\r\n\r\n"));
    Upstream(a).Send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  }
  static std::string Post(size_t size) {
    return absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", size, "\r\n\r\n");
  }

  std::vector<std::string> log;
};

TEST_F(StreamChainTest, ReversesTheResponseAndFinishesOnce) {
  ServeThrough(Step("one"), Step("two"));
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  Respond();
  ASSERT_TRUE(path.Receives(*client, "ok"));
  EXPECT_THAT(client->Got(), HasSubstr("x-seen: two\r\nx-seen: one\r\n"));
  path.Settle();
  EXPECT_THAT(log, ElementsAre("one head", "two head", "two response 200", "one response 200",
                               "two finish", "one finish"));
}

TEST_F(StreamChainTest, AReplyIsSeenByTheStepsBeforeIt) {
  ServeThrough(Step("one"),
               Step("two",
                    [](RequestContext&) {
                      return LocalReply{.status = 403, .reason = "no", .detail = "Not you."};
                    }),
               Step("three"));
  const Answer answer = Get("/");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.Field("content-type"), "application/problem+json");
  EXPECT_THAT(answer.body, HasSubstr("\"detail\":\"Not you.\""));
  EXPECT_THAT(log, ElementsAre("one head", "two head", "two response 403", "one response 403",
                               "two finish", "one finish"));
  EXPECT_EQ(a.All(), "");
}

TEST_F(StreamChainTest, SendsTheBodyThatAStepHasSeen) {
  std::string seen;
  ServeThrough(WantsBody("digest", 100, [&](RequestContext&, absl::string_view body) {
    seen = std::string(body);
    return kContinue;
  }));
  auto client = path.Connect();
  client->Send(Post(10));
  client->Send("hello");
  path.Settle();
  EXPECT_EQ(a.All(), "");
  client->Send("world");
  Respond();
  EXPECT_EQ(seen, "helloworld");
  EXPECT_THAT(a.All(), EndsWith("\r\n\r\nhelloworld"));
  ASSERT_TRUE(path.Receives(*client, "ok"));
}

TEST_F(StreamChainTest, ABodyThatAStepRefusesGoesNowhere) {
  ServeThrough(WantsBody("digest", 100, [&](RequestContext&, absl::string_view) {
    return LocalReply{.status = 422, .reason = "digest"};
  }));
  auto client = path.Connect();
  client->Send(Post(5));
  client->Send("hello");
  ASSERT_TRUE(path.Receives(*client, "\"digest\""));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 422 "));
  EXPECT_EQ(a.All(), "");
}

TEST_F(StreamChainTest, ABodyLargerThanAStepTakesIs413) {
  ServeThrough(WantsBody("digest", 8));
  auto client = path.Connect();
  client->Send(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n");
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(a.All(), "");
}

TEST_F(StreamChainTest, ALengthLargerThanAStepTakesIs413BeforeTheBody) {
  ServeThrough(WantsBody("digest", 8));
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 413 "));  // and not 100 first
  EXPECT_EQ(a.All(), "");
}

TEST_F(StreamChainTest, ALargeBodyIsReadWholeForAStep) {
  const size_t size = 200000;
  size_t seen = 0;
  ServeThrough(WantsBody("digest", 1 << 20, [&](RequestContext&, absl::string_view body) {
    seen = body.size();
    return kContinue;
  }));
  auto client = path.Connect();
  client->Send(Post(size));
  std::string body(size, 'x');
  size_t sent = 0;
  ASSERT_TRUE(path.RunUntil([&] {
    const ssize_t n = send(client->fd(), body.data() + sent, size - sent, MSG_DONTWAIT);
    if (n > 0) sent += static_cast<size_t>(n);
    return seen == size;
  }));
  ASSERT_TRUE(path.RunUntil([&] { return CountOf(a.All(), "x") >= size; }));
}

TEST_F(StreamChainTest, ALargeBodyThatCameWhileAStepWaitedIsStillReadWhole) {
  const size_t size = 200000;
  size_t seen = 0;
  PendingOperation operation;
  ServeThrough(Waits("risk", operation),
               WantsBody("digest", 1 << 20, [&](RequestContext&, absl::string_view body) {
                 seen = body.size();
                 return kContinue;
               }));
  auto client = path.Connect();
  client->Send(Post(size));
  std::string body(size, 'x');
  size_t sent = 0;
  const auto send_on = [&] {
    const ssize_t n = send(client->fd(), body.data() + sent, size - sent, MSG_DONTWAIT);
    if (n > 0) sent += static_cast<size_t>(n);
    return false;
  };
  path.RunUntil(send_on);
  EXPECT_LT(path.buffers.in_use(), size_t{512} << 10);  // held back while the step waits
  operation.Finish(kContinue);
  ASSERT_TRUE(path.RunUntil([&] { return send_on(), seen == size; }));
}

TEST_F(StreamChainTest, WaitsForAnOperation) {
  PendingOperation operation;
  ServeThrough(Waits("risk", operation), Step("after"));
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  path.Settle();
  EXPECT_EQ(operation.alive(), 1);
  EXPECT_EQ(a.All(), "");
  operation.Finish(kContinue);
  Respond();
  ASSERT_TRUE(path.Receives(*client, "ok"));
}

TEST_F(StreamChainTest, KeepsTheBodyThatCameWhileItWaited) {
  PendingOperation operation;
  ServeThrough(Waits("risk", operation));
  auto client = path.Connect();
  client->Send(absl::StrCat(Post(5), "hello"));
  path.Settle();
  operation.Finish(kContinue);
  Respond();
  EXPECT_THAT(a.All(), EndsWith("\r\n\r\nhello"));
}

TEST_F(StreamChainTest, FailsClosedWhenAnOperationIsTooSlow) {
  PendingOperation operation;
  ServeThrough(Waits("risk", operation));
  auto client = path.Connect();
  client->Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  path.Settle();
  path.Pass(seconds(1) + milliseconds(2));
  ASSERT_TRUE(path.Receives(*client, "too_late"));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 503 "));
  EXPECT_EQ(operation.alive(), 0);
  operation.Finish(kContinue);
  path.Settle();
  EXPECT_EQ(a.All(), "");
}

TEST_F(StreamChainTest, GivesAnOperationUpWhenTheClientGoes) {
  PendingOperation operation;
  ServeThrough(Waits("risk", operation));
  auto client = path.Connect();
  client->Send(Post(5));  // the body is still to come: its end is missed at once
  path.Settle();
  EXPECT_EQ(operation.alive(), 1);
  client->Close();
  ASSERT_TRUE(path.RunUntil([&] { return operation.alive() == 0; }));
  operation.Finish(kContinue);
  path.Settle();
  EXPECT_EQ(a.All(), "");
  EXPECT_EQ(path.active_streams(), 0);
  EXPECT_THAT(log, ElementsAre("risk head", "risk response 400", "risk finish"));
}

TEST_F(StreamChainTest, ABrokenBodyCancelsAWaitingStep) {
  PendingOperation operation;
  ServeThrough(Waits("risk", operation));
  auto client = path.Connect();
  client->Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  path.Settle();
  client->Send("0x5\r\n");
  ASSERT_TRUE(path.RunUntil([&] { return client->Closed(); }));
  EXPECT_THAT(client->Got(), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(operation.alive(), 0);
  operation.Finish(kContinue);
  path.Settle();
  EXPECT_EQ(a.All(), "");
}

TEST_F(StreamChainTest, WithoutAMatchStepNothingGoesUpstream) {
  path.Adopt(DataPath::PublicPolicy({a.address()}), [&](const ListenerPolicy& listener) {
    std::vector<std::unique_ptr<const Filter>> steps;
    steps.push_back(MakeIdentifyStep(listener));
    return steps;
  });
  const Answer answer = Get("/");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body, HasSubstr("no_route_step"));
  EXPECT_EQ(a.All(), "");
}

TEST_F(StreamChainTest, ARequestThatAStepMadeUnspeakableIsNotSent) {
  ServeThrough(Step("rewrite", [](RequestContext& c) {
    c.head.authority = "pay example\r\nx-smuggled: 1";
    return kContinue;
  }));
  const Answer answer = Get("/");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(a.All(), "");
  EXPECT_EQ(path.active_streams(), 0);
}

}  // namespace
}  // namespace tollgate::proxy
