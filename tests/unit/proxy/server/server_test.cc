// A whole server on real threads and loopback sockets.
#include "proxy/server/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "common/crypto/api_key.h"
#include "tests/fakes/data_path.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr absl::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

// A client, or an upstream's end of a connection, that waits for what it expects (5 s at most).
class Wire {
 public:
  explicit Wire(int fd) : peer_(fd) {}
  static Wire To(const Address& address) {
    return Wire(tollgate::proxy::Connect(address)->fd.release());
  }
  void Send(absl::string_view bytes) {
    Await(POLLOUT, 5000);
    peer_.Send(bytes);
  }
  bool Receives(absl::string_view text) {
    return Until([&] { return absl::StrContains(peer_.Got(), text); });
  }
  bool Closes() {
    return Until([&] { return peer_.Closed(); });
  }
  // Nothing has come within a moment.
  bool Quiet() {
    Await(POLLIN, 50);
    return peer_.Got().empty() && !peer_.Closed();
  }
  const std::string& Got() { return peer_.Got(); }
  void Close() { peer_.Close(); }

 private:
  void Await(short events, int ms) {
    pollfd p{peer_.fd(), events, 0};
    poll(&p, 1, ms);
  }
  template <typename Done>
  bool Until(Done done) {
    for (int i = 0; i < 500; ++i) {
      if (done()) return true;
      Await(POLLIN, 10);
    }
    return done();
  }
  Peer peer_;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() { Start(2); }
  void Start(uint32_t workers, bool allow_faults = false) {
    server.reset();
    Server::Options options;
    options.workers = workers;
    options.allow_faults = allow_faults;
    server = *Server::Create(std::move(options), clock, metrics_of_.emplace_back());
  }
  // Every request is answered with 503: there is no endpoint, unless `endpoints` names some.
  static Policy PolicyOf(const std::vector<std::string>& listeners,
                         const std::vector<Address>& endpoints = {}) {
    Policy policy = DataPath::PublicPolicy(endpoints);
    const ListenerPolicy model = policy.listeners.at("in");
    policy.listeners.clear();
    for (const std::string& name : listeners) {
      ListenerPolicy& listener = policy.listeners[name] = model;
      listener.name = name;
      listener.address = *Address::Parse("127.0.0.1:0");
    }
    return policy;
  }
  std::vector<ResourceError> Adopt(const Policy& policy) {
    std::promise<std::vector<ResourceError>> result;
    server->Adopt(std::make_shared<const Policy>(policy),
                  [&](std::vector<ResourceError> errors) { result.set_value(std::move(errors)); });
    return result.get_future().get();
  }
  // Who comes is turned away at once.
  static bool Refuses(const Address& address) {
    absl::StatusOr<ConnectingSocket> connecting = tollgate::proxy::Connect(address);
    return !connecting.ok() || Wire(connecting->fd.release()).Closes();
  }
  Address Of(const char* listener) { return server->bound().at(listener); }
  bool Serves(const char* listener) {
    Wire client = Wire::To(Of(listener));
    client.Send(kGet);
    return client.Receives("no_endpoint");
  }
  // An upstream's connection on which a request has arrived.
  static Wire Received(ListeningSocket& upstream) {
    int fd = -1;
    for (int i = 0; i < 5000 && (fd = Accept(upstream.fd.get(), nullptr)) < 0; ++i) {
      poll(nullptr, 0, 1);
    }
    Wire wire(fd);
    EXPECT_TRUE(wire.Receives("\r\n\r\n"));
    return wire;
  }
  bool Empties(Direction direction) {
    for (int i = 0; i < 5000 && server->connections(direction) > 0; ++i) poll(nullptr, 0, 1);
    return server->connections(direction) == 0;
  }

  SystemClock clock;
  std::deque<Metrics> metrics_of_;
  std::unique_ptr<Server> server;
};

