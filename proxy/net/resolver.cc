#include "proxy/net/resolver.h"

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/random.h"

namespace tollgate::proxy {
namespace {

// Names that nobody subscribes to are kept this many, so that a push that takes a name away and
// brings it back finds its answer.
constexpr size_t kMaxIdleNames = 256;

// Shared by all who hear of it; replaced when, and only when, there is something new to tell.
using Answer = std::shared_ptr<const absl::StatusOr<Resolver::Addresses>>;

Resolver::Addresses Normalise(Resolver::Addresses addresses) {
  const bool any4 = std::any_of(addresses.begin(), addresses.end(),
                                [](const Address& a) { return a.kind() == Address::Kind::kIp4; });
  if (any4) {
    std::erase_if(addresses, [](const Address& a) { return a.kind() == Address::Kind::kIp6; });
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

std::string Join(const Resolver::Addresses& addresses) {
  std::string text;
  for (const Address& a : addresses) absl::StrAppend(&text, text.empty() ? "" : " ", a.ToString());
  return text;
}

// What a subscriber has on its loop. Letters to the loop refer to it weakly: only the subscription
// keeps it alive.
struct Listener {
  Listener(Loop& l, Resolver::OnChange cb, absl::AnyInvocable<void()> refresh)
      : loop(l), on_change(std::move(cb)), timer(std::move(refresh)) {}

  void Hear(const Answer& answer, MonoTime next_lookup) {
    if (next_lookup != kNever) loop.Arm(timer, next_lookup);
    if (answer == heard) return;
    heard = answer;
    on_change(*answer);  // may destroy the subscription; whoever calls us keeps us alive
  }

  Loop& loop;
  Resolver::OnChange on_change;
  Timer timer;
  Answer heard;
};

void Tell(const std::weak_ptr<Listener>& listener, Loop& loop, const Answer& answer,
          MonoTime next_lookup) {
  loop.Post([listener, answer, next_lookup] {
    if (auto alive = listener.lock()) alive->Hear(answer, next_lookup);
  });
}

struct Entry {
  explicit Entry(Address n) : name(std::move(n)) {}
  struct Member {
    Loop* loop;
    const void* id;
    std::weak_ptr<Listener> listener;
  };

  const Address name;
  // Guarded by State's mutex:
  std::vector<Member> members;  // each loop outlives its membership
  Answer answer;                // null before the first lookup ended
  bool pending = false;         // queued or being looked up
  bool failing = false;
  MonoTime next_lookup{};
  Duration retry{};
};

}  // namespace

// Time passes on the subscribers' loops: their timers ask for refreshes. The thread only works off
// a queue, so it needs no clock but to note when the next lookup is due.
class Resolver::State : public std::enable_shared_from_this<State> {
 public:
  State(const Clock& clock, Options options)
      : clock_(clock), options_(std::move(options)), random_(options_.seed) {}

  std::shared_ptr<Entry> Join(const Address& name, Loop& loop,
                              const std::shared_ptr<Listener>& listener) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<Entry>& slot = entries_[name];
    if (slot == nullptr) slot = std::make_shared<Entry>(name);
    const std::shared_ptr<Entry> entry = slot;
    entry->members.push_back({&loop, listener.get(), listener});
    if (entry->answer != nullptr) Tell(listener, loop, entry->answer, entry->next_lookup);
    RequestLocked(entry, clock_.Mono());
    return entry;
  }

  void Leave(const std::shared_ptr<Entry>& entry, const Listener* listener) {
    std::lock_guard lock(mutex_);
    std::erase_if(entry->members, [&](const Entry::Member& m) { return m.id == listener; });
    if (!entry->members.empty() || entries_.size() <= kMaxIdleNames) return;
    std::erase_if(entries_, [](const auto& e) { return e.second->members.empty(); });
  }

  // A subscriber's timer. Several loops ask at about the same time; the first one is enough, and
  // the end of the lookup arms them all again.
  void Request(const std::shared_ptr<Entry>& entry, MonoTime now) {
    std::lock_guard lock(mutex_);
    RequestLocked(entry, now);
  }

  void Stop() {
    std::unique_lock lock(mutex_);
    stopped_ = true;
    wake_.notify_all();
    if (!thread_.joinable()) return;
    const bool ended = ended_cv_.wait_for(lock, options_.abandon_after, [&] { return ended_; });
    lock.unlock();
    if (ended) {
      thread_.join();
    } else {
      thread_.detach();  // it holds a reference to this State, and leaves when the lookup returns
    }
  }

 private:
  void RequestLocked(const std::shared_ptr<Entry>& entry, MonoTime now) {
    if (entry->pending || now < entry->next_lookup) return;
    entry->pending = true;
    queue_.push_back(entry);
    if (!thread_.joinable()) {
      try {
        thread_ = std::thread([self = shared_from_this()] { self->Work(); });
      } catch (const std::system_error& e) {
        queue_.pop_back();
        Finish(*entry, absl::ResourceExhaustedError(absl::StrCat("resolve ", entry->name.host(),
                                                                 ": no thread: ", e.what())));
        return;
      }
    }
    wake_.notify_one();
  }

  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopped_ || !queue_.empty(); });
      if (stopped_) break;
      const std::shared_ptr<Entry> entry = queue_.front();
      queue_.pop_front();
      if (entry->members.empty()) {  // nobody waits any more
        entry->pending = false;
        continue;
      }
      lock.unlock();
      absl::StatusOr<Addresses> result = options_.lookup(entry->name);
      lock.lock();
      if (stopped_) break;  // possibly abandoned: clock and loops may be gone
      Finish(*entry, std::move(result));
    }
    ended_ = true;
    ended_cv_.notify_all();
  }

  void Finish(Entry& entry, absl::StatusOr<Addresses> result) {
    entry.pending = false;
    if (result.ok() && result->empty()) {
      result = absl::NotFoundError(absl::StrCat("resolve ", entry.name.host(), ": no addresses"));
    }
    const std::string name = entry.name.ToString();
    const bool had_answer = entry.answer != nullptr && entry.answer->ok();
    Duration wait;
    if (result.ok()) {
      Addresses addresses = Normalise(*std::move(result));
      if (!had_answer || **entry.answer != addresses) {
        spdlog::info(absl::StrCat("resolved ", name, ": ", proxy::Join(addresses)));
        entry.answer = std::make_shared<const absl::StatusOr<Addresses>>(std::move(addresses));
      } else if (entry.failing) {
        spdlog::info(absl::StrCat("resolved ", name, " again: unchanged"));
      }
      entry.failing = false;
      entry.retry = options_.retry_min;
      wait = options_.refresh;
    } else {
      if (!entry.failing) {
        spdlog::warn(absl::StrCat(std::string(result.status().message()),
                                  had_answer ? "; keeping the last good answer" : ""));
      }
      entry.failing = true;
      if (entry.answer == nullptr) {
        entry.answer = std::make_shared<const absl::StatusOr<Addresses>>(result.status());
      }
      if (entry.retry == Duration::zero()) entry.retry = options_.retry_min;
      wait = std::min(entry.retry, options_.refresh);
      entry.retry = std::min(2 * entry.retry, options_.refresh);
    }
    const double jitter = 0.9 + 0.2 * random_.Unit();
    entry.next_lookup =
        clock_.Mono() + Duration(static_cast<int64_t>(static_cast<double>(wait.count()) * jitter));
    for (const Entry::Member& m : entry.members) {
      Tell(m.listener, *m.loop, entry.answer, entry.next_lookup);
    }
  }

  const Clock& clock_;
  const Options options_;
  std::mutex mutex_;  // taken before a loop's mailbox
  std::condition_variable wake_, ended_cv_;
  // Guarded by mutex_:
  Random random_;
  std::map<Address, std::shared_ptr<Entry>> entries_;
  std::deque<std::shared_ptr<Entry>> queue_;
  std::thread thread_;  // started by the first name: a proxy that knows none has no thread
  bool stopped_ = false;
  bool ended_ = false;
};

