#include "proxy/filter/chain.h"

#include <utility>

namespace tollgate::proxy {

ChainRun::ChainRun(Loop& loop, ChainEvents& events) : events_(events), loop_(loop) {}

ChainRun::~ChainRun() { Cancel(); }

void ChainRun::Start(const Chain& chain, RequestContext& context) {
  Cancel();
  chain_ = &chain;
  context_ = &context;
  next_ = 0;
  seen_ = 0;
  slots_.clear();
  slots_.resize(chain.size());
  Walk();
}

void ChainRun::Walk() {
  while (next_ < chain_->size()) {
    const Filter& step = chain_->step(next_);
    seen_ = next_ + 1;
    if (!(step.phases() & Filter::kRequestHead)) {
      ++next_;
      continue;
    }
    StepResult result = step.OnRequestHead(*context_, slots_[next_]);
    if (!result.is_continue()) {
      Take(std::move(result));
      return;
    }
    ++next_;
  }
  if (context_->route == nullptr) {
    // No step matched a route: a chain that is put together wrongly must not open.
    events_.OnReply({.status = 500, .reason = "no_route_step"});
    return;
  }
  events_.OnPermit(Permit(std::move(context_->head), *context_->route->policy));
}

// What the step at next_ answered, at once or after waiting.
void ChainRun::Take(StepResult result) {
  if (result.is_continue()) {
    ++next_;
    Walk();
  } else if (LocalReply* reply = result.reply()) {
    context_->decided_by = chain_->step(next_).name();
    events_.OnReply(std::move(*reply));
  } else if (const NeedBody* need = result.need_body()) {
    waiting_ = true;
    want_body_ = true;
    events_.OnNeedBody(need->max);
  } else {
    StartAwait(std::move(*result.await()));
  }
}

void ChainRun::Body(absl::string_view whole) {
  if (!want_body_) return;
  waiting_ = false;
  want_body_ = false;
  Take(chain_->step(next_).OnRequestBody(*context_, slots_[next_], whole));
}

void ChainRun::StartAwait(Await await) {
  waiting_ = true;
  if (generation_ == nullptr) generation_ = std::make_shared<uint64_t>(0);
  const uint64_t mine = ++*generation_;
  if (await.continue_on_deadline) {
    on_deadline_.emplace(kContinue);
  } else {
    on_deadline_.emplace(std::move(await.on_deadline));
  }
  if (deadline_ == nullptr) {
    deadline_ = std::make_unique<Timer>([this] {
      ++*generation_;
      operation_.reset();
      waiting_ = false;
      Take(*std::exchange(on_deadline_, std::nullopt));
    });
  }
  loop_.ArmAfter(*deadline_, await.deadline);
  auto operation = await.start(
      [this, mine, generation = std::weak_ptr<uint64_t>(generation_)](StepResult result) {
        const auto current = generation.lock();
        if (current == nullptr || *current != mine) return;
        ++*current;
        deadline_->Cancel();
        waiting_ = false;
        // The operation is what is calling: it ends after this.
        auto ended = std::move(operation_);
        Take(std::move(result));
      });
  // It may have resumed already, and may even have started another.
  if (*generation_ == mine) operation_ = std::move(operation);
}

void ChainRun::Cancel() {
  if (generation_ != nullptr) ++*generation_;
  if (deadline_ != nullptr) deadline_->Cancel();
  operation_.reset();
  on_deadline_.reset();
  waiting_ = false;
  want_body_ = false;
}

void ChainRun::OnResponseHead(ResponseHead& head) {
  for (size_t i = seen_; i-- > 0;) {
    const Filter& step = chain_->step(i);
    if (step.phases() & Filter::kResponseHead) step.OnResponseHead(*context_, slots_[i], head);
  }
}

void ChainRun::Finish() {
  Cancel();
  for (size_t i = seen_; i-- > 0;) {
    const Filter& step = chain_->step(i);
    if (step.phases() & Filter::kFinish) step.OnFinish(*context_, slots_[i]);
  }
  seen_ = 0;
  slots_.clear();
}

}  // namespace tollgate::proxy
