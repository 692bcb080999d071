#include "proxy/net/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

using Result = absl::StatusOr<Resolver::Addresses>;

Address Parse(const std::string& text) { return *Address::Parse(text); }

Resolver::Addresses Parse(std::initializer_list<const char*> texts) {
  Resolver::Addresses addresses;
  for (const char* text : texts) addresses.push_back(Parse(std::string(text)));
  return addresses;
}

// Answers what the test says, on the resolver's thread. A thread that is left behind may outlive
// the test, so it is shared.
class FakeDns {
 public:
  void Say(Result result) {
    std::lock_guard lock(mutex_);
    answer_ = std::move(result);
  }
  Result Lookup(const Address& name) {
    std::unique_lock lock(mutex_);
    if (absl::StartsWith(name.host(), "fence")) return answer_;
    asked_.push_back(name.ToString());
    changed_.notify_all();
    changed_.wait(lock, [&] { return !stuck_; });
    return answer_;
  }
  void Stick(bool stuck) {
    std::lock_guard lock(mutex_);
    stuck_ = stuck;
    changed_.notify_all();
  }
  void AwaitAsked(size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, seconds(10), [&] { return asked_.size() >= count; }));
  }
  size_t asked() {
    std::lock_guard lock(mutex_);
    return asked_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Result answer_ = absl::UnavailableError("nothing said");
  std::vector<std::string> asked_;
  bool stuck_ = false;
};

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() : loop_(*Loop::Create(clock_)) {
    Resolver::Options options;
    options.lookup = [dns = dns_](const Address& name) { return dns->Lookup(name); };
    resolver_ = std::make_unique<Resolver>(clock_, options);
  }

  std::unique_ptr<Resolver::Subscription> Subscribe(const std::string& name) {
    return resolver_->Subscribe(*loop_, Parse(name),
                                [this](const Result& r) { heard_.push_back(r); });
  }

  void RunUntilHeard(size_t count) {
    for (int i = 0; i < 100 && heard_.size() < count; ++i) loop_->RunOnce(seconds(1));
    ASSERT_EQ(heard_.size(), count);
  }

  // Lets the time to the next lookup pass, and waits until its end has reached the loop.
  void Refresh(Duration after = seconds(34)) {
    const size_t before = dns_->asked();
    clock_.Advance(after);
    loop_->RunOnce(Duration::zero());
    dns_->AwaitAsked(before + 1);
    // Lookups end in order, and so do their letters: when this one's is here, so is the other's.
    bool fence = false;
    auto subscription = resolver_->Subscribe(*loop_, Parse(absl::StrCat("fence-", ++fences_, ":1")),
                                             [&](const Result&) { fence = true; });
    for (int i = 0; i < 100 && !fence; ++i) loop_->RunOnce(seconds(1));
    ASSERT_TRUE(fence);
  }

  FakeClock clock_;
  std::shared_ptr<FakeDns> dns_ = std::make_shared<FakeDns>();
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Resolver> resolver_;
  std::vector<Result> heard_;
  int fences_ = 0;
};

TEST_F(ResolverTest, AnswersSortedAndWithoutDuplicates) {
  dns_->Say(Parse({"10.0.0.2:80", "10.0.0.1:80", "10.0.0.2:80"}));
  auto subscription = Subscribe("pay.example:80");
  EXPECT_TRUE(heard_.empty());  // never inside Subscribe
  RunUntilHeard(1);
  ASSERT_TRUE(heard_[0].ok());
  EXPECT_EQ(*heard_[0], Parse({"10.0.0.1:80", "10.0.0.2:80"}));
}

TEST_F(ResolverTest, PrefersIp4SoThatOneServerIsNotTwoEndpoints) {
  dns_->Say(Parse({"[::1]:80", "127.0.0.1:80"}));
  auto subscription = Subscribe("pay.example:80");
  RunUntilHeard(1);
  EXPECT_EQ(*heard_[0], Parse({"127.0.0.1:80"}));
  dns_->Say(Parse({"[2001:db8::1]:80"}));
  Refresh();
  RunUntilHeard(2);
  EXPECT_EQ(*heard_[1], Parse({"[2001:db8::1]:80"}));
}

TEST_F(ResolverTest, LooksAgainInTheBackgroundAndTellsOnlyChanges) {
  dns_->Say(Parse({"10.0.0.1:80"}));
  auto subscription = Subscribe("pay.example:80");
  RunUntilHeard(1);
  clock_.Advance(seconds(26));  // 30 s less 10 % of jitter: not yet
  loop_->RunOnce(Duration::zero());
  EXPECT_EQ(dns_->asked(), 1u);
  Refresh(seconds(8));
  EXPECT_EQ(heard_.size(), 1u);
  dns_->Say(Parse({"10.0.0.9:80"}));
  Refresh();
  RunUntilHeard(2);
  EXPECT_EQ(*heard_[1], Parse({"10.0.0.9:80"}));
}

