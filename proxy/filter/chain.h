// The ordered steps of a listener, and one request's walk through them: resumable (a step may wait
// for the body or an operation) and cancellable (destroying the run gives everything up). The only
// maker of Permits.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "proxy/event/loop.h"
#include "proxy/filter/context.h"
#include "proxy/filter/filter.h"
#include "proxy/filter/permit.h"

namespace tollgate::proxy {

// Immutable, shared by all workers, part of a snapshot.
class Chain {
 public:
  explicit Chain(std::vector<std::unique_ptr<const Filter>> steps) : steps_(std::move(steps)) {}
  size_t size() const { return steps_.size(); }
  const Filter& step(size_t i) const { return *steps_[i]; }

 private:
  std::vector<std::unique_ptr<const Filter>> steps_;
};

// What the stream is told. Exactly one of OnPermit and OnReply is called for a run, unless it is
// cancelled before; OnNeedBody may come once before.
class ChainEvents {
 public:
  virtual void OnPermit(Permit permit) = 0;
  virtual void OnReply(LocalReply reply) = 0;
  // Collect the whole body, at most `max` bytes, then call ChainRun::Body; more: 413.
  virtual void OnNeedBody(uint64_t max) = 0;

 protected:
  ~ChainEvents() = default;
};

// One request's walk. Owned by its stream; worker thread only.
class ChainRun {
 public:
  ChainRun(Loop& loop, ChainEvents& events);
  ~ChainRun();
  ChainRun(const ChainRun&) = delete;
  ChainRun& operator=(const ChainRun&) = delete;

  // Walks until a verdict, or until a step waits. `chain` and `context` outlive the run (or Cancel).
  void Start(const Chain& chain, RequestContext& context);
  // The body that OnNeedBody asked for.
  void Body(absl::string_view whole);
  // Nothing is called any more; a pending operation is given up.
  void Cancel();
  // The response phase, reversed, for the steps that saw the request.
  void OnResponseHead(ResponseHead& head);
  // Once, last.
  void Finish();

  bool waiting() const { return waiting_; }

 private:
  void Walk();
  void Take(StepResult result);
  void StartAwait(Await await);

  ChainEvents& events_;
  const Chain* chain_ = nullptr;
  RequestContext* context_ = nullptr;
  Loop& loop_;
  size_t next_ = 0;  // the step to ask next; steps below it, and `next_` while waiting, were asked
  size_t seen_ = 0;
  bool waiting_ = false;
  bool want_body_ = false;
  absl::InlinedVector<StepSlot, 16> slots_;

  // A pending Await. The generation makes a late Resume harmless.
  std::unique_ptr<Operation> operation_;
  std::shared_ptr<uint64_t> generation_;
  std::optional<StepResult> on_deadline_;
  std::unique_ptr<Timer> deadline_;
};

}  // namespace tollgate::proxy
