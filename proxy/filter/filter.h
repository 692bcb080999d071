// One policy step. A step is const and shared by all workers; what it must remember about a request
// is in the RequestContext or in its slot. It never blocks: it answers at once, asks for the body,
// or starts an operation and is resumed. Steps are called on the stream's worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "proxy/filter/reply.h"
#include "proxy/http/message.h"

namespace tollgate::proxy {

struct RequestContext;

// A step's own memory of one request, when the context has no field for it.
class StepState {
 public:
  virtual ~StepState() = default;
};
using StepSlot = std::unique_ptr<StepState>;

// Something started, to be given up by destruction (the request ended, or its deadline came).
class Operation {
 public:
  virtual ~Operation() = default;
};

class StepResult;
// Called once, on the worker, with what the step says after all. Not after the Operation is gone.
using Resume = absl::AnyInvocable<void(StepResult)>;

// The step wants to wait.
struct Await {
  // Starts it; may call `resume` before it returns.
  absl::AnyInvocable<std::unique_ptr<Operation>(Resume resume)> start;
  Duration deadline{};
  LocalReply on_deadline;  // what if it does not come back: fail closed or, if the step so decides,
  bool continue_on_deadline = false;  // open
};

// The step wants the whole request body before it decides, at most `max` bytes (413 beyond).
struct NeedBody {
  uint64_t max;
};

class StepResult {
 public:
  struct Continue {};
  StepResult(Continue) : value_(Continue{}) {}  // NOLINT(runtime/explicit)
  StepResult(LocalReply reply)                  // NOLINT(runtime/explicit)
      : value_(std::make_unique<LocalReply>(std::move(reply))) {}
  StepResult(NeedBody need) : value_(need) {}  // NOLINT(runtime/explicit)
  StepResult(Await await) : value_(std::make_unique<Await>(std::move(await))) {}  // NOLINT

  bool is_continue() const { return value_.index() == 0; }
  LocalReply* reply() {
    auto* p = std::get_if<std::unique_ptr<LocalReply>>(&value_);
    return p ? p->get() : nullptr;
  }
  const NeedBody* need_body() const { return std::get_if<NeedBody>(&value_); }
  Await* await() {
    auto* p = std::get_if<std::unique_ptr<Await>>(&value_);
    return p ? p->get() : nullptr;
  }

 private:
  std::variant<Continue, std::unique_ptr<LocalReply>, NeedBody, std::unique_ptr<Await>> value_;
};
inline constexpr StepResult::Continue kContinue{};

class Filter {
 public:
  // Which calls a step wants; the others are never made.
  enum Phase : uint8_t {
    kRequestHead = 1,
    kResponseHead = 2,
    kFinish = 4,
  };
  virtual ~Filter() = default;

  // For log and metrics: "permission".
  virtual const char* name() const = 0;
  virtual uint8_t phases() const = 0;

  // Decides about the request. Called again with the body when it answered NeedBody.
  virtual StepResult OnRequestHead(RequestContext&, StepSlot&) const { return kContinue; }
  virtual StepResult OnRequestBody(RequestContext&, StepSlot&, absl::string_view) const {
    return kContinue;
  }
  // What the step does with such a request, for people: appends what it demands ("requires
  // [payments.write]") and continues, or refuses as OnRequestHead would, as far as head and policy
  // decide it. Counts nothing and looks at no credential. Off the workers: the context has neither
  // services nor peer.
  virtual StepResult Explain(RequestContext&, std::vector<std::string>&) const { return kContinue; }
  // Adds to or takes from the response, also a local reply; in reverse order of the steps, and only
  // the steps that saw the request.
  virtual void OnResponseHead(RequestContext&, StepSlot&, ResponseHead&) const {}
  // The stream is over; always last, exactly once, for steps that saw the request.
  virtual void OnFinish(const RequestContext&, StepSlot&) const {}
};

}  // namespace tollgate::proxy
