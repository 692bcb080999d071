// Tells ThreadSanitizer what Debian's gRPC and Abseil, which are not built with it, synchronise.
// Each function below is the whole of one primitive of theirs (a mutex, a queue, a counter); the
// linker puts ours in its place (--wrap, in proto/CMakeLists.txt), and ours states the order that
// the primitive gives before or after it calls it. No report is suppressed: what neither a
// primitive nor our own code orders is still a race, also inside of a handler that gRPC calls.
#include <sanitizer/tsan_interface.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/support/server_callback.h"

// Defines `wrap`, which is called for `name`, and `real`, which is `name` itself.
#define TOLLGATE_WRAP(result, name, ...)                    \
  result real_##name(__VA_ARGS__) __asm__("__real_" #name); \
  result wrap_##name(__VA_ARGS__) __asm__("__wrap_" #name); \
  result wrap_##name(__VA_ARGS__)

namespace {

void Acquire(void* address) { __tsan_acquire(address); }
void Release(void* address) { __tsan_release(address); }
// What an atomic read-modify-write with memory_order_acq_rel does, but in two steps.
void Exchange(void* address) {
  Release(address);
  Acquire(address);
}
void* Acquired(void* node) {
  if (node != nullptr) Acquire(node);
  return node;
}

// The head of gRPC's grpc_closure (src/core/lib/iomgr/closure.h of 1.51).
struct Closure {
  void* next;
  void (*call)(void* argument, void* status);
  void* argument;
};

// Stands in for a closure that a Combiner is to run. A combiner runs one closure at a time, so each
// sees what those before it did, whichever thread they ran on.
struct Combined {
  void* combiner;
  Closure* closure;
  Closure original;

  static void* Replace(void* combiner, void* address) {
    auto* const closure = static_cast<Closure*>(address);
    auto* const combined = new Combined{combiner, closure, *closure};
    closure->call = [](void* self, void* status) { static_cast<Combined*>(self)->Run(status); };
    closure->argument = combined;
    return address;
  }

 private:
  void Run(void* status) {
    const std::unique_ptr<Combined> self(this);
    Acquire(combiner);
    closure->call = original.call;  // it may be used again while it runs
    closure->argument = original.argument;
    original.call(original.argument, status);
    Release(combiner);
  }
};

// The same for a WorkSerializer and its callbacks. It may be gone when one returns: its address is
// a name only.
std::function<void()> InTurn(void* serializer, std::function<void()> work) {
  return [serializer, work = std::move(work)] {
    Acquire(serializer);
    work();
    Release(serializer);
  };
}

}  // namespace

// absl::Mutex: Lock, Unlock, TryLock.
TOLLGATE_WRAP(void, _ZN4absl7debian35Mutex4LockEv, void* mutex) {
  real__ZN4absl7debian35Mutex4LockEv(mutex);
  Acquire(mutex);
}
TOLLGATE_WRAP(void, _ZN4absl7debian35Mutex6UnlockEv, void* mutex) {
  Release(mutex);
  real__ZN4absl7debian35Mutex6UnlockEv(mutex);
}
TOLLGATE_WRAP(bool, _ZN4absl7debian35Mutex7TryLockEv, void* mutex) {
  const bool locked = real__ZN4absl7debian35Mutex7TryLockEv(mutex);
  if (locked) Acquire(mutex);
  return locked;
}

// absl::CondVar: Wait, WaitWithTimeout, WaitWithDeadline unlock the mutex and lock it again.
TOLLGATE_WRAP(void, _ZN4absl7debian37CondVar4WaitEPNS0_5MutexE, void* condition, void* mutex) {
  Release(mutex);
  real__ZN4absl7debian37CondVar4WaitEPNS0_5MutexE(condition, mutex);
  Acquire(mutex);
}
TOLLGATE_WRAP(bool, _ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE,
              void* condition, void* mutex, absl::Duration timeout) {
  Release(mutex);
  const bool expired = real__ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE(
      condition, mutex, timeout);
  Acquire(mutex);
  return expired;
}
TOLLGATE_WRAP(bool, _ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE,
              void* condition, void* mutex, absl::Time deadline) {
  Release(mutex);
  const bool expired = real__ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE(
      condition, mutex, deadline);
  Acquire(mutex);
  return expired;
}