TEST_F(ServerTest, ServesWhatItHasAdopted) {
  EXPECT_EQ(server->policy(), nullptr);
  EXPECT_THAT(Adopt(PolicyOf({"in"})), IsEmpty());
  EXPECT_EQ(server->adopted(), 1u);
  ASSERT_NE(server->policy(), nullptr);
  EXPECT_TRUE(Serves("in"));
}

TEST_F(ServerTest, RefusesAPolicyWhoseAddressIsTakenAndGoesOnAsBefore) {
  ASSERT_THAT(Adopt(PolicyOf({"in"})), IsEmpty());
  const ListeningSocket taken = *Listen(*Address::Parse("127.0.0.1:0"));
  Policy next = PolicyOf({"in", "more", "taken"});
  next.epoch.release = 2;
  next.listeners["taken"].address = taken.address;
  const std::vector<ResourceError> errors = Adopt(next);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].code, "ADDRESS_IN_USE");
  EXPECT_EQ(errors[0].name, "taken");
  EXPECT_THAT(errors[0].type_url, HasSubstr("Listener"));
  EXPECT_EQ(server->bound().count("more"), 0u);  // nothing of it is in force
  EXPECT_EQ(server->policy()->epoch.release, 1u);
  EXPECT_EQ(server->adopted(), 1u);
  EXPECT_TRUE(Serves("in"));
}

TEST_F(ServerTest, SaysWhichListenerStillHoldsAnAddressThatOverlaps) {
  Policy first = PolicyOf({"in"});
  first.listeners["in"].address = *Address::Parse("0.0.0.0:0");
  ASSERT_THAT(Adopt(first), IsEmpty());
  Policy next = PolicyOf({"narrow"});
  next.listeners["narrow"].address = *Address::Parse(absl::StrCat("127.0.0.1:", Of("in").port()));
  const std::vector<ResourceError> errors = Adopt(next);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].code, "ADDRESS_IN_USE");
  EXPECT_THAT(errors[0].message, HasSubstr("listener in gives up 0.0.0.0:"));
  EXPECT_THAT(errors[0].message, HasSubstr("two releases"));
}

TEST_F(ServerTest, AddsAndRemovesListeners) {
  ASSERT_THAT(Adopt(PolicyOf({"one"})), IsEmpty());
  const Address one = Of("one");
  Wire idle = Wire::To(one);
  idle.Send(kGet);
  ASSERT_TRUE(idle.Receives("no_endpoint"));
  ASSERT_THAT(Adopt(PolicyOf({"one", "two"})), IsEmpty());
  EXPECT_TRUE(Of("one") == one);  // the same socket goes on
  EXPECT_TRUE(Serves("two"));
  ASSERT_THAT(Adopt(PolicyOf({"two"})), IsEmpty());
  EXPECT_EQ(server->bound().count("one"), 0u);
  EXPECT_TRUE(idle.Closes());
  const absl::StatusOr<ListeningSocket> again = Listen(one);  // the port is free
  EXPECT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(Serves("two"));
}

TEST_F(ServerTest, MovesAListenerToAnotherAddress) {
  ASSERT_THAT(Adopt(PolicyOf({"in"})), IsEmpty());
  const Address before = Of("in");
  Policy next = PolicyOf({"in"});
  next.listeners["in"].address = *Address::Parse("127.0.0.2:0");
  ASSERT_THAT(Adopt(next), IsEmpty());
  EXPECT_FALSE(Of("in") == before);
  EXPECT_TRUE(Serves("in"));
}

TEST_F(ServerTest, GivesTheAddressOfARemovedListenerToAnotherInTheSameCut) {
  ASSERT_THAT(Adopt(PolicyOf({"old"})), IsEmpty());
  const Address address = Of("old");
  Wire idle = Wire::To(address);
  idle.Send(kGet);
  ASSERT_TRUE(idle.Receives("no_endpoint"));
  Policy next = PolicyOf({"new"});
  next.listeners["new"].address = address;
  ASSERT_THAT(Adopt(next), IsEmpty());
  EXPECT_EQ(server->bound().count("old"), 0u);
  EXPECT_TRUE(Of("new") == address);
  EXPECT_TRUE(Serves("new"));
  EXPECT_TRUE(idle.Closes());
}