TEST_F(ResolverTest, KeepsTheLastGoodAnswerWhileLookupsFail) {
  dns_->Say(Parse({"10.0.0.1:80"}));
  auto subscription = Subscribe("pay.example:80");
  RunUntilHeard(1);
  dns_->Say(absl::UnavailableError("resolve pay.example: no"));
  Refresh();
  dns_->Say(Resolver::Addresses{});  // an empty answer is a failure too
  Refresh(milliseconds(1'100));
  EXPECT_EQ(heard_.size(), 1u);
  dns_->Say(Parse({"10.0.0.1:80"}));
  Refresh(milliseconds(2'200));
  EXPECT_EQ(heard_.size(), 1u);
  // A latecomer gets it at once.
  auto second = Subscribe("pay.example:80");
  RunUntilHeard(2);
  EXPECT_EQ(*heard_[1], Parse({"10.0.0.1:80"}));
  EXPECT_EQ(dns_->asked(), 4u);
}

TEST_F(ResolverTest, TellsTheFirstFailureOnceAndRetriesWithBackoff) {
  auto subscription = Subscribe("pay.example:80");
  RunUntilHeard(1);
  EXPECT_EQ(std::string(heard_[0].status().message()), "nothing said");
  clock_.Advance(milliseconds(899));
  loop_->RunOnce(Duration::zero());
  EXPECT_EQ(dns_->asked(), 1u);
  Refresh(milliseconds(202));  // 1 s +-10 %
  clock_.Advance(milliseconds(1'799));
  loop_->RunOnce(Duration::zero());
  EXPECT_EQ(dns_->asked(), 2u);
  dns_->Say(Parse({"10.0.0.1:80"}));
  Refresh(milliseconds(402));  // 2 s +-10 %
  RunUntilHeard(2);
  EXPECT_TRUE(heard_[1].ok());
}

TEST_F(ResolverTest, LooksANameUpOnceForManyLoops) {
  dns_->Say(Parse({"10.0.0.1:80"}));
  auto other_loop = *Loop::Create(clock_);
  int others = 0;
  auto mine = Subscribe("pay.example:80");
  auto theirs = resolver_->Subscribe(*other_loop, Parse(std::string("pay.example:80")),
                                     [&](const Result&) { ++others; });
  RunUntilHeard(1);
  for (int i = 0; i < 100 && others == 0; ++i) other_loop->RunOnce(seconds(1));
  EXPECT_EQ(others, 1);
  EXPECT_EQ(dns_->asked(), 1u);
}

TEST_F(ResolverTest, CallsNobodyAfterTheSubscriptionIsGone) {
  dns_->Say(Parse({"10.0.0.1:80"}));
  auto kept = Subscribe("pay.example:80");
  RunUntilHeard(1);
  auto dropped = resolver_->Subscribe(*loop_, Parse(std::string("pay.example:80")),
                                      [](const Result&) { FAIL(); });
  dropped.reset();  // its letter is in the mailbox already
  loop_->RunOnce(Duration::zero());
}

TEST_F(ResolverTest, LetsTheCallbackDropItsSubscription) {
  dns_->Say(Parse({"10.0.0.1:80"}));
  std::unique_ptr<Resolver::Subscription> subscription;
  bool heard = false;
  subscription =
      resolver_->Subscribe(*loop_, Parse(std::string("pay.example:80")), [&](const Result&) {
        bool& flag = heard;
        subscription.reset();
        flag = true;
      });
  for (int i = 0; i < 100 && !heard; ++i) loop_->RunOnce(seconds(1));
  EXPECT_TRUE(heard);
  EXPECT_EQ(subscription, nullptr);
}

TEST_F(ResolverTest, AnswersAnAddressWithItself) {
  auto subscription = Subscribe("192.0.2.7:443");
  EXPECT_TRUE(heard_.empty());
  RunUntilHeard(1);
  EXPECT_EQ(*heard_[0], Parse({"192.0.2.7:443"}));
  EXPECT_EQ(dns_->asked(), 0u);
}

TEST_F(ResolverTest, StopsWhileALookupIsStuck) {
  Resolver::Options options;
  options.lookup = [dns = dns_](const Address& name) { return dns->Lookup(name); };
  options.abandon_after = milliseconds(1);
  auto resolver = std::make_unique<Resolver>(clock_, options);
  dns_->Stick(true);
  auto subscription = resolver->Subscribe(*loop_, Parse(std::string("pay.example:80")),
                                          [](const Result&) { FAIL(); });
  dns_->AwaitAsked(1);
  subscription.reset();
  resolver.reset();  // returns although the lookup does not
  dns_->Stick(false);
}

TEST(SystemLookup, FindsLocalhost) {
  // What mmdebstrap makes has none, and then nothing there knows the name.
  if (access("/etc/hosts", R_OK) != 0) GTEST_SKIP() << "there is no /etc/hosts";
  auto result = Resolver::SystemLookup(Parse(std::string("localhost:8080")));
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_FALSE(result->empty());
  for (const Address& address : *result) {
    EXPECT_TRUE(address.is_local()) << address.ToString();
    EXPECT_EQ(address.port(), 8080);
  }
}

TEST(SystemLookup, NamesTheHostThatItCannotFind) {
  auto result = Resolver::SystemLookup(Parse(std::string("no-such-host.invalid:80")));  // RFC 6761
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("resolve no-such-host.invalid: "));
}

}  // namespace
}  // namespace tollgate::proxy