// grpc_core::MultiProducerSingleConsumerQueue and its locked form: who takes a node out sees what
// was done before it was put in.
TOLLGATE_WRAP(bool, _ZN9grpc_core32MultiProducerSingleConsumerQueue4PushEPNS0_4NodeE, void* queue,
              void* node) {
  Release(node);
  return real__ZN9grpc_core32MultiProducerSingleConsumerQueue4PushEPNS0_4NodeE(queue, node);
}
TOLLGATE_WRAP(void*, _ZN9grpc_core32MultiProducerSingleConsumerQueue3PopEv, void* queue) {
  return Acquired(real__ZN9grpc_core32MultiProducerSingleConsumerQueue3PopEv(queue));
}
TOLLGATE_WRAP(void*, _ZN9grpc_core32MultiProducerSingleConsumerQueue14PopAndCheckEndEPb,
              void* queue, bool* empty) {
  return Acquired(
      real__ZN9grpc_core32MultiProducerSingleConsumerQueue14PopAndCheckEndEPb(queue, empty));
}
TOLLGATE_WRAP(
    bool,
    _ZN9grpc_core38LockedMultiProducerSingleConsumerQueue4PushEPNS_32MultiProducerSingleConsumerQueue4NodeE,
    void* queue, void* node) {
  Release(node);
  return real__ZN9grpc_core38LockedMultiProducerSingleConsumerQueue4PushEPNS_32MultiProducerSingleConsumerQueue4NodeE(
      queue, node);
}
TOLLGATE_WRAP(void*, _ZN9grpc_core38LockedMultiProducerSingleConsumerQueue3PopEv, void* queue) {
  return Acquired(real__ZN9grpc_core38LockedMultiProducerSingleConsumerQueue3PopEv(queue));
}
TOLLGATE_WRAP(void*, _ZN9grpc_core38LockedMultiProducerSingleConsumerQueue6TryPopEv, void* queue) {
  return Acquired(real__ZN9grpc_core38LockedMultiProducerSingleConsumerQueue6TryPopEv(queue));
}

// grpc_core::CallCombiner: one closure of a call at a time, whichever thread runs it.
TOLLGATE_WRAP(void, _ZN9grpc_core12CallCombiner5StartEP12grpc_closureN4absl7debian36StatusEPKciS7_,
              void* combiner, void* closure, void* status, const char* file, int line,
              const char* reason) {
  Exchange(combiner);
  real__ZN9grpc_core12CallCombiner5StartEP12grpc_closureN4absl7debian36StatusEPKciS7_(
      combiner, closure, status, file, line, reason);
}
TOLLGATE_WRAP(void, _ZN9grpc_core12CallCombiner4StopEPKciS2_, void* combiner, const char* file,
              int line, const char* reason) {
  Exchange(combiner);
  real__ZN9grpc_core12CallCombiner4StopEPKciS2_(combiner, file, line, reason);
}

// grpc_core::Combiner, of which each transport has one.
TOLLGATE_WRAP(void, _ZN9grpc_core8Combiner3RunEP12grpc_closureN4absl7debian36StatusE,
              void* combiner, void* closure, void* status) {
  real__ZN9grpc_core8Combiner3RunEP12grpc_closureN4absl7debian36StatusE(
      combiner, Combined::Replace(combiner, closure), status);
}
TOLLGATE_WRAP(void, _ZN9grpc_core8Combiner10FinallyRunEP12grpc_closureN4absl7debian36StatusE,
              void* combiner, void* closure, void* status) {
  real__ZN9grpc_core8Combiner10FinallyRunEP12grpc_closureN4absl7debian36StatusE(
      combiner, Combined::Replace(combiner, closure), status);
}