TEST_F(ServerTest, SwapsTheAddressesOfTwoListeners) {
  ASSERT_THAT(Adopt(PolicyOf({"one", "two"})), IsEmpty());
  const Address one = Of("one"), two = Of("two");
  Policy next = PolicyOf({"one", "two"});
  next.listeners["one"].address = two;
  next.listeners["two"].address = one;
  ASSERT_THAT(Adopt(next), IsEmpty());
  EXPECT_TRUE(Of("one") == two && Of("two") == one);
  EXPECT_TRUE(Serves("one"));
  EXPECT_TRUE(Serves("two"));
  // What stays where it is does not give its address away.
  next.listeners["three"] = next.listeners["one"];
  next.listeners["three"].name = "three";
  ASSERT_EQ(Adopt(next).size(), 1u);
}

// A policy whose one route wants a key, this one.
Policy WithKey(Policy policy, const GeneratedApiKey& key) {
  const Digest256 hash = HashApiKeySecret("a pepper of many bytes", key.secret);
  RoutePolicy& route = DataPath::RouteOf(policy);
  route.is_public = false;
  route.require = {"read"};
  policy.secrets["pepper"] = "a pepper of many bytes";
  policy.listeners["in"].apis.front().authenticate = {
      {AuthenticatorPolicy::Kind::kApiKey, "", "x-api-key"}};
  ConsumerPolicy& consumer = policy.consumers["shop"];
  consumer.name = "shop";
  consumer.grants = {"read"};
  consumer.api_keys.emplace_back();
  consumer.api_keys.back().id = key.id;
  consumer.api_keys.back().hash = std::string(AsBytes(hash));
  consumer.api_keys.back().pepper = "pepper";
  return policy;
}
std::string RequestWith(const GeneratedApiKey& key) {
  return absl::StrCat("GET / HTTP/1.1\r\nHost: x\r\nX-Api-Key: ", key.text(), "\r\n\r\n");
}

TEST_F(ServerTest, CountsOverAllWorkersAndTellsWhoIsNearALimit) {
  Policy policy = PolicyOf({"in"});
  PlanPolicy& plan = policy.plans["few"];
  plan.name = "few";
  plan.windows = {{5, std::chrono::hours(1)}};
  plan.per = {LimitKey::kRoute};
  DataPath::RouteOf(policy).plan = "few";
  EXPECT_EQ(server->LimitUsageNow().keys(), 0u);
  ASSERT_THAT(Adopt(policy), IsEmpty());
  int refused = 0;
  for (int i = 0; i < 8; ++i) {  // each a connection of its own: they go to both workers in turn
    Wire client = Wire::To(server->bound().at("in"));
    client.Send(kGet);
    ASSERT_TRUE(client.Receives("\r\n\r\n"));
    refused += absl::StrContains(client.Got(), " 429 ");
  }
  EXPECT_EQ(refused, 3);
  const agent::v1::LimitUsage usage = server->LimitUsageNow();
  EXPECT_EQ(usage.keys(), 1u);
  EXPECT_EQ(usage.max_keys(), 1'000'000u);
  EXPECT_EQ(usage.refused(), 3u);
  ASSERT_EQ(usage.top_size(), 1);
  EXPECT_EQ(usage.top(0).plan(), "few");
  EXPECT_EQ(usage.top(0).key(), "route=api/v1/all");
  EXPECT_EQ(usage.top(0).window(), "5/3600s");
  EXPECT_EQ(usage.top(0).used(), 5u);
  EXPECT_EQ(usage.top(0).limit(), 5u);
  EXPECT_EQ(usage.top(0).refused(), 3u);
}

