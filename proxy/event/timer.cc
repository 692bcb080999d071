#include "proxy/event/timer.h"

#include <bit>
#include <limits>

namespace tollgate::proxy {
namespace {

constexpr int64_t kTickNanos = 1'000'000;

void MakeEmpty(TimerLink& head) { head.prev_ = head.next_ = &head; }
bool IsEmpty(const TimerLink& head) { return head.next_ == &head; }

// Moves all of `from` behind what is in `to`.
void Splice(TimerLink& from, TimerLink& to) {
  if (IsEmpty(from)) return;
  from.next_->prev_ = to.prev_;
  to.prev_->next_ = from.next_;
  from.prev_->next_ = &to;
  to.prev_ = from.prev_;
  MakeEmpty(from);
}

}  // namespace

void Timer::Cancel() {
  if (armed()) wheel_->Unlink(*this);
}

TimerWheel::TimerWheel(MonoTime start) : start_(start) {
  for (TimerLink& slot : slots_) MakeEmpty(slot);
  MakeEmpty(overflow_);
  MakeEmpty(due_);
  MakeEmpty(firing_);
}

TimerWheel::~TimerWheel() {
  for (TimerLink& slot : slots_) Splice(slot, due_);
  Splice(overflow_, due_);
  Splice(firing_, due_);
  while (!IsEmpty(due_)) Unlink(static_cast<Timer&>(*due_.next_));
}

void TimerWheel::Arm(Timer& timer, MonoTime when) {
  timer.Cancel();
  timer.wheel_ = this;
  timer.when_ = when;
  ++armed_;
  Place(timer, due_);
}

// Rounds the deadline up to a tick, so that no timer fires early.
void TimerWheel::Place(Timer& timer, TimerLink& if_due) {
  const int64_t nanos = (timer.when_ - start_).count();
  const int64_t tick = nanos / kTickNanos + (nanos % kTickNanos > 0 ? 1 : 0);
  if (tick <= tick_) return Append(if_due, timer);
  const uint64_t difference = static_cast<uint64_t>(tick) ^ static_cast<uint64_t>(tick_);
  const int level = (std::bit_width(difference) - 1) / kSlotBits;
  if (level >= kLevels) return Append(overflow_, timer);
  const int slot = static_cast<int>(tick >> (level * kSlotBits)) & (kSlots - 1);
  occupied_[level][slot / 64] |= uint64_t{1} << (slot % 64);
  Append(slots_[level * kSlots + slot], timer);
}

void TimerWheel::Append(TimerLink& head, Timer& timer) {
  timer.prev_ = head.prev_;
  timer.next_ = &head;
  head.prev_->next_ = &timer;
  head.prev_ = &timer;
}

void TimerWheel::Unlink(Timer& timer) {
  TimerLink* head = timer.prev_;
  timer.prev_->next_ = timer.next_;
  timer.next_->prev_ = timer.prev_;
  // The only neighbour is the head: the list is empty now. If it is a slot's, clear its bit.
  if (head == timer.next_ && head >= slots_ && head < slots_ + kLevels * kSlots) {
    const auto index = static_cast<size_t>(head - slots_);
    occupied_[index / kSlots][index % kSlots / 64] &= ~(uint64_t{1} << (index % 64));
  }
  timer.prev_ = timer.next_ = nullptr;
  --armed_;
}

int64_t TimerWheel::NextTick(int* slot) const {
  for (int level = 0; level < kLevels; ++level) {
    for (int word = 0; word < kSlots / 64; ++word) {
      if (occupied_[level][word] == 0) continue;
      const int digit = word * 64 + std::countr_zero(occupied_[level][word]);
      const int shift = level * kSlotBits;
      *slot = level * kSlots + digit;
      return (tick_ >> (shift + kSlotBits) << (shift + kSlotBits)) | (int64_t{digit} << shift);
    }
  }
  *slot = kOverflow;
  if (IsEmpty(overflow_)) return std::numeric_limits<int64_t>::max();
  return ((tick_ >> kHorizonBits) + 1) << kHorizonBits;
}

MonoTime TimerWheel::NextDeadline() const {
  if (armed_ == 0) return kNever;
  int slot;
  const int64_t tick = IsEmpty(due_) ? NextTick(&slot) : tick_;
  if (tick == std::numeric_limits<int64_t>::max()) return kNever;  // only while firing
  return start_ + Duration(tick * kTickNanos);
}

void TimerWheel::Advance(MonoTime now) {
  const int64_t target = (now - start_).count() / kTickNanos;
  Splice(due_, firing_);
  FireAll();
  while (tick_ < target) {
    int slot;
    const int64_t next = NextTick(&slot);
    if (next > target) {
      tick_ = target;  // passes no slot's beginning: the invariant holds
      return;
    }
    tick_ = next;
    TimerLink& list = slot == kOverflow ? overflow_ : slots_[slot];
    if (slot < kOverflow) {
      occupied_[slot / kSlots][slot % kSlots / 64] &= ~(uint64_t{1} << (slot % 64));
    }
    if (slot < kSlots) {
      Splice(list, firing_);
    } else {
      Replace(list);
    }
    FireAll();
  }
}

// Spreads a slot, whose time has begun, over the levels below.
void TimerWheel::Replace(TimerLink& list) {
  TimerLink moved;
  MakeEmpty(moved);
  Splice(list, moved);
  for (TimerLink* link = moved.next_; link != &moved;) {
    Timer& timer = static_cast<Timer&>(*link);
    link = link->next_;
    Place(timer, firing_);
  }
}

// Takes one at a time from the front: a callback may cancel or destroy any other.
void TimerWheel::FireAll() {
  while (!IsEmpty(firing_)) {
    Timer& timer = static_cast<Timer&>(*firing_.next_);
    Unlink(timer);
    timer.fire_();  // may destroy the timer: nothing of it is touched afterwards
  }
}

}  // namespace tollgate::proxy
