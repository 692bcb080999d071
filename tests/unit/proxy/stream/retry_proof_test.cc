// The retry contract against random faults: no request is sent twice without evidence that this is
// harmless, whatever goes wrong and when. The production code (streams, attempts, pools, codecs) on
// a fake clock, between clients of the test and upstreams that write down what reaches them.
//
// TOLLGATE_RETRY_SCHEDULES=100000 runs more of them, TOLLGATE_RETRY_SEED=n one world again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/crypto/json.h"
#include "tests/fakes/path_test.h"
#include "tests/fakes/recording_upstream.h"

namespace tollgate::proxy {
namespace {

using std::chrono::milliseconds;

constexpr int kEndpoints = 3;
constexpr int kSchedulesOfAWorld = 25;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = otherwise;
  if (text != nullptr && !absl::SimpleAtoi(text, &value)) std::abort();
  return value;
}

enum class Kind { kSafe, kIdempotent, kUnsafe };

// One attempt, as the access log tells it.
struct Try {
  int endpoint = -1;
  std::string allowed_by;
  int status = 0;
  std::string ended;
  bool sent = false;
};

// A client's request, and what it saw.
struct Asked {
  int id = 0;
  absl::string_view method;
  Kind kind = Kind::kSafe;
  bool has_key = false;
  std::optional<int64_t> deadline_ms;
  MonoTime at{};
  std::unique_ptr<Peer> peer;
  std::deque<std::pair<MonoTime, std::string>> to_send;
  MonoTime leaves = kNever;
  bool left = false;
  bool over = false;
  std::optional<Answer> answer;
  // From the log.
  int logged = 0;  // lines
  int attempts = 0;
  std::string logged_endpoint;
  std::vector<Try> tries;
};

// One data path, its upstreams, and schedule after schedule of requests and faults.
class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {
    for (int i = 0; i < kEndpoints; ++i) {
      upstreams_.push_back(std::make_unique<RecordingUpstream>(
          i, *Address::Parse(
                 absl::StrCat("unix:", testing::TempDir(), "/retry-", getpid(), "-", i, ".sock"))));
    }
  }
  ~World() {
    for (auto& upstream : upstreams_) upstream->Refuse();
  }

  // Empty: all is well.
  std::string Run() {
    for (int i = 0; i < kSchedulesOfAWorld; ++i) {
      if (std::string wrong = Schedule(); !wrong.empty()) {
        return absl::StrCat("schedule ", i, ": ", wrong);
      }
    }
    return "";
  }

  std::map<std::string, int> seen;  // how often each kind of thing happened

 private:
  bool Chance(uint32_t percent) { return random_.Below(100) < percent; }
  template <typename T, size_t N>
  T OneOf(const T (&all)[N]) {
    return all[random_.Below(N)];
  }