TEST_F(ServerTest, CountersThatAreFullAgainGoThoughOtherWorkKeepsComing) {
  PlanPolicy plan;
  plan.name = "brief";
  plan.windows = {{1, milliseconds(1)}};
  server->limits().Check(LimitPlan::Compile(plan), "shop-42", clock.Mono());
  EXPECT_EQ(server->limits().Stats().entries, 1u);
  for (int i = 0; i < 500 && server->limits().Stats().entries > 0; ++i) {
    std::promise<void> done;
    server->Deny({}, [&] { done.set_value(); });
    done.get_future().get();
    poll(nullptr, 0, 10);
  }
  EXPECT_EQ(server->limits().Stats().entries, 0u);
}

TEST_F(ServerTest, EndsTheOpenRequestsOfARevokedKeyInEveryWorker) {
  ListeningSocket upstream = *Listen(*Address::Parse("127.0.0.1:0"));
  const GeneratedApiKey key = GenerateApiKey();
  ASSERT_THAT(Adopt(WithKey(PolicyOf({"in"}, {upstream.address}), key)), IsEmpty());
  Wire first = Wire::To(Of("in"));
  first.Send(RequestWith(key));
  Wire held = Received(upstream);
  Wire second = Wire::To(Of("in"));
  second.Send(RequestWith(key));
  Wire also_held = Received(upstream);
  std::promise<void> revoked;
  server->Deny({{key.id}, {}}, [&] { revoked.set_value(); });
  revoked.get_future().get();
  EXPECT_TRUE(first.Receives("HTTP/1.1 401 "));
  EXPECT_TRUE(second.Receives("HTTP/1.1 401 "));
}

TEST_F(ServerTest, DenialsThatWaitBehindAPolicyKeepTheirOrder) {
  Start(1);  // whose thread alone touches `order` until the last is in force
  std::vector<int> order;
  std::promise<void> last;
  server->Adopt(std::make_shared<const Policy>(PolicyOf({"in"})), [](auto) {});
  for (int i = 0; i < 100; ++i) {
    server->Deny({}, [&, i] {
      order.push_back(i);
      if (order.size() == 100) last.set_value();
    });
  }
  last.get_future().get();
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << "the newest must decide";
}

TEST_F(ServerTest, DeniesARevokedKeyInEveryWorker) {
  const GeneratedApiKey key = GenerateApiKey();
  ASSERT_THAT(Adopt(WithKey(PolicyOf({"in"}), key)), IsEmpty());
  const std::string request = RequestWith(key);
  // Connections go to the least loaded worker: two at once are one each.
  Wire first = Wire::To(Of("in"));
  first.Send(request);
  ASSERT_TRUE(first.Receives("no_endpoint"));
  Wire second = Wire::To(Of("in"));
  second.Send(request);
  ASSERT_TRUE(second.Receives("no_endpoint"));
  std::promise<void> revoked;
  server->Deny({{key.id}, {}}, [&] { revoked.set_value(); });
  revoked.get_future().get();
  for (Wire* wire : {&first, &second}) {
    wire->Send(request);
    EXPECT_TRUE(wire->Receives("HTTP/1.1 401 "));
  }
  // A later call says what tokens are denied; the keys of this one stay denied.
  std::promise<void> again;
  server->Deny({{}, {}}, [&] { again.set_value(); });
  again.get_future().get();
  Wire third = Wire::To(Of("in"));
  third.Send(request);
  EXPECT_TRUE(third.Receives("HTTP/1.1 401 "));
}

TEST_F(ServerTest, AtItsCapStopsAcceptingUntilAConnectionEnds) {
  Policy policy = PolicyOf({"in"});
  policy.listeners["in"].max_connections = 2;
  ASSERT_THAT(Adopt(policy), IsEmpty());
  Wire one = Wire::To(Of("in")), two = Wire::To(Of("in"));
  one.Send(kGet);
  two.Send(kGet);
  ASSERT_TRUE(one.Receives("no_endpoint"));
  ASSERT_TRUE(two.Receives("no_endpoint"));
  Wire three = Wire::To(Of("in"));  // the kernel accepts, we do not
  three.Send(kGet);
  EXPECT_TRUE(three.Quiet());
  one.Close();
  EXPECT_TRUE(three.Receives("no_endpoint"));
}

