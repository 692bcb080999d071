// Policy steps whose answers a test writes down, and operations that a test ends when it likes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proxy/filter/context.h"
#include "proxy/filter/filter.h"

namespace tollgate::proxy {

// An operation that has been started, as the test sees it.
class PendingOperation {
 public:
  // An Await that starts this; `resume` is kept until Finish.
  Await Ask(Duration deadline, LocalReply on_deadline = {.status = 503, .reason = "too_late"}) {
    Await await;
    await.start = [this](Resume resume) {
      ++started;
      resume_.emplace(std::move(resume));
      return std::make_unique<Handle>(alive_);
    };
    await.deadline = deadline;
    await.on_deadline = std::move(on_deadline);
    return await;
  }
  void Finish(StepResult result) { (*resume_)(std::move(result)); }

  // Not given up yet.
  int alive() const { return *alive_; }

  int started = 0;

 private:
  struct Handle final : Operation {
    explicit Handle(std::shared_ptr<int> a) : alive(std::move(a)) { ++*alive; }
    ~Handle() override { --*alive; }
    const std::shared_ptr<int> alive;
  };
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // a handle may outlive this
  std::optional<Resume> resume_;
};

// Says what it is asked in `log`, and does what the test says.
class FakeStep final : public Filter {
 public:
  using OnHead = std::function<StepResult(RequestContext&)>;
  using OnBody = std::function<StepResult(RequestContext&, absl::string_view)>;

  FakeStep(std::string name, std::vector<std::string>& log, OnHead head = {}, OnBody body = {})
      : name_(std::move(name)), log_(log), head_(std::move(head)), body_(std::move(body)) {}
  FakeStep* Wants(uint8_t phases) {
    phases_ = phases;
    return this;
  }

  const char* name() const override { return name_.c_str(); }
  uint8_t phases() const override { return phases_; }
  StepResult OnRequestHead(RequestContext& c, StepSlot& slot) const override {
    log_.push_back(absl::StrCat(name_, " head"));
    slot = std::make_unique<Memory>(name_);
    return head_ ? head_(c) : kContinue;
  }
  StepResult OnRequestBody(RequestContext& c, StepSlot& slot,
                           absl::string_view body) const override {
    log_.push_back(absl::StrCat(Remembered(slot), " body ", body.size()));
    return body_ ? body_(c, body) : kContinue;
  }
  void OnResponseHead(RequestContext&, StepSlot& slot, ResponseHead& head) const override {
    log_.push_back(absl::StrCat(Remembered(slot), " response ", head.status));
    head.headers.Add("x-seen", name_);
  }
  void OnFinish(const RequestContext&, StepSlot& slot) const override {
    log_.push_back(absl::StrCat(Remembered(slot), " finish"));
  }

 private:
  struct Memory final : StepState {
    explicit Memory(std::string n) : name(std::move(n)) {}
    std::string name;
  };
  // Its own name, out of its slot: a slot that is another step's would show.
  static std::string Remembered(const StepSlot& slot) {
    return slot == nullptr ? "?" : static_cast<const Memory&>(*slot).name;
  }

  const std::string name_;
  std::vector<std::string>& log_;
  const OnHead head_;
  const OnBody body_;
  uint8_t phases_ = kRequestHead | kResponseHead | kFinish;
};

}  // namespace tollgate::proxy