  std::string Schedule() {
    asked_.clear();
    receptions_.clear();
    path_.log.text.clear();
    NewPolicy();
    for (auto& upstream : upstreams_) upstream->Open();
    trouble_ = OneOf({0u, 30u, 70u, 100u});
    only_ = Chance(30) ? static_cast<int>(random_.Below(kFaults)) : -1;
    if (Chance(20)) upstreams_[random_.Below(kEndpoints)]->Refuse();
    const int requests = 1 + static_cast<int>(random_.Below(3));
    for (int i = 0; i < requests; ++i) Ask();
    if (Chance(20)) CloseIdle();
    for (int turns = 0; !Over(); ++turns) {
      if (turns > 100'000) return "it never ends";
      if (Turn() || Turn()) continue;  // what moved in the first may show in the second
      path_.clock.Advance(milliseconds(1 + random_.Below(20)));
      if (Chance(2)) upstreams_[random_.Below(kEndpoints)]->Refuse();
      if (Chance(2)) upstreams_[random_.Below(kEndpoints)]->Open();
      if (Chance(5)) CloseIdle();
    }
    for (int i = 0; i < 4; ++i) Turn();  // what was given up reaches the upstreams
    if (std::string wrong = ReadLog(); !wrong.empty()) return wrong;
    for (const Asked& asked : asked_) {
      if (std::string wrong = Judge(asked); !wrong.empty()) {
        return absl::StrCat(wrong, "\n", Describe(asked), path_.LogText());
      }
    }
    return "";
  }

  void CloseIdle() {
    upstreams_[random_.Below(kEndpoints)]->CloseIdle(path_.clock.Mono(), random_, receptions_);
  }

  void NewPolicy() {
    std::vector<Address> addresses;
    const size_t endpoints = 1 + random_.Below(kEndpoints);
    for (size_t i = 0; i < endpoints; ++i) addresses.push_back(upstreams_[i]->address());
    Policy policy = DataPath::PublicPolicy(addresses);
    UpstreamPolicy& upstream = policy.upstreams["backend"];
    upstream.balance = OneOf({Balance::kRoundRobin, Balance::kPeakEwma, Balance::kRandom});
    upstream.forward_deadline =
        OneOf({ForwardDeadline::kIfAsked, ForwardDeadline::kAlways, ForwardDeadline::kNever});
    upstream.retry_budget.min_concurrent = Chance(90) ? 3 : 1;
    if (Chance(10)) upstream.max_connections = 1;
    RoutePolicy& route = DataPath::RouteOf(policy);
    route.timeout = milliseconds(OneOf({50, 400, 2000}));
    if (Chance(60)) route.attempt_timeout = milliseconds(OneOf({20, 200}));
    route.retry.max_retries = random_.Below(5);
    for (const RetryCondition condition :
         {RetryCondition::kNotSent, RetryCondition::kConnectionLost, RetryCondition::kStatus502,
          RetryCondition::kStatus503, RetryCondition::kStatus504}) {
      if (Chance(60)) route.retry.when.push_back(condition);
    }
    route.retry.other_endpoint = Chance(40);
    if (Chance(70)) {
      route.idempotency.header = "idempotency-key";
      route.idempotency.honoured_by_service = Chance(60);
    }
    // Wherever a mistake upstream of this code would put it: it must not hedge what is not safe.
    if (Chance(40)) route.hedge = {milliseconds(OneOf({5, 60})), 1 + random_.Below(3)};
    route_ = route;
    forward_ = upstream.forward_deadline;
    path_.Adopt(policy);
  }

  void Ask() {
    Asked asked;
    asked.id = next_id_++;
    // Said here, not asked of the code that is judged.
    struct MethodKind {
      absl::string_view name;
      Kind kind;
    };
    const MethodKind method = OneOf<MethodKind>({{"GET", Kind::kSafe},
                                                 {"GET", Kind::kSafe},
                                                 {"HEAD", Kind::kSafe},
                                                 {"OPTIONS", Kind::kSafe},
                                                 {"PUT", Kind::kIdempotent},
                                                 {"DELETE", Kind::kIdempotent},
                                                 {"POST", Kind::kUnsafe},
                                                 {"POST", Kind::kUnsafe},
                                                 {"PATCH", Kind::kUnsafe}});
    asked.method = method.name;
    asked.kind = method.kind;
    std::string head = absl::StrCat(asked.method, " /r/", asked.id,
                                    " HTTP/1.1\r\nHost: x\r\nX-Request-Id: r", asked.id, "\r\n");
    asked.has_key = Chance(60);
    if (asked.has_key) absl::StrAppend(&head, "Idempotency-Key: k", asked.id, "\r\n");
    if (Chance(30)) {
      asked.deadline_ms = OneOf({1, 30, 300, 5000});
      absl::StrAppend(&head, "X-Request-Deadline-Ms: ", *asked.deadline_ms, "\r\n");
    }
    if (Chance(10)) head += "Tollgate-Outcome: unknown\r\n";
    asked.at = path_.clock.Mono();
    const bool body = asked.kind != Kind::kSafe && Chance(70);
    const size_t size = OneOf<size_t>({1, 300, 5000, 100'000});
    if (!body) {
      head += asked.kind == Kind::kSafe ? "\r\n" : "Content-Length: 0\r\n\r\n";
      asked.to_send.emplace_back(asked.at, head);
    } else if (Chance(50)) {
      absl::StrAppend(&head, "Content-Length: ", size, "\r\n\r\n");
      const size_t part = random_.Below(static_cast<uint32_t>(size) + 1);
      asked.to_send.emplace_back(asked.at, head + std::string(part, 'x'));
      asked.to_send.emplace_back(Later(), std::string(size - part, 'x'));
    } else {
      head += "Transfer-Encoding: chunked\r\n\r\n";
      asked.to_send.emplace_back(
          asked.at, absl::StrCat(head, absl::Hex(size), "\r\n", std::string(size, 'x'), "\r\n"));
      asked.to_send.emplace_back(Later(), "0\r\n\r\n");
    }
    if (Chance(10)) asked.leaves = Later();
    asked.peer = path_.Connect();
    asked_.push_back(std::move(asked));
  }
  MonoTime Later() { return path_.clock.Mono() + milliseconds(random_.Below(100)); }

  // True: something moved that needs no time to pass.
  bool Turn() {
    bool moved = false;
    for (Asked& asked : asked_) moved |= MoveClient(asked);
    path_.loop().RunOnce(Duration::zero());
    for (auto& upstream : upstreams_) {
      moved |= upstream->Poll(path_.clock.Mono(), random_, receptions_, [this](int) {
        if (!Chance(trouble_)) return Fault::kNone;
        return static_cast<Fault>(only_ >= 0 ? only_ : static_cast<int>(random_.Below(kFaults)));
      });
    }
    return moved;
  }
  bool MoveClient(Asked& asked) {
    if (asked.over) return false;
    const MonoTime now = path_.clock.Mono();
    bool moved = false;
    while (!asked.to_send.empty() && asked.to_send.front().first <= now) {
      std::string& bytes = asked.to_send.front().second;
      const ssize_t n =
          send(asked.peer->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0) break;
      moved = true;
      bytes.erase(0, static_cast<size_t>(n));
      if (!bytes.empty()) break;
      asked.to_send.pop_front();
    }
    const size_t before = asked.peer->Got().size();
    if (now >= asked.leaves) {
      asked.left = asked.over = true;
      asked.peer->Close();
      return true;
    }
    absl::string_view got = asked.peer->Got();
    while (absl::StartsWith(got, "HTTP/1.1 102")) got.remove_prefix(got.find("\r\n\r\n") + 4);
    std::optional<Answer> answer = TakeApart(got);
    if (!answer.has_value() && asked.method == "HEAD" && absl::StrContains(got, "\r\n\r\n")) {
      answer.emplace();
      answer->head = std::string(got.substr(0, got.find("\r\n\r\n")));
      (void)absl::SimpleAtoi(got.substr(9, 3), &answer->status);
    }
    if (answer.has_value() || asked.peer->Closed()) {
      asked.answer = std::move(answer);
      asked.over = true;
      asked.peer->Close();
      return true;
    }
    return moved || asked.peer->Got().size() != before;
  }
  bool Over() {
    return absl::c_all_of(asked_, [](const Asked& a) { return a.over; }) &&
           path_.active_streams() == 0;
  }

  int EndpointOf(absl::string_view name) const {
    for (int i = 0; i < kEndpoints; ++i) {
      if (upstreams_[static_cast<size_t>(i)]->address().ToString() == name) return i;
    }
    return -1;
  }
  static std::string Text(const simdjson::dom::object& object, absl::string_view name) {
    const auto member = JsonMember(object, name);
    const auto text = member.has_value() ? JsonString(*member) : std::nullopt;
    return text.has_value() ? std::string(*text) : "";
  }
  static int Number(const simdjson::dom::object& object, absl::string_view name) {
    const auto member = JsonMember(object, name);
    int64_t value = 0;
    if (!member.has_value() || member->get_int64().get(value) != simdjson::SUCCESS) return 0;
    return static_cast<int>(value);
  }
  std::string ReadLog() {
    const std::string log = path_.LogText();
    for (absl::string_view line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
      simdjson::dom::element root;
      simdjson::dom::object object;
      if (json_.Parse(line, &root) != JsonError::kNone ||
          root.get_object().get(object) != simdjson::SUCCESS) {
        return absl::StrCat("no JSON: ", line);
      }
      const std::string id = Text(object, "request_id");
      const auto asked =
          absl::c_find_if(asked_, [&](const Asked& a) { return absl::StrCat("r", a.id) == id; });
      if (asked == asked_.end()) return absl::StrCat("whose line is this? ", line);
      ++asked->logged;
      asked->attempts = Number(object, "attempts");
      asked->logged_endpoint = Text(object, "endpoint");
      std::vector<std::string> reasons;
      if (const auto tries = JsonMember(object, "tries")) {
        for (const simdjson::dom::element element : tries->get_array()) {
          const simdjson::dom::object one = element.get_object();
          const bool sent = one["sent"].get_bool();
          asked->tries.push_back({EndpointOf(Text(one, "endpoint")), Text(one, "allowed_by"),
                                  Number(one, "status"), Text(one, "ended"), sent});
          if (asked->tries.size() > 1) reasons.push_back(asked->tries.back().allowed_by);
        }
        // A retry that waits for its moment may begin after a hedge, or never.
        std::vector<std::string> all = absl::StrSplit(Text(object, "retries"), ',');
        std::vector<std::string> begun = reasons;
        absl::c_sort(all);
        absl::c_sort(begun);
        if (!std::includes(all.begin(), all.end(), begun.begin(), begun.end())) {
          return absl::StrCat("retries are not what tries say: ", line);
        }
      }
      if (asked->attempts > 1 && static_cast<int>(asked->tries.size()) != asked->attempts) {
        return absl::StrCat("attempts are not what tries say: ", line);
      }
      for (const std::string& reason : reasons) ++seen[absl::StrCat("retry ", reason)];
    }
    return "";
  }

  bool Lists(RetryCondition condition) const {
    return absl::c_linear_search(route_.retry.when, condition);
  }
  // Whether the route lists how this attempt ended.
  bool ListsEndOf(const Try& attempt) const {
    if (attempt.status == 502) return Lists(RetryCondition::kStatus502);
    if (attempt.status == 503) return Lists(RetryCondition::kStatus503);
    if (attempt.status == 504) return Lists(RetryCondition::kStatus504);
    if (attempt.status != 0) return false;
    if (attempt.ended == "attempt_timeout") return Lists(RetryCondition::kStatus504);
    return Lists(RetryCondition::kConnectionLost);
  }

  // The contract, written down once more and independently: from what the upstreams saw.
  std::string Judge(const Asked& asked) {
    std::vector<const Reception*> got;
    for (const Reception& r : receptions_) {
      if (r.request == asked.id) got.push_back(&r);
    }
    if (asked.logged != 1) {
      return absl::StrCat(asked.logged, " lines in the log");  // all streams are over
    }
    if (asked.attempts > 5) return "more than five attempts";
    const bool keyed =
        asked.has_key && route_.idempotency.honoured_by_service && asked.kind == Kind::kUnsafe;
    std::vector<const Reception*> processed;  // what may have been done
    for (const Reception* r : got) {
      if (r->status != 421) processed.push_back(r);
    }

    // The recording upstreams agree with the log.
    std::map<int, int> sent_to;
    for (const Try& attempt : asked.tries) sent_to[attempt.endpoint] += attempt.sent;
    if (asked.attempts == 1) sent_to[EndpointOf(asked.logged_endpoint)] = 1;
    int sent = 0;
    for (const auto& [endpoint, count] : sent_to) sent += count;
    for (int endpoint = 0; endpoint < kEndpoints; ++endpoint) {
      const auto received =
          absl::c_count_if(got, [&](const Reception* r) { return r->endpoint == endpoint; });
      if (received > sent_to[endpoint]) return "an upstream saw what the log does not have";
    }
    if (asked.tries.size() > 1 && static_cast<int>(got.size()) != sent) {
      return "the log has what no upstream saw";
    }

    // Never twice without evidence.
    const size_t times = processed.size();
    if (asked.kind == Kind::kUnsafe && !keyed && times > 1) return "sent twice";
    if (asked.kind == Kind::kUnsafe && keyed) {
      if (times > 2) return "sent three times under one key";
      if (times == 2 && processed[0]->endpoint == processed[1]->endpoint) {
        return "sent twice to one endpoint under a key";
      }
    }
    if (asked.kind == Kind::kIdempotent && times > 1 + route_.retry.max_retries) {
      return "sent more often than the route allows";
    }
    const bool hedges = route_.hedge.max > 0 && asked.kind == Kind::kSafe;
    if (asked.kind == Kind::kSafe &&
        times > 2 + route_.retry.max_retries + (hedges ? route_.hedge.max : 0)) {
      return "sent more often than the route allows";
    }
    if (std::string wrong = JudgeReasons(asked, got, keyed, hedges); !wrong.empty()) return wrong;
    return JudgeAnswer(asked, got, processed);
  }

  // Each further attempt was allowed for a reason that is true.
  std::string JudgeReasons(const Asked& asked, const std::vector<const Reception*>& got, bool keyed,
                           bool hedges) {
    // The reception of each attempt: of one endpoint's they come in the same order.
    std::map<int, std::deque<const Reception*>> of_endpoint;
    for (const Reception* r : got) of_endpoint[r->endpoint].push_back(r);
    std::vector<const Reception*> reception;
    for (const Try& attempt : asked.tries) {
      auto& queue = of_endpoint[attempt.endpoint];
      const bool has = attempt.sent && !queue.empty();
      reception.push_back(has ? queue.front() : nullptr);
      if (has) queue.pop_front();
    }
    int stale = 0, misdirected = 0, honoured = 0, hedged = 0;
    for (size_t i = 0; i < asked.tries.size(); ++i) {
      const Try& attempt = asked.tries[i];
      const absl::string_view why = attempt.allowed_by;
      if (reception[i] != nullptr && attempt.status > 0 && !hedges &&
          reception[i]->status != attempt.status) {
        return "a status in the log that no upstream sent";
      }
      if (i == 0) {
        if (why != "first") return "the first attempt is not";
        continue;
      }
      if (why == "hedge") {
        if (!hedges || ++hedged > static_cast<int>(route_.hedge.max)) return "a hedge too many";
        continue;
      }
      if (hedges) continue;  // what it follows is not in the order of the log
      const Try& before = asked.tries[i - 1];
      const Reception* const seen_before = reception[i - 1];
      if (why == "not-sent") {
        if (before.sent) return "not-sent, but it was";
      } else if (why == "misdirected") {
        if (++misdirected > 1 || before.status != 421) return "misdirected, but it was not";
      } else if (why == "stale-connection") {
        if (++stale > 1 || asked.kind != Kind::kSafe || seen_before == nullptr ||
            !seen_before->reused || seen_before->spoke) {
          return "stale-connection, but it was not";
        }
      } else if (why == "safe-method" || why == "idempotent-method") {
        if (asked.kind != (why[0] == 's' ? Kind::kSafe : Kind::kIdempotent)) return "a lie";
        if (!ListsEndOf(before)) return "the route does not list this end";
      } else if (why == "key-honoured") {
        if (++honoured > 1 || !keyed) return "no key was honoured";
        if (!ListsEndOf(before)) return "the route does not list this end";
      } else {
        return absl::StrCat("what is ", why, "?");
      }
    }
    return "";
  }

  std::string JudgeAnswer(const Asked& asked, const std::vector<const Reception*>& got,
                          const std::vector<const Reception*>& processed) {
    const Duration given =
        asked.deadline_ms.has_value() ? milliseconds(*asked.deadline_ms) : Duration::max();
    const Duration allowed = std::min<Duration>(route_.timeout, given);
    for (const Reception* r : got) {
      if (r->at - asked.at > allowed + milliseconds(2)) return "sent after the deadline";
      const bool told = forward_ == ForwardDeadline::kAlways ||
                        (forward_ == ForwardDeadline::kIfAsked && asked.deadline_ms.has_value());
      if ((r->told_ms >= 0) != told) return "told of a deadline, or not, against the policy";
      if (told && (r->told_ms < 1 || milliseconds(r->told_ms) > allowed)) return "a wrong deadline";
    }
    if (asked.left || !asked.answer.has_value()) {
      ++seen[asked.left ? "client left" : "response cut"];
      return "";
    }
    const Answer& answer = *asked.answer;
    const bool marked = answer.Has("tollgate-outcome");
    const std::string receipt = answer.Field("x-receipt");
    const bool from_upstream = !receipt.empty();
    ++seen[absl::StrCat(from_upstream ? "passed on " : "answered here ", answer.status)];
    if (answer.status < 300) {
      if (absl::c_none_of(got, [&](const Reception* r) {
            return r->status == 200 && r->receipt == receipt &&
                   (asked.method == "HEAD" || answer.body == receipt);
          })) {
        return "a success that no upstream sent";
      }
      if (marked) return "a success of unknown outcome";
    }
    if (asked.kind == Kind::kSafe) return marked ? "a safe request of unknown outcome" : "";
    if (!from_upstream) {
      if (!processed.empty() && !marked) return "it may have been done, and the caller is not told";
      const bool tried = asked.attempts == 1
                             ? !got.empty()
                             : absl::c_any_of(asked.tries, [](const Try& t) { return t.sent; });
      if (!tried && marked) return "it was never sent, and the caller is told otherwise";
      if (marked) ++seen["unknown"];
      return "";
    }
    // The service's own answer, unless it is a failure and an earlier attempt got none at all.
    const bool unanswered = absl::c_any_of(processed, [&](const Reception* r) {
      // Or one that was not passed on said that it does not know.
      return r->status == 0 || r->receipt.empty() ||
             ((r->status == 502 || r->status == 504) && r->receipt != answer.Field("x-receipt"));
    });
    if (answer.status >= 400 && unanswered && !marked) {
      return "an earlier attempt may have been done, and the caller is not told";
    }
    // An answer may cross with the end of the proxy's patience: then only the log knows.
    const bool given_up =
        absl::c_any_of(asked.tries, [](const Try& t) { return t.sent && t.status == 0; });
    if (marked && (answer.status < 400 || !(unanswered || given_up))) {
      return "an answer of the service's with our mark";
    }
    if (marked) ++seen["unknown, behind an answer"];
    return "";
  }

  std::string Describe(const Asked& asked) const {
    std::string text =
        absl::StrCat(asked.method, " r", asked.id, asked.has_key ? " with key" : "", ", answered ",
                     asked.answer ? asked.answer->head : "(nothing)", "\nroute: retries ",
                     route_.retry.max_retries, " honoured ", route_.idempotency.honoured_by_service,
                     " hedges ", route_.hedge.max, "\n");
    for (const Reception& r : receptions_) {
      absl::StrAppend(&text, "reception: r", r.request, " at endpoint ", r.endpoint,
                      r.whole ? " whole" : " partly", r.reused ? " reused" : "", " status ",
                      r.status, r.closed_here ? " closed" : "", "\n");
    }
    return text;
  }

  Random random_;
  DataPath path_;
  std::vector<std::unique_ptr<RecordingUpstream>> upstreams_;
  StrictJson json_;
  // Of the schedule.
  RoutePolicy route_;
  ForwardDeadline forward_ = ForwardDeadline::kIfAsked;
  std::deque<Asked> asked_;
  std::vector<Reception> receptions_;
  uint32_t trouble_ = 0;  // percent of receptions that go wrong
  int only_ = -1;         // in one way; -1: in any
  int next_id_ = 1;
};

TEST(RetryProof, NoRequestIsSentTwiceWithoutEvidence) {
  const uint64_t schedules = FromEnvironment("TOLLGATE_RETRY_SCHEDULES", 2000);
  const uint64_t only = FromEnvironment("TOLLGATE_RETRY_SEED", 0);
  const uint64_t worlds = (schedules + kSchedulesOfAWorld - 1) / kSchedulesOfAWorld;
  const uint64_t first = only != 0 ? only : 1;
  const uint64_t last = only != 0 ? only : worlds;
  std::printf("seeds %llu to %llu, %d schedules each\n", static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(last), kSchedulesOfAWorld);
  std::map<std::string, int> seen;
  for (uint64_t seed = first; seed <= last; ++seed) {
    World world(seed);
    const std::string wrong = world.Run();
    ASSERT_EQ(wrong, "") << "TOLLGATE_RETRY_SEED=" << seed;
    for (const auto& [what, count] : world.seen) seen[what] += count;
  }
  for (const auto& [what, count] : seen) std::printf("%8d %s\n", count, what.c_str());
  if (only != 0 || schedules < 2000) return;
  // It has been everywhere.
  for (const char* what :
       {"retry not-sent", "retry misdirected", "retry stale-connection", "retry safe-method",
        "retry idempotent-method", "retry key-honoured", "retry hedge", "answered here 502",
        "answered here 503", "answered here 504", "passed on 200", "passed on 421", "passed on 425",
        "passed on 503", "response cut", "client left", "unknown", "unknown, behind an answer"}) {
    EXPECT_GE(seen[what], 5) << what;
  }
}

}  // namespace
}  // namespace tollgate::proxy
