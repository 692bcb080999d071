// Where a policy goes once it has arrived whole: the server assembly implements this, proxy/control
// calls it. The sink outlives its caller; its `done` may be called from any thread, exactly once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/policy/from_proto.h"
#include "common/policy/policy.h"

namespace tollgate::proxy {

class PolicySink {
 public:
  virtual ~PolicySink() = default;

  // Compiles off the workers and posts to every worker. `done` comes with no errors after the last
  // worker has adopted, or with errors (e.g. ADDRESS_IN_USE on a Listener), and then the previous
  // policy goes on everywhere. Called on the control thread, one at a time; must not block.
  virtual void Adopt(std::shared_ptr<const Policy> policy,
                     std::function<void(std::vector<ResourceError>)> done) = 0;

  // Denies these API keys from now on, in every worker, whatever the policy says; `done` comes when
  // the last worker does. Additive: nothing that was revoked is ever allowed again by a later call.
  // May overlap an Adopt and other calls of itself. Called on the control thread; must not block.
  virtual void Revoke(std::vector<std::string> key_ids, std::function<void()> done) = 0;
};

}  // namespace tollgate::proxy