// grpc_core::WorkSerializer, of which each client channel has one: one callback at a time.
TOLLGATE_WRAP(void, _ZN9grpc_core14WorkSerializer3RunESt8functionIFvvEERKNS_13DebugLocationE,
              void* serializer, std::function<void()>* work, const void* location) {
  std::function<void()> ordered = InTurn(serializer, std::move(*work));
  real__ZN9grpc_core14WorkSerializer3RunESt8functionIFvvEERKNS_13DebugLocationE(serializer,
                                                                                &ordered, location);
}
TOLLGATE_WRAP(void, _ZN9grpc_core14WorkSerializer8ScheduleESt8functionIFvvEERKNS_13DebugLocationE,
              void* serializer, std::function<void()>* work, const void* location) {
  std::function<void()> ordered = InTurn(serializer, std::move(*work));
  real__ZN9grpc_core14WorkSerializer8ScheduleESt8functionIFvvEERKNS_13DebugLocationE(
      serializer, &ordered, location);
}

// grpc_core::LockfreeEvent: who saw that a descriptor is ready runs the closure of who waits for
// it. Its word is 0, 2 (ready), a closure, or odd (shut down); only what takes a closure out is
// ordered.
TOLLGATE_WRAP(void, _ZN9grpc_core13LockfreeEvent8NotifyOnEP12grpc_closure, void* event,
              void* closure) {
  Exchange(event);
  real__ZN9grpc_core13LockfreeEvent8NotifyOnEP12grpc_closure(event, closure);
}
TOLLGATE_WRAP(void, _ZN9grpc_core13LockfreeEvent8SetReadyEv, void* event) {
  const uintptr_t word = __atomic_load_n(static_cast<uintptr_t*>(event), __ATOMIC_RELAXED);
  if (word > 2 && word % 2 == 0) Exchange(event);
  real__ZN9grpc_core13LockfreeEvent8SetReadyEv(event);
}
TOLLGATE_WRAP(bool, _ZN9grpc_core13LockfreeEvent11SetShutdownEN4absl7debian36StatusE, void* event,
              void* status) {
  Exchange(event);
  return real__ZN9grpc_core13LockfreeEvent11SetShutdownEN4absl7debian36StatusE(event, status);
}

// Counts of references: the last one to go sees what the others did.
TOLLGATE_WRAP(int, gpr_unref, void* count) {
  Exchange(count);
  return real_gpr_unref(count);
}
// A call: what ends with it is its stack.
void* CallStackOf(void* call) __asm__("_Z24grpc_call_get_call_stackP9grpc_call");
TOLLGATE_WRAP(void, grpc_call_unref, void* call) {
  Release(CallStackOf(call));
  real_grpc_call_unref(call);
}
TOLLGATE_WRAP(void,
              _Z23grpc_call_stack_destroyP15grpc_call_stackPK20grpc_call_final_infoP12grpc_closure,
              void* stack, const void* info, void* then) {
  Acquire(stack);
  real__Z23grpc_call_stack_destroyP15grpc_call_stackPK20grpc_call_final_infoP12grpc_closure(
      stack, info, then);
}
// absl::Status; the two lowest bits of its word are flags.
TOLLGATE_WRAP(void, _ZN4absl7debian36Status15UnrefNonInlinedEm, uintptr_t word) {
  Exchange(reinterpret_cast<void*>(word & ~uintptr_t{3}));
  real__ZN4absl7debian36Status15UnrefNonInlinedEm(word);
}

// grpc::internal::ServerCallbackCall: a reactor's OnDone comes once its other reactions are over.
// Debian's CallOnCancel has that count compiled in. This one, in its place, counts where
// ThreadSanitizer sees it, and reacts on a thread of its own.
namespace {
struct CallbackCall : grpc::internal::ServerCallbackCall {
  using ServerCallbackCall::Ref;  // protected
};
}  // namespace
TOLLGATE_WRAP(void, _ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE,
              grpc::internal::ServerCallbackCall* call, grpc::internal::ServerReactor* reactor) {
  (call->*&CallbackCall::Ref)();
  std::thread([call, reactor] {
    grpc_init();
    reactor->OnCancel();
    call->MaybeDone();
    grpc_shutdown();
  }).detach();
}