TEST_F(ServerTest, AcceptsAgainWhenAPushRaisesTheCap) {
  Policy policy = PolicyOf({"in"});
  policy.listeners["in"].max_connections = 1;
  ASSERT_THAT(Adopt(policy), IsEmpty());
  Wire one = Wire::To(Of("in"));
  one.Send(kGet);
  ASSERT_TRUE(one.Receives("no_endpoint"));
  Wire two = Wire::To(Of("in"));
  two.Send(kGet);
  EXPECT_TRUE(two.Quiet());
  policy.listeners["in"].max_connections = 3;
  ASSERT_THAT(Adopt(policy), IsEmpty());
  EXPECT_TRUE(two.Receives("no_endpoint"));
  EXPECT_TRUE(Serves("in"));
}

TEST_F(ServerTest, AListenerThatComesBackStillCountsWhatItHadAccepted) {
  ListeningSocket upstream = *Listen(*Address::Parse("127.0.0.1:0"));
  Policy with = PolicyOf({"in"}, {upstream.address});
  with.listeners["in"].max_connections = 4;
  Policy without = PolicyOf({"other"}, {upstream.address});
  ASSERT_THAT(Adopt(with), IsEmpty());
  Wire one = Wire::To(Of("in")), two = Wire::To(Of("in"));
  one.Send(kGet);
  Wire at_one = Received(upstream);
  two.Send(kGet);
  Wire at_two = Received(upstream);
  ASSERT_THAT(Adopt(without), IsEmpty());
  ASSERT_THAT(Adopt(with), IsEmpty());
  at_one.Close();
  at_two.Close();
  EXPECT_TRUE(one.Receives("502"));
  EXPECT_TRUE(two.Receives("502"));
  EXPECT_TRUE(one.Closes());
  EXPECT_TRUE(two.Closes());
  ASSERT_TRUE(Empties(Direction::kInbound));
  // Counting below zero would make it look full for ever.
  for (int i = 0; i < 4; ++i) {
    Wire client = Wire::To(Of("in"));
    client.Send(kGet);
    Wire at = Received(upstream);
    at.Send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    EXPECT_TRUE(client.Receives("200 OK")) << i;
  }
}

