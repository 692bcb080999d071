// What the loop itself costs: timers, the mailbox, and an iteration with one ready descriptor.
#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "common/base/random.h"
#include "proxy/event/loop.h"

namespace tollgate::proxy {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// The life of most timers: armed for a request, cancelled when it ends.
void BM_TimerArmCancel(benchmark::State& state) {
  TimerWheel wheel(MonoTime{});
  int fired = 0;
  Timer timer([&fired] { ++fired; });
  MonoTime now{};
  for (auto _ : state) {
    now += microseconds(1);
    wheel.Arm(timer, now + milliseconds(state.range(0)));
    timer.Cancel();
  }
}
BENCHMARK(BM_TimerArmCancel)->Arg(5)->Arg(5'000)->Arg(3'600'000);

// 10,000 idle timeouts, one of them moved with every request, while time goes on.
void BM_TimerMoveAmongTenThousand(benchmark::State& state) {
  TimerWheel wheel(MonoTime{});
  Random random(1);
  std::vector<std::unique_ptr<Timer>> timers;
  int fired = 0;
  MonoTime now{};
  for (int i = 0; i < 10'000; ++i) {
    timers.push_back(std::make_unique<Timer>([&fired] { ++fired; }));
    wheel.Arm(*timers.back(), now + milliseconds(random.Below(60'000)));
  }
  for (auto _ : state) {
    now += microseconds(10);
    wheel.Arm(*timers[random.Below(10'000)], now + milliseconds(60'000));
    wheel.Advance(now);
    benchmark::DoNotOptimize(wheel.NextDeadline());
  }
}
BENCHMARK(BM_TimerMoveAmongTenThousand);

// 64 letters an iteration.
void BM_PostToOwnLoop(benchmark::State& state) {
  SystemClock clock;
  auto loop = *Loop::Create(clock);
  int posted = 0, ran = 0;
  for (auto _ : state) {
    loop->Post([&ran] { ++ran; });
    if (++posted % 64 == 0) loop->RunOnce(Duration::zero());
  }
  loop->RunOnce(Duration::zero());
  if (ran != posted) std::abort();
}
BENCHMARK(BM_PostToOwnLoop);

// There and back between two threads' loops: two wake-ups.
void BM_PostRoundTrip(benchmark::State& state) {
  SystemClock clock;
  auto here = *Loop::Create(clock);
  auto there = *Loop::Create(clock);
  std::thread thread([&] { there->Run(); });
  for (auto _ : state) {
    bool back = false;
    there->Post([&] { here->Post([&] { back = true; }); });
    while (!back) here->RunOnce(std::chrono::seconds(1));
  }
  there->Stop();
  thread.join();
}
BENCHMARK(BM_PostRoundTrip)->UseRealTime();

class Echo final : public IoHandler {
 public:
  Echo(Loop& loop, int fd) : loop_(loop), fd_(fd) {
    if (!loop.Watch(fd, this).ok()) std::abort();
  }
  ~Echo() {
    loop_.Unwatch(fd_, this);
    close(fd_);
  }
  void OnIo(IoEvents events) override {
    char byte;
    if (!events.readable || recv(fd_, &byte, 1, 0) != 1) return;
    if (send(fd_, &byte, 1, 0) != 1) std::abort();
  }

 private:
  Loop& loop_;
  int fd_;
};

// One byte to and fro over a socket pair on one loop: an iteration is epoll_wait, recv and send.
void BM_IterationPingPong(benchmark::State& state) {
  SystemClock clock;
  auto loop = *Loop::Create(clock);
  int fd[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) != 0) std::abort();
  Echo a(*loop, fd[0]), b(*loop, fd[1]);
  Timer idle([&loop] { loop->Stop(); });
  loop->ArmAfter(idle, std::chrono::hours(1));
  loop->RunOnce(Duration::zero());
  if (send(fd[0], "x", 1, 0) != 1) std::abort();
  for (auto _ : state) loop->RunOnce(Duration::max());
}
BENCHMARK(BM_IterationPingPong);

// The same system calls and nothing else: the difference is the loop.
void BM_BarePingPong(benchmark::State& state) {
  int fd[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) != 0) std::abort();
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  for (int f : fd) {
    event.data.fd = f;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, f, &event) != 0) std::abort();
  }
  char byte = 'x';
  if (send(fd[0], &byte, 1, 0) != 1) std::abort();
  std::vector<epoll_event> events(256);
  for (auto _ : state) {
    const int count = epoll_wait(epoll, events.data(), 256, 1'000);
    for (int i = 0; i < count; ++i) {
      if ((events[i].events & EPOLLIN) == 0) continue;
      if (recv(events[i].data.fd, &byte, 1, 0) != 1) continue;
      if (send(events[i].data.fd, &byte, 1, 0) != 1) std::abort();
    }
  }
  for (int f : {fd[0], fd[1], epoll}) close(f);
}
BENCHMARK(BM_BarePingPong);

}  // namespace
}  // namespace tollgate::proxy
