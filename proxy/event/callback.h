// What a timer or a deferred task calls: 16 bytes for a function that captures one pointer, as nearly
// all do (`[this]`). Every connection holds several, also while it is idle.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace tollgate::proxy {

class Callback {
 public:
  Callback(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): as std::function
  template <typename F>
    requires std::is_invocable_r_v<void, F&>
  Callback(F f) {  // NOLINT(google-explicit-constructor)
    if constexpr (sizeof(F) <= sizeof(void*) && std::is_trivially_copyable_v<F>) {
      new (&target_) F(f);
      call_ = [](void* target, bool run) {
        if (run) (*std::launder(reinterpret_cast<F*>(&target)))();
      };
    } else {
      target_ = new F(std::move(f));
      call_ = [](void* target, bool run) {
        F* const function = static_cast<F*>(target);
        if (run) return static_cast<void>((*function)());
        delete function;
      };
    }
  }
  ~Callback() {
    if (call_ != nullptr) call_(target_, /*run=*/false);
  }
  Callback(const Callback&) = delete;
  Callback& operator=(const Callback&) = delete;

  // A small one may destroy this object.
  void operator()() const { call_(target_, /*run=*/true); }

 private:
  void* target_ = nullptr;  // the small function itself, or where the large one is
  void (*call_)(void* target, bool run) = nullptr;
};

}  // namespace tollgate::proxy