TEST_F(ServerTest, DrainFinishesWhatRunsAndTakesNoMore) {
  ListeningSocket upstream = *Listen(*Address::Parse("127.0.0.1:0"));
  ASSERT_THAT(Adopt(PolicyOf({"in"}, {upstream.address})), IsEmpty());
  Wire busy = Wire::To(Of("in"));
  busy.Send(kGet);
  Wire at = Received(upstream);
  Wire idle = Wire::To(Of("in"));
  for (int i = 0; i < 5000 && server->connections(Direction::kInbound) < 2; ++i) {
    poll(nullptr, 0, 1);
  }
  server->Drain(Direction::kInbound);
  EXPECT_TRUE(idle.Closes());
  at.Send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_TRUE(busy.Closes());
  EXPECT_THAT(busy.Got(), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(busy.Got(), HasSubstr("connection: close\r\n"));
  EXPECT_TRUE(Empties(Direction::kInbound));
  EXPECT_TRUE(Refuses(Of("in")));
}

TEST_F(ServerTest, ADrainingServerDoesNotAcceptOnListenersThatAPushAdds) {
  ASSERT_THAT(Adopt(PolicyOf({"in"})), IsEmpty());
  server->Drain(Direction::kInbound);
  ASSERT_THAT(Adopt(PolicyOf({"in", "new"})), IsEmpty());
  EXPECT_TRUE(Refuses(Of("new")));
}

TEST_F(ServerTest, CloseAllCutsWhatIsLeft) {
  ASSERT_THAT(Adopt(PolicyOf({"in"})), IsEmpty());
  Wire half = Wire::To(Of("in"));
  half.Send("GET / HT");
  for (int i = 0; i < 5000 && server->connections(Direction::kInbound) < 1; ++i) {
    poll(nullptr, 0, 1);
  }
  server->CloseAll();
  EXPECT_TRUE(half.Closes());
  EXPECT_TRUE(Empties(Direction::kInbound));
}

TEST_F(ServerTest, MayEndWhilePoliciesAreBeingAdopted) {
  for (int i = 0; i < 20; ++i) {
    Start(3);
    for (int n = 0; n < 5; ++n) {
      server->Adopt(std::make_shared<const Policy>(PolicyOf({n % 2 ? "a" : "b", "c"})),
                    [](std::vector<ResourceError>) {});
    }
  }
}

TEST_F(ServerTest, MayEndWithAListenerAtItsCap) {
  for (int i = 0; i < 5; ++i) {
    Start(3);
    Policy policy = PolicyOf({"in"});
    policy.listeners["in"].max_connections = 3;
    ASSERT_THAT(Adopt(policy), IsEmpty());
    std::vector<Wire> clients;
    for (int n = 0; n < 3; ++n) {
      clients.push_back(Wire::To(Of("in")));
      clients.back().Send(kGet);
      ASSERT_TRUE(clients.back().Receives("no_endpoint"));
    }
    server.reset();
    for (Wire& client : clients) EXPECT_TRUE(client.Closes());
  }
}

TEST_F(ServerTest, AdoptsUnderTrafficWithoutAFailedRequest) {
  ASSERT_THAT(Adopt(PolicyOf({"in"})), IsEmpty());
  const Address address = Of("in");
  std::atomic<bool> stop{false};
  std::atomic<int> served{0}, failed{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&] {
      Wire client = Wire::To(address);
      int sent = 0;
      while (!stop) {
        client.Send(kGet);
        ++sent;
        size_t got = 0;
        for (int tries = 0; tries < 500 && got < static_cast<size_t>(sent); ++tries) {
          client.Receives("no_endpoint");
          got = 0;
          for (size_t at = client.Got().find("HTTP/1.1 503"); at != std::string::npos;
               at = client.Got().find("HTTP/1.1 503", at + 1)) {
            ++got;
          }
          if (got < static_cast<size_t>(sent)) poll(nullptr, 0, 1);
        }
        (got == static_cast<size_t>(sent) ? served : failed).fetch_add(1);
      }
    });
  }
  for (uint64_t release = 2; release < 40 || (served < 50 && failed == 0); ++release) {
    Policy policy = PolicyOf({"in"});
    policy.epoch.release = release;
    DataPath::RouteOf(policy).response_headers = {{"x-release", absl::StrCat(release)}};
    EXPECT_THAT(Adopt(policy), IsEmpty());
  }
  stop = true;
  for (std::thread& t : clients) t.join();
  EXPECT_GT(served, 0);
  EXPECT_EQ(failed, 0);
}

TEST_F(ServerTest, RefusesFaultsUnlessItWasStartedToAllowThem) {
  Policy policy = PolicyOf({"in"});
  ASSERT_THAT(Adopt(policy), IsEmpty());
  DataPath::RouteOf(policy).faults.abort = {500, 10'000, {}};
  policy.epoch.release = 2;
  const std::vector<ResourceError> errors = Adopt(policy);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].code, "FAULTS_NOT_ALLOWED");
  EXPECT_EQ(ToString(errors[0]).find("RouteTable api/v1: routes[0].faults"), 0u)
      << ToString(errors[0]);
  EXPECT_THAT(errors[0].message, HasSubstr("--allow-faults"));
  // The last good one goes on.
  EXPECT_EQ(server->policy()->epoch.release, 1u);
  EXPECT_TRUE(Serves("in"));
}

TEST_F(ServerTest, InjectsFaultsWhereTheyAreAllowed) {
  Start(1, /*allow_faults=*/true);
  Policy policy = PolicyOf({"in"});
  DataPath::RouteOf(policy).faults.abort = {418, 10'000, {}};
  ASSERT_THAT(Adopt(policy), IsEmpty());
  Wire client = Wire::To(Of("in"));
  client.Send(kGet);
  EXPECT_TRUE(client.Receives("HTTP/1.1 418 "));
}

}  // namespace
}  // namespace tollgate::proxy