class Resolver::Subscriber final : public Subscription {
 public:
  Subscriber(std::shared_ptr<State> state, Loop& loop, const Address& name, OnChange on_change)
      : state_(std::move(state)) {
    // The timer belongs to the listener, which dies with this.
    listener_ = std::make_shared<Listener>(loop, std::move(on_change),
                                           [this, &loop] { state_->Request(entry_, loop.now()); });
    if (name.kind() == Address::Kind::kName) {
      entry_ = state_->Join(name, loop, listener_);
    } else {
      Tell(listener_, loop, std::make_shared<const absl::StatusOr<Addresses>>(Addresses{name}),
           kNever);
    }
  }
  // After Leave no letter is posted; those that were find the listener gone.
  ~Subscriber() override {
    if (entry_ != nullptr) state_->Leave(entry_, listener_.get());
    listener_->timer.Cancel();
  }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Entry> entry_;
  std::shared_ptr<Listener> listener_;
};

Resolver::Resolver(const Clock& clock, Options options) {
  if (!options.lookup) options.lookup = &Resolver::SystemLookup;
  state_ = std::make_shared<State>(clock, std::move(options));
}

Resolver::~Resolver() { state_->Stop(); }

std::unique_ptr<Resolver::Subscription> Resolver::Subscribe(Loop& loop, const Address& name,
                                                            OnChange on_change) {
  return std::make_unique<Subscriber>(state_, loop, name, std::move(on_change));
}

absl::StatusOr<Resolver::Addresses> Resolver::SystemLookup(const Address& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error =
      getaddrinfo(name.host().c_str(), absl::StrCat(name.port()).c_str(), &hints, &list);
  if (error != 0) {
    const int saved = errno;
    return absl::UnavailableError(
        absl::StrCat("resolve ", name.host(), ": ",
                     error == EAI_SYSTEM ? std::strerror(saved) : gai_strerror(error)));
  }
  Addresses addresses;
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    auto address = Address::FromSockaddr(info->ai_addr, info->ai_addrlen);
    if (address.ok()) addresses.push_back(*std::move(address));
  }
  freeaddrinfo(list);
  return addresses;
}

}  // namespace tollgate::proxy
